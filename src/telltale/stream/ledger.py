"""What was sent, what came back, and how wrong it was. Knows nothing of networks or pictures.

A frame is known by its RTP timestamp: the sender adds a random origin to its own count of 1/90000 s (RFC 3550, 5.1),
all packets of a frame carry the sum, and the answer brings it back. A frame that is dropped on the way takes its
number with it; the others keep theirs. Encoders round the count to a clock of their own, by less than half a frame
(libvpx by one tick; libx264 to 1/30 s), so the number is the nearest one. Memory does not grow with the stream:
quantiles come from counts.
"""

from __future__ import annotations

import math
from array import array
from collections import OrderedDict
from dataclasses import asdict, dataclass

from telltale.streams.scene import Truth
from telltale.tasks.task import Json

WRAP = 1 << 32
GRACE_S = 3.0
"""An answer later than this counts as none."""

SEEN = 0.5
"""The share of the ball that must be visible for its error to count; below that `not seen` is a right answer too."""


class Spread:
    """Mean and maximum, exact; quantiles to within one step."""

    def __init__(self, step: float, most: float) -> None:
        self._step = step
        self._counts = array("Q", bytes(8 * (math.ceil(most / step) + 1)))  # the last: all above
        self.count = 0
        self.total = 0.0
        self.max = 0.0

    def add(self, value: float) -> None:
        self._counts[min(int(value / self._step), len(self._counts) - 1)] += 1
        self.count += 1
        self.total += value
        self.max = max(self.max, value)

    @property
    def mean(self) -> float:
        return self.total / self.count if self.count else math.nan

    def quantile(self, share: float) -> float:
        """The least value that `share` of all do not exceed, rounded up to a step."""
        if not self.count:
            return math.nan
        left = math.ceil(share * self.count)
        for i, count in enumerate(self._counts):
            left -= count
            if left <= 0:
                return min((i + 1) * self._step, self.max)
        return self.max


@dataclass(frozen=True, slots=True)
class Sent:
    """A frame on its way. n: its number. at_s: when it was captured."""

    n: int
    at_s: float
    truth: Truth


@dataclass(frozen=True, slots=True)
class Verdict:
    """One answer beside the truth of its own frame. x, y: None where the ball was not seen. Pixels, milliseconds."""

    n: int
    rtp: int
    x: float | None
    y: float | None
    truth: Truth
    error_px: float | None
    latency_ms: float


@dataclass(frozen=True, slots=True)
class Summary:
    """All so far. Shares are of the frames sent; errors and latencies are NaN before the first answer.

    sent = answered + dropped + lost + waiting. dropped: overtaken by a newer frame at the client, as it says itself.
    lost: never answered otherwise. unseen: answered `not seen` with more than half of the ball in view.
    """

    sent: int
    answered: int
    dropped: int
    lost: int
    waiting: int
    unseen: int
    mean_px: float
    p95_px: float
    max_px: float
    p50_ms: float
    p95_ms: float
    max_ms: float

    def to_json(self) -> dict[str, Json]:
        """NaN as null."""
        return {k: None if isinstance(v, float) and math.isnan(v) else _round(v) for k, v in asdict(self).items()}


def _round(value: float) -> float:
    return round(value, 3) if isinstance(value, float) else value


class Ledger:
    """One for each connection. ticks: 1/90000 s from frame to frame. origin: what the sender adds, once known."""

    def __init__(self, ticks: float) -> None:
        self.origin: int | None = None
        self._ticks = ticks
        self._newest = 0
        self._waiting: OrderedDict[int, Sent] = OrderedDict()
        self._error = Spread(0.01, 100)
        self._latency = Spread(0.1, 5000)
        self._sent = self._answered = self._expired = self._overtaken = self._unseen = 0

    def sent(self, frame: Sent) -> None:
        """A frame leaves: number n, n * ticks after the first."""
        self._sent += 1
        self._newest = frame.n
        self._waiting[frame.n] = frame
        while self._waiting:
            oldest = next(iter(self._waiting))
            if frame.at_s - self._waiting[oldest].at_s <= GRACE_S:
                break
            del self._waiting[oldest]
            self._expired += 1

    def heard(
        self, rtp: int, place: tuple[float, float] | None, at_s: float, overtaken: int | None = None
    ) -> Verdict | None:
        """An answer comes. None where it is about no frame that waits for one.

        overtaken: frames the client has dropped so far, for newer ones.
        """
        if overtaken is not None:
            self._overtaken = max(self._overtaken, overtaken)
        if self.origin is None:
            return None
        frame = self._waiting.pop(self._number((rtp - self.origin) % WRAP), None)
        if frame is None:
            return None
        self._answered += 1
        latency_ms = (at_s - frame.at_s) * 1e3
        self._latency.add(latency_ms)
        error_px = None
        if frame.truth.visible >= SEEN:
            if place is None:
                self._unseen += 1
            else:
                error_px = math.hypot(place[0] - frame.truth.x, place[1] - frame.truth.y)
                self._error.add(error_px)
        x, y = place if place is not None else (None, None)
        return Verdict(frame.n, rtp, x, y, frame.truth, error_px, latency_ms)

    def _number(self, ticks: int) -> int:
        """The frame nearest to this time, which wraps every 13 hours: the one of the many not far from the newest."""
        newest = round(self._newest * self._ticks)
        return round((newest + (ticks - newest + WRAP // 2) % WRAP - WRAP // 2) / self._ticks)

    def summary(self, *, final: bool = False) -> Summary:
        """final: nothing more will come, so what still waits is lost."""
        waiting = 0 if final else len(self._waiting)
        unanswered = self._expired + len(self._waiting) - waiting
        dropped = min(self._overtaken, unanswered)
        return Summary(
            sent=self._sent,
            answered=self._answered,
            dropped=dropped,
            lost=unanswered - dropped,
            waiting=waiting,
            unseen=self._unseen,
            mean_px=self._error.mean,
            p95_px=self._error.quantile(0.95),
            max_px=self._error.max if self._error.count else math.nan,
            p50_ms=self._latency.quantile(0.5),
            p95_ms=self._latency.quantile(0.95),
            max_ms=self._latency.max if self._latency.count else math.nan,
        )
