"""The widget against a real server: connecting, capturing, coming back."""

from __future__ import annotations

import io
from collections.abc import Iterator

import httpx
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page

from telltale.bundle.predictor import Predictor
from telltale.serve.server import ServerThread
from telltale.serve.settings import ServeSettings
from widget.harness import CANVAS, NAMES, SCRIPT, press, show, told, wait_connected

pytestmark = pytest.mark.browser

WIDGET = "<tell-tale></tell-tale>"


def test_connect_capture_and_disconnect_do_what_they_say(page: Page, server: ServerThread) -> None:
    show(page, server, SCRIPT + CANVAS + WIDGET)
    link = page.locator("tell-tale .link")
    assert link.inner_text() == "Disconnected"
    assert page.get_by_role("button", name="Capture").get_attribute("aria-disabled") == "true"
    press(page, "Connect")
    wait_connected(page)
    assert link.inner_text() == f"Connected to ws://127.0.0.1:{server.port}"
    press(page, "Capture")
    page.wait_for_function("widget().shadowRoot.querySelector('[data-state=on]')")
    assert told(page) == ["on", "off", "unsure"]
    press(page, "Disconnect")
    assert link.inner_text() == "Disconnected"
    assert page.evaluate("widget().state") == "disconnected"


def test_the_unsure_is_shown_by_word_shape_and_bar(page: Page, server: ServerThread) -> None:
    show(page, server, SCRIPT + CANVAS + WIDGET, levels=(255, 0, 128))
    page.evaluate("widget().connect()")
    wait_connected(page)
    page.evaluate("widget().capture()")
    rows = page.locator("tell-tale .row")
    looks = {}
    for i, state in enumerate(("on", "off", "unsure")):
        row = rows.nth(i)
        assert row.get_attribute("data-state") == state
        looks[state] = (
            row.locator(".mark").evaluate("e => getComputedStyle(e).borderStyle"),
            row.locator(".mark path").first.get_attribute("d"),
            row.locator(".fill").evaluate("e => getComputedStyle(e).backgroundImage !== 'none'"),
        )
    assert len(set(looks.values())) == 3
    assert looks["unsure"][0] == "dashed"
    assert looks["unsure"][2]
    meter = rows.nth(2).get_by_role("meter")
    assert meter.get_attribute("aria-valuetext") == "unsure, 50 %"
    zone = rows.nth(2).locator(".zone").evaluate("e => [e.style.left, e.style.width]")
    assert [round(float(part[:-1])) for part in zone] == [30, 40]


def test_a_png_frame_gets_exactly_pythons_answer(page: Page, server: ServerThread, predictor: Predictor) -> None:
    show(page, server, SCRIPT + CANVAS + '<tell-tale format="png"></tell-tale>', levels=(201, 77, 131))
    page.evaluate("widget().connect()")
    wait_connected(page)
    answer = page.evaluate("widget().capture()")
    data = bytes(
        page.evaluate("""async () => {
      const blob = await new Promise((resolve) => document.querySelector("canvas").toBlob(resolve, "image/png"));
      return Array.from(new Uint8Array(await blob.arrayBuffer()));
    }""")
    )
    assert answer["result"] == predictor.tell(data).to_json()
    assert answer["size"] == [600, 360]


@pytest.mark.parametrize("attributes", ['wire="json"', 'format="webp" quality="0.8"', 'format="nonsense"'])
def test_every_form_of_frame_is_answered(page: Page, server: ServerThread, attributes: str) -> None:
    show(page, server, SCRIPT + CANVAS + f"<tell-tale {attributes}></tell-tale>")
    page.evaluate("widget().connect()")
    wait_connected(page)
    before = page.evaluate("Date.now()")
    answer = page.evaluate("widget().capture()")
    assert [reading["state"] for reading in answer["result"].values()] == ["on", "off", "unsure"]
    assert before - 1000 < answer["t_ms"] <= page.evaluate("Date.now()")


def test_a_click_on_a_control_captures_what_the_picture_settles_to(page: Page, server: ServerThread) -> None:
    button = "<button onclick='fade()'>Open</button><p id='text'>no control</p>"
    show(page, server, SCRIPT + CANVAS + button + WIDGET, levels=(0, 0, 0))
    page.evaluate("""() => {
      globalThis.fade = () => {
        const start = performance.now();
        const step = (now) => {
          const level = Math.min(255, Math.max(0, ((now - start - 120) / 500) * 255));  // starts late, takes its time
          paint([level, level, level]);
          if (level < 255) requestAnimationFrame(step);
        };
        requestAnimationFrame(step);
      };
      globalThis.answers = [];
      widget().addEventListener("tell-tale-result", ({detail}) => answers.push(states(detail)));
      widget().connect();
    }""")
    wait_connected(page)
    page.click("#text")
    page.wait_for_timeout(500)
    assert page.evaluate("answers") == []
    page.click("text=Open")
    page.wait_for_function("answers.length > 0")
    assert page.evaluate("answers[0]") == ["on", "on", "on"]


def test_a_picture_that_never_settles_is_captured_in_the_end(page: Page, server: ServerThread) -> None:
    show(page, server, SCRIPT + CANVAS + "<button>Go</button><tell-tale></tell-tale>")
    page.evaluate("""() => {
      const flicker = (now) => { paint([now % 256, 255 - (now % 256), 0]); requestAnimationFrame(flicker); };
      requestAnimationFrame(flicker);
      widget().connect();
    }""")
    wait_connected(page)
    page.evaluate("globalThis.answer = once('tell-tale-result'); void 0")
    page.click("text=Go")
    assert page.evaluate("answer.then((a) => a.size)") == [600, 360]


def test_a_single_look_is_confirmed_so_that_its_event_comes(page: Page, server: ServerThread) -> None:
    show(page, server, SCRIPT + CANVAS + WIDGET, levels=(0, 0, 0))
    page.evaluate("widget().connect()")
    wait_connected(page)
    page.evaluate("widget().capture()")
    page.wait_for_timeout(600)
    page.evaluate("paint([255, 0, 0]); globalThis.change = once('tell-tale-event'); void 0")
    page.evaluate("widget().capture().then(() => 0)")
    change = page.evaluate("change")
    assert (change["name"], change["from"], change["to"]) == ("left", "off", "on")
    page.wait_for_selector("tell-tale .events li")
    assert "left: off" in page.locator("tell-tale .events li").first.inner_text().replace("\n", " ")


def test_continuous_capture_keeps_its_rate_and_never_queues(page: Page, server: ServerThread) -> None:
    show(page, server, SCRIPT + CANVAS + WIDGET)
    page.evaluate("""() => {
      globalThis.sent = 0; globalThis.open = 0; globalThis.most = 0;
      const send = WebSocket.prototype.send;
      WebSocket.prototype.send = function (data) {
        sent++;
        most = Math.max(most, ++open);
        return send.call(this, data);
      };
      widget().addEventListener("tell-tale-result", () => open--);
      widget().connect();
    }""")
    wait_connected(page)
    page.locator("tell-tale select").first.select_option("10")
    page.wait_for_timeout(2100)
    sent, most = page.evaluate("[sent, most]")
    assert 8 <= sent <= 23
    assert most == 1
    shown = page.locator("tell-tale dd.rate").inner_text()
    assert 3 <= float(shown.removesuffix(" /s")) <= 11
    assert "s" in page.locator("tell-tale dd.age").inner_text()
    page.locator("tell-tale select").first.select_option("0")
    page.wait_for_timeout(300)
    stopped = page.evaluate("sent")
    page.wait_for_timeout(400)
    assert page.evaluate("sent") == stopped


def test_it_comes_back_when_the_server_does(page: Page, predictor: Predictor, complaints: list[str]) -> None:
    with ServerThread(predictor) as first:
        show(page, first, SCRIPT + CANVAS + '<tell-tale autoconnect rate="5"></tell-tale>')
        wait_connected(page)
        page.evaluate("once('tell-tale-result')")
        page.evaluate(
            "globalThis.seen = []; widget().addEventListener('tell-tale-state', (e) => seen.push(e.detail.state))"
        )
        port = first.port
    page.wait_for_function("widget().state === 'reconnecting'")
    assert page.locator("tell-tale .link").inner_text().startswith("Reconnecting to ws://")
    page.wait_for_function("widget().shadowRoot.querySelector('.stale')")
    with ServerThread(predictor, port=port):
        page.wait_for_function("widget().state === 'connected'")
        page.evaluate("once('tell-tale-result')")
        assert page.locator("tell-tale .stale").count() == 0
    assert page.evaluate("seen[0]") == "reconnecting"
    page.evaluate("widget().disconnect()")
    assert all("WebSocket" in complaint for complaint in complaints), complaints
    complaints.clear()


def test_a_server_that_is_not_there_is_named_and_tried_again(
    page: Page, server: ServerThread, complaints: list[str]
) -> None:
    show(page, server, SCRIPT + CANVAS + '<tell-tale host="127.0.0.1:9" autoconnect></tell-tale>')
    page.wait_for_selector("tell-tale [role=alert] >> text=no answer from ws://127.0.0.1:9/ws/infer")
    assert page.evaluate("widget().state") == "reconnecting"
    page.locator("tell-tale summary", has_text="Settings").click()
    page.get_by_label("Server").fill(f"127.0.0.1:{server.port}")
    page.get_by_label("Server").press("Enter")
    wait_connected(page)
    assert page.locator("tell-tale [role=alert]").is_hidden()
    complaints.clear()


def test_custom_ws_host_wins_over_the_attribute(page: Page, server: ServerThread, predictor: Predictor) -> None:
    with ServerThread(predictor) as other:
        for custom in (f"127.0.0.1:{other.port}", other.ws_url):
            show(page, server, SCRIPT + CANVAS + '<tell-tale host="127.0.0.1:9"></tell-tale>')
            page.evaluate("custom => { window.CUSTOM_WS_HOST = custom; widget().connect(); }", custom)
            wait_connected(page)
            assert page.locator("tell-tale .link").inner_text() == f"Connected to ws://127.0.0.1:{other.port}"


def test_an_address_that_is_none_is_said_at_once(page: Page, server: ServerThread) -> None:
    show(page, server, SCRIPT + CANVAS + '<tell-tale host="ftp://x"></tell-tale>')
    press(page, "Connect")
    assert "expected host, host:port" in page.locator("tell-tale [role=alert]").inner_text()
    assert page.evaluate("widget().state") == "disconnected"


@pytest.fixture
def strict_server(predictor: Predictor) -> Iterator[ServerThread]:
    """A server that takes only tiny frames, and pages of its own."""
    with ServerThread(predictor, settings=ServeSettings(max_bytes=3000, allow_origins=())) as running:
        yield running


def test_what_the_server_refuses_is_shown_and_the_connection_lives(page: Page, strict_server: ServerThread) -> None:
    show(page, strict_server, SCRIPT + CANVAS + '<tell-tale format="png"></tell-tale>')
    page.evaluate("""async () => {  // a picture of 4 to 8 KB
      const canvas = document.querySelector("canvas");
      const context = canvas.getContext("2d");
      for (let i = 0, size = 0; size < 4000; i++) {
        context.fillStyle = `rgb(${i % 256},${(i * 7) % 256},${(i * 13) % 256})`;
        context.fillRect((i * 37) % 600, (i * 71) % 360, 9, 9);
        if (i % 40 === 0) size = (await new Promise((resolve) => canvas.toBlob(resolve))).size;
      }
      widget().connect();
    }""")
    wait_connected(page)
    error = page.evaluate("widget().capture().then(() => null, (error) => error.toJSON())")
    assert error["code"] == "too-large"
    assert "3000 bytes" in page.locator("tell-tale [role=alert]").inner_text()
    page.evaluate("document.querySelector('canvas').width = 60; paint([255, 255, 255])")
    assert page.evaluate("widget().capture().then(states)") == ["on", "on", "on"]
    assert page.locator("tell-tale [role=alert]").is_hidden()


def test_a_page_the_server_does_not_allow_is_told_why(
    page: Page, server: ServerThread, strict_server: ServerThread
) -> None:
    show(page, server, SCRIPT + CANVAS + f'<tell-tale host="127.0.0.1:{strict_server.port}"></tell-tale>')
    press(page, "Connect")
    page.wait_for_function(
        "widget().state === 'disconnected' && widget().shadowRoot.querySelector('.error:not([hidden])')"
    )
    assert "--allow-origin" in page.locator("tell-tale [role=alert]").inner_text()


def test_the_frame_on_the_wire_is_the_canvas_alone_at_its_native_size(page: Page, server: ServerThread) -> None:
    show(page, server, SCRIPT + "<h1>not this</h1>" + CANVAS + "<tell-tale></tell-tale>", levels=(10, 120, 250))
    page.evaluate("""() => {
      document.querySelector("canvas").style.width = "150px";
      globalThis.frame = new Promise((resolve) => {
        const send = WebSocket.prototype.send;
        WebSocket.prototype.send = function (data) {
          resolve(Array.from(new Uint8Array(data)));
          return send.call(this, data);
        };
      });
      widget().connect();
    }""")
    wait_connected(page)
    page.evaluate("widget().capture()")
    with Image.open(io.BytesIO(bytes(page.evaluate("frame")))) as picture:
        assert picture.format == "JPEG"
        assert picture.size == (600, 360)
        thirds = np.asarray(picture)[:, [100, 300, 500]].mean(axis=(0, 2))
    assert np.abs(thirds - [10, 120, 250]).max() < 3


def test_names_of_the_model_head_the_rows(page: Page, server: ServerThread) -> None:
    show(page, server, SCRIPT + CANVAS + "<tell-tale autoconnect></tell-tale>")
    wait_connected(page)
    assert page.eval_on_selector_all("tell-tale .row", "rows => rows.map(r => r.dataset.name)") == list(NAMES)
    assert httpx.get(server.url + "/healthz").json()["names"] == list(NAMES)
