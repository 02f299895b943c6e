"""What the two programs say to each other on data channels. Knows nothing of sockets.

On the channel `telltale`, which the client opens, for each frame it looked at:
    {"type": "spot", "rtp": 3735928559, "x": 312.4, "y": 120.1, "score": 0.9, "dropped": 0}      x, y null: not seen
On the channel `truth`, which the server opens: what is sent, then a verdict on each spot:
    {"type": "scene", "scene": "plain", "width": 640, "height": 480, "fps": 30}
    {"type": "verdict", "rtp": 3735928559, "n": 17, "x": 312.3, "y": 120.2, "radius": 20, "visible": 1,
     "error_px": 0.14, "latency_ms": 21.5}
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TypeGuard

from telltale.errors import RequestError
from telltale.stream.ledger import Verdict
from telltale.streams.scene import Truth
from telltale.tasks.task import Json

CHANNEL = "telltale"
TRUTH = "truth"
BUFFERED_BYTES = 1 << 16
"""More than this waiting in a channel means that the network is gone: messages are dropped meanwhile."""


@dataclass(frozen=True, slots=True)
class SpotMessage:
    """A place in one frame, or None where the ball was not seen. dropped: frames overtaken so far."""

    rtp: int
    place: tuple[float, float] | None
    score: float
    dropped: int

    def dump(self) -> str:
        x, y = self.place if self.place is not None else (None, None)
        return _dump({"type": "spot", "rtp": self.rtp, "x": x, "y": y, "score": self.score, "dropped": self.dropped})


@dataclass(frozen=True, slots=True)
class VerdictMessage:
    """The truth of one frame, and the error of what was said about it."""

    rtp: int
    n: int
    truth: Truth
    error_px: float | None
    latency_ms: float


def parse_spot(text: str | bytes) -> SpotMessage:
    """Raises RequestError."""
    message = _load(text)
    rtp, x, y = message.get("rtp"), message.get("x"), message.get("y")
    score, dropped = message.get("score", 0.0), message.get("dropped", 0)
    if message.get("type") != "spot" or not _whole(rtp) or not _whole(dropped) or not _number(score):
        raise RequestError("message", expected="a spot with rtp and dropped", got=str(text)[:60])
    if x is None and y is None:
        return SpotMessage(rtp, None, float(score), dropped)
    if not (_number(x) and _number(y)):
        raise RequestError("message", expected="x and y in pixels, or null both", got=str(text)[:60])
    return SpotMessage(rtp, (float(x), float(y)), float(score), dropped)


def dump_scene(scene: str, width: int, height: int, fps: float) -> str:
    return _dump({"type": "scene", "scene": scene, "width": width, "height": height, "fps": fps})


def dump_verdict(verdict: Verdict) -> str:
    truth = verdict.truth
    return _dump(
        {
            "type": "verdict",
            "rtp": verdict.rtp,
            "n": verdict.n,
            "x": round(truth.x, 3),
            "y": round(truth.y, 3),
            "radius": round(truth.radius, 3),
            "visible": round(truth.visible, 3),
            "error_px": None if verdict.error_px is None else round(verdict.error_px, 3),
            "latency_ms": round(verdict.latency_ms, 2),
        }
    )


def parse_verdict(text: str | bytes) -> VerdictMessage | None:
    """None for the messages that are no verdict. Raises RequestError."""
    message = _load(text)
    if message.get("type") != "verdict":
        return None
    try:
        truth = Truth(*(float(message[key]) for key in ("x", "y", "radius", "visible")))
        error = message.get("error_px")
        return VerdictMessage(
            int(message["rtp"]),
            int(message["n"]),
            truth,
            None if error is None else float(error),
            float(message["latency_ms"]),
        )
    except (KeyError, TypeError, ValueError) as cause:
        raise RequestError("message", expected="a verdict", got=str(text)[:60]) from cause


def _dump(message: dict[str, Json]) -> str:
    return json.dumps(message, separators=(",", ":"), allow_nan=False)


def _load(text: str | bytes) -> dict[str, Json]:
    try:
        message = json.loads(text)
    except (ValueError, RecursionError) as cause:
        raise RequestError("message", expected="JSON", got=str(text)[:60]) from cause
    if not isinstance(message, dict):
        raise RequestError("message", expected="an object", got=str(text)[:60])
    return message


def _whole(value: Json) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 53


def _number(value: Json) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
