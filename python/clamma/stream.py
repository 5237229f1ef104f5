# SPDX-License-Identifier: MIT
"""A text while it is generated."""

from __future__ import annotations

from . import _core
from .results import Text, TokenLogprob

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ._loop import LoopWaker
    from .queries import Queries


class Stream:
    """The pieces of a text, in the order in which they are generated: an iterator, with `for` or, in
    a task of asyncio, with `async for`.

    Each piece is a `str` of whole characters, never empty. The query runs whether pieces are taken or
    not. It is cancelled when the stream is closed or no longer used, and if a task that waits for a
    piece is cancelled. As a context manager, the stream closes at its end.

    `logprobs`: a `TokenLogprob` for each token so far, if the query asked for them; those of a piece
    are there before it. `pieces`: those that were taken. `result`: the whole `Text` once the iteration has come to its end, else None.
    """

    def __init__(
        self,
        owner: Queries,
        query: _core.Query,
        progress: Callable[[int, int], object] | None,
        wants_logprobs: bool,
        schema: Any,
    ) -> None:
        self._owner = owner  # keeps the model
        self._query = query
        self._progress = progress
        self._schema = schema
        self._events: list[Any] = []  # the next one is the last
        self.pieces: list[str] = []
        self._waker: LoopWaker | None = None
        self._id = 0
        self.logprobs: list[TokenLogprob] | None = [] if wants_logprobs else None
        self.result: Text | None = None

    def __iter__(self) -> Stream:
        return self

    def __next__(self) -> str:
        while True:
            piece = self._next_piece()
            if piece is not None:
                return piece
            if self.result is not None:
                raise StopIteration
            self._query.wait()

    def __aiter__(self) -> Stream:
        return self

    async def __anext__(self) -> str:
        while True:
            piece = self._next_piece()
            if piece is not None:
                return piece
            if self.result is not None:
                raise StopAsyncIteration
            await self._wait_in_task(self._query.has_news)

    def read(self) -> Text:
        """Waits for the end, and returns the whole text, including the pieces that were taken."""
        for _ in self:
            pass
        assert self.result is not None
        return self.result

    async def aread(self) -> Text:
        """Does the same in a task."""
        async for _ in self:
            pass
        assert self.result is not None
        return self.result

    def cancel(self) -> None:
        """Makes the query end at its next step. The iteration ends after the pieces until then, and
        the `finish_reason` is "cancelled". Any thread may call it."""
        self._query.cancel()

    def close(self) -> None:
        """Cancels the query, and drops the pieces that were not taken. Returns when it has ended."""
        self._drop()
        self._query.wait_for_end()

    async def aclose(self) -> None:
        """Does the same in a task."""
        self._drop()
        if not self._query.ended():
            await self._wait_in_task(self._query.ended)

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    async def __aenter__(self) -> Stream:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.aclose()

    def __del__(self) -> None:
        waker = getattr(self, "_waker", None)
        if waker is not None:
            waker.forget(self._id)

    def _drop(self) -> None:
        self._query.cancel()
        self._detach()

    # Returns the next piece; None: there is none yet, or no more.
    def _next_piece(self) -> str | None:
        while self.result is None:
            if not self._events:
                ended = self._query.ended()
                self._events = self._query.take()
                self._events.reverse()
                if not self._events:
                    if ended:
                        self._finish()
                    return None
            event = self._events.pop()
            if isinstance(event, str):
                self.pieces.append(event)
                return event
            self._note(event)
        return None

    def _note(self, event: tuple[Any, ...]) -> None:
        if len(event) == 3:
            if self.logprobs is not None:
                self.logprobs.append(TokenLogprob(*event))
        elif self._progress is not None:
            try:
                self._progress(*event)
            except BaseException:
                self._drop()
                raise

    def _finish(self) -> None:
        self._detach()
        end = self._query.end()
        if end["why"] == "error":
            raise _core.Error(end["reason"])
        self.result = Text._make("".join(self.pieces), end, self.logprobs, self._schema)

    async def _wait_in_task(self, ready: Callable[[], bool]) -> None:
        if self._waker is None:
            from ._loop import attach

            self._waker, self._id = attach(self._query)
        try:
            await self._waker.wait(self._id, ready)
        except BaseException:
            self._drop()
            raise

    def _detach(self) -> None:
        waker, self._waker = self._waker, None
        if waker is not None:
            waker.detach(self._id)
