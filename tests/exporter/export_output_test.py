# SPDX-License-Identifier: MIT
"""export.py writes a whole file or none, whatever happens, and takes little memory."""
import json
import os
import pty
import resource
import signal
import subprocess
import sys
import time
import unittest

import numpy as np
import torch

import export_fixtures as fx

sys.path.insert(0, str(fx.ROOT))
from exporter.output import PIECE, InPieces  # noqa: E402 (from the tested tree)

# 219 million weights: 438 MB as bfloat16, 876 MB as float32.
LARGE = fx.Shape(1024, 2816, 12, 16, 16, 32000, False, 1e-6, 64)
# The most memory of an export in MB. About 30 of it are for Python and numpy. The largest matrix has 131
# in float32.
MOST_MEMORY = 100

# Runs a command and prints its peak resident memory in KB. This is a small process of its own, because
# a new process inherits the peak of its parent.
MEASURE = """
import os, sys
pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(pid, 0)
print(usage.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status))
"""


def write_large_model(folder):
    """Writes a model in Hugging Face's layout, of random bfloat16 numbers; without torch, which would
    take as much memory as the model."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({
        "model_type": "llama", "hidden_size": LARGE.dim, "intermediate_size": LARGE.hidden,
        "num_hidden_layers": LARGE.layers, "num_attention_heads": LARGE.heads,
        "vocab_size": LARGE.vocab, "rms_norm_eps": LARGE.epsilon}))
    header, at = {}, 0
    for kind, (_, name, _) in fx.NAMES.items():
        for layer in range(1 if kind in fx.ONCE else LARGE.layers):
            shape = fx.shape_of(kind, LARGE)
            size = int(np.prod(shape)) * 2
            header[name.format(layer) + ".weight"] = {
                "dtype": "BF16", "shape": shape, "data_offsets": [at, at + size]}
            at += size
    text = json.dumps(header).encode()
    some = np.random.default_rng(1).standard_normal(1 << 20, np.float32)
    block = (some.view(np.uint32) >> 16).astype(np.uint16).tobytes()
    with open(folder / "model.safetensors", "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for begin in range(0, at, len(block)):
            file.write(block[:at - begin])


class LargeModel(fx.ExportTestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.model = cls.folder / "large"
        write_large_model(cls.model)

    def memory_of_export(self, *arguments):
        """Returns the peak resident memory in MB."""
        result = subprocess.run([sys.executable, "-S", "-c", MEASURE, *self.command(*arguments)],
                                env=self.environment, capture_output=True, text=True, timeout=300,
                                check=False)
        self.assertEqual(result.returncode, 0, result.stderr)
        return int(result.stdout.splitlines()[-1]) / 1024

    def check_memory(self, *arguments):
        out = self.folder / "memory.bin"
        memory = self.memory_of_export(out, *arguments)
        print(f"\n    {arguments[0]}, version {arguments[-1]}: {memory:.0f} MB for a file of "
              f"{out.stat().st_size / 1e6:.0f} MB", end=" ", file=sys.stderr)
        self.assertLess(memory, MOST_MEMORY)

    def test_memory(self):
        for version in (0, 2):
            self.check_memory("--hf", self.model, "--version", version)

    def test_memory_with_a_torch_file(self):
        folder = self.folder / "torch"
        weights = {key: torch.zeros(fx.shape_of(key[0], LARGE), dtype=torch.bfloat16)
                   for kind in fx.NAMES for layer in range(1 if kind in fx.ONCE else LARGE.layers)
                   for key in [(kind, layer)]}
        weights["classifier", 0][0] = 1
        fx.save_meta(folder, LARGE, weights)
        del weights
        self.check_memory("--meta-llama", folder, "--version", 2)

    def interrupt(self, number, out, **options):
        """Sends a signal during an export. Returns its exit status and stderr."""
        # Signals as for a program started from a terminal: this process may ignore some.
        options.setdefault("preexec_fn", lambda: [signal.signal(n, signal.SIG_DFL) for n in
                                                  (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)])
        process = subprocess.Popen(self.command(out, "--hf", self.model), env=self.environment,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                                   **options)
        deadline = time.monotonic() + 60
        while not list(out.parent.glob(".*.part")) and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.2)
        self.assertIsNone(process.poll(), "it ended before the signal")
        process.send_signal(number)
        _, stderr = process.communicate(timeout=60)
        return process.returncode, stderr

    def test_signals(self):
        folder = self.folder / "signals"
        folder.mkdir()
        out = folder / "out.bin"
        out.write_bytes(b"what was there")
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            status, stderr = self.interrupt(number, out)
            self.assertEqual(status, 128 + number, stderr)
            self.assertIn(f"export.py: stopped by {number.name}\n", stderr)
            self.assertEqual(sorted(folder.iterdir()), [out])
            self.assertEqual(out.read_bytes(), b"what was there")
        status, _ = self.interrupt(signal.SIGKILL, out)
        self.assertEqual(status, -signal.SIGKILL)
        self.assertEqual(out.read_bytes(), b"what was there")
        for partial in folder.glob(".*.part"):
            partial.unlink()
        # Like nohup.
        status, stderr = self.interrupt(
            signal.SIGHUP, out,
            preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
        self.assertEqual(status, 0, stderr)
        self.assertGreater(out.stat().st_size, 1000)


class Pieces(unittest.TestCase):
    """The sizes of writes with which Linux keeps a file in huge pages."""

    def test_all_writes_but_the_last_are_of_whole_ones(self):
        written = []

        class File:
            def write(self, data):
                written.append(bytes(data))

            def flush(self):
                pass

        out, expected = InPieces(File()), b""
        numbers = np.random.default_rng(1).standard_normal((1000, 1300), np.float32)
        for data in (b"header", numbers, numbers[:0], numbers[:3].astype(">f4"), numbers[:, 0].copy()):
            out.write(data)
            expected += bytes(data) if isinstance(data, bytes) else data.tobytes()
        out.flush()
        self.assertEqual([len(data) % PIECE for data in written[:-1]], [0] * (len(written) - 1))
        self.assertEqual(len(written[-1]), len(expected) % PIECE)
        self.assertEqual(b"".join(written), expected)


class Output(fx.ExportTestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.input = cls.folder / "m.pt"
        shape = fx.SHAPES["grouped"]
        fx.save_training_checkpoint(cls.input, shape, fx.random_weights(shape))

    def check_failed_write(self, out, reason, **options):
        out.write_bytes(b"what was there")
        result = self.run_export(out, "--checkpoint", self.input, **options)
        self.assert_refused(result, f"{out}: cannot be written: {reason}")
        self.assertEqual(list(out.parent.iterdir()), [out])
        self.assertEqual(out.read_bytes(), b"what was there")

    def test_file_size_limit(self):
        folder = self.folder / "limited"
        folder.mkdir()
        self.check_failed_write(
            folder / "out.bin", "File too large",
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100000, 100000)))

    def test_full_disk(self):
        folder = self.folder / "small"
        folder.mkdir()
        mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", folder],
                               capture_output=True, check=False)
        if mount.returncode != 0:
            self.skipTest("a small file system cannot be mounted here")
        try:
            self.check_failed_write(folder / "out.bin", "No space left on device")
        finally:
            subprocess.run(["umount", folder], check=True)

    def test_places_that_cannot_be(self):
        missing = self.folder / "none" / "out.bin"
        self.assert_refused(self.run_export(missing, "--checkpoint", self.input),
                            f"{missing}: cannot be written: No such file or directory")
        for place in ("/dev/full", self.folder):
            self.assert_refused(self.run_export(place, "--checkpoint", self.input),
                                "exists, and is not a regular file")
        before = self.input.read_bytes()
        self.assert_refused(self.run_export(self.input, "--checkpoint", self.input),
                            "is an input: give another name for the output")
        self.assertEqual(self.input.read_bytes(), before)

    def test_symbolic_links_stay(self):
        target, link = self.folder / "target.bin", self.folder / "link.bin"
        target.write_bytes(b"old")
        link.symlink_to(target)
        self.export(link, "--checkpoint", self.input)
        self.assertTrue(link.is_symlink())
        self.assertGreater(target.stat().st_size, 1000)
        self.assertEqual(target.stat().st_mode & 0o777, 0o666 & ~current_umask())

    def test_closed_and_full_stdout(self):
        for stdout in ("/dev/full", os.devnull):
            with open(stdout, "w") as file:
                result = subprocess.run(
                    self.command(self.folder / "full.bin", "--checkpoint", self.input),
                    env=self.environment, stdout=file, stderr=subprocess.PIPE, text=True,
                    timeout=60, check=False)
            if stdout == os.devnull:
                self.assertEqual((result.returncode, result.stderr), (0, ""))
            else:
                self.assertEqual(result.returncode, 1)
                self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)

        closed = subprocess.run(
            ["sh", "-c", 'exec "$@" >&- 2>&-', "sh",
             *self.command(self.folder / "closed.bin", "--checkpoint", self.input)],
            env=self.environment, timeout=60, check=False)
        self.assertEqual(closed.returncode, 0)
        self.assertEqual((self.folder / "closed.bin").read_bytes(),
                         (self.folder / "full.bin").read_bytes())

    def test_bar_on_a_terminal(self):
        ours, theirs = pty.openpty()
        process = subprocess.run(self.command(self.folder / "bar.bin", "--checkpoint", self.input),
                                 env=self.environment, stdout=subprocess.DEVNULL, stderr=theirs,
                                 timeout=60, check=False)
        os.close(theirs)
        self.assertEqual(process.returncode, 0)
        shown = os.read(ours, 1 << 16).decode()
        os.close(ours)
        self.assertIn("\r[####", shown)
        self.assertIn("100%", shown)


def current_umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask
