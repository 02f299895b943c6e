"""A process of its own that looks for the ball in the newest frame. Knows nothing of WebRTC.

Frames go in by a bounded `multiprocessing.Queue`, places come out in `multiprocessing.Value`s. One frame is being
looked at and one waits here; a newer one takes its place. The process ends with its parent, however that ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import queue
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.sharedctypes import Synchronized
from typing import Any

import numpy as np

from telltale.errors import ServeError
from telltale.frame import Image
from telltale.streams.located import open_any
from telltale.streams.spot import Colour

END_S = 3.0


@dataclass(frozen=True, slots=True)
class Found:
    """What the process says of one frame; place is None where it saw no ball."""

    rtp: int
    place: tuple[float, float] | None
    score: float


@dataclass(frozen=True, slots=True)
class _Shelf:
    """What the two processes share; all Values under one lock, so that they belong to one frame."""

    x: Synchronized[float]
    y: Synchronized[float]
    score: Synchronized[float]
    seen: Synchronized[int]
    rtp: Synchronized[int]
    count: Synchronized[int]


class Finder:
    """Belongs to one event loop. `on_found` is called there with each answer.

    ready: set once the process can look at frames, or has ended.
    dropped: frames a newer one took the place of before they were looked at.
    """

    def __init__(
        self, detector: str, colour: Colour, on_found: Callable[[Found], None], name: str | None = None
    ) -> None:
        open_any(detector, colour, name)  # says here, not in another process, what does not fit
        context = multiprocessing.get_context("spawn")  # a fork would take our threads' locks with it
        lock = context.RLock()
        self._shelf = _Shelf(
            context.Value("d", 0.0, lock=lock),
            context.Value("d", 0.0, lock=lock),
            context.Value("d", 0.0, lock=lock),
            context.Value("b", 0, lock=lock),
            context.Value("q", 0, lock=lock),
            context.Value("q", 0, lock=lock),
        )
        self._frames: multiprocessing.Queue[tuple[int, Image] | None] = context.Queue(maxsize=1)
        self._bell, bell = context.Pipe(duplex=False)
        self._process = context.Process(
            target=work,
            args=(self._frames, self._shelf, bell, detector, colour, name),
            name="telltale-finder",
            daemon=True,
        )
        self._process.start()
        bell.close()
        self._on_found = on_found
        self._waiting: tuple[int, Image] | None = None
        self._busy = False
        self._seen = 0
        self.dropped = 0
        self.ready, self.ended = asyncio.Event(), asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._bell.fileno(), self._rung)

    @property
    def pid(self) -> int | None:
        return self._process.pid

    def look(self, rtp: int, image: Image) -> None:
        """Take the newest frame; never waits. image: (H, W, 3) uint8 RGB."""
        if self._waiting is not None:
            self.dropped += 1
        self._waiting = (rtp, image)
        self._hand_over()

    def _hand_over(self) -> None:
        if self._busy or self._waiting is None or self.ended.is_set():
            return
        try:
            self._frames.put_nowait(self._waiting)
        except queue.Full:  # it has not taken the one before yet
            return
        self._waiting, self._busy = None, True

    def _rung(self) -> None:
        try:
            while self._bell.poll():
                self._bell.recv_bytes()
        except (EOFError, OSError):  # the process has ended
            self._loop.remove_reader(self._bell.fileno())
            self.ready.set()
            self.ended.set()
            return
        shelf = self._shelf
        with shelf.count.get_lock():
            count, seen = shelf.count.value, bool(shelf.seen.value)
            found = Found(shelf.rtp.value, (shelf.x.value, shelf.y.value) if seen else None, shelf.score.value)
        self.ready.set()
        if count == self._seen:
            return
        self._seen, self._busy = count, False
        self._on_found(found)
        self._hand_over()

    def check(self) -> None:
        """Raises ServeError when the process has died."""
        if self.ended.is_set():
            raise ServeError("the process that finds the ball", expected="to run", got="its end", next="start again")

    async def close(self) -> None:
        """End the process; kills it when it does not end by itself. Idempotent."""
        if not self.ended.is_set():
            with contextlib.suppress(ValueError, KeyError, OSError):
                self._loop.remove_reader(self._bell.fileno())
            self.ended.set()
        self._waiting = None
        if self._process.is_alive():
            with contextlib.suppress(queue.Full):
                self._frames.put_nowait(None)
            await asyncio.to_thread(self._process.join, END_S)
        if self._process.is_alive():
            self._process.kill()
            await asyncio.to_thread(self._process.join, END_S)
        self._frames.close()
        self._frames.cancel_join_thread()
        self._bell.close()


def work(
    frames: multiprocessing.Queue[tuple[int, Image] | None],
    shelf: _Shelf,
    bell: Connection[Any, Any],
    detector_name: str,
    colour: Colour,
    name: str | None,
) -> None:
    """The process: take a frame, find the ball, put its place into the Values, ring."""
    import cv2

    threading.Thread(target=_end_with_parent, daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent ends us in order
    cv2.setNumThreads(1)
    detector = open_any(detector_name, colour, name)
    detector.detect(np.zeros((480, 640, 3), np.uint8))  # the first call of each function loads and allocates
    if not _ring(bell):
        return
    while True:
        item = frames.get()
        if item is None:
            return
        rtp, image = item
        spot = detector.detect(image)
        with shelf.count.get_lock():
            if spot is not None:
                shelf.x.value, shelf.y.value, shelf.score.value = spot.x, spot.y, spot.score
            shelf.seen.value = spot is not None
            shelf.rtp.value = rtp
            shelf.count.value += 1
        if not _ring(bell):
            return


def _ring(bell: Connection[Any, Any]) -> bool:
    try:
        bell.send_bytes(b".")
    except OSError:  # the parent has gone
        return False
    return True


def _end_with_parent() -> None:
    """A parent that was killed says nothing, and may leave half a frame in the queue that is waited for in vain."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(0)
