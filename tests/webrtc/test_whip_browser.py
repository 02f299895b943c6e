"""A real Chromium sends a canvas and a webcam by WebRTC: by hand, and through the widget."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from telltale.bundle.predictor import Predictor
from telltale.serve.server import ServerThread
from telltale.serve.settings import ServeSettings
from widget.harness import CANVAS, CHROMIUM, FLAGS, HELPERS, SCRIPT, show, wait_connected, watch

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not Path(CHROMIUM).exists():
        pytest.skip(f"no Chromium at {CHROMIUM}")
    with sync_playwright() as play:
        running = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield running
        running.close()


@pytest.fixture
def complaints() -> list[str]:
    return []


@pytest.fixture
def page(browser: Browser, complaints: list[str]) -> Iterator[Page]:
    opened = browser.new_page(viewport={"width": 1280, "height": 800})
    opened.set_default_timeout(15_000)
    watch(opened, complaints)
    opened.add_init_script(HELPERS)
    opened.route("**/favicon.ico", lambda route: route.fulfill(status=204))
    yield opened
    opened.close()
    assert complaints == []


BY_HAND = """async ([source, keep]) => {
  const stream = source === "webcam" ? await navigator.mediaDevices.getUserMedia({video: {width: 320, height: 240}})
                                     : document.querySelector("canvas").captureStream(15);
  const peer = globalThis.peer = new RTCPeerConnection();
  peer.addTransceiver(stream.getVideoTracks()[0], {direction: "sendonly"});
  const channel = peer.createDataChannel("telltale");
  const told = globalThis.told = [];
  const some = new Promise((resolve) => {
    channel.onmessage = ({data}) => {
      told.push(JSON.parse(data));
      if (told.length === 4) resolve();
    };
  });
  await peer.setLocalDescription();
  const response = await fetch("/whip?stream=page", {
    method: "POST", headers: {"Content-Type": "application/sdp"}, body: peer.localDescription.sdp,
  });
  const location = response.headers.get("location");
  await peer.setRemoteDescription({type: "answer", sdp: await response.text()});
  const [at, etag] = [new URL(location, document.baseURI), response.headers.get("etag")];
  await some;
  if (keep) return {told};
  const status = (await fetch(at, {method: "DELETE"})).status;
  peer.close();
  return {told, status, etag};
}"""

PAINT_ON = """() => { globalThis.painting = setInterval(() => paint(globalThis.levels ?? [255, 0, 128]), 40); }"""


@pytest.mark.parametrize("source", ["canvas", "webcam"])
def test_a_page_sends_video_with_a_dozen_lines_of_its_own(page: Page, server: ServerThread, source: str) -> None:
    show(page, server, CANVAS)
    page.evaluate(PAINT_ON)
    got: dict[str, Any] = page.evaluate(BY_HAND, [source, False])
    assert got["status"] == 200
    assert [m["type"] for m in got["told"][:4]] == ["hello", "result", "result", "result"]
    if source == "canvas":
        assert [r["state"] for r in got["told"][-1]["result"].values()] == ["on", "off", "unsure"]


WIDGET = f'{CANVAS}{SCRIPT}<tell-tale mode="webrtc" autoconnect></tell-tale>'


def test_the_widget_tells_a_canvas_over_webrtc(page: Page, server: ServerThread) -> None:
    show(page, server, WIDGET)
    wait_connected(page)
    for levels, expected in (
        ([255, 0, 128], ["on", "off", "unsure"]),
        ([0, 255, 0], ["off", "on", "off"]),
        ([255, 255, 255], ["on", "on", "on"]),
        ([0, 0, 255], ["off", "off", "on"]),
    ):
        told = page.evaluate("async (levels) => { paint(levels); return states(await widget().capture()); }", levels)
        assert told == expected, "the answer is about this very picture"
    with httpx.Client(base_url=server.url, trust_env=False) as http:
        [stream] = http.get("/api/streams").json()["streams"]
        assert stream["size"] == [600, 360]
        page.evaluate("() => widget().disconnect()")
        deadline_s = time.monotonic() + 20
        while http.get("/api/streams").json()["streams"]:
            assert time.monotonic() < deadline_s, "the widget has left"
            page.wait_for_timeout(50)


def test_the_widget_follows_a_moving_canvas_with_events(page: Page, server: ServerThread) -> None:
    show(page, server, f'{CANVAS}{SCRIPT}<tell-tale mode="webrtc" rate="15" autoconnect></tell-tale>')
    wait_connected(page)
    page.evaluate("() => once('tell-tale-result')")
    change: dict[str, Any] = page.evaluate("""() => {
      const changed = once("tell-tale-event");
      paint([0, 0, 128]);
      return changed;
    }""")
    assert (change["name"], change["to"]) == ("left", "off")
    count = page.evaluate("""async () => {
      let count = 0;
      widget().addEventListener("tell-tale-result", () => count++);
      await new Promise((resolve) => setTimeout(resolve, 2000));
      return count;
    }""")
    assert count >= 6
    rtp = page.evaluate("() => once('tell-tale-result')")["rtp"]
    assert 0 <= rtp < 2**32


def test_the_widget_takes_the_websocket_where_webrtc_does_not_come_about(
    page: Page, complaints: list[str], predictor: Predictor
) -> None:
    with ServerThread(predictor, settings=ServeSettings(streams=0, average_s=0, dwell_s=0)) as full:
        show(page, full, WIDGET)
        wait_connected(page)
        told = page.evaluate("async () => { paint([0, 255, 0]); return states(await widget().capture()); }")
        assert told == ["off", "on", "off"]
        text = page.evaluate("() => widget().shadowRoot.textContent")
        assert "WebRTC did not come about: the server answered 503" in text
        page.evaluate("() => widget().disconnect()")
    assert all("503" in said for said in complaints)
    complaints.clear()


def test_a_browser_without_webrtc_takes_the_websocket(page: Page, server: ServerThread) -> None:
    page.add_init_script("delete globalThis.RTCPeerConnection")
    show(page, server, WIDGET)
    wait_connected(page)
    told = page.evaluate("async () => { paint([0, 255, 0]); return states(await widget().capture()); }")
    assert told == ["off", "on", "off"]


def test_a_network_that_lets_no_media_through_is_found_out(page: Page, predictor: Predictor) -> None:
    from telltale.streams.reach import Ice

    nowhere = Ice(addresses=("127.0.0.1",), public="127.255.255.254")  # answers come from another address than told
    with ServerThread(predictor, settings=ServeSettings(ice=nowhere, average_s=0, dwell_s=0)) as server:
        show(page, server, WIDGET)
        wait_connected(page)
        told = page.evaluate("async () => { paint([0, 255, 0]); return states(await widget().capture()); }")
        assert told == ["off", "on", "off"]
        page.evaluate("() => widget().disconnect()")


def test_the_widget_finds_a_server_started_anew_within_five_seconds(
    page: Page, complaints: list[str], predictor: Predictor
) -> None:
    settings = ServeSettings(average_s=0, dwell_s=0)
    with ServerThread(predictor, settings=settings) as first:
        show(page, first, f'{CANVAS}{SCRIPT}<tell-tale mode="webrtc" rate="10" autoconnect></tell-tale>')
        wait_connected(page)
        page.evaluate("() => once('tell-tale-result')")
        port = first.port
    began_s = time.monotonic()
    with ServerThread(predictor, settings=settings, port=port) as second:
        page.evaluate("() => once('tell-tale-result')")
        assert time.monotonic() - began_s < 5 + 2  # a busy machine starts the server slowly
        with httpx.Client(base_url=second.url, trust_env=False) as http:
            assert len(http.get("/api/streams").json()["streams"]) == 1, "over WebRTC again"
        page.evaluate("() => widget().disconnect()")
    complaints.clear()  # what the browser says of a server that is not there


def test_a_removed_widget_takes_its_stream_with_it(page: Page, server: ServerThread) -> None:
    show(page, server, WIDGET)
    wait_connected(page)
    page.evaluate("() => widget().capture()")
    with httpx.Client(base_url=server.url, trust_env=False) as http:

        def names() -> list[str]:
            return [stream["name"] for stream in http.get("/api/streams").json()["streams"]]

        mine = names()[-1]
        page.evaluate("() => widget().remove()")
        deadline_s = time.monotonic() + 20
        while mine in names():
            assert time.monotonic() < deadline_s
            page.wait_for_timeout(50)


WATCH = """async () => {
  const peer = globalThis.viewer = new RTCPeerConnection();
  const video = document.createElement("video");
  video.muted = true;
  peer.addTransceiver("video", {direction: "recvonly"});
  const shown = new Promise((resolve) => {
    peer.ontrack = ({track}) => {
      video.srcObject = new MediaStream([track]);
      void video.play();
      video.requestVideoFrameCallback((now, {rtpTimestamp}) => resolve(rtpTimestamp));
    };
  });
  await peer.setLocalDescription();
  const response = await fetch("/whep/page", {
    method: "POST", headers: {"Content-Type": "application/sdp"}, body: peer.localDescription.sdp,
  });
  if (response.status !== 201) return {status: response.status};
  await peer.setRemoteDescription({type: "answer", sdp: await response.text()});
  const rtp = await shown;
  const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
  const context = canvas.getContext("2d", {willReadFrequently: true});
  context.drawImage(video, 0, 0);
  const at = (x, y) => [...context.getImageData(x, y, 1, 1).data.slice(0, 3)];
  const size = [video.videoWidth, video.videoHeight];
  const pixels = [at(size[0] * 0.15, size[1] - 20), at(size[0] * 0.5, size[1] - 20)];
  peer.close();
  return {status: 201, size, pixels, rtp};
}"""


def test_chromium_watches_the_annotated_stream(page: Page, server: ServerThread) -> None:
    show(page, server, CANVAS)
    page.evaluate(PAINT_ON)
    page.evaluate(BY_HAND, ["canvas", True])
    got: dict[str, Any] = page.evaluate(WATCH)
    assert got["status"] == 201
    assert got["size"] == [600, 360]
    assert min(got["pixels"][0]) > 180
    assert max(got["pixels"][1]) < 70
    page.evaluate("() => peer.close()")
