"""The messages of docs/wire.md, made and read. Knows nothing of sockets, models or threads."""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn, Protocol

from telltale import __version__
from telltale.bundle.spec import BundleSpec
from telltale.errors import ImageError, MediaTypeError, RequestError, TelltaleError
from telltale.tasks.task import Json

PROTOCOL = 1
MAX_SAFE = 2**53 - 1
"""The largest integer a JavaScript number holds exactly."""

SEE = "see docs/wire.md"


@dataclass(frozen=True, slots=True)
class FrameMessage:
    """A frame as it came: an encoded file, or its data URL still undecoded.

    seq, t_ms: as the client gave them, or None.
    """

    data: bytes | str
    seq: int | None = None
    t_ms: float | None = None

    def file(self) -> bytes:
        """The encoded file. Raises RequestError on a data URL that is none."""
        return self.data if isinstance(self.data, bytes) else parse_data_url(self.data)


def dump(message: Mapping[str, Json]) -> str:
    """A message as JSON text."""
    return json.dumps(message, separators=(",", ":"), allow_nan=False)


def hello(spec: BundleSpec, average_s: float, dwell_s: float) -> dict[str, Json]:
    """The first message of a connection."""
    task = spec.make_task()
    return {
        "type": "hello",
        "protocol": PROTOCOL,
        "bundle": {
            "name": spec.name,
            "kind": task.kind,
            "names": list(task.names),
            "input": {"width": spec.input.width, "height": spec.input.height, "fit": spec.input.fit},
            "thresholds": {name: {"low": t.low, "high": t.high} for name, t in spec.thresholds.items()},
            "licence": spec.licence,
        },
        "smoothing": {"average_s": average_s, "dwell_s": dwell_s},
        "version": __version__,
    }


def result(
    seq: int,
    t_ms: float | None,
    told: Mapping[str, Json],
    size: tuple[int, int],
    *,
    age_ms: float,
    infer_ms: float,
) -> dict[str, Json]:
    """One picture's answer, as REST gives it. size: (width, height) of the upright picture."""
    return {
        "type": "result",
        "seq": seq,
        "t_ms": t_ms,
        "result": told,
        "age_ms": round(age_ms, 3),
        "infer_ms": round(infer_ms, 3),
        "size": list(size),
    }


class Telling(Protocol):
    """An event that a frame told."""

    def to_json(self, age_ms: float) -> dict[str, Json]: ...


def streamed(
    message: dict[str, Json], smoothed: Mapping[str, Json], events: Sequence[Telling], dropped: int
) -> dict[str, Json]:
    """A result with what only a stream has."""
    return {
        **message,
        "smoothed": smoothed,
        "events": [event.to_json(message["age_ms"]) for event in events],
        "dropped": dropped,
    }


def error(cause: TelltaleError, seq: int | None = None) -> dict[str, Json]:
    """Any of our errors as a message."""
    return {"type": "error", **cause.to_json(), "seq": seq}


def parse_frame(text: str) -> FrameMessage:
    """The JSON form of a frame; its data URL is checked when decoded. Raises RequestError."""
    try:
        message = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as cause:
        raise RequestError("message", expected="JSON", got=_short(text), next=SEE) from cause
    if not isinstance(message, dict):
        raise RequestError("message", expected="an object", got=_short(message), next=SEE)
    kind = message.get("type", "frame")
    if kind != "frame":
        raise RequestError("message.type", expected="'frame' or none", got=_short(kind), next=SEE)
    image, seq, t_ms = message.get("image"), message.get("seq"), message.get("t_ms")
    if not isinstance(image, str):
        got = _short(image) if "image" in message else "none"
        raise RequestError("message.image", expected="a data URL (data:image/jpeg;base64,...)", got=got, next=SEE)
    if seq is not None and not (isinstance(seq, int) and not isinstance(seq, bool) and abs(seq) <= MAX_SAFE):
        raise RequestError("message.seq", expected="an integer", got=_short(seq), next=SEE)
    if t_ms is not None and not _is_time(t_ms):
        raise RequestError("message.t_ms", expected="milliseconds", got=_short(t_ms), next=SEE)
    return FrameMessage(image, seq, t_ms)


def parse_data_url(url: str) -> bytes:
    """The bytes of `data:image/...;base64,...`. Raises RequestError."""
    head, comma, body = url.partition(",")
    if not (comma and head.startswith("data:") and head.endswith(";base64")):
        raise RequestError("message.image", expected="data:image/jpeg;base64,...", got=_short(url), next=SEE)
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError) as cause:
        raise RequestError("message.image", expected="base64 after the comma", got=str(cause), next=SEE) from cause


def check_picture(data: bytes) -> None:
    """Raises ImageError when empty, MediaTypeError when its first bytes are of no JPEG, PNG or WebP."""
    if not data:
        raise ImageError("picture", expected="a JPEG, PNG or WebP file", got="no bytes")
    if (
        data[:3] == b"\xff\xd8\xff"
        or data[:8] == b"\x89PNG\r\n\x1a\n"
        or (data[:4] == b"RIFF" and data[8:12] == b"WEBP")
    ):
        return
    raise MediaTypeError(
        "picture", expected="a JPEG, PNG or WebP file", got=f"bytes that begin {data[:8]!r}", next="convert it"
    )


def _is_time(value: Json) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) <= MAX_SAFE and math.isfinite(value)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _short(value: Json, limit: int = 60) -> str:
    text = repr(value[: limit + 1] if isinstance(value, str) else value)
    return text if len(text) <= limit else f"{text[:limit]}..."
