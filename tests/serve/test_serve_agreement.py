"""Python and JavaScript agree on the wire: the widget understands the golden messages, and Python its frames."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from telltale.serve import wire
from telltale.serve.server import ServerThread

if TYPE_CHECKING:
    from playwright.sync_api import Page, WebSocketRoute

FOLDER = Path(__file__).parents[1] / "golden" / "wire"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: `telltale doctor` says how to get it"),
]

PLACE = """async ({wire, host}) => {
  const canvas = Object.assign(document.createElement("canvas"), {width: 96, height: 64});
  const paper = canvas.getContext("2d");
  paper.fillStyle = "white";
  paper.fillRect(0, 0, 48, 64);
  document.body.append(canvas);
  await import("/widget/tell-tale.js");
  globalThis.answers = [];
  globalThis.faults = [];
  const widget = document.createElement("tell-tale");
  widget.setAttribute("wire", wire);
  widget.setAttribute("host", host);
  widget.addEventListener("tell-tale-result", (event) => answers.push(event.detail));
  widget.addEventListener("tell-tale-error", (event) => faults.push(event.detail));
  document.body.append(widget);
  await widget.connect();
  globalThis.widget = widget;
}"""


def golden(name: str) -> Any:
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking"]
        flags += ["--disable-component-update", "--disable-sync"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield browser.new_page()
        browser.close()


@pytest.mark.parametrize("form", ["binary", "json"])
def test_the_widget_understands_the_golden_messages_and_python_its_frames(
    page: Page, server: ServerThread, form: str
) -> None:
    received: list[str | bytes] = []

    def play(socket: WebSocketRoute) -> None:
        """The golden hello, then the golden result to the first frame and the golden error to the next."""

        def answer(message: str | bytes) -> None:
            received.append(message)
            shown = golden("result" if len(received) == 1 else "error")
            seq = json.loads(message)["seq"] if isinstance(message, str) else len(received) - 1
            socket.send(json.dumps({**shown, "seq": seq}))

        socket.on_message(answer)
        socket.send(json.dumps(golden("hello")))

    page.route_web_socket("**/ws/infer", play)
    page.goto(server.url)
    page.evaluate(PLACE, {"wire": form, "host": server.url.removeprefix("http://")})
    page.wait_for_function("widget.state === 'connected'")
    page.evaluate("widget.capture()")
    page.wait_for_function("answers.length === 1")
    [heard] = page.evaluate("answers")
    for field in ("result", "smoothed", "events", "dropped", "age_ms", "size"):
        assert heard[field] == golden("result")[field], field
    page.evaluate("widget.capture().catch((error) => error)")
    page.wait_for_function("faults.length === 1")
    assert page.evaluate("[faults[0].code, faults[0].next]") == [golden("error")["code"], golden("error")["next"]]

    for seq, message in enumerate(received):
        frame = wire.FrameMessage(message) if isinstance(message, bytes) else wire.parse_frame(message)
        wire.check_picture(frame.file())
        assert isinstance(message, bytes) == (form == "binary")
        if isinstance(message, str):
            assert frame.seq == seq
            assert frame.t_ms is not None
            assert set(json.loads(message)) <= {"type", "image", "seq", "t_ms"}
