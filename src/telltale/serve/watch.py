"""Watches what a server tells, without holding it up: counts every answer, keeps a few a second with pictures, and lets
pages look on. Knows nothing of routes.

`note` costs microseconds on the event loop; a thread of its own encodes and writes.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import deque
from dataclasses import dataclass

import cv2
import numpy as np

from telltale.frame import Image
from telltale.serve.engine import Told
from telltale.serve.history import History, NewTold
from telltale.streams.latest import Latest
from telltale.tasks.task import Json

log = logging.getLogger("telltale.serve")

KEEP_EVERY_S = 0.5
"""At most two pictures a second are kept, and two more of those with something unsure."""
WAITING = 8
WRITE_EVERY_S = 0.5
PRUNE_EVERY_S = 20.0
AGES = 400
RATE_S = 5.0


@dataclass(frozen=True, slots=True)
class Noted:
    """The newest answer, for those who look on. n: counts answers from 1."""

    n: int
    at_s: float
    via: str
    age_ms: float
    told: Told
    result: dict[str, Json]
    unsure: bool

    def to_json(self) -> dict[str, Json]:
        return {
            "type": "told",
            "n": self.n,
            "at_s": round(self.at_s, 3),
            "via": self.via,
            "age_ms": round(self.age_ms, 3),
            "infer_ms": round(self.told.infer_ms, 3),
            "size": list(self.told.size),
            "unsure": self.unsure,
            "result": self.result,
        }


class Watch:
    """One for each server."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.latest: Noted | None = None
        self.onlookers: set[Latest[Noted]] = set()
        self._counts: dict[tuple[int, str, str], int] = {}
        self._pace: dict[int, tuple[int, float]] = {}
        self._lock = threading.Lock()
        self._recent: deque[tuple[float, float]] = deque(maxlen=AGES)
        self._queue: queue.Queue[tuple[Noted, Told]] = queue.Queue(WAITING)
        self._kept_s = self._unsure_s = -1e9
        self._n = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, name="telltale-monitor", daemon=True)
        self._thread.start()

    def note(self, via: str, told: Told, age_ms: float) -> None:
        """Called once for each answer, on the event loop. Never waits."""
        now_s, clock_s = time.time(), time.monotonic()
        result = brief(told.result.to_json())
        unsure = any(reading.get("state") == "unsure" for reading in result.values())
        self._n += 1
        noted = Noted(self._n, now_s, via, age_ms, told, result, unsure)
        second = int(now_s)
        with self._lock:
            for name, reading in result.items():
                key = (second, name, str(reading.get("state")))
                self._counts[key] = self._counts.get(key, 0) + 1
            n, ages = self._pace.get(second, (0, 0.0))
            self._pace[second] = (n + 1, ages + age_ms)
        self._recent.append((clock_s, age_ms))
        self.latest = noted
        for slot in self.onlookers:
            slot.put(noted)
        due = clock_s - self._kept_s >= KEEP_EVERY_S
        if due or (unsure and clock_s - self._unsure_s >= KEEP_EVERY_S):
            try:
                self._queue.put_nowait((noted, told))
            except queue.Full:
                return
            self._kept_s = clock_s if due else self._kept_s
            self._unsure_s = clock_s if unsure else self._unsure_s

    def pace(self) -> dict[str, Json]:
        """How many answers a second over the last few, and the ages of their frames: half are younger, 95 % are."""
        now_s = time.monotonic()
        ages = sorted(age for at_s, age in self._recent if now_s - at_s <= RATE_S)
        span_s = RATE_S
        if len(self._recent) == AGES and ages:  # more came than are remembered
            span_s = max(1e-3, min(RATE_S, now_s - self._recent[0][0]))
        half, most = (round(float(np.percentile(ages, q)), 2) if ages else None for q in (50, 95))
        return {"told_per_s": round(len(ages) / span_s, 1), "age_ms_half": half, "age_ms_95": most, "told": self._n}

    def look_on(self) -> Latest[Noted]:
        """A slot that always holds the newest answer; give it back with `look_away`."""
        slot: Latest[Noted] = Latest()
        self.onlookers.add(slot)
        if self.latest is not None:
            slot.put(self.latest)
        return slot

    def look_away(self, slot: Latest[Noted]) -> None:
        self.onlookers.discard(slot)
        slot.close()

    def close(self) -> None:
        """Writes what is waiting."""
        for slot in list(self.onlookers):
            self.look_away(slot)
        self._ended.set()
        self._thread.join(10)
        self.history.close()

    def flush(self) -> None:
        """Writes now what has been counted; for those who ask for a trend."""
        with self._lock:
            counts, self._counts = self._counts, {}
            pace, self._pace = self._pace, {}
        told = []
        while not self._queue.empty():
            noted, one = self._queue.get_nowait()
            told.append(_to_keep(noted, one))
        if counts or pace or told:
            self.history.write(told, counts, pace)

    def _work(self) -> None:
        pruned_s = 0.0
        while not self._ended.wait(WRITE_EVERY_S):
            try:
                self.flush()
                if time.monotonic() - pruned_s > PRUNE_EVERY_S:
                    self.history.prune(time.time())
                    pruned_s = time.monotonic()
            except Exception:  # a full disk must not end the watching
                log.exception("the monitor could not write")
        try:
            self.flush()
        except Exception:
            log.exception("the monitor could not write")


def _to_keep(noted: Noted, told: Told) -> NewTold:
    data = told.file if told.file is not None else jpeg(told.image)
    return NewTold(noted.at_s, noted.via, noted.age_ms, told.infer_ms, told.size, noted.unsure, noted.result, data)


def brief(result: dict[str, Json]) -> dict[str, Json]:
    """An answer without its regions or boxes."""
    return {
        name: {k: v for k, v in reading.items() if k not in ("regions", "boxes")} for name, reading in result.items()
    }


def jpeg(image: Image, *, side: int | None = None, quality: int = 90) -> bytes:
    """A file; scaled down to at most `side` pixels on a side."""
    height, width = image.shape[:2]
    if side is not None and max(height, width) > side:
        scale = side / max(height, width)
        size = max(1, round(width * scale)), max(1, round(height * scale))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    done, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert done, image.shape
    return bytes(data.tobytes())
