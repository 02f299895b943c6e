"""The monitor lists the streams that come in by WHIP and plays one with its answers, in a real browser."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from stream.test_ball_located import red_bundle
from telltale.bundle.predictor import Predictor
from telltale.collect.browser import FLAGS
from telltale.pages import vendor_ready, web_root
from telltale.serve.server import ServerThread
from telltale.serve.settings import MonitorSettings, ServeSettings
from tiny_bundle import make_tiny_bundle

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
CAMERA = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
NAMES = ("left", "middle", "right")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: `telltale doctor` says how to get it"),
]

PUBLISH = """async ([name, source]) => {
  const canvas = document.createElement("canvas");
  canvas.width = 320; canvas.height = 240;
  const draw = canvas.getContext("2d");
  globalThis.bright = 0;
  globalThis.painting = setInterval(() => {
    draw.fillStyle = "#000"; draw.fillRect(0, 0, 320, 240);
    draw.fillStyle = "#fff"; draw.fillRect(globalThis.bright * 107, 0, 106, 240);
  }, 50);
  const stream = source === "webcam" ? await navigator.mediaDevices.getUserMedia({video: {width: 320, height: 240}})
                                     : canvas.captureStream(15);
  const peer = globalThis.peer = new RTCPeerConnection();
  peer.addTransceiver(stream.getVideoTracks()[0], {direction: "sendonly"});
  await peer.setLocalDescription();
  const response = await fetch(`/whip?stream=${name}`,
    {method: "POST", headers: {"Content-Type": "application/sdp"}, body: peer.localDescription.sdp});
  if (response.status !== 201) throw new Error(await response.text());
  await peer.setRemoteDescription({type: "answer", sdp: await response.text()});
  globalThis.end = async () => {
    await fetch(response.headers.get("Location"), {method: "DELETE"});
    peer.close();
  };
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not (vendor_ready() and (web_root() / "vendor" / "uplot").is_dir()):
        pytest.skip("web/vendor is not made: run `npm ci && npm run vendor` in web/")
    with sync_playwright() as play:
        running = play.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, *CAMERA])
        yield running
        running.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerThread]:
    bundle = make_tiny_bundle(tmp_path_factory.mktemp("bundle"), NAMES, 48, 32)
    settings = ServeSettings(average_s=0.0, dwell_s=0.0, monitor=MonitorSettings())
    with ServerThread(Predictor.open(bundle, threads=1), settings=settings) as running:
        yield running


@pytest.fixture
def context(browser: Browser, server: ServerThread) -> Iterator[BrowserContext]:
    opened = browser.new_context(viewport={"width": 1440, "height": 900}, permissions=["camera"])
    opened.set_default_timeout(20_000)
    yield opened
    for page in [page for page in opened.pages if not page.is_closed()]:
        page.evaluate("globalThis.end?.()")  # one that only goes is noticed after half a minute (ICE consent)
    opened.close()
    wait_for(lambda: listed(server) == [])


@pytest.fixture
def page(context: BrowserContext, server: ServerThread) -> Iterator[Page]:
    """Fails its test on a complaint in the console or a request that leaves the server."""
    page, complaints = context.new_page(), list[str]()
    page.on("console", lambda m: complaints.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda e: complaints.append(str(e)))
    ours = (server.url, "data:", "blob:")
    page.on("request", lambda r: complaints.append(r.url) if not r.url.startswith(ours) else None)
    page.goto(server.url)
    page.get_by_text("connected", exact=True).wait_for()
    yield page
    assert complaints == []


def wait_for(what: Callable[[], bool], within_s: float = 15) -> None:
    end_s = time.monotonic() + within_s
    while not what():
        assert time.monotonic() < end_s
        time.sleep(0.05)


def listed(server: ServerThread) -> list[dict[str, Any]]:
    return list(httpx.get(server.url + "/api/streams", trust_env=False, timeout=20).json()["streams"])


def publish(context: BrowserContext, server: ServerThread, name: str, source: str = "canvas") -> Page:
    sender = context.new_page()
    sender.goto(f"{server.url}/healthz")
    sender.evaluate(PUBLISH, [name, source])
    return sender


def play(page: Page, name: str) -> None:
    page.bring_to_front()
    page.locator(f"monitor-streams [data-stream='{name}']").click()
    page.locator("monitor-streams .link.up").wait_for()


PIXELS = """() => {
  const video = document.querySelector("monitor-streams video");
  const c = document.createElement("canvas");
  c.width = video.videoWidth; c.height = video.videoHeight;
  const draw = c.getContext("2d", {willReadFrequently: true});
  draw.drawImage(video, 0, 0);
  return [c.width, c.height, [0, 1, 2].map((i) => draw.getImageData(i * 107 + 50, 180, 1, 1).data[0])];
}"""


def test_a_stream_that_comes_in_is_listed_and_plays_with_its_answers(
    page: Page, context: BrowserContext, server: ServerThread
) -> None:
    streams = page.locator("monitor-streams")
    streams.get_by_text("No stream comes in").wait_for()
    sender = publish(context, server, "door")
    play(page, "door")
    width, height, third = page.evaluate(PIXELS)
    assert (width, height) == (320, 240)
    assert third[0] > 180
    assert max(third[1:]) < 80
    streams.locator(".verdict.on", has_text="left").wait_for()
    sender.evaluate("globalThis.bright = 2")
    streams.locator(".verdict.on", has_text="right").wait_for()
    streams.locator(".events li", has_text="right").filter(has_text="on").wait_for()
    page.wait_for_function(f"({PIXELS})()[2][2] > 180")
    assert streams.locator(".stream span").inner_text().startswith("320 × 240 · ")


def test_stop_ends_the_viewer_at_once_and_the_stream_goes_on(
    page: Page, context: BrowserContext, server: ServerThread
) -> None:
    publish(context, server, "cam", "webcam")
    play(page, "cam")
    assert listed(server)[0]["viewers"] == 1
    page.get_by_role("button", name="Stop").click()
    wait_for(lambda: listed(server)[0]["viewers"] == 0, 3)
    assert not page.locator("monitor-streams video").is_visible()
    told = listed(server)[0]["told"]
    wait_for(lambda: bool(listed(server)[0]["told"] > told))


def test_another_stream_takes_the_place_of_the_first(page: Page, context: BrowserContext, server: ServerThread) -> None:
    for name in ("one", "two"):
        publish(context, server, name)
    play(page, "one")
    play(page, "two")
    wait_for(lambda: {s["name"]: s["viewers"] for s in listed(server)} == {"one": 0, "two": 1})


def test_a_page_that_is_closed_ends_its_viewer(context: BrowserContext, server: ServerThread) -> None:
    page = context.new_page()
    page.goto(server.url)
    publish(context, server, "left")
    play(page, "left")
    page.goto("about:blank")
    wait_for(lambda: listed(server)[0]["viewers"] == 0, 5)


def test_a_sender_that_comes_back_is_seen_again(context: BrowserContext, server: ServerThread) -> None:
    page = context.new_page()  # the refusals between put 409 into the console
    page.goto(server.url)
    sender = publish(context, server, "back")
    play(page, "back")
    sender.evaluate("globalThis.end()")
    page.locator("monitor-streams .link.lost", has_text="trying again").wait_for()
    sender.evaluate(PUBLISH, ["back", "canvas"])
    sender.evaluate("globalThis.bright = 1")
    page.locator("monitor-streams .link.up").wait_for()
    page.locator("monitor-streams .verdict.on", has_text="middle").wait_for()


def test_a_model_that_tells_where_says_how_many_it_found(browser: Browser, tmp_path: Path) -> None:
    picture = np.full((240, 320, 3), 30, np.uint8)
    picture[100:130, 60:90] = (230, 60, 40)
    data = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1].tobytes()
    settings = ServeSettings(monitor=MonitorSettings())
    with ServerThread(Predictor.open(red_bundle(tmp_path), threads=1), settings=settings) as server:
        page = browser.new_page()
        page.goto(server.url)
        page.get_by_text("connected", exact=True).wait_for()
        httpx.post(server.url + "/api/tell", content=data, trust_env=False).raise_for_status()
        page.locator("monitor-live .verdict.on", has_text="ball").wait_for()
        assert page.locator("monitor-live .chip").inner_text() == "found"
        assert page.locator("monitor-live .more").inner_text() == "1"
        page.close()


@pytest.mark.parametrize("width", [1440, 390])
def test_it_fits_its_window(context: BrowserContext, server: ServerThread, width: int, tmp_path: Path) -> None:
    page = context.new_page()
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(server.url)
    publish(context, server, "a-rather-long-name-of-a-stream-in-a-hall", "webcam")
    page.bring_to_front()
    page.locator("monitor-streams .stream").click()
    page.locator("monitor-streams .link.up").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    right = page.evaluate(
        "Math.max(...[...document.querySelectorAll('monitor-streams *')].map((e) => e.getBoundingClientRect().right))"
    )
    assert right <= width
    video = page.locator("monitor-streams video").bounding_box()
    assert video is not None
    assert video["width"] > 0.5 * min(width, 900)
    assert np.ptp(page.evaluate(PIXELS)[2]) >= 0
