"""Starting, stopping, certificates, and the client that asks."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import httpx
import numpy as np
import pytest
from websockets.sync.client import connect

from telltale.bundle.bundle import Bundle
from telltale.bundle.predictor import Predictor
from telltale.errors import ConfigError, ImageError, ServeError
from telltale.serve import tls
from telltale.serve.client import Server, describe, find_pictures, send
from telltale.serve.origins import may_connect
from telltale.serve.server import ServerThread, open_fastest
from telltale.serve.settings import ServeSettings, is_loopback
from telltale.tasks import Threshold
from tiny_bundle import make_tiny_bundle

if TYPE_CHECKING:
    from serve.conftest import Picture

RUN = "import sys; from telltale.serve.server import run_server; run_server(sys.argv[1], port=int(sys.argv[2]))"


def wait_for(what: Callable[[], bool], within_s: float = 10) -> None:
    end_s = time.monotonic() + within_s
    while not what():
        assert time.monotonic() < end_s
        time.sleep(0.02)


@pytest.fixture
def files(tmp_path: Path, picture: Picture) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(picture(240, 10))
    (folder / "b.PNG").write_bytes(picture(10, 240, ".png"))
    (folder / "notes.txt").write_text("no picture")
    return folder


def test_a_taken_port_is_a_clear_error(server: ServerThread, predictor: Predictor) -> None:
    with pytest.raises(ServeError, match=r"another program holds; stop that program, or choose another with --port"):
        ServerThread(predictor, port=server.port).__enter__()


@pytest.mark.parametrize("host", ["203.0.113.7", "no.such.host.invalid", "a\x00b", "x" * 300])
def test_a_host_that_is_not_ours_is_a_clear_error(predictor: Predictor, host: str) -> None:
    with pytest.raises(ServeError, match=r"127\.0\.0\.1"):
        ServerThread(predictor, host=host).__enter__()


def test_a_port_that_is_none_is_a_clear_error(predictor: Predictor) -> None:
    with pytest.raises(ServeError, match="0 to 65535"):
        ServerThread(predictor, port=70_000).__enter__()


def test_leaving_frees_the_port(predictor: Predictor) -> None:
    with ServerThread(predictor, pages=False) as server:
        port = server.port
    with ServerThread(predictor, port=port, pages=False) as again:
        assert httpx.get(f"{again.url}/healthz").status_code == 200


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_it_in_order_even_with_a_connection_open(tiny: Path, number: signal.Signals) -> None:
    from websockets.sync.client import connect

    process = subprocess.Popen(
        [sys.executable, "-c", RUN, str(tiny), "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stdout is not None
    url = process.stdout.readline().rpartition(" at ")[2].strip()
    with connect(f"ws{url.removeprefix('http')}/ws/infer", proxy=None) as open_socket:
        open_socket.recv(timeout=20)
        process.send_signal(number)
        out, errors = process.communicate(timeout=20)
    assert errors == ""
    if number == signal.SIGINT:
        assert process.returncode == 0
        assert out.endswith("stopped\n")


def test_the_fastest_way_to_open_a_bundle_gives_the_same_answers(
    tiny: Path, predictor: Predictor, picture: Picture
) -> None:
    assert open_fastest(tiny).tell(picture()).to_json() == predictor.tell(picture()).to_json()


def test_https_and_wss_with_a_certificate_of_its_own(
    predictor: Predictor, tmp_path: Path, files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = tls.self_signed(folder=tmp_path)
    assert made.fingerprint.count(":") == 31
    assert made.key.stat().st_mode & 0o077 == 0
    assert tls.self_signed(folder=tmp_path) == made, "kept, so that the fingerprint stays"
    assert tls.self_signed("door.example", folder=tmp_path).fingerprint != made.fingerprint, "another name"
    made = tls.self_signed(folder=tmp_path)
    with ServerThread(predictor, tls=made, pages=False) as server:
        assert server.url.startswith("https://127.0.0.1:")
        for stream in (False, True):
            told = list(send([files], server.url, stream=stream, certificate=made.certificate))
            assert [sent.ok for sent in told] == [True, True]
            assert all(sent.ok for sent in send([files], server.url, stream=stream, insecure=True))
            with pytest.raises(ServeError, match="--certificate"):
                list(send([files], server.url, stream=stream))
        with socket.create_connection(("127.0.0.1", server.port)) as raw:
            context = ssl.create_default_context(cafile=made.certificate)
            with context.wrap_socket(raw, server_hostname="localhost") as wrapped:
                assert wrapped.version() in ("TLSv1.2", "TLSv1.3")


def test_a_kept_certificate_that_is_damaged_is_made_anew(tmp_path: Path) -> None:
    made = tls.self_signed(folder=tmp_path)
    made.certificate.write_text("damaged")
    assert tls.self_signed(folder=tmp_path).fingerprint != made.fingerprint


def test_given_certificates_are_checked_before_the_server_starts(tmp_path: Path) -> None:
    made = tls.self_signed(folder=tmp_path / "one")
    other = tls.self_signed("other.example", folder=tmp_path / "two")
    assert tls.given(made.certificate, made.key).fingerprint == made.fingerprint
    for certificate, key in [(made.certificate, other.key), (tmp_path / "none", made.key), (made.key, made.key)]:
        with pytest.raises(ServeError, match="--self-signed"):
            tls.given(certificate, key)


@pytest.mark.parametrize("stream", [False, True])
def test_the_client_sends_a_folder_and_gives_the_answers(server: ServerThread, files: Path, stream: bool) -> None:
    told = list(send([files], server.url, stream=stream))
    assert [sent.path.name for sent in told] == ["a.jpg", "b.PNG"]
    assert [sent.message["result"]["left"]["state"] for sent in told] == ["on", "off"]
    line = describe(told[0], 20)
    assert "left on 0.9" in line
    assert "right off 0.0" in line
    assert "ms" in line
    if stream:
        assert [(e["name"], e["to"]) for e in told[1].message["events"]] == [("left", "off"), ("right", "on")]
        assert "[left: on -> off]" in describe(told[1])


@pytest.mark.parametrize("stream", [False, True])
def test_a_refused_picture_does_not_end_the_sending(server: ServerThread, files: Path, stream: bool) -> None:
    (files / "aa.jpg").write_text("no picture")
    told = list(send([files], server.url, stream=stream))
    assert [sent.ok for sent in told] == [True, False, True]
    assert "refused: picture: expected a JPEG" in describe(told[1])
    assert told[1].to_json()["code"] == "media-type"


@pytest.mark.parametrize("stream", [False, True])
def test_a_server_that_is_not_there_is_a_clear_error(files: Path, stream: bool) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(ServeError, match="telltale serve BUNDLE"):
        list(send([files], f"127.0.0.1:{port}", stream=stream, timeout_s=5))


def test_a_server_that_is_another_is_a_clear_error(files: Path) -> None:
    from telltale.pages import PageServer

    with PageServer(files) as pages, pytest.raises(ServeError, match="expected a telltale server"):
        list(send([files], pages.url().rstrip("/")))
    with PageServer(files) as pages, pytest.raises(ServeError, match="expected a telltale server"):
        list(send([files], pages.url().rstrip("/"), stream=True))


def test_no_picture_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="nothing there"):
        find_pictures([tmp_path / "none.jpg"])
    with pytest.raises(ImageError, match="got none"):
        find_pictures([tmp_path])


@pytest.mark.parametrize(
    ("text", "base"),
    [
        ("localhost", "http://localhost:8000"),
        ("127.0.0.1:99", "http://127.0.0.1:99"),
        ("http://door", "http://door"),
        ("wss://door:44/ws/infer", "https://door:44"),
        ("https://[::1]:9", "https://[::1]:9"),
        ("[::1]", "http://[::1]:8000"),
    ],
)
def test_a_host_may_be_written_in_many_ways(text: str, base: str) -> None:
    server = Server.parse(text)
    assert server.base == base
    assert server.socket == base.replace("http", "ws", 1) + "/ws/infer"


@pytest.mark.parametrize("text", ["", "ftp://x", "http://", "x:notaport", "http://x:99999", "a b"])
def test_a_host_that_is_none_is_a_clear_error(text: str) -> None:
    with pytest.raises(ServeError, match="HOST:PORT"):
        Server.parse(text)


@pytest.mark.parametrize(
    ("origin", "host", "allowed", "may"),
    [
        (None, "door:80", (), True),
        ("http://door:80", "door:80", (), True),
        ("http://DOOR:80", "door:80", (), True),
        ("http://door", "door:80", (), False),
        ("null", "", (), False),
        ("null", "door", ("*",), True),
        ("https://a.example", "door", ("https://a.example/",), True),
        ("https://b.a.example", "door", ("https://a.example",), False),
    ],
)
def test_an_origin_is_ours_allowed_or_refused(
    origin: str | None, host: str, allowed: tuple[str, ...], may: bool
) -> None:
    assert may_connect(origin, host, allowed) is may


def test_only_a_loopback_server_is_open_to_all_pages_by_itself() -> None:
    for host, alone in [("127.0.0.1", True), ("localhost", True), ("::1", True), ("0.0.0.0", False), ("", False)]:
        assert is_loopback(host) is alone
        assert ServeSettings().origins(host) == (("*",) if alone else ())
        assert ServeSettings(allow_origins=("https://a",)).origins(host) == ("https://a",)


@pytest.mark.parametrize(
    "make",
    [
        lambda: ServeSettings(average_s=-1.0),
        lambda: ServeSettings(dwell_s=float("nan")),
        lambda: ServeSettings(allow_origins=("shop.example",)),
        lambda: ServeSettings(allow_origins=("https://shop.example/page",)),
        lambda: ServeSettings(allow_origins=("",)),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(make: Callable[[], ServeSettings]) -> None:
    with pytest.raises(ConfigError, match="expected"):
        make()


def test_new_thresholds_of_the_bundle_count_without_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("telltale.serve.follow.LOOK_EVERY_S", 0.05)
    folder = make_tiny_bundle(tmp_path)
    grey = cv2.imencode(".png", np.full((24, 32, 3), 128, np.uint8))[1].tobytes()
    with (
        ServerThread(Predictor.open(folder, threads=1)) as server,
        httpx.Client(base_url=server.url, trust_env=False, timeout=20) as http,
        connect(server.ws_url) as socket,
    ):
        socket.recv()
        before = http.post("/api/tell", content=grey).json()["result"]["left"]
        assert before["state"] == "unsure"
        cuts = {name: Threshold(0.01, 0.02) for name in ("left", "right")}
        Bundle.open(folder).update(thresholds=cuts)
        wait_for(lambda: http.post("/api/tell", content=grey).json()["result"]["left"]["state"] == "on")
        socket.send(grey)
        assert json.loads(socket.recv())["smoothed"]["left"]["state"] == "on", "a connection that was open before"
        assert json.loads((http.get("/bundle/bundle.json")).content)["thresholds"]["left"]["high"] == 0.02
        assert "from now on: left 0.01 0.02" in caplog.text
        Bundle.open(folder).update(created="2031-01-01T00:00:00Z")
        wait_for(lambda: "not taken" in caplog.text)
        assert http.post("/api/tell", content=grey).json()["result"]["left"]["state"] == "on"


def test_head_is_answered_wherever_get_is(server: ServerThread) -> None:
    with httpx.Client(base_url=server.url, trust_env=False, timeout=20) as http:
        for path in ("/", "/healthz", "/metrics", "/docs", "/openapi.json", "/bundle/bundle.json", "/widget/"):
            got, head = http.get(path), http.head(path)
            assert head.status_code == got.status_code == 200, path
            assert head.content == b""
            assert head.headers["content-type"] == got.headers["content-type"]
            if path != "/metrics":  # counts on
                assert head.headers.get("content-length") == got.headers.get("content-length"), path
        assert http.head("/api/tell").status_code == 405
        assert http.head("/nowhere").status_code == 404
