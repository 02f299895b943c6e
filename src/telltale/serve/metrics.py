"""Counters for /metrics, in Prometheus' format. Knows nothing of who counts."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

BUCKETS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class Metrics:
    """One set for each server, in its own registry."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.told = Counter("telltale_pictures_told", "Pictures answered.", ["via"], registry=self._registry)
        self.dropped = Counter(
            "telltale_frames_dropped", "Frames overtaken by a newer one of their connection.", registry=self._registry
        )
        self.errors = Counter("telltale_errors", "Errors answered.", ["code"], registry=self._registry)
        self.events = Counter("telltale_events", "Changes of a told state.", registry=self._registry)
        gauge = Gauge("telltale_connections", "WebSocket connections open.", registry=self._registry)
        gauge.set_function(lambda: self.connections)
        self.connections = 0
        self.infer_s = Histogram(
            "telltale_infer_seconds", "Decode, resize and model.", buckets=BUCKETS_S, registry=self._registry
        )
        self.age_s = Histogram(
            "telltale_age_seconds", "From arrival to answer.", buckets=BUCKETS_S, registry=self._registry
        )

    def tell(self, via: str, infer_ms: float, age_ms: float) -> None:
        self.told.labels(via).inc()
        self.infer_s.observe(infer_ms / 1e3)
        self.age_s.observe(age_ms / 1e3)

    def totals(self) -> dict[str, int]:
        """Frames dropped and errors answered so far."""
        errors = sum(
            sample.value
            for family in self.errors.collect()
            for sample in family.samples
            if sample.name == "telltale_errors_total"
        )
        dropped = self._registry.get_sample_value("telltale_frames_dropped_total") or 0.0
        return {"dropped": int(dropped), "errors": int(errors)}

    def text(self) -> bytes:
        return generate_latest(self._registry)
