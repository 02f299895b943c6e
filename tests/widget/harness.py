"""What the widget's tests share: pages made on the spot, and servers to load them from."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

from playwright.sync_api import ConsoleMessage, Page

from telltale.collect import browser
from telltale.pages import MIME
from telltale.serve.server import ServerThread

CHROMIUM = "/usr/bin/chromium"
FLAGS = [*browser.FLAGS, "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
NAMES = ("left", "middle", "right")
"""One for each vertical third of the picture: on where it is bright, off where it is dark, unsure at middle grey."""

ROOT = Path(__file__).resolve().parents[2]
WIDGET = ROOT / "web" / "widget"
SCRIPT = '<script src="/widget/tell-tale.js"></script>'
CANVAS = '<canvas id="view" width="600" height="360"></canvas>'

HELPERS = """
globalThis.widget = () => document.querySelector("tell-tale");
globalThis.paint = (levels, selector = "canvas") => {
  const canvas = document.querySelector(selector);
  const context = canvas.getContext("2d");
  levels.forEach((level, i) => {
    context.fillStyle = `rgb(${level},${level},${level})`;
    context.fillRect((i * canvas.width) / levels.length, 0, canvas.width / levels.length + 1, canvas.height);
  });
};
globalThis.states = (answer) => Object.values(answer.result).map((reading) => reading.state);
globalThis.once = (name) =>
  new Promise((resolve) => widget().addEventListener(name, (event) => resolve(event.detail), {once: true}));
void 0;  // evaluate() calls a function that an expression gives
"""


def watch(page: Page, complaints: list[str]) -> None:
    """Collect console errors, uncaught errors and requests that leave the machine."""

    def hear(message: ConsoleMessage) -> None:
        # the last is the software renderer telling how slow it is
        if message.type in ("error", "warning") and "GPU stall due to ReadPixels" not in message.text:
            complaints.append(message.text)

    page.on("console", hear)
    page.on("pageerror", lambda error: complaints.append(str(error)))

    def local(url: str) -> bool:
        parts = urlsplit(url)
        return parts.scheme in ("data", "blob", "javascript", "about") or parts.hostname in ("127.0.0.1", "localhost")

    page.on("request", lambda r: None if local(r.url) else complaints.append(f"outside: {r.url}"))
    page.on("websocket", lambda s: None if local(s.url) else complaints.append(f"outside: {s.url}"))


FILL = """(body) => {
  document.head.replaceChildren();
  document.body.replaceChildren();
  const template = document.createElement("template");
  template.innerHTML = body;
  for (const inert of template.content.querySelectorAll("script")) {
    const script = document.createElement("script");
    for (const {name, value} of inert.attributes) script.setAttribute(name, value);
    inert.replaceWith(script);
  }
  const scripts = [...template.content.querySelectorAll("script")];
  const loaded = scripts.map((script) => new Promise((resolve) => script.addEventListener("load", resolve)));
  document.body.append(template.content);
  return Promise.all(loaded).then(() => undefined);
}"""


def show(page: Page, server: ServerThread, body: str, *, levels: Sequence[int] | None = (255, 0, 128)) -> None:
    """A page of the server with this body; its first canvas painted in vertical bands of grey.

    Made in the page itself: `set_content` leaves custom elements as they are, and a page that a route answers is
    not of this machine to Chromium, which then keeps it from loopback addresses.
    """
    page.goto(server.url + "/widget/page.css")
    page.evaluate(FILL, body)
    if levels is not None:
        page.evaluate("levels => paint(levels)", list(levels))


def wait_connected(page: Page) -> None:
    """Asks again and again: `wait_for_function` needs eval, which a page's policy may forbid."""
    end_s = time.monotonic() + 15
    while page.evaluate("globalThis.widget?.()?.state") != "connected":
        assert time.monotonic() < end_s, page.evaluate("widget()?.shadowRoot.querySelector('.error')?.textContent")
        page.wait_for_timeout(30)


def press(page: Page, button: str) -> None:
    """Press a button of the widget by its text."""
    page.locator("tell-tale").get_by_role("button", name=button, exact=True).click()


def told(page: Page) -> list[str]:
    """The words beside the names, as a person reads them."""
    words: list[str] = page.eval_on_selector_all("tell-tale .word", "list => list.map(e => e.textContent)")
    return words


class _Plain(SimpleHTTPRequestHandler):
    """Files without the headers that let WebAssembly use threads."""

    protocol_version = "HTTP/1.1"
    extensions_map = SimpleHTTPRequestHandler.extensions_map | MIME
    pages: ClassVar[dict[str, str]] = {}
    policy: ClassVar[str] = ""

    def do_GET(self) -> None:
        body = self.pages.get(self.path)
        if body is None:
            super().do_GET()
            return
        html = f"<!doctype html><html><head><title>test</title></head><body>{body}</body></html>".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(html)))
        self.end_headers()
        self.wfile.write(html)

    def end_headers(self) -> None:
        if self.policy:
            self.send_header("Content-Security-Policy", self.policy)
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


class PlainServer:
    """A static host as anybody has one: the files of a folder, and a page `/` with the body given.

    policy: sent as Content-Security-Policy. `with PlainServer(WIDGET, body="...") as host: page.goto(host.url())`.
    """

    def __init__(self, root: Path, *, body: str = "", policy: str = "") -> None:
        self._root = root
        self._handler = type("Handler", (_Plain,), {"pages": {"/": body}, "policy": policy})

    def __enter__(self) -> PlainServer:
        handler = partial(self._handler, directory=str(self._root))
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def url(self, path: str = "") -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/{path}"

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
