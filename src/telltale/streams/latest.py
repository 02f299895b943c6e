"""One slot between a fast producer and a slow consumer: the newest wins. Knows nothing of what it holds.

An old frame is worth less than a dropped one: a queue would only add delay.
"""

from __future__ import annotations

import asyncio
import threading
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Closed(Exception):
    """The slot was closed and is empty: the end of the stream."""


class Latest(Generic[Item]):
    """A slot of one. `put`, `ready`, `get` and `close` belong to one event loop; `take` may run on any thread.

    `put` never waits. A consumer that shares something scarce (a model) waits for `ready`, then for its turn,
    and only then calls `take`: so it gets the newest item there is at that moment. `get` is both at once.

    dropped: items overwritten before anyone took them.
    """

    def __init__(self) -> None:
        self._item: Item | None = None
        self._full = False
        self._lock = threading.Lock()  # around _item and _full together
        self._closed = False
        self._wake = asyncio.Event()
        self.dropped = 0

    @property
    def closed(self) -> bool:
        return self._closed

    def put(self, item: Item) -> None:
        """Replace what is in the slot. Raises Closed after `close`."""
        if self._closed:
            raise Closed
        with self._lock:
            self.dropped += self._full
            self._item, self._full = item, True
        self._wake.set()

    async def ready(self) -> None:
        """Wait until `take` has an item. Raises Closed at the end of the stream."""
        while not self._full:
            if self._closed:
                raise Closed
            self._wake.clear()
            await self._wake.wait()

    def take(self) -> Item | None:
        """The newest item, or None when the slot is empty."""
        with self._lock:
            item, self._item, self._full = self._item, None, False
        return item

    async def get(self) -> Item:
        """Wait for an item and take it. Raises Closed at the end of the stream."""
        while True:
            await self.ready()
            item = self.take()
            if item is not None:
                return item

    def close(self) -> None:
        """No more puts. An item in the slot can still be taken; idempotent."""
        self._closed = True
        self._wake.set()
