"""The WebSocket: newest frame first, every connection for itself, and no message that ends it."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from websockets.asyncio.client import connect as connect_async
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from telltale.bundle.predictor import Predictor
from telltale.serve.schema import ErrorBody, HelloBody, StreamedBody
from telltale.serve.server import ServerThread
from telltale.serve.settings import ServeSettings

if TYPE_CHECKING:
    from serve.conftest import Picture

FRAMES = json.loads((Path(__file__).parents[1] / "golden" / "wire" / "frames.json").read_text())["frames"]


def opened(url: str) -> ClientConnection:
    return connect(url, compression=None, proxy=None)


def heard(socket: ClientConnection) -> dict[str, Any]:
    return dict(json.loads(socket.recv(timeout=20)))


@pytest.fixture
def socket(server: ServerThread) -> Iterator[ClientConnection]:
    with opened(server.ws_url) as socket:
        HelloBody.model_validate(heard(socket))
        yield socket


def test_the_server_speaks_first(server: ServerThread) -> None:
    with opened(server.ws_url) as socket:
        hello = HelloBody.model_validate(heard(socket))
    assert hello.bundle.names == ["left", "right"]
    assert (hello.smoothing.average_s, hello.smoothing.dwell_s) == (0.0, 0.0)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_a_binary_frame_is_told_and_numbered(socket: ClientConnection, picture: Picture, suffix: str) -> None:
    for seq in range(3):
        socket.send(picture(suffix=suffix))
        told = StreamedBody.model_validate(heard(socket))
        assert (told.seq, told.t_ms, told.dropped, told.size) == (seq, None, 0, (64, 48))
        assert {name: r.state for name, r in told.result.items()} == {"left": "on", "right": "off"}
        assert 0 < told.infer_ms <= told.age_ms < 5000


def test_a_json_frame_is_told_and_echoed(socket: ClientConnection, picture: Picture) -> None:
    url = "data:image/png;base64," + base64.b64encode(picture(suffix=".png")).decode()
    socket.send(json.dumps({"image": url}))
    assert heard(socket)["seq"] == 0
    socket.send(json.dumps({"type": "frame", "image": url, "seq": 77, "t_ms": 123.5}))
    told = heard(socket)
    assert (told["seq"], told["t_ms"], told["result"]["left"]["state"]) == (77, 123.5, "on")
    socket.send(picture())
    assert heard(socket)["seq"] == 2


@pytest.mark.parametrize("shown", FRAMES, ids=lambda shown: json.dumps(shown["send"])[:60])
def test_a_golden_frame_is_answered_as_shown_and_the_connection_lives(
    socket: ClientConnection, picture: Picture, shown: dict[str, Any]
) -> None:
    socket.send(json.dumps(shown["send"]))
    message = heard(socket)
    if "refused" in shown:
        assert ErrorBody.model_validate(message).code == shown["refused"]
    else:
        assert message["type"] == "result"
        assert message["t_ms"] == shown["t_ms"]
        assert message["seq"] == (shown["seq"] or 0)
    socket.send(picture())
    assert heard(socket)["type"] == "result"


def test_bad_frames_are_refused_with_their_number(socket: ClientConnection, picture: Picture) -> None:
    for seq, (data, code) in enumerate(
        [(b"", "image"), (b"hello", "media-type"), (picture()[:100], "image"), (picture(), None)]
    ):
        socket.send(data)
        message = heard(socket)
        assert (message.get("code"), message["seq"]) == (code, seq)


def test_a_frame_over_the_limit_is_refused_and_the_connection_lives(socket: ClientConnection, picture: Picture) -> None:
    socket.send(b"\xff\xd8\xff" + bytes(1_000_000))
    assert heard(socket)["code"] == "too-large"
    socket.send("x" * 1_400_000)
    assert heard(socket)["code"] == "too-large"
    socket.send(picture())
    assert heard(socket)["type"] == "result"


def test_a_frame_far_over_the_limit_ends_its_connection_and_no_other(server: ServerThread, picture: Picture) -> None:
    with opened(server.ws_url) as other:
        heard(other)
        with opened(server.ws_url) as socket:
            heard(socket)
            with contextlib.suppress(ConnectionClosed):  # it may close while we still send
                socket.send(bytes(9_000_000))
            with pytest.raises(ConnectionClosed):
                heard(socket)
        other.send(picture())
        assert heard(other)["type"] == "result"


def test_a_change_is_told_as_an_event(socket: ClientConnection, picture: Picture) -> None:
    socket.send(picture(240, 10))
    assert heard(socket)["events"] == []
    socket.send(picture(10, 10))
    told = StreamedBody.model_validate(heard(socket))
    [event] = told.events
    assert (event.name, event.from_state, event.to) == ("left", "on", "off")
    assert event.age_ms == told.age_ms
    assert event.t_s > 0
    assert told.smoothed["left"].state == "off"


def test_each_connection_is_smoothed_for_itself(predictor: Predictor, picture: Picture) -> None:
    settings = ServeSettings(average_s=30.0, dwell_s=30.0)
    with (
        ServerThread(predictor, settings=settings, pages=False) as server,
        opened(server.ws_url) as one,
        opened(server.ws_url) as two,
    ):
        for socket, first in ((one, 240), (two, 10)):
            heard(socket)
            socket.send(picture(first, 10))
            heard(socket)
            socket.send(picture(125, 10))
        assert heard(one)["smoothed"]["left"]["state"] == "on"
        assert heard(two)["smoothed"]["left"]["state"] == "off"


class Gated:
    """A predictor that waits at a gate, and says when somebody stands there."""

    def __init__(self, predictor: Predictor) -> None:
        self.spec, self.task, self.bundle = predictor.spec, predictor.task, predictor.bundle
        self.preprocess = predictor.preprocess
        self._predictor = predictor
        self.began, self.gate = threading.Event(), threading.Event()
        self.runs = 0

    def run(self, batch: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        self.runs += 1
        self.began.set()
        assert self.gate.wait(30)
        return self._predictor.run(batch)


def wait_for(server: ServerThread, counter: str, value: float) -> None:
    """Until /metrics says so: the server has seen what was sent."""
    end_s = time.monotonic() + 30
    while f"{counter} {value}\n" not in httpx.get(f"{server.url}/metrics").text:
        assert time.monotonic() < end_s, f"{counter} never came to {value}"
        time.sleep(0.01)


def test_the_newest_frame_wins_over_a_slow_model(predictor: Predictor, picture: Picture) -> None:
    slow = Gated(predictor)
    with ServerThread(slow, pages=False) as server, opened(server.ws_url) as socket:
        heard(socket)
        socket.send(picture(10, 10))
        assert slow.began.wait(20)
        for _ in range(30):
            socket.send(picture(10, 10))
        socket.send(picture(240, 240))
        wait_for(server, "telltale_frames_dropped_total", 30.0)
        slow.gate.set()
        first, second = heard(socket), heard(socket)
        assert (first["seq"], second["seq"]) == (0, 31)
        assert second["dropped"] == 30
        assert second["result"]["left"]["state"] == "on"
        assert slow.runs == 2


def test_a_waiting_connection_is_told_its_newest_frame_not_the_one_it_asked_with(
    predictor: Predictor, picture: Picture
) -> None:
    """One thread, two connections: while the first is being told, the second's frame grows old and is replaced."""
    slow = Gated(predictor)
    with (
        ServerThread(slow, pages=False, settings=ServeSettings(workers=1)) as server,
        opened(server.ws_url) as one,
        opened(server.ws_url) as two,
    ):
        heard(one)
        heard(two)
        one.send(picture())
        assert slow.began.wait(20)
        two.send(picture(10, 10))
        two.send(picture(240, 240))
        wait_for(server, "telltale_frames_dropped_total", 1.0)
        slow.gate.set()
        told = heard(two)
        assert (told["seq"], told["dropped"], told["result"]["left"]["state"]) == (1, 1, "on")
        assert slow.runs == 2


def test_errors_are_told_while_the_model_is_busy(predictor: Predictor, picture: Picture) -> None:
    slow = Gated(predictor)
    with ServerThread(slow, pages=False) as server, opened(server.ws_url) as socket:
        heard(socket)
        socket.send(picture())
        assert slow.began.wait(20)
        socket.send("nonsense")
        assert heard(socket)["type"] == "error"
        slow.gate.set()
        assert heard(socket)["type"] == "result"


def test_leaving_in_the_middle_of_an_answer_harms_nobody(predictor: Predictor, picture: Picture) -> None:
    slow = Gated(predictor)
    with ServerThread(slow, pages=False) as server:
        for _ in range(5):
            with opened(server.ws_url) as socket:
                socket.send(picture())
                socket.send(picture())
        slow.gate.set()
        with opened(server.ws_url) as socket:
            heard(socket)
            socket.send(picture())
            assert heard(socket)["type"] == "result"


def test_eight_clients_at_full_speed_are_all_served_fresh_frames(predictor: Predictor, picture: Picture) -> None:
    """Each floods for a second; nobody is lost or starved, and no answer goes back in time."""
    data = picture(width=320, height=240)

    async def client(url: str) -> list[dict[str, Any]]:
        answers: list[dict[str, Any]] = []
        async with connect_async(url, compression=None, proxy=None) as socket:
            await socket.recv()
            sent = 0

            async def listen() -> None:
                """Until the last frame sent is told, as it must be."""
                async for text in socket:
                    answers.append(json.loads(text))
                    if ended.is_set() and answers[-1]["seq"] == sent - 1:
                        return

            ended = asyncio.Event()
            listening = asyncio.create_task(listen())
            end_s = time.monotonic() + 1.0
            while time.monotonic() < end_s:
                sent += 1
                await socket.send(data)
                await asyncio.sleep(0)
            ended.set()
            sent += 1
            await socket.send(data)
            await asyncio.wait_for(listening, 30)
        return answers

    async def crowd(url: str) -> list[list[dict[str, Any]]]:
        return await asyncio.gather(*(client(url) for _ in range(8)))

    with ServerThread(predictor, pages=False) as server:
        told = asyncio.run(crowd(server.ws_url))
    counts = [len(answers) for answers in told]
    assert max(counts) <= 3 * min(counts) + 5
    for answers in told:
        assert {answer["type"] for answer in answers} == {"result"}
        seqs = [answer["seq"] for answer in answers]
        assert seqs == sorted(set(seqs))
        assert seqs[-1] + 1 == len(seqs) + answers[-1]["dropped"]


def as_origin(text: str | None) -> Origin | None:
    return None if text is None else Origin(text)


def test_a_foreign_page_is_refused_where_none_is_allowed(predictor: Predictor, picture: Picture) -> None:
    settings = ServeSettings(allow_origins=("https://shop.example",))
    with ServerThread(predictor, settings=settings, pages=False) as server:
        for origin in ("https://shop.example", server.url, None):
            with connect(server.ws_url, origin=as_origin(origin), proxy=None) as socket:
                assert heard(socket)["type"] == "hello"
        for origin in ("https://evil.example", "null", "https://shop.example.evil.example"):
            with connect(server.ws_url, origin=as_origin(origin), proxy=None) as socket:
                refusal = heard(socket)
                assert (refusal["type"], refusal["code"]) == ("error", "request")
                assert origin in refusal["message"]
                with pytest.raises(ConnectionClosed):
                    heard(socket)


def test_any_page_may_use_a_server_of_this_machine(server: ServerThread) -> None:
    with connect(server.ws_url, origin=Origin("https://any.example"), proxy=None) as socket:
        assert heard(socket)["type"] == "hello"


class Moody:
    """A predictor whose first answer is a fault."""

    def __init__(self, predictor: Predictor, fault: float | Exception) -> None:
        self.spec, self.task, self.bundle = predictor.spec, predictor.task, predictor.bundle
        self.preprocess = predictor.preprocess
        self._predictor, self._fault, self._runs = predictor, fault, 0

    def run(self, batch: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
        self._runs += 1
        if self._runs > 1:
            return self._predictor.run(batch)
        if isinstance(self._fault, Exception):
            raise self._fault
        return {"probabilities": np.full((1, 2), self._fault, np.float32)}


@pytest.mark.parametrize("fault", [RuntimeError("a secret path"), float("nan")], ids=["raises", "no number"])
def test_a_frame_that_breaks_the_model_is_an_error_and_the_connection_lives(
    predictor: Predictor, picture: Picture, fault: float | Exception
) -> None:
    with ServerThread(Moody(predictor, fault), pages=False) as server, opened(server.ws_url) as socket:
        heard(socket)
        socket.send(picture())
        told = heard(socket)
        assert (told["type"], told["code"], told["seq"]) == ("error", "error", 0)
        assert "secret" not in json.dumps(told)
        socket.send(picture())
        assert heard(socket)["type"] == "result"
