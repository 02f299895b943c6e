"""The pages a server shows and the bundle's files. Knows nothing of inference."""

from __future__ import annotations

import html
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, HTMLResponse
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from telltale.bundle.spec import BundleSpec
from telltale.errors import BundleError
from telltale.pages import HEADERS, MIME, web_root
from telltale.serve.engine import Model
from telltale.serve.look import page
from telltale.serve.schema import ErrorBody

PAGES = ("car", "monitor", "widget", "vendor")


class PageHeaders:
    """Adds `pages.HEADERS` to every HTTP answer: WebAssembly may use threads, and nothing stale is shown."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, with_headers)


class Pages(StaticFiles):
    """Static files whose types do not hang on the machine's mime.types."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        kind = MIME.get(Path(path).suffix)
        if kind and response.status_code == 200:
            response.headers["content-type"] = kind
        return response


def mount_pages(app: FastAPI, spec: BundleSpec, *, monitor: bool = False) -> None:
    """`/`, and the folders of `web_root()` that are there. monitor: `/` is the monitor. Raises MissingPartError."""
    root = web_root()
    there = [name for name in PAGES if (root / name).is_dir() and (name != "monitor" or monitor)]
    for name in there:
        app.mount(f"/{name}", Pages(directory=(root / name).resolve(), html=True), name=name)

    @app.get("/", include_in_schema=False)
    async def index() -> HTMLResponse:
        if "monitor" in there:
            return HTMLResponse((root / "monitor" / "index.html").read_text(encoding="utf-8"))
        return HTMLResponse(index_page(spec, there))


def mount_bundle(app: FastAPI, model: Model) -> None:
    """`/bundle/`: bundle.json and the files it lists, nothing else. A lone .onnx has none."""
    try:
        model.bundle  # noqa: B018
    except BundleError:
        return

    @app.get(
        "/bundle/{name:path}",
        summary="A file of the bundle: bundle.json, and those it lists",
        response_class=FileResponse,
        response_description="The file.",
        responses={404: {"model": ErrorBody, "description": "The bundle lists no such file."}},
        openapi_extra={"parameters": [{"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}]},
    )
    async def bundle_file(request: Request) -> FileResponse:
        bundle = model.bundle
        name = str(request.path_params["name"])  # no parameter: FastAPI would document a 422 that never comes
        if name != "bundle.json" and name not in bundle.spec.files:
            raise HTTPException(404, f"the bundle has {', '.join(['bundle.json', *sorted(bundle.spec.files)])}")
        path = bundle.path / name
        if not path.is_file():
            raise HTTPException(404, "the file has gone")
        return FileResponse(path, media_type=MIME.get(path.suffix))


LINKS = {
    "car": ("/car/?widget=ws", "The car", "A car to open and close, with the widget beside it."),
    "widget": ("/widget/", "The widget", "Watch a canvas, a video or a webcam; take it to your own page."),
}


def index_page(spec: BundleSpec, there: list[str]) -> str:
    """The first page somebody sees."""
    names = spec.make_task().names
    cards = [LINKS[name] for name in there if name in LINKS]
    cards.append(("/docs", "The interface", "Every address and message, with a form to try a picture."))
    links = "".join(
        f'<a class="card" href="{href}"><b>{title}</b><span>{html.escape(text)}</span></a>'
        for href, title, text in cards
    )
    chips = "".join(f"<li>{html.escape(name)}</li>" for name in names)
    body = f"""
<header><h1>telltale</h1><p>This server tells, from a picture, the state of</p><ul class="chips">{chips}</ul>
<p class="quiet">model <b>{html.escape(spec.name)}</b>, {html.escape(spec.task.get("kind", ""))},
sees {spec.input.width} × {spec.input.height} pixels, licence {html.escape(spec.licence)}</p></header>
<nav class="cards">{links}</nav>
<p class="quiet">For machines: <a href="/openapi.json">openapi.json</a> · <a href="/healthz">healthz</a> ·
<a href="/metrics">metrics</a></p>"""
    return page(f"telltale: {spec.name}", body)
