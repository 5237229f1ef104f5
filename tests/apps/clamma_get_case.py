# SPDX-License-Identifier: MIT
"""The code that the tests of clamma-get share: they run it, and a server for it. Their arguments are
BIN_DIR SOURCE_DIR, followed by those of unittest."""
import hashlib
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time
import unittest

from clamma_get_server import Server

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
        """Expects success. Returns the path that clamma-get prints, and its messages."""
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
        """Returns the paths of the files in the folder of models."""
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


def main():
    unittest.main(argv=sys.argv[:1] + sys.argv[3:], verbosity=2)
