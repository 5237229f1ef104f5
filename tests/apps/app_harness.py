# SPDX-License-Identifier: MIT
"""What the tests of several apps share: checks that print a line each, and the small model."""
import contextlib
import math
import os
import struct
import sys
import time


class Checks:
    """Counts checks, and continues after one that fails."""

    troubles = []  # of programs that did not end well

    def __init__(self):
        self.count = self.failures = 0

    def holds(self, name, good, detail=""):
        self.count += 1
        if good:
            print(f"ok      {name}", flush=True)
        else:
            self.failures += 1
            print(f"FAILED  {name}: {detail!s:.800}", flush=True)

    def same(self, name, got, wanted):
        self.holds(name, got == wanted, f"got {got!r}, expected {wanted!r}")

    @contextlib.contextmanager
    def group(self, name):
        """An exception inside is one failure with this name."""
        try:
            yield
        except Exception as error:  # any exception: the other groups must still run
            self.holds(name, False, f"{type(error).__name__}: {error}")

    def run_all(self, tests):
        """Runs each (test, argument, ...) in a group of its own, and prints the time that it took."""
        for test, *arguments in tests:
            start = time.monotonic()
            with self.group(test.__name__):
                test(*arguments)
            print(f"        {test.__name__}: {time.monotonic() - start:.1f} s", flush=True)

    def finish(self):
        self.same("every server ended well", self.troubles, [])
        print(f"{self.count} checks, {self.failures} failed")
        sys.exit(1 if self.failures else 0)


def until(condition, seconds=20.0, pause=0.02):
    """Waits until the condition holds or the time is over. Returns its last value."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value or time.monotonic() > end:
            return value
        time.sleep(pause)


def find_models(source_dir):
    """Returns the folder of the small model and its dictionary. If they are missing, skips the test."""
    data = os.environ.get("CLAMMA_TEST_DATA") or os.path.join(source_dir, "..", "shared")
    for folder in (os.path.join(data, "models"), data):
        if all(os.path.exists(os.path.join(folder, name))
               for name in ("stories260K.bin", "tok512.bin")):
            return os.path.realpath(folder)
    print("skipped: stories260K.bin and tok512.bin are missing")
    sys.exit(77)


def find_default_model():
    """Returns the path of the model that `clamma-get default` downloads; None: it is not there."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    path = os.path.join(cache, "clamma", "SmolLM2-135M-Instruct.Q4_1.gguf")
    return path if os.path.exists(path) else None


def write_gguf(path, folder, **metadata):
    """Writes stories260K with its vocabulary as a GGUF file; `metadata` are further texts and floats,
    with __ for a dot in their names."""
    with open(os.path.join(folder, "stories260K.bin"), "rb") as file:
        dim, hidden, layers, heads, kv_heads, vocabulary, context = struct.unpack("<7i", file.read(28))
        kv_dim = dim * kv_heads // heads
        each = (("attn_norm", dim), ("attn_q", dim, dim), ("attn_k", dim, kv_dim),
                ("attn_v", dim, kv_dim), ("attn_output", dim, dim), ("ffn_norm", dim),
                ("ffn_gate", dim, hidden), ("ffn_down", hidden, dim), ("ffn_up", dim, hidden))
        tensors = [("token_embd", (dim, vocabulary))]
        tensors += [(f"blk.{i}.{name}", shape) for name, *shape in each for i in range(layers)]
        tensors.append(("output_norm", (dim,)))
        data = [file.read(4 * math.prod(shape)) for _, shape in tensors]
    tokens, scores = [], []
    with open(os.path.join(folder, "tok512.bin"), "rb") as file:
        file.read(4)
        for _ in range(vocabulary):
            score, size = struct.unpack("<fi", file.read(8))
            scores.append(score)
            tokens.append(file.read(size).replace(b" ", "\u2581".encode()))
    tokens[:3] = b"<unk>", b"<s>", b"</s>"
    kinds = [2, 3, 3] + [6] * 256 + [1] * (vocabulary - 259)

    def text(value):
        value = value if isinstance(value, bytes) else value.encode()
        return struct.pack("<Q", len(value)) + value

    def array(kind, values):
        return struct.pack("<IIQ", 9, kind, len(values)) + b"".join(values)

    values = {"general.architecture": "llama", "llama.attention.layer_norm_rms_epsilon": 1e-5,
              "tokenizer.ggml.model": "llama"}
    values.update((name.replace("__", "."), value) for name, value in metadata.items())
    entries = {name: struct.pack("<I", 8) + text(value) if isinstance(value, str) else
               struct.pack("<If", 6, value) for name, value in values.items()}
    for name, value in (("block_count", layers), ("context_length", context),
                        ("embedding_length", dim), ("feed_forward_length", hidden),
                        ("attention.head_count", heads), ("attention.head_count_kv", kv_heads)):
        entries["llama." + name] = struct.pack("<II", 4, value)
    entries["tokenizer.ggml.tokens"] = array(8, [text(token) for token in tokens])
    entries["tokenizer.ggml.scores"] = array(6, [struct.pack("<f", score) for score in scores])
    entries["tokenizer.ggml.token_type"] = array(5, [struct.pack("<i", kind) for kind in kinds])
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(entries))
    head += b"".join(text(name) + value for name, value in entries.items())
    offset = 0
    for (name, shape), part in zip(tensors, data):
        head += text(name + ".weight") + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, 0, offset)
        offset += len(part)  # a multiple of 32
    with open(path, "wb") as file:
        file.write(head + bytes(-len(head) % 32) + b"".join(data))
