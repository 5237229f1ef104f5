# SPDX-License-Identifier: MIT
"""Waiting for queries in tasks of asyncio. Loaded where a task first waits."""

from __future__ import annotations

import asyncio
import weakref

from . import _core

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_wakers: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, LoopWaker] = (
    weakref.WeakKeyDictionary()
)


class LoopWaker:
    """Wakes the tasks of one event loop that wait for queries, through a descriptor that the loop
    watches while there are any."""

    def __init__(self) -> None:
        self._waker = _core.Waker()
        self._waiting: dict[int, asyncio.Future[None] | None] = {}
        self._last_id = 0

    def attach(self, query: _core.Query, loop: asyncio.AbstractEventLoop) -> int:
        if not self._waiting:
            loop.add_reader(self._waker.descriptor, self._wake)
        self._last_id += 1
        self._waiting[self._last_id] = None
        query.set_waker(self._waker, self._last_id)
        return self._last_id

    def detach(self, id: int) -> None:
        self._waiting.pop(id, None)
        if self._waiting:
            return
        for loop, waker in list(_wakers.items()):
            if waker is self and not loop.is_closed():
                loop.remove_reader(self._waker.descriptor)

    def forget(self, id: int) -> None:
        """Detaches a query from any thread. The loop may watch the descriptor until the next one."""
        self._waiting.pop(id, None)

    async def wait(self, id: int, ready: Callable[[], bool]) -> None:
        """Waits until the query is ready; news of it wake the task."""
        while not ready():
            future = asyncio.get_running_loop().create_future()
            self._waiting[id] = future
            try:
                await future
            finally:
                if id in self._waiting:
                    self._waiting[id] = None

    def _wake(self) -> None:
        # An id is missing if there was no memory for it.
        for id in self._waker.take() or list(self._waiting):
            future = self._waiting.get(id)
            if future is not None and not future.done():
                future.set_result(None)


def attach(query: _core.Query) -> tuple[LoopWaker, int]:
    """Has the running loop told of the query's news. Returns the waker and the query's id there."""
    loop = asyncio.get_running_loop()
    waker = _wakers.get(loop)
    if waker is None:
        waker = _wakers[loop] = LoopWaker()
    return waker, waker.attach(query, loop)
