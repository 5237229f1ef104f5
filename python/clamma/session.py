# SPDX-License-Identifier: MIT
"""Sessions."""

from __future__ import annotations

import os

from . import _core, options as _options
from .queries import Queries

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from .model import Model


class Session(Queries):
    """A conversation on a model: it keeps its context from one query to the next.

    One query at a time runs on a session; another one raises `Error` meanwhile. Sessions of a model
    run side by side, and those whose contexts begin alike compute the beginning once.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self._core = _core.Session(model._core)

    def __repr__(self) -> str:
        return f"<clamma.Session on {self.model!r}>"

    def __reduce__(self) -> tuple[object, ...]:
        raise TypeError("a session cannot be pickled: save() returns its state as bytes")

    @property
    def tokens(self) -> list[int]:
        """The ids of the context's tokens, prompts and generated ones, shape (n,). Assigning replaces
        the context; what the old and the new one have in common at the beginning is not processed
        again."""
        return self._core.tokens()

    @tokens.setter
    def tokens(self, tokens: Iterable[int]) -> None:
        whole = _options.whole_number
        self._core.set_tokens([whole("a token", token, most=2**31 - 1) for token in tokens])

    @property
    def text(self) -> str:
        """The text of the context, without control tokens."""
        return self.model.detokenize(self.tokens)

    @property
    def info(self) -> dict[str, int]:
        """"position" (number of positions of the context in use), "memory_bytes",
        "memory_bytes_at_full_context", "seed" of the last query, and "next_seed", which continues its
        random numbers."""
        return self._core.facts()

    def clear(self) -> None:
        """Empties the context."""
        self.tokens = []

    def cancel(self) -> None:
        """Makes the query that runs, if any, end at its next step. Any thread may call it."""
        self._core.cancel()

    def save(self, path: str | os.PathLike[str] | None = None) -> bytes:
        """Returns the session's state: its context with keys and values, and its random numbers. With
        a path, also writes it to a file, which is whole or not there."""
        state = self._core.save()
        if path is not None:
            temporary = f"{os.fspath(path)}.{os.getpid()}.part"
            try:
                with open(temporary, "wb") as file:
                    file.write(state)
                os.replace(temporary, path)
            except BaseException:
                try:
                    os.remove(temporary)
                except OSError:
                    pass
                raise
        return state

    def restore(self, state: bytes | str | os.PathLike[str]) -> None:
        """Replaces the session by a saved one of the same model: bytes, or the path of a file. It
        then continues exactly as that one would: `generate(seed=session.info["next_seed"])` even in
        the middle of a text. Raises `Error` for any other bytes, and leaves the session as it was."""
        if not isinstance(state, (bytes, bytearray, memoryview)):
            with open(state, "rb") as file:
                state = file.read()
        self._core.restore(bytes(state))

    def _start(self, request: _core.Request, whole: bool, draft: _core.Model | None) -> _core.Query:
        return self._core.start(request, whole, draft)

    def _chat_sampling(self) -> dict[str, float]:
        return self.model._chat_sampling()
