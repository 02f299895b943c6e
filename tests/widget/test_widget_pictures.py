"""Which picture the widget looks at, and what it says when there is none to see."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page

from telltale.serve.server import ServerThread
from widget.harness import CANVAS, SCRIPT, WIDGET, PlainServer, show, told, wait_connected

pytestmark = pytest.mark.browser

ELEMENT = "<tell-tale autoconnect></tell-tale>"
CAPTURE = "widget().capture().then((answer) => states(answer), (error) => error.toJSON())"

WEBGL = """(options) => {
  const canvas = document.querySelector("canvas");
  const gl = canvas.getContext("webgl", {preserveDrawingBuffer: false, alpha: options.alpha});
  globalThis.draw = (level) => {
    gl.enable(gl.SCISSOR_TEST);
    for (const [i, value] of [level, level, level].entries()) {
      gl.scissor((i * canvas.width) / 3, 0, canvas.width / 3 + 1, canvas.height);
      gl.clearColor(value, value, value, 1);
      gl.clear(gl.COLOR_BUFFER_BIT);
    }
  };
  if (options.always) {
    const loop = () => { draw(1); requestAnimationFrame(loop); };
    requestAnimationFrame(loop);
  } else if (options.resize) {
    addEventListener("resize", () => requestAnimationFrame(() => draw(1)));
  }
}"""


def test_the_largest_canvas_or_video_is_taken(page: Page, server: ServerThread) -> None:
    small = '<canvas id="small" width="900" height="900" style="width:60px;height:60px"></canvas>'
    hidden = '<canvas id="hidden" width="2000" height="2000" style="visibility:hidden;position:absolute"></canvas>'
    big = '<canvas id="big" width="50" height="40" style="width:300px;height:200px"></canvas>'
    show(page, server, SCRIPT + small + hidden + big + ELEMENT, levels=None)
    wait_connected(page)
    page.evaluate("paint([0, 0, 0], '#small'); paint([0, 0, 0], '#hidden'); paint([255, 255, 255], '#big')")
    assert page.evaluate(CAPTURE) == ["on", "on", "on"]
    page.locator("tell-tale summary", has_text="Settings").click()
    assert page.locator("tell-tale .source").inner_text() == "Looking at canvas#big, 50 × 40"


def test_the_for_attribute_names_the_picture_or_what_holds_it(page: Page, server: ServerThread) -> None:
    body = f'{CANVAS}<div id="box"><canvas id="inner" width="30" height="30"></canvas></div>'
    show(page, server, SCRIPT + body + '<tell-tale for="#box" autoconnect></tell-tale>', levels=(255, 255, 255))
    wait_connected(page)
    page.evaluate("paint([0, 0, 0], '#inner')")
    assert page.evaluate(CAPTURE) == ["off", "off", "off"]
    page.evaluate("widget().setAttribute('for', '#view')")
    assert page.evaluate(CAPTURE) == ["on", "on", "on"]


@pytest.mark.parametrize(
    ("body", "attribute", "said"),
    [
        ("<p>nothing here</p>", "", "no picture on this page"),
        ('<canvas style="display:none"></canvas>', "", "1 hidden"),
        (CANVAS, 'for="#missing"', "none that matches"),
        (CANVAS, 'for="#["', "a syntax error"),
        ("<canvas></canvas>", "", "reads as empty"),
        ('<canvas width="0"></canvas>', 'for="canvas"', "no picture yet"),
        ('<video width="200" height="200"></video>', "", "wait until the video plays"),
    ],
)
def test_what_cannot_be_seen_is_said(page: Page, server: ServerThread, body: str, attribute: str, said: str) -> None:
    show(page, server, SCRIPT + body + f"<tell-tale {attribute} autoconnect></tell-tale>", levels=None)
    wait_connected(page)
    error = page.evaluate(CAPTURE)
    assert said in error["message"]
    assert page.locator("tell-tale [role=alert]").inner_text().startswith(error["message"])
    assert page.evaluate("widget().state") == "connected"


def test_a_tainted_canvas_is_named_and_forgiven_once_it_is_clean(page: Page, server: ServerThread) -> None:
    show(page, server, SCRIPT + CANVAS + ELEMENT)
    wait_connected(page)
    foreign = f"http://localhost:{server.port}/picture.svg"
    svg = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>'
    headers = {"Content-Type": "image/svg+xml", "Cross-Origin-Resource-Policy": "cross-origin"}
    page.route(foreign, lambda route: route.fulfill(body=svg, headers=headers))
    page.evaluate(
        """async (address) => {
      const image = new Image();
      image.src = address;
      await image.decode();
      document.querySelector("canvas").getContext("2d").drawImage(image, 0, 0);
    }""",
        foreign,
    )
    error = page.evaluate(CAPTURE)
    assert error["code"] == "tainted"
    assert "Access-Control-Allow-Origin" in page.locator("tell-tale [role=alert]").inner_text()
    page.evaluate("document.querySelector('canvas').width = 300; paint([255, 0, 255])")
    assert page.evaluate(CAPTURE) == ["on", "off", "on"]


@pytest.mark.parametrize("alpha", [True, False])
def test_webgl_that_keeps_no_buffer_is_caught_in_its_frame(page: Page, server: ServerThread, alpha: bool) -> None:
    show(page, server, SCRIPT + CANVAS + ELEMENT, levels=None)
    page.evaluate(WEBGL, {"always": True, "alpha": alpha})
    wait_connected(page)
    for _ in range(3):
        assert page.evaluate(CAPTURE) == ["on", "on", "on"]


def test_webgl_that_draws_on_demand_is_asked_to_draw_again(page: Page, server: ServerThread) -> None:
    show(page, server, SCRIPT + CANVAS + ELEMENT, levels=None)
    page.evaluate(WEBGL, {"resize": True, "alpha": True})
    wait_connected(page)
    page.evaluate("new Promise((resolve) => requestAnimationFrame(() => { draw(1); setTimeout(resolve, 200); }))")
    assert page.evaluate(CAPTURE) == ["on", "on", "on"]


@pytest.mark.parametrize("alpha", [True, False])
def test_webgl_that_is_gone_is_said_to_be_empty(page: Page, server: ServerThread, alpha: bool) -> None:
    show(page, server, SCRIPT + CANVAS + ELEMENT, levels=None)
    page.evaluate(WEBGL, {"alpha": alpha})
    wait_connected(page)
    error = page.evaluate(CAPTURE)
    assert error["code"] == "blank"
    assert "preserveDrawingBuffer" in error["next"]


def test_the_last_frame_an_on_demand_page_drew_after_a_click_is_told(page: Page, server: ServerThread) -> None:
    show(page, server, SCRIPT + CANVAS + "<button onclick='play()'>Go</button>" + ELEMENT, levels=None)
    page.evaluate(WEBGL, {"alpha": True})
    page.evaluate("""() => {
      globalThis.play = () => {
        let left = 12;
        const step = () => { draw(1 - left / 12); if (left-- > 0) requestAnimationFrame(step); };
        requestAnimationFrame(step);
      };
      globalThis.answer = once("tell-tale-result");
    }""")
    wait_connected(page)
    page.click("text=Go")
    assert page.evaluate("answer.then(states)") == ["on", "on", "on"]


def test_a_wholly_black_2d_picture_is_a_picture(page: Page, server: ServerThread) -> None:
    show(page, server, SCRIPT + CANVAS + ELEMENT, levels=(0, 0, 0))
    wait_connected(page)
    assert page.evaluate(CAPTURE) == ["off", "off", "off"]


def test_what_is_transparent_counts_as_white(page: Page, server: ServerThread) -> None:
    show(page, server, SCRIPT + CANVAS + ELEMENT, levels=None)
    page.evaluate("document.querySelector('canvas').getContext('2d').fillRect(0, 0, 200, 360)")
    wait_connected(page)
    assert page.evaluate(CAPTURE) == ["off", "on", "on"]


def test_a_picture_in_a_shadow_root_or_a_frame_is_found(page: Page, server: ServerThread) -> None:
    show(page, server, SCRIPT + "<div id='host'></div>" + ELEMENT, levels=None)
    wait_connected(page)
    page.evaluate("""() => {
      const root = document.querySelector("#host").attachShadow({mode: "open"});
      const canvas = root.appendChild(document.createElement("canvas"));
      canvas.getContext("2d").fillStyle = "#fff";
      canvas.getContext("2d").fillRect(0, 0, 999, 999);
    }""")
    assert page.evaluate(CAPTURE) == ["on", "on", "on"]
    page.evaluate(
        """(address) => new Promise((resolve) => {
      document.querySelector("#host").remove();
      const frame = document.createElement("iframe");
      frame.addEventListener("load", () => {
        const canvas = frame.contentDocument.createElement("canvas");
        frame.contentDocument.body.append(canvas);
        canvas.getContext("2d").fillRect(0, 0, 999, 999);
        resolve();
      });
      frame.src = address;
      document.body.append(frame);
    })""",
        server.url + "/widget/page.css",
    )
    assert page.evaluate(CAPTURE) == ["off", "off", "off"]


def test_a_playing_video_is_followed(page: Page, server: ServerThread) -> None:
    page.goto(server.url + "/widget/examples/video.html")
    wait_connected(page)
    page.click("#camera")
    page.wait_for_function("document.querySelector('video').videoWidth > 0")
    page.evaluate("once('tell-tale-result')")
    assert len(told(page)) == 3
    assert page.evaluate("once('tell-tale-result').then((answer) => answer.source)") == "video"
    page.click("#stop")


def test_another_sites_frame_is_passed_over(page: Page, server: ServerThread) -> None:
    with PlainServer(WIDGET, body=CANVAS) as other:
        script = f'<script src="{server.url}/widget/tell-tale.js"></script>'
        frame = f'<iframe src="{other.url()}" width="900" height="500"></iframe>'
        with PlainServer(WIDGET, body=frame + '<canvas width="30" height="30"></canvas>' + script + ELEMENT) as host:
            page.goto(host.url())
            wait_connected(page)
            page.evaluate("paint([255, 255, 255])")
            assert page.evaluate(CAPTURE) == ["on", "on", "on"]
