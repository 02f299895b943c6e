"""The wire: the golden messages hold here, and the server sends nothing that they do not show."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from telltale.errors import ImageError, MediaTypeError, RequestError, TelltaleError
from telltale.serve import wire
from telltale.serve.schema import ErrorBody, EventBody, HelloBody, ResultBody, RtcResultBody, StreamedBody, ToldBody
from telltale.streams import Event
from telltale.tasks.states import Reading, StatesResult

FOLDER = Path(__file__).parents[1] / "golden" / "wire"


def golden(name: str) -> Any:
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


BODIES: dict[str, type[BaseModel]] = {
    "hello": HelloBody,
    "result": StreamedBody,
    "result_http": ResultBody,
    "result_mask": ToldBody,
    "result_locate": ResultBody,
    "result_webrtc": RtcResultBody,
    "event": EventBody,
    "error": ErrorBody,
}


@pytest.mark.parametrize("name", BODIES)
def test_a_golden_message_fits_its_type_and_survives_it(name: str) -> None:
    message = golden(name)
    told = BODIES[name].model_validate(message)
    assert told.model_dump(by_alias=True, mode="json", exclude_unset=True) == message


def test_the_golden_result_is_what_the_server_makes_of_it() -> None:
    shown = golden("result")
    told = StatesResult({k: Reading(v["prob"], v["state"]) for k, v in shown["result"].items()})
    event = shown["events"][0]
    message = wire.streamed(
        wire.result(42, 1532.5, told.to_json(), (640, 480), age_ms=7.41234, infer_ms=4.8061),
        StatesResult({k: Reading(v["prob"], v["state"]) for k, v in shown["smoothed"].items()}).to_json(),
        [Event(event["name"], event["from"], event["to"], event["prob"], event["t_s"])],
        3,
    )
    assert json.loads(wire.dump(message)) == shown


def test_the_golden_error_is_what_the_server_makes_of_it() -> None:
    cause = ImageError("the picture", expected="a whole picture", got="200 cut-off bytes", next="capture it again")
    assert json.loads(wire.dump(wire.error(cause, 7))) == golden("error")


@pytest.mark.parametrize("shown", golden("frames")["frames"], ids=lambda shown: json.dumps(shown["send"])[:60])
def test_a_golden_frame_is_understood_or_refused_as_shown(shown: dict[str, Any]) -> None:
    def read() -> wire.FrameMessage:
        frame = wire.parse_frame(json.dumps(shown["send"]))
        wire.check_picture(frame.file())
        return frame

    if "refused" in shown:
        with pytest.raises(TelltaleError) as caught:
            read()
        assert caught.value.code == shown["refused"]
    else:
        frame = read()
        assert (frame.seq, frame.t_ms) == (shown["seq"], shown["t_ms"])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "nonsense",
        "[" * 100_000,
        "1" * 5000,
        '{"image": NaN}',
        '{"image": "data:,", "t_ms": Infinity}',
        '{"image": "data:image/png;base64,AAAA", "seq": 1e400}',
        '{"image": "data:image/png;base64,AAAA", "seq": true}',
    ],
)
def test_text_that_is_no_frame_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(RequestError) as caught:
        wire.parse_frame(text)
    line = str(caught.value)
    assert "\n" not in line
    assert len(line) < 300


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
messages = st.fixed_dictionaries({}, optional=dict.fromkeys(("type", "image", "seq", "t_ms", "other"), json_values))


@given(messages | json_values | st.text())
def test_no_message_breaks_the_reader(message: Any) -> None:
    text = message if isinstance(message, str) else json.dumps(message)
    try:
        frame = wire.parse_frame(text)
        frame.file()
        answer: Any = {"type": "result", "seq": frame.seq, "t_ms": frame.t_ms}
    except RequestError as cause:
        answer = wire.error(cause)
    assert json.loads(wire.dump(answer))["type"] in ("result", "error")


@given(st.binary(max_size=64))
def test_bytes_that_begin_like_no_picture_are_refused(data: bytes) -> None:
    with pytest.raises((MediaTypeError, ImageError)):
        wire.check_picture(b"\x00" + data if data else data)


@given(st.binary(max_size=200))
def test_a_data_url_gives_its_bytes_back(data: bytes) -> None:
    import base64

    url = "data:image/webp;base64," + base64.b64encode(data).decode()
    assert wire.parse_frame(json.dumps({"image": url})).file() == data
