#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""clamma_get_files_test.py BIN_DIR SOURCE_DIR: downloads files by address from a
local server. Needs no network."""
import os
import pathlib
import signal
import subprocess
import threading

from clamma_get_case import HERE, INTERRUPTED, NETWORK, USAGE, WRONG_FILE, Case, model, main
from clamma_get_server import File


class Addresses(Case):
    """Files that are named by their address."""

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
        self.assertRegex(err, "licence unknown")
        self.assertEqual(len(self.files()), 1, self.files())
        requests = len(self.server.requests)
        self.assertEqual(self.gets(self.address())[0], path)
        self.assertEqual(len(self.server.requests), requests)  # a file that is there needs no network
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
                                   ({}, b"not a model at all", "not a GGUF file"),
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
        self.fails(NETWORK, "the length of the file", self.address())
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
        except OSError:  # the other end is closed
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
        self.is_file(self.gets(self.address())[0], data)  # by the name that was requested

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
        self.serve(data, length=False, chunked=True)  # does not send it in advance
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
        data = model(10_000_000)  # written in pieces of 2 MB
        event = threading.Event()
        served = self.serve(data, pause=(4_600_000, event))
        part = pathlib.Path(str(self.place()) + ".part")
        for number, least in ((signal.SIGINT, 4_000_000), (signal.SIGTERM, 6_000_000)):
            process = self.start(self.address())
            self.wait_for(lambda: part.exists() and part.stat().st_size > least)
            process.send_signal(number)
            code, out, err = self.finish(process)
            self.assertEqual((code, out), (INTERRUPTED, ""), self.told)
            self.assertRegex(err, r"interrupted; [4-7]\.\d MB are kept; run the same command again to resume")
            served.pause = (3_000_000, event)
        event.set()
        self.serve(data)
        self.is_file(self.gets(self.address())[0], data)
        self.assertRegex(self.server.headers_of("/a/m.gguf")[-1]["range"], r"bytes=[67]\d{6}-")

    def test_two_processes_do_not_write_one_file(self):
        data = model(5_000_000)
        event = threading.Event()
        self.addCleanup(event.set)
        self.serve(data, pause=(4_600_000, event))
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


if __name__ == "__main__":
    main()
