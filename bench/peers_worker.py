#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measures another engine once, in a separate process, for bench/peers.py.

usage: peers_worker.py ENGINE MODEL THREADS PROMPT WHAT
ENGINE: llama.cpp, ik or ik-repacked. WHAT: speed or first. Prints one JSON object.

Both engines are used through llama.cpp's C API, without sampling, as in their own benchmarks, so
that only their computing is measured. Only Python's standard library is loaded, and the time to
the first token starts after that, so that Python's start does not count against them.
"""
import time

START = time.monotonic()

# pylint: disable=wrong-import-position
import ctypes
import json
import os
import sys

SECONDS = 3  # time of generation, or
ROUNDS = 64  # number of tokens of each session, whichever comes first
FEWEST_ROUNDS = 4
WARM_UP_ROUNDS = 2
SHORT_PROMPT = 8
FIRST_PROMPT = 16
SESSIONS = (1, 8, 16)
BATCH = 2048
VOCABULARY = 32000  # tokens in use are below this


class Params(ctypes.Structure):
    """A struct of parameters, of which only a few fields are known here. It may be larger than
    the callee's: on x86-64 and AArch64, structs of this size are passed in memory, from the
    beginning."""
    _fields_ = [("bytes", ctypes.c_uint8 * 1024)]

    def get(self, offset, kind=ctypes.c_uint32):
        return kind.from_buffer(self, offset).value

    def set(self, offset, value, kind=ctypes.c_uint32):
        kind.from_buffer(self, offset).value = value


class Batch(ctypes.Structure):
    """llama_batch. Only ik_llama.cpp has the last field, and does not read it for such batches."""
    _fields_ = [("n_tokens", ctypes.c_int32), ("token", ctypes.POINTER(ctypes.c_int32)),
                ("embd", ctypes.POINTER(ctypes.c_float)), ("pos", ctypes.POINTER(ctypes.c_int32)),
                ("n_seq_id", ctypes.POINTER(ctypes.c_int32)),
                ("seq_id", ctypes.POINTER(ctypes.POINTER(ctypes.c_int32))),
                ("logits", ctypes.POINTER(ctypes.c_int8)), ("all", ctypes.c_int32 * 3)]


# The offsets of the fields that are set or checked: n_ctx (followed by n_batch, n_ubatch and
# n_seq_max), n_threads (followed by n_threads_batch), type_k (followed by type_v) and flash_attn of
# llama_context_params; use_mmap and repack_tensors of llama_model_params.
OFFSETS = {
    # xllamacpp 2026.10.11549
    "llama.cpp": {
        "n_ctx": 0,
        "threads": 28,
        "type_k": 104
    },
    # ik-llama-cpp-python 0.1.5
    "ik": {
        "n_ctx": 4,
        "threads": 20,
        "type_k": 96,
        "flash": 143,
        "mmap": 153,
        "repack": 156
    },
}
TYPE_F16 = 1


def fail(message):
    sys.exit(f"peers_worker.py: {message}")


def load_library(engine):
    """Loads the engine's shared library, from its package or as built from its source."""
    for suffix in (".so", ".dylib"):
        path = os.path.join(sys.prefix, "llama.cpp", "bin", "libllama" + suffix)
        if engine == "llama.cpp" and os.path.exists(path):
            return ctypes.CDLL(path)
    for folder in sys.path:
        if engine == "llama.cpp":
            package = os.path.join(folder, "xllamacpp")
            names = sorted(os.listdir(package)) if os.path.isdir(package) else []
            for name in names:
                if name.startswith("xllamacpp.") and name.endswith((".so", ".dylib")):
                    return ctypes.CDLL(os.path.join(package, name))
        else:
            for suffix in (".so", ".dylib"):
                path = os.path.join(folder, "ik_llama_cpp", "lib", "libllama" + suffix)
                if os.path.exists(path):
                    return ctypes.CDLL(path)
    return fail(f"{engine} is not installed")


LOG = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)


@LOG
def no_log(level, text, data):  # pylint: disable=unused-argument
    """Discards the message."""


class Engine:
    """A loaded model."""

    def __init__(self, engine, model, threads):
        self.repacked = engine == "ik-repacked"
        self.offsets = OFFSETS["llama.cpp" if engine == "llama.cpp" else "ik"]
        self.threads = threads
        self.lib = load_library(engine)
        self.declare()
        self.lib.llama_log_set(LOG() if os.environ.get("PEERS_LOG") else no_log, None)
        self.lib.llama_backend_init()
        params = self.lib.llama_model_default_params()
        if self.repacked:
            if params.get(self.offsets["mmap"], ctypes.c_uint8) != 1:
                fail("this version of the engine has another layout of llama_model_params")
            params.set(self.offsets["mmap"], 0, ctypes.c_uint8)  # as ik_llama.cpp's -rtr does
            params.set(self.offsets["repack"], 1, ctypes.c_uint8)
        self.model = self.lib.llama_model_load_from_file(os.fsencode(model), params)
        if not self.model:
            fail(f"{engine} cannot load {model}; PEERS_LOG=1 in the environment shows its log")

    def declare(self):
        """Declares the types of the functions in use."""
        lib, pointer = self.lib, ctypes.c_void_p
        for name, result, arguments in (
            ("llama_backend_init", None, []),
            ("llama_log_set", None, [LOG, pointer]),
            ("llama_print_system_info", ctypes.c_char_p, []),
            ("llama_model_default_params", Params, []),
            ("llama_context_default_params", Params, []),
            ("llama_model_load_from_file", pointer, [ctypes.c_char_p, Params]),
            ("llama_init_from_model", pointer, [pointer, Params]),
            ("llama_free", None, [pointer]),
            ("llama_batch_init", Batch, [ctypes.c_int32] * 3),
            ("llama_batch_free", None, [Batch]),
            ("llama_decode", ctypes.c_int32, [pointer, Batch]),
            ("llama_get_logits_ith", ctypes.POINTER(ctypes.c_float), [pointer, ctypes.c_int32]),
        ):
            function = getattr(lib, name)
            function.restype, function.argtypes = result, arguments

    def context(self, tokens, sessions):
        """A context for `sessions` sessions of `tokens` tokens each."""
        params = self.lib.llama_context_default_params()
        at = self.offsets["n_ctx"]
        found = [params.get(at + 4 * i) for i in range(4)]
        types = [params.get(self.offsets["type_k"] + 4 * i) for i in range(2)]
        if found != [512, 2048, 512, 1] or types != [TYPE_F16] * 2 or params.get(
                self.offsets["threads"]) != params.get(self.offsets["threads"] + 4):
            fail("this version of the engine has another layout of llama_context_params: " +
                 str(found))
        params.set(at, tokens * sessions)
        params.set(at + 4, BATCH)
        params.set(at + 12, sessions)
        for i in range(2):
            params.set(self.offsets["threads"] + 4 * i, self.threads)
        if "flash" in self.offsets and sessions > 1:
            # ik_llama.cpp's fused attention ends the process if a block of positions holds none of
            # a session's.
            params.set(self.offsets["flash"], 0, ctypes.c_uint8)
        context = self.lib.llama_init_from_model(self.model, params)
        if not context:
            fail("the engine cannot make a context")
        return context

    def decode(self, context, rows):
        """Runs rows of (token, position, session, whether its logits are wanted)."""
        batch = self.lib.llama_batch_init(len(rows), 0, 1)
        batch.n_tokens = len(rows)
        for i, (token, position, session, wanted) in enumerate(rows):
            batch.token[i], batch.pos[i], batch.n_seq_id[i] = token, position, 1
            batch.seq_id[i][0], batch.logits[i] = session, wanted
        if self.lib.llama_decode(context, batch) != 0:
            fail("the engine cannot decode")
        if not self.lib.llama_get_logits_ith(context, len(rows) - 1):  # waits until they are there
            fail("the engine gave no logits")
        self.lib.llama_batch_free(batch)


def token(index):
    """Some token: a word of the vocabulary, not a byte or a control token."""
    return 300 + index * 7919 % (VOCABULARY - 300)


def prompt_rows(tokens, session=0):
    return [(token(session * 1000 + i), i, session, i == tokens - 1) for i in range(tokens)]


def prompt_rate(engine, tokens):
    """Tokens per second of a prompt."""
    rate = 0
    for n in (min(tokens, 32), tokens):  # the first to warm up
        context = engine.context(max(tokens, 256), 1)
        start = time.monotonic()
        rows = prompt_rows(n)
        for begin in range(0, n, BATCH):
            part = rows[begin:begin + BATCH]
            part[-1] = part[-1][:3] + (True, )  # decode() waits for its logits
            engine.decode(context, part)
        rate = n / (time.monotonic() - start)
        engine.lib.llama_free(context)
    return rate


def generation_rate(engine, sessions):
    """Tokens per second of all sessions together."""
    context = engine.context(256, sessions)
    for session in range(sessions):
        engine.decode(context, prompt_rows(SHORT_PROMPT, session))
    position = SHORT_PROMPT

    def step():
        engine.decode(context,
                      [(token(position * 31 + s), position, s, 1) for s in range(sessions)])

    for _ in range(WARM_UP_ROUNDS):
        step()
        position += 1
    start = time.monotonic()
    rounds = 0
    while rounds < ROUNDS and (rounds < FEWEST_ROUNDS or time.monotonic() - start < SECONDS):
        step()
        position += 1
        rounds += 1
    rate = rounds * sessions / (time.monotonic() - start)
    engine.lib.llama_free(context)
    return rate


def main():
    if len(sys.argv) != 6:
        fail(__doc__.split("\n\n")[1])
    name, model, threads, prompt, what = sys.argv[1:]
    engine = Engine(name, model, int(threads))
    result = {}
    if what == "first":
        context = engine.context(256, 1)
        engine.decode(context, prompt_rows(FIRST_PROMPT))
        result["first"] = time.monotonic() - START
    else:
        result["prompt"] = prompt_rate(engine, int(prompt))
        for sessions in SESSIONS:
            result[f"sessions{sessions}"] = generation_rate(engine, sessions)
        result["features"] = engine.lib.llama_print_system_info().decode(errors="replace")
    print(json.dumps(result), flush=True)
    os._exit(0)  # skips cleanup


if __name__ == "__main__":
    main()
