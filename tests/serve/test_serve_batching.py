"""Pictures of several connections run together: the same answers, nobody starves, a fault stays with its batch."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from websockets.sync.client import connect

from telltale.bundle.predictor import Predictor
from telltale.errors import ConfigError
from telltale.serve.batching import Batched, Batcher
from telltale.serve.server import ServerThread
from telltale.serve.settings import ServeSettings

if TYPE_CHECKING:
    from serve.conftest import Picture

Floats = dict[str, NDArray[np.float32]]


def pictures(count: int, predictor: Predictor) -> list[NDArray[np.uint8]]:
    size = (1, predictor.spec.input.height, predictor.spec.input.width, 3)
    return [np.random.default_rng(i).integers(0, 256, size).astype(np.uint8) for i in range(count)]


def test_answers_of_a_batch_are_those_of_single_pictures(predictor: Predictor) -> None:
    batched = Batched(predictor, 8, 1, 0.02)
    given = pictures(64, predictor)
    with ThreadPoolExecutor(16) as threads:
        found = list(threads.map(batched.run, given))
    assert batched.batcher.pictures == 64
    assert batched.batcher.batches < 64, "some were run together"
    for picture, outputs in zip(given, found, strict=True):
        for name, value in predictor.run(picture).items():
            np.testing.assert_allclose(outputs[name], value, atol=1e-6)


def test_while_one_batch_runs_the_next_gathers_up_to_its_size() -> None:
    sizes: list[int] = []
    entered, gate = threading.Event(), threading.Event()

    def run(batch: NDArray[np.uint8]) -> Floats:
        sizes.append(len(batch))
        entered.set()
        gate.wait(10)
        return {"out": batch[:, :1, 0, 0].astype(np.float32)}

    batcher = Batcher(run, 4)
    given = [np.full((1, 2, 2, 3), i, np.uint8) for i in range(10)]
    with ThreadPoolExecutor(10) as threads:
        first = threads.submit(batcher, given[0])
        entered.wait(10)
        rest = [threads.submit(batcher, each) for each in given[1:]]
        while len(batcher._queue) < 9:
            time.sleep(0.001)
        gate.set()
        answers = [each.result(10)["out"].item() for each in (first, *rest)]
    assert answers == list(range(10)), "each has its own answer"
    assert sizes == [1, 4, 4, 1]


def test_the_oldest_is_taken_first_so_that_no_stream_starves() -> None:
    def run(batch: NDArray[np.uint8]) -> Floats:
        time.sleep(0.002)
        return {"out": batch[:, :1, 0, 0].astype(np.float32)}

    batcher, end_s = Batcher(run, 2), time.monotonic() + 1.0

    def stream(i: int) -> int:
        told = 0
        while time.monotonic() < end_s:
            assert batcher(np.full((1, 1, 1, 3), i, np.uint8))["out"].item() == i
            told += 1
        return told

    with ThreadPoolExecutor(9) as threads:
        told = list(threads.map(stream, range(9)))
    assert min(told) > 0.5 * max(told), told


def test_a_batch_that_fails_fails_for_its_own_pictures_and_the_next_runs() -> None:
    def run(batch: NDArray[np.uint8]) -> Floats:
        if (batch == 13).any():
            raise RuntimeError("meant")
        return {"out": batch[:, :1, 0, 0].astype(np.float32)}

    batcher = Batcher(run, 4)
    with pytest.raises(RuntimeError, match="meant"):
        batcher(np.full((1, 1, 1, 3), 13, np.uint8))
    assert batcher(np.full((1, 1, 1, 3), 7, np.uint8))["out"].item() == 7


def test_a_lone_picture_waits_no_longer_than_it_was_said() -> None:
    batcher = Batcher(lambda batch: {"out": batch[:, :1, 0, 0].astype(np.float32)}, 8, wait_s=0.05)
    start_s = time.monotonic()
    batcher(np.zeros((1, 1, 1, 3), np.uint8))
    assert 0.04 < time.monotonic() - start_s < 1.0


def test_a_server_that_batches_answers_every_connection(predictor: Predictor, picture: Picture) -> None:
    settings = ServeSettings(batch=8, batch_wait_ms=5, average_s=0.0, dwell_s=0.0)
    left, right = picture(240, 10), picture(10, 240)
    with ServerThread(predictor, settings=settings, pages=False) as server, ExitStack() as stack:
        sockets = [stack.enter_context(connect(server.ws_url)) for _ in range(6)]
        for socket in sockets:
            socket.recv()
        for _ in range(5):
            for i, socket in enumerate(sockets):
                socket.send(left if i % 2 else right)
            for i, socket in enumerate(sockets):
                assert f'"{"left" if i % 2 else "right"}":{{"prob":0.9' in str(socket.recv(timeout=10))
        told = httpx.post(server.url + "/api/tell", content=left, trust_env=False).json()
        assert told["result"]["left"]["state"] == "on"


@pytest.mark.parametrize("settings", [{"batch": 0}, {"batch": 1000}, {"batch_wait_ms": -1}, {"batch_wait_ms": 1e4}])
def test_settings_that_cannot_be_meant_are_refused(settings: dict[str, int], tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        ServeSettings(**settings)  # type: ignore[arg-type]
