"""One connection's answers as messages, smoothed and counted. Knows nothing of how they travel."""

from __future__ import annotations

import logging
import time
from weakref import WeakSet

from telltale.errors import TelltaleError
from telltale.serve import wire
from telltale.serve.engine import Model, Told
from telltale.serve.metrics import Metrics
from telltale.serve.settings import ServeSettings
from telltale.serve.tracks import PassingEvent, Tracks
from telltale.serve.watch import Watch
from telltale.streams import Smoothed, Smoother
from telltale.streams.smooth import Event
from telltale.tasks.locate import Locate, LocateResult
from telltale.tasks.states import States, StatesResult
from telltale.tasks.task import Json

log = logging.getLogger("telltale.serve")


class Speaker:
    """What a server says to its connections: the greeting, and a `Narrator` for each."""

    def __init__(self, model: Model, metrics: Metrics, settings: ServeSettings, watch: Watch | None = None) -> None:
        self._model, self.metrics, self._settings, self._watch = model, metrics, settings, watch
        self._smoothers: WeakSet[Smoother] = WeakSet()
        self.renew()

    def renew(self) -> None:
        """Take the model's thresholds as they are now, on open connections too; its smoothing on those to come."""
        given, smoothing = self._settings, self._model.spec.smoothing
        self._average_s = smoothing.average_s if given.average_s is None else given.average_s
        self._dwell_s = smoothing.dwell_s if given.dwell_s is None else given.dwell_s
        self._track = smoothing.track if given.track is None else given.track
        self.greeting = wire.hello(self._model.spec, self._average_s, self._dwell_s)
        for smoother in self._smoothers:
            smoother.use(self._model.spec.thresholds)

    def narrator(self, via: str) -> Narrator:
        """via: as the counters name the way, e.g. `ws`."""
        task = self._model.task
        smoother = None
        if isinstance(task, States):
            smoother = Smoother(task.names, self._model.spec.thresholds, self._average_s, self._dwell_s)
            self._smoothers.add(smoother)
        tracks = Tracks(task.names) if self._track and isinstance(task, Locate) else None
        return Narrator(smoother, self.metrics, via, self._watch, tracks)


class Narrator:
    """One for each connection; keeps its smoothing and its tracks."""

    def __init__(
        self,
        smoother: Smoother | None,
        metrics: Metrics,
        via: str,
        watch: Watch | None = None,
        tracks: Tracks | None = None,
    ) -> None:
        self._smoother, self.metrics, self._via, self._watch = smoother, metrics, via, watch
        self._tracks = tracks
        self._opened_s = time.perf_counter()

    def message(
        self, told: Told, seq: int, t_ms: float | None, at_s: float, dropped: int, *, taken_s: float | None = None
    ) -> dict[str, Json]:
        """A `result`.

        at_s: when the frame came, on time.perf_counter's clock. dropped: of the connection, so far. taken_s: when it
        was taken, on any clock of its sender's; without it t_ms, or at_s, are what velocities are told by.
        """
        smoothed = self._smooth(at_s - self._opened_s, told)
        age_ms = (time.perf_counter() - at_s) * 1e3
        self.metrics.tell(self._via, told.infer_ms, age_ms)
        if self._watch is not None:
            self._watch.note(self._via, told, age_ms)
        events: list[Event | PassingEvent] = list(smoothed.events)
        tracks: dict[str, Json] | None = None
        if taken_s is None:
            taken_s = at_s if t_ms is None else t_ms / 1e3
        if self._tracks is not None and isinstance(told.result, LocateResult):
            tracks, passed = self._tracks.update(taken_s, at_s - self._opened_s, told.result, told.size)
            events += passed
        self.metrics.events.inc(len(events))
        message = wire.result(seq, t_ms, told.result.to_json(), told.size, age_ms=age_ms, infer_ms=told.infer_ms)
        if tracks is not None:
            message["tracks"] = tracks
        return wire.streamed(message, smoothed.to_json(), events, dropped)

    def _smooth(self, t_s: float, told: Told) -> Smoothed:
        if self._smoother is None or not isinstance(told.result, StatesResult):
            return Smoothed({}, ())
        return self._smoother.update(t_s, {name: r.prob for name, r in told.result.readings.items()})

    def refusal(self, cause: TelltaleError, seq: int | None) -> str:
        """One of our errors."""
        self.metrics.errors.labels(cause.code).inc()
        return wire.dump(wire.error(cause, seq))

    def fault(self, seq: int | None) -> str:
        """A fault of the server's own, while it is being handled; the log has it."""
        log.exception("a frame broke the model")
        return self.refusal(TelltaleError("the server", got="a fault of its own", next="its log says more"), seq)
