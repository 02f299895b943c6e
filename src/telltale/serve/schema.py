"""The wire's messages as types: what /openapi.json tells of them. Knows nothing of how they are made."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

State = Literal["on", "off", "unsure"]


class Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ReadingBody(Body):
    """One name's answer."""

    prob: float = Field(ge=0, le=1, description="probability of being on")
    pred: Literal[0, 1] = Field(description="1 when prob >= 0.5")
    state: State = Field(description="unsure between the name's two thresholds")


class RegionBody(Body):
    """One region of a mask."""

    box: tuple[int, int, int, int] = Field(description="x, y, width, height in pixels of the picture")
    area_px: int = Field(ge=0)
    area_mm2: float | None = Field(None, ge=0, description="where the size of a pixel is known")
    score: float = Field(ge=0, le=1, description="the probability that as many of its pixels reach as it must have")
    state: Literal["on", "unsure"] = Field(description="told, or only over the lower threshold")


class MaskReadingBody(ReadingBody):
    """One name's answer of a mask model."""

    count: int = Field(ge=0, description="regions that are on")
    area_px: int = Field(ge=0, description="of the regions that are on")
    area_mm2: float | None = Field(None, ge=0, description="where the size of a pixel is known")
    regions: list[RegionBody] = Field(description="the surest first, at most 100; those on before the unsure")


class BoxBody(Body):
    """One thing that was located."""

    box: tuple[float, float, float, float] = Field(description="x, y, width, height in pixels of the picture")
    centre: tuple[float, float] = Field(description="x, y in pixels of the picture")
    score: float = Field(ge=0, le=1, description="probability that its centre is there")
    state: Literal["on", "unsure"] = Field(description="told, or only over the lower threshold")


class LocateReadingBody(ReadingBody):
    """One name's answer of a model that locates."""

    count: int = Field(ge=0, description="boxes that are on")
    boxes: list[BoxBody] = Field(description="the surest first, at most 100")


class RleBody(Body):
    """COCO's run lengths."""

    size: tuple[int, int] = Field(description="height and width")
    counts: str = Field(description="compressed, as pycocotools writes them")


class ResultBody(Body):
    """One picture's answer."""

    type: Literal["result"]
    seq: int = Field(description="the client's own, or the frame's place in order of arrival; 0 over HTTP")
    t_ms: float | None = Field(description="the client's capture time, echoed")
    result: dict[str, ReadingBody | MaskReadingBody | LocateReadingBody] = Field(description="an answer for each name")
    age_ms: float = Field(ge=0, description="from arrival to answer")
    infer_ms: float = Field(ge=0, description="decode, resize and model")
    size: tuple[int, int] = Field(description="width and height of the upright picture")


class ToldBody(ResultBody):
    """One picture's answer, and what was asked for with it."""

    overlay: str | None = Field(
        None, description="with ?overlay=png: the picture with the answer drawn on it, a data URL"
    )
    masks: dict[str, str | RleBody] | None = Field(
        None, description="with ?masks=: a mask for each name, a data URL of a grey PNG or run lengths; none of states"
    )


class EventBody(Body):
    """One name changed its told state; with tracks: one thing appeared or left."""

    type: Literal["event"]
    name: str
    from_state: State = Field(alias="from")
    to: State
    prob: float = Field(ge=0, le=1, description="the average")
    t_s: float = Field(description="arrival of the frame, seconds since the connection opened")
    age_ms: float = Field(ge=0, description="of the frame that told it")
    track: int | None = Field(None, description="with tracks: which thing appeared (off to on) or left (on to off)")
    centre: tuple[float, float] | None = Field(None, description="with tracks: where, in pixels of the picture")


class TrackBody(Body):
    """One thing, followed from frame to frame."""

    id: int = Field(description="counts from 1 for each name and connection, never used twice")
    centre: tuple[float, float] = Field(description="filtered, pixels of the picture")
    velocity: tuple[float, float] = Field(description="pixels a second")
    box: tuple[float, float, float, float] | None = Field(description="as found; null while it is not, and foreseen")
    age_s: float = Field(description="since it was first found")


class StreamedBody(ResultBody):
    """A frame's answer on the WebSocket."""

    smoothed: dict[str, ReadingBody] = Field(description="what the stream says: the average and the told state")
    events: list[EventBody] = Field(description="told states that this frame changed")
    tracks: dict[str, list[TrackBody]] | None = Field(None, description="of boxes, where they are followed")
    dropped: int = Field(ge=0, description="frames of this connection overtaken by newer ones so far")


class RtcResultBody(StreamedBody):
    """A frame's answer over WebRTC."""

    rtp: int = Field(ge=0, lt=2**32, description="the frame's RTP timestamp, as its sender sent it")


class ThresholdBody(Body):
    """p <= low is off, p >= high is on, between is unsure."""

    low: float = Field(ge=0, le=1)
    high: float = Field(ge=0, le=1)


class InputBody(Body):
    """What the model sees."""

    width: int
    height: int
    fit: Literal["stretch", "letterbox"]


class BundleBody(Body):
    """The model that answers."""

    name: str
    kind: str
    names: list[str]
    input: InputBody
    thresholds: dict[str, ThresholdBody]
    licence: str


class SmoothingBody(Body):
    """The connection's smoothing, seconds."""

    average_s: float = Field(ge=0)
    dwell_s: float = Field(ge=0)


class HelloBody(Body):
    """The first message of a connection."""

    type: Literal["hello"]
    protocol: Literal[1] = Field(description="rises when an older client would go wrong")
    bundle: BundleBody = Field(description="name, kind, names, input, thresholds, licence")
    smoothing: SmoothingBody = Field(description="average_s, dwell_s")
    version: str = Field(description="of telltale")


class FrameBody(Body):
    """A frame in its JSON form."""

    type: Literal["frame"] = "frame"
    image: str = Field(description="data:image/jpeg;base64,...")
    seq: int | None = Field(None, description="the answer carries it")
    t_ms: float | None = Field(None, description="when it was captured, on your clock; echoed")


class ErrorBody(Body):
    """What was expected, what came and what to do next."""

    type: Literal["error"]
    code: str = Field(description="stable; see docs/errors.md")
    message: str = Field(description="all of it in one line")
    expected: str
    got: str
    next: str = Field(description="what to do")
    seq: int | None = Field(description="the frame's number, when the error is about one")


class StreamBody(Body):
    """One stream that comes in over WebRTC."""

    name: str
    state: str = Field(description="of its connection: new, connecting, connected, ...")
    size: tuple[int, int] | None = Field(description="width and height, once known")
    frames: int = Field(description="that came whole")
    told: int
    dropped: int = Field(description="overtaken by a newer one")
    lost: int = Field(description="that never came whole, as far as seen, or that needed one of those")
    viewers: int
    age_s: float = Field(description="since the last answer")


class StreamsBody(Body):
    """Every stream."""

    streams: list[StreamBody]


class HealthBody(Body):
    """The server lives."""

    status: Literal["ok"]
    bundle: str
    kind: str
    names: list[str]
    connections: int
    version: str


PICTURE: dict[str, Any] = {"schema": {"type": "string", "format": "binary"}}

TELL_BODY: dict[str, Any] = {
    "required": True,
    "description": "A JPEG, PNG or WebP file, raw or as the one file of a form.",
    "content": {
        "image/jpeg": PICTURE,
        "image/png": PICTURE,
        "image/webp": PICTURE,
        "application/octet-stream": PICTURE,
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["file"],
                "properties": {"file": {"type": "string", "format": "binary"}},
            }
        },
    },
}

TELL_QUERY: list[dict[str, Any]] = [
    {
        "name": "overlay",
        "in": "query",
        "description": "png: also the picture with the answer drawn on it.",
        "schema": {"type": "string", "enum": ["none", "png"], "default": "none"},
    },
    {
        "name": "masks",
        "in": "query",
        "description": "Of a mask model: png (255 told, 127 unsure), rle (COCO) or prob (0 to 255).",
        "schema": {"type": "string", "enum": ["none", "png", "rle", "prob"], "default": "none"},
    },
]

TELL_ERRORS: dict[int | str, dict[str, Any]] = {
    400: {
        "model": ErrorBody,
        "description": "A form that is damaged or holds no file; an overlay or masks nobody knows.",
    },
    413: {"model": ErrorBody, "description": "More bytes than the server allows."},
    415: {"model": ErrorBody, "description": "No JPEG, PNG or WebP."},
    422: {"model": ErrorBody, "description": "A picture that gives no pixels, or too many."},
}
