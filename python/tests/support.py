# SPDX-License-Identifier: MIT
"""What the tests share: models, golden texts, and Python in a process of its own."""

import functools
import os
import signal
import subprocess
import sys
import unittest

import clamma

_TREE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DATA = os.environ.get("CLAMMA_TEST_DATA") or os.path.join(_TREE, "..", "shared")
STORIES = os.path.join(DATA, "models", "stories260K.bin")
STORIES_INT8 = os.path.join(DATA, "models", "stories260K.q80.bin")
TOKENIZER = os.path.join(DATA, "models", "tok512.bin")
PATIENCE = 120  # seconds until a process that does not end is a failure

# Without the tokens that end a text (1: BOS, 2: EOS), and with a context that takes minutes to fill, a
# query does not end on its own while a test runs.
ENDLESS = {"logit_bias": {1: -1e9, 2: -1e9}}
LARGE_CONTEXT = 200_000


def golden(name):
    """What llama2.c prints, without the newline behind the text."""
    with open(os.path.join(DATA, "golden", name + ".txt"), encoding="utf-8") as file:
        return file.read().removesuffix("\n")


def stories(**arguments):
    """A model of its own."""
    return clamma.Model(STORIES, tokenizer=TOKENIZER, **{"threads": 1, **arguments})


@functools.cache
def shared_stories():
    """The model that tests share which do not close it."""
    return stories()


@functools.cache
def endless_stories():
    """Likewise, with a large context."""
    return stories(context=LARGE_CONTEXT)


def run_python(code, *, interrupt_at=None, environment=None, arguments=()):
    """Runs code in a process of its own, which finds the models as STORIES and TOKENIZER. With
    `interrupt_at`, sends it SIGINT when it has printed this line. Returns (exit code, stdout,
    stderr)."""
    # A shell may have this process, and so its children, ignore SIGINT.
    head = "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
    head += f"STORIES, TOKENIZER = {STORIES!r}, {TOKENIZER!r}\nENDLESS = {ENDLESS!r}\n"
    process = subprocess.Popen(
        [sys.executable, *arguments, "-c", head + code],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **(environment or {})},
    )
    first = ""
    try:
        while interrupt_at is not None:
            line = process.stdout.readline()
            first += line
            if line.strip() == interrupt_at:
                process.send_signal(signal.SIGINT)
                break
            if not line:
                break
        out, err = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise AssertionError(f"the process did not end; it printed:\n{first}{out}{err}") from None
    return process.returncode, first + out, err


class ModelTest(unittest.TestCase):
    """A test that needs the models; without them it is skipped by name."""

    maxDiff = None

    def setUp(self):
        if not os.path.exists(STORIES):
            self.skipTest(f"{STORIES} is missing")
