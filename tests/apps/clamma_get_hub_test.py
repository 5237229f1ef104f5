#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""clamma_get_hub_test.py BIN_DIR SOURCE_DIR: downloads models from a local hub. Needs no network."""
import email.utils
import time

from clamma_get_case import HERE, NETWORK, USAGE, WRONG_FILE, Case, model, main
from clamma_get_server import File


class Hub(Case):
    def place(self, path, name="o/r"):
        return self.cache / "hf" / name / path

    def test_a_quantisation_is_picked(self):
        files = {f"M-{q}.gguf": model(3000, seed) for seed, q in
                 enumerate(("Q4_K_S", "Q4_K_M", "Q8_0", "IQ4_XS", "F16"))}
        files["mmproj-F16.gguf"] = model(3000)
        files["README.md"] = b"# M"
        self.server.add_repository("o/r", files, pages=3)
        for name, picked in (("hf:o/r", "Q4_K_M"), ("hf:o/r:Q8_0", "Q8_0"), ("hf:o/r:q8_0", "Q8_0"),
                             ("hf:o/r:F16", "F16"), ("hf:o/r:M-IQ4_XS.gguf", "IQ4_XS")):
            path, err = self.gets(name)
            self.assertEqual(path, self.place(f"M-{picked}.gguf"))
            self.is_file(path, files[path.name])
            self.assertTrue("there already" in err or
                            f"{path.name}, 3.0 kB, licence apache-2.0" in err, err)
        self.fails(USAGE, r"no Q4_K; there are: M-F16.gguf, M-IQ4_XS.gguf, .*M-Q8_0.gguf", "hf:o/r:Q4_K")
        self.fails(USAGE, "no Q2_K; there are:", "hf:o/r:Q2_K")
        self.assertEqual(self.gets("hf:o/r:mmproj-F16.gguf")[0].name, "mmproj-F16.gguf")

    def test_what_is_not_clear_is_asked(self):
        self.server.add_repository("o/r", {"A-Q4_0.gguf": model(600), "B-Q4_0.gguf": model(600)})
        self.fails(USAGE, "name one of these: A-Q4_0.gguf, B-Q4_0.gguf", "hf:o/r")
        self.fails(USAGE, "several.*A-Q4_0.gguf, B-Q4_0.gguf", "hf:o/r:Q4_0")
        self.server.add_repository("o/safe", {"model.safetensors": b"x"})
        self.fails(USAGE, "no GGUF file", "hf:o/safe")
        self.server.add_repository("o/one", {"only.gguf": model(600)})
        self.assertEqual(self.gets("hf:o/one")[0], self.place("only.gguf", "o/one"))

    def test_split_files_come_together(self):
        parts = {f"Q8_0/m-Q8_0-0000{i}-of-00003.gguf": model(4000 + i, i) for i in (1, 2, 3)}
        self.server.add_repository("o/r", dict(parts, **{"m-Q4_0.gguf": model(600)}))
        path, err = self.gets("hf:o/r:Q8_0")
        self.assertEqual(path, self.place("Q8_0/m-Q8_0-00001-of-00003.gguf"))
        for name, data in parts.items():
            self.is_file(self.place(name), data)
        self.assertRegex(err, "and 2 more, 12 kB")
        self.place("Q8_0/m-Q8_0-00002-of-00003.gguf").unlink()
        self.gets("hf:o/r:Q8_0/m-Q8_0-00003-of-00003.gguf")
        self.is_file(self.place("Q8_0/m-Q8_0-00002-of-00003.gguf"),
                     parts["Q8_0/m-Q8_0-00002-of-00003.gguf"])
        self.server.add_repository("o/gap", {"m-00001-of-00002.gguf": model(600)})
        self.fails(USAGE, "only 1 of 2 parts", "hf:o/gap")

    def test_a_wrong_checksum_is_refused_and_the_file_removed(self):
        self.server.add_repository("o/r", {"m.gguf": model(3000)}, wrong_sums=("m.gguf",))
        self.fails(WRONG_FILE, "not the published file: its sha256 is [0-9a-f]{64}", "hf:o/r")
        self.assertEqual(self.files(), [])

    def test_a_file_of_another_size_is_refused(self):
        self.server.add_repository("o/r", {"m.gguf": model(3000)})
        for size in (2999, 3001):
            self.server.files[f"/o/r/resolve/{'c' * 40}/m.gguf"] = File(model(size))
            self.fails(WRONG_FILE, f"{size} bytes, and the file should have 3000", "hf:o/r")
            self.server.files[f"/o/r/resolve/{'c' * 40}/m.gguf"] = File(
                model(size), length=False, chunked=True)
            self.fails(NETWORK if size < 3000 else WRONG_FILE, "^clamma-get: ", "--tries", 1, "hf:o/r")
            self.assertFalse(self.place("m.gguf").exists())

    def test_a_new_commit_with_the_same_file_is_gone_on_with(self):
        data = model(1_000_000)
        self.server.add_repository("o/r", {"m.gguf": File(data, cuts=[400_000], etag="")})
        self.fails(NETWORK, "^clamma-get: ", "--tries", 1, "hf:o/r")
        self.server.add_repository("o/r", {"m.gguf": File(data, etag="")}, commit="d" * 40)
        self.is_file(self.gets("hf:o/r")[0], data)
        self.assertEqual(self.server.headers_of(f"/o/r/resolve/{'d' * 40}/m.gguf")[0]["range"],
                         "bytes=400000-")
        self.server.add_repository("o/r", {"n.gguf": File(data, cuts=[400_000])})
        self.fails(NETWORK, "^clamma-get: ", "--tries", 1, "hf:o/r:n.gguf")
        other = model(1_000_000, 2)
        self.server.add_repository("o/r", {"n.gguf": other}, commit="e" * 40)
        self.is_file(self.gets("hf:o/r:n.gguf")[0], other)

    def test_the_token_goes_to_the_hub_alone(self):
        data = model(3000)
        self.environment["HF_TOKEN"] = "hf_secret\n"
        self.server.add_repository("o/r", {"m.gguf": data})
        self.server.files[f"/o/r/resolve/{'c' * 40}/m.gguf"] = f"{self.server.other}/cdn/m.gguf"
        self.server.files["/cdn/m.gguf"] = File(data)
        self.gets("hf:o/r")
        for path, headers in self.server.requests:
            wanted = None if path.startswith("/cdn") else "Bearer hf_secret"
            self.assertEqual(headers.get("authorization"), wanted, path)
        self.assertEqual(len(self.server.headers_of("/cdn/m.gguf")), 1)
        self.server.files["/x/y.gguf"] = File(data)
        self.gets(f"{self.server.other}/x/y.gguf")
        self.assertNotIn("authorization", self.server.headers_of("/x/y.gguf")[0])
        self.fails(USAGE, "HF_TOKEN is not a token", "hf:o/s",
                   env=dict(self.environment, HF_TOKEN="a\nX-Evil: b"))

    def test_models_that_are_not_there_or_closed(self):
        self.fails(NETWORK, "no such file", "hf:o/none")
        self.server.files["/api/models/o/gated"] = File(b"", status=401)
        self.fails(NETWORK, "HF_TOKEN", "hf:o/gated")

    API = "/api/models/o/r"
    TREE = f"/api/models/o/r/tree/{'c' * 40}"

    def answer_first(self, path, *answers):
        """Makes the path give these answers before it serves its file."""
        last, answers = self.server.files[path], list(answers)
        self.server.files[path] = lambda: answers.pop(0) if answers else last

    def test_a_busy_hub_is_asked_again(self):
        data = model(3000)
        self.server.add_repository("o/r", {"m.gguf": data})
        later = {"Retry-After": "2"}
        self.answer_first(self.API, File(b"", status=500), File(b"", status=429, headers=later))
        self.answer_first(self.TREE, File(b"[]", cuts=[1]), File(b"busy", status=599))
        start = time.monotonic()
        path, err = self.gets("hf:o/r")
        self.is_file(path, data)
        self.assertGreater(time.monotonic() - start, 1 + 2 + 1 + 2)
        self.assertEqual(err.count("trying again"), 4, err)
        self.assertRegex(err, "answers 500, trying again in 1 s\n(.*)answers 429, trying again in 2 s")
        self.assertRegex(err, "answers 599, trying again in 2 s")
        for path in (self.API, self.TREE):
            self.assertEqual(len(self.server.headers_of(path)), 3, path)

    def test_the_time_of_another_attempt_may_be_a_date(self):
        self.server.add_repository("o/r", {"m.gguf": model(3000)})
        date = email.utils.formatdate(time.time() + 4, usegmt=True)
        self.answer_first(self.API, File(b"", status=503, headers={"Retry-After": date}))
        self.assertRegex(self.gets("hf:o/r")[1], "answers 503, trying again in [1-4] s")

    def test_a_hub_that_stays_busy_is_given_up(self):
        self.server.add_repository("o/r", {"m.gguf": model(3000)})
        for path in (self.API, self.TREE):
            self.server.requests.clear()
            for_ever = [File(b"", status=503)] * 9
            kept = self.server.files[path]
            self.answer_first(path, *for_ever)
            err = self.fails(NETWORK, r"127\.0\.0\.1 answers 503\n$", "--tries", 3, "hf:o/r")
            self.assertEqual(err.count("trying again"), 2, err)
            self.assertEqual(len(self.server.headers_of(path)), 3)
            self.server.files[path] = kept
        self.assertEqual(self.files(), [])

    def test_a_wait_that_is_too_long_is_told(self):
        self.server.add_repository("o/r", {"m.gguf": model(3000)})
        address = f"/o/r/resolve/{'c' * 40}/m.gguf"
        for path in (self.API, address):  # both for the hub's list and for a file
            self.server.requests.clear()
            kept = self.server.files[path]
            self.answer_first(path, File(b"", status=429, headers={"Retry-After": "3600"}))
            self.fails(NETWORK, "answers 429, and asks to wait 3600 s\n$", "hf:o/r")
            self.assertEqual(len(self.server.headers_of(path)), 1)
            self.server.files[path] = kept

    def test_what_another_attempt_cannot_help_is_not_asked_again(self):
        self.server.add_repository("o/r", {"m.gguf": model(3000)})
        for status in (400, 401, 403, 404, 410):
            self.server.requests.clear()
            self.server.files[self.API] = File(b"", status=status, headers={"Retry-After": "1"})
            self.fails(NETWORK, "^clamma-get: ", "hf:o/r")
            self.assertEqual(len(self.server.requests), 1, status)

    def test_answers_that_are_not_the_hubs(self):
        page = b"<html>log in</html>"
        for answer in (page, b"", b"[]", b"{", b"null", b'{"a":' * 100_000):
            self.server.files["/api/models/o/r"] = File(answer)
            self.fails(WRONG_FILE, "does not answer as the hub", "hf:o/r")
        self.server.add_repository("o/r", {"m.gguf": model(600)})
        self.server.files[f"/api/models/o/r/tree/{'c' * 40}"] = File(page, type="text/html")
        self.fails(WRONG_FILE, "does not answer as the hub", "hf:o/r")
        self.server.files["/api/models/o/r"] = File(b"x" * (17 << 20))
        self.fails(NETWORK, "longer than 16 MB", "hf:o/r")

    def test_lists_that_do_not_end(self):
        self.server.add_repository("o/r", {"m.gguf": model(600)})
        tree = f"/api/models/o/r/tree/{'c' * 40}"
        self.server.files[tree].headers["Link"] = f'<{self.server.url}{tree}>; rel="next"'
        self.fails(NETWORK, "too long a list", "hf:o/r")

    def test_paths_of_the_list_that_lead_elsewhere_are_not_there(self):
        self.server.add_repository("o/r", {
            "../../../evil.gguf": model(600), "/tmp/evil.gguf": model(600),
            "a/../../b.gguf": model(600), ".hidden.gguf": model(600), "x\x1b[2J.gguf": model(600),
            "good.gguf": model(700)})
        self.assertEqual(self.gets("hf:o/r")[0], self.place("good.gguf"))
        self.assertEqual([str(p) for p in self.work.rglob("*evil*")], [])

    def test_what_the_hub_says_steers_no_terminal(self):
        self.server.add_repository("o/r", {"m.gguf": model(600)}, license="\x1b]0;evil\x07mit")
        err = self.gets("hf:o/r")[1]
        self.assertNotIn("\x1b", err)
        self.assertIn("mit", err)

    def test_the_hubs_addresses_are_names(self):
        data = model(3000)
        self.server.add_repository("o/r", {"m.gguf": data})
        for way in ("resolve", "blob"):
            path, err = self.gets(f"{self.server.url}/o/r/{way}/main/m.gguf?download=true")
            self.assertEqual(path, self.place("m.gguf"))

    def test_another_file_in_the_folder_is_not_taken_for_it(self):
        self.server.add_repository("o/r", {"m.gguf": model(3000)})
        (self.work / "here/m.gguf").write_bytes(b"mine")
        self.fails(HERE, "another file", "--dir", ".", "hf:o/r")
        self.assertEqual((self.work / "here/m.gguf").read_bytes(), b"mine")

    def test_list_and_remove(self):
        self.server.add_repository("o/r", {"a-Q8_0.gguf": model(600), "b/c.gguf": model(700),
                                           "d.gguf": File(model(9000), cuts=[5000])})
        self.gets("hf:o/r:Q8_0")
        self.gets("hf:o/r:b/c.gguf")
        self.fails(NETWORK, "^clamma-get: ", "--tries", 1, "hf:o/r:d.gguf")
        listed = self.gets_list()
        self.assertRegex(listed, r"(?m)^hf:o/r:a-Q8_0\.gguf +600 bytes +- +there")
        self.assertRegex(listed, r"(?m)^hf:o/r:d\.gguf +- +- +partly \(5\.0 kB\)")
        self.assertRegex(listed, r"(?m)^smollm2 +98 MB +Apache-2\.0 +- .*default")
        self.assertEqual(self.run_it("--remove", "hf:o/r:Q8_0")[0], 0, self.told)
        self.assertFalse(self.place("a-Q8_0.gguf").exists())
        self.assertEqual(self.run_it("--remove", "hf:o/r:d.gguf")[0], 0, self.told)
        self.assertEqual(self.files(), ["hf/o/r/b/c.gguf"])
        self.fails(USAGE, "no Q8_0; there are: b/c.gguf", "--remove", "hf:o/r:Q8_0")
        self.assertEqual(self.run_it("--remove", "hf:o/r")[0], 0, self.told)
        self.assertEqual(list(self.cache.iterdir()), [])
        self.fails(HERE, "is not there", "--remove", "hf:o/r")
        for name in ("../x", "hf:../..", "/etc", "nothing", ""):
            self.fails(USAGE, "clamma-get: ", "--remove", name)

    def gets_list(self):
        code, out, err = self.run_it("--list")
        self.assertEqual((code, err), (0, ""), self.told)
        return out


if __name__ == "__main__":
    main()
