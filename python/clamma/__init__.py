# SPDX-License-Identifier: MIT
"""Inference of Llama models on any CPU.

    import clamma
    model = clamma.Model("stories260K.bin")
    print(model.generate("Once upon a time", limit=50))

A `Model` holds the weights and serves any number of queries at once, from threads and from tasks of
asyncio. A `Session` is a conversation: it keeps its context from one query to the next. The same
model, query and history give the same text on every machine, whatever the number of threads.

Errors: every failure of the library is an `Error` with the reason. Values of a wrong type are a
`TypeError`, and values out of range a `ValueError`, which names the option.
"""

from __future__ import annotations

import atexit

from . import _core
from ._core import Error
from .model import Model
from .names import ModelNotFound, find
from .results import ContinuationScore, Score, Text, TokenLogprob
from .session import Session
from .stream import Stream

__all__ = [
    "ContinuationScore",
    "Error",
    "Model",
    "ModelNotFound",
    "Score",
    "Session",
    "Stream",
    "Text",
    "TokenLogprob",
    "find",
    "sum_order_version",
]

__version__: str = _core.version()

Error.__module__ = "clamma"
# Threads that compute stop before the interpreter does.
atexit.register(_core.prepare_exit)


def sum_order_version() -> int:
    """Returns the version of the order of sums: versions of the package with the same number compute
    the same logits, to the bit."""
    return _core.sum_order_version()
