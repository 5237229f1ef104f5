# SPDX-License-Identifier: MIT
"""Models by name, downloads, and the command line. A server on this machine stands for the hub."""

import contextlib
import hashlib
import http.server
import io
import json
import os
import subprocess
import sys
import tempfile
import threading
import unittest
from unittest import mock

import clamma
from clamma import __main__ as command
from support import PATIENCE, STORIES, TOKENIZER, ModelTest, shared_stories


class Hub(http.server.BaseHTTPRequestHandler):
    files = {}  # path: bytes; shorter than promised if a number comes with them

    def do_GET(self):
        found = self.files.get(self.path)
        if found is None:
            self.send_error(404)
            return
        body, size = found if isinstance(found, tuple) else (found, len(found))
        self.send_response(200)
        self.send_header("Content-Length", str(size))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


class NamesTest(ModelTest):
    def setUp(self):
        super().setUp()
        with open(STORIES, "rb") as file:
            self.model_bytes = file.read()
        with open(TOKENIZER, "rb") as file:
            self.tokenizer_bytes = file.read()
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.endpoint = f"http://127.0.0.1:{server.server_port}"
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.cache = os.path.join(folder.name, "clamma")
        environment = {
            "XDG_CACHE_HOME": folder.name,
            "HF_ENDPOINT": self.endpoint,
            "CLAMMA_MODEL_DIR": os.path.join(folder.name, "none"),
            "no_proxy": "127.0.0.1",
        }
        patch = mock.patch.dict(os.environ, environment)
        patch.start()
        self.addCleanup(patch.stop)
        place = "/karpathy/tinyllamas/resolve/main/stories260K/"
        Hub.files = {
            place + "stories260K.bin": self.model_bytes,
            place + "tok512.bin": self.tokenizer_bytes,
        }

    def run_command(self, *arguments):
        """Returns (exit code, stdout, stderr) of python -m clamma."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = command.main(list(arguments))
        return code, out.getvalue(), err.getvalue()

    def files(self):
        return sorted(os.listdir(self.cache)) if os.path.isdir(self.cache) else []

    def test_a_model_that_is_not_there_names_the_command(self):
        for name, get in {
            "stories260K": "stories260K",
            "": "default",
            "hf:someone/model:Q4_0": "hf:someone/model:Q4_0",
        }.items():
            with self.subTest(name), self.assertRaises(clamma.ModelNotFound) as raised:
                clamma.Model(name)
            self.assertIn(f'"python -m clamma get {get}" gets it', str(raised.exception))

    def test_download_gets_the_model_and_its_vocabulary(self):
        errors = io.StringIO()
        with contextlib.redirect_stderr(errors):
            model = clamma.Model("stories260K", download=True)
        self.assertEqual(self.files(), ["stories260K.bin", "tok512.bin"])
        said = errors.getvalue()
        for fact in (
            "1.1 MB",
            "licence MIT",
            f"{len(self.model_bytes)} bytes",
            f"SHA-256 {hashlib.sha256(self.model_bytes).hexdigest()} (verified)",
        ):
            self.assertIn(fact, said)
        self.assertEqual(
            model.generate("Once", limit=9, seed=1),
            shared_stories().generate("Once", limit=9, seed=1),
        )
        Hub.files = {}  # what is there needs no network
        clamma.Model("stories260K", download=True)
        self.assertEqual(clamma.find("stories260K")[0], os.path.join(self.cache, "stories260K.bin"))

    def test_wrong_bytes_leave_nothing(self):
        place = "/karpathy/tinyllamas/resolve/main/stories260K/stories260K.bin"
        for reason, body in {
            "this is not the file": b"x" + self.model_bytes[1:],
            "ended after 1000 of": (self.model_bytes[:1000], len(self.model_bytes)),
        }.items():
            Hub.files[place] = body
            code, out, err = self.run_command("get", "stories260K")
            self.assertEqual((code, out), (1, ""))
            self.assertIn(reason, err)
            self.assertEqual(self.files(), [])

    def test_a_server_that_fails_is_an_error_with_the_reason(self):
        Hub.files = {}
        code, out, err = self.run_command("get", "stories260K")
        self.assertEqual((code, out), (1, ""))
        self.assertIn("the server answers 404", err)
        with mock.patch.dict(os.environ, {"HF_ENDPOINT": "http://127.0.0.1:1"}):
            self.assertIn("refused", self.run_command("get", "stories260K")[2])
        with mock.patch.dict(os.environ, {"HF_ENDPOINT": "http://example.com"}):
            self.assertIn("only https", self.run_command("get", "stories260K")[2])

    def test_models_of_the_hub_are_picked_by_quantisation(self):
        body = b"GGUF of 4 bits"
        listing = {
            "sha": "abc123",
            "cardData": {"license": "apache-2.0"},
            "siblings": [
                {"rfilename": "model-Q8_0.gguf", "size": 5},
                {
                    "rfilename": "model-Q4_0.gguf",
                    "lfs": {"sha256": hashlib.sha256(body).hexdigest(), "size": len(body)},
                },
                {"rfilename": "../evil.gguf", "size": 5},
            ],
        }
        Hub.files = {
            "/api/models/someone/model?blobs=true": json.dumps(listing).encode(),
            "/someone/model/resolve/abc123/model-Q4_0.gguf": body,
        }
        code, out, err = self.run_command("get", "hf:someone/model:Q4_0")
        path = os.path.join(self.cache, "hf/someone/model/model-Q4_0.gguf")
        self.assertEqual((code, out), (0, path + "\n"), err)
        self.assertIn("licence apache-2.0", err)
        self.assertEqual(clamma.find("hf:someone/model:Q4_0"), (path, ""))
        self.assertIn("model-Q8_0.gguf", self.run_command("get", "hf:someone/model:Q2_K")[2])
        Hub.files["/api/models/someone/model?blobs=true"] = b"[]"
        self.assertIn("not the list", self.run_command("get", "hf:someone/model:Q8_0")[2])

    def test_a_file_by_its_address(self):
        Hub.files = {"/models/a.bin": b"a model"}
        code, out, err = self.run_command("get", self.endpoint + "/models/a.bin")
        self.assertEqual(code, 0, err)
        self.assertTrue(out.strip().endswith("/models/a.bin"))
        self.assertIn("licence unknown", err)

    def test_the_list_has_every_name_with_size_and_licence(self):
        code, out, err = self.run_command("get", "--list")
        self.assertEqual((code, err), (0, ""))
        self.assertEqual(
            [line.split()[0] for line in out.splitlines()],
            ["smollm2", "stories260K", "stories15M", "stories42M", "stories110M"],
        )
        self.assertIn("Apache-2.0", out)

    def test_wrong_command_lines_exit_with_a_reason(self):
        self.assertEqual(self.run_command("get")[0], 2)
        self.assertIn("no model", self.run_command("get", "nothing")[2])
        with self.assertRaises(SystemExit) as raised:
            self.run_command("dance")
        self.assertEqual(raised.exception.code, 2)

    def test_generate_prints_prompt_and_text(self):
        code, out, err = self.run_command(
            "generate", "Once", "-m", STORIES, "--tokenizer", TOKENIZER, "-n", "9", "-s", "4"
        )
        text = shared_stories().generate("Once", limit=9, seed=4)
        self.assertEqual((code, out, err), (0, f"Once{text}\n", ""))

    def test_chat_answers_each_line(self):
        process = subprocess.run(
            [sys.executable, "-m", "clamma", "chat", "-m", STORIES, "--tokenizer", TOKENIZER,
             "-n", "9", "-t", "0", "--system", "Be brief."],
            input="Hi\nAnd then?\n", capture_output=True, text=True, timeout=PATIENCE,
        )
        messages = [{"role": "system", "content": "Be brief."}]
        expected = ""
        for line in ("Hi", "And then?"):
            messages.append({"role": "user", "content": line})
            answer = shared_stories().chat(messages, temperature=0, limit=9)
            messages.append({"role": "assistant", "content": str(answer)})
            expected += answer + "\n"
        self.assertEqual((process.returncode, process.stdout, process.stderr), (0, expected, ""))


if __name__ == "__main__":
    unittest.main()
