"""Where the web pages lie and a loopback server for them. Knows nothing of models or browsers."""

from __future__ import annotations

import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType

from telltale.errors import MissingPartError

HEADERS = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Cache-Control": "no-cache",
}
"""Sent with every page: the first two let WebAssembly use threads."""

MIME = {".js": "text/javascript", ".mjs": "text/javascript", ".wasm": "application/wasm", ".json": "application/json"}


def web_root() -> Path:
    """The folder that holds `car/`, `widget/` and `vendor/`: inside the installed package, or in the checkout."""
    here = Path(__file__).resolve().parent
    for root in (here / "_web", here.parent.parent / "web"):
        if (root / "car").is_dir():
            return root
    raise MissingPartError("the web pages", expected=f"a folder {here / '_web'}", got="none", next="install the wheel")


def vendor_ready() -> bool:
    """Whether the npm files are in place."""
    try:
        return (web_root() / "vendor" / "three" / "three.module.min.js").is_file()
    except MissingPartError:
        return False


class _Handler(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    extensions_map = {**SimpleHTTPRequestHandler.extensions_map, **MIME}  # noqa: RUF012

    def end_headers(self) -> None:
        for name, value in HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


class PageServer:
    """Serves a folder on 127.0.0.1 at a free port while the `with` block runs.

    with PageServer() as pages:
        pages.url("car/index.html")
    """

    def __init__(self, root: Path | None = None) -> None:
        self._root = root or web_root()

    def __enter__(self) -> PageServer:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, directory=str(self._root)))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def url(self, path: str = "") -> str:
        """The address of a file under the root."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/{path}"

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
