"""Runs pictures that come at the same time as one batch. Knows nothing of connections, decoding or answers.

Nobody waits for a batch to fill unless asked to: while one batch runs, the next gathers. Pictures are taken in the
order they came, so no stream starves; each connection has at most one here, for it has one being told.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from telltale.bundle.spec import BundleSpec
from telltale.bundle.tiling import Looks
from telltale.preprocess import Preprocess
from telltale.tasks import Task

Outputs = Mapping[str, NDArray[np.float32]]
Run = Callable[[NDArray[np.uint8]], Outputs]


class _Waiting:
    """One picture. outputs or error is set once `done`."""

    def __init__(self, picture: NDArray[np.uint8]) -> None:
        self.picture = picture
        self.done = False
        self.outputs: dict[str, NDArray[np.float32]] = {}
        self.error: BaseException | None = None


class Batcher:
    """May be called from any number of threads; each waits for its own answer.

    run: takes (N, H, W, 3). most: pictures of a batch. runs: batches at once. wait_s: how long the first of a batch
    waits for others when there is room for a run at once.
    """

    def __init__(self, run: Run, most: int, runs: int = 1, wait_s: float = 0.0) -> None:
        self._run, self._most, self._runs, self._wait_s = run, most, runs, wait_s
        self._changed = threading.Condition()
        self._queue: list[_Waiting] = []
        self._running = 0
        self.batches = self.pictures = 0

    def __call__(self, picture: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        """(1, H, W, 3) -> its outputs, with a batch axis of 1. Raises what `run` raises."""
        mine = _Waiting(picture)
        with self._changed:
            self._queue.append(mine)
            self._changed.notify_all()
            while not mine.done:
                if self._running < self._runs and self._queue:
                    self._lead()
                else:
                    self._changed.wait()
        if mine.error is not None:
            raise mine.error
        return mine.outputs

    def _lead(self) -> None:
        """Run the oldest pictures as one batch. The lock is held on entry and on return, not while it runs."""
        self._running += 1
        try:
            self._gather()
            batch, self._queue = self._queue[: self._most], self._queue[self._most :]
            if batch:
                self._changed.release()
                try:
                    self._tell(batch)
                finally:
                    self._changed.acquire()
                self.batches += 1
                self.pictures += len(batch)
            for each in batch:
                each.done = True
        finally:
            self._running -= 1
            self._changed.notify_all()

    def _gather(self) -> None:
        end_s = time.monotonic() + self._wait_s
        while 0 < len(self._queue) < self._most and (left_s := end_s - time.monotonic()) > 0:
            self._changed.wait(left_s)

    def _tell(self, batch: list[_Waiting]) -> None:
        try:
            outputs = self._run(np.concatenate([each.picture for each in batch]))
            for i, each in enumerate(batch):
                each.outputs = {name: value[i : i + 1] for name, value in outputs.items()}
        except BaseException as cause:
            for each in batch:
                each.error = cause


class Batched:
    """A model whose single pictures are run together. Pictures of no set size (fit tile) go as they come."""

    def __init__(self, model: Looks, most: int, runs: int, wait_s: float) -> None:
        self._model = model
        self.batcher = Batcher(model.run, most, runs, wait_s)

    @property
    def spec(self) -> BundleSpec:
        return self._model.spec

    @property
    def task(self) -> Task:
        return self._model.task

    @property
    def preprocess(self) -> Preprocess:
        return self._model.preprocess

    def run(self, batch: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        if len(batch) == 1 and self.spec.input.fit != "tile":
            return self.batcher(batch)
        return self._model.run(batch)
