"""The server's routes. Knows nothing of ports, certificates or threads."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request, Response, WebSocket
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.exceptions import HTTPException

from telltale import __version__
from telltale.errors import RequestError, TelltaleError
from telltale.serve import wire
from telltale.serve.body import read_picture
from telltale.serve.docs_page import docs_page
from telltale.serve.engine import Engine, Model
from telltale.serve.metrics import Metrics
from telltale.serve.origins import may_connect
from telltale.serve.schema import TELL_BODY, TELL_ERRORS, HealthBody, ResultBody
from telltale.serve.settings import ANY_ORIGIN, ServeSettings
from telltale.serve.site import PageHeaders, mount_bundle, mount_pages
from telltale.serve.stream import Stream
from telltale.streams import Smoother
from telltale.tasks.states import States
from telltale.tasks.task import Json

log = logging.getLogger("telltale.serve")

PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"


def create_app(model: Model, *, pages: bool = True, settings: ServeSettings | None = None) -> FastAPI:
    """Everything docs/serve.md describes, for one model.

    model: a `Predictor`. pages: also serve `/`, `/car/`, `/widget/` and `/vendor/`.
    settings.allow_origins None means no foreign page here: the host is not known yet.
    """
    settings = settings or ServeSettings()
    engine = Engine(model, settings.worker_count(), settings.max_pixels)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        engine.close()

    app = FastAPI(
        title=f"telltale: {model.spec.name}",
        description=f"Tells {', '.join(model.task.names)} from a picture.",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    metrics = Metrics()
    _add_errors(app, metrics)
    _add_tell(app, model, engine, metrics, settings)
    _add_socket(app, model, engine, metrics, settings)
    _add_state(app, model, metrics)
    mount_bundle(app, model)
    if pages:
        mount_pages(app, model.spec)
    allowed = [origin.rstrip("/") for origin in settings.allow_origins or ()]
    app.add_middleware(
        CORSMiddleware,
        allow_origins=allowed,
        allow_methods=["GET", "POST"],
        allow_headers=["*"],
        allow_private_network=ANY_ORIGIN in allowed,
    )
    app.add_middleware(PageHeaders)
    return app


def _add_tell(app: FastAPI, model: Model, engine: Engine, metrics: Metrics, settings: ServeSettings) -> None:
    @app.post(
        "/api/tell",
        summary="Tell one picture",
        response_model=ResultBody,
        response_description="The answer.",
        responses=TELL_ERRORS,
        openapi_extra={"requestBody": TELL_BODY},
    )
    async def tell(request: Request) -> Response:
        data = await read_picture(request, settings.max_bytes)
        start_s = time.perf_counter()
        told = await engine.tell(lambda: data)
        age_ms = (time.perf_counter() - start_s) * 1e3
        metrics.tell("http", told.infer_ms, age_ms)
        message = wire.result(0, None, told.result.to_json(), told.size, age_ms=age_ms, infer_ms=told.infer_ms)
        return Response(wire.dump(message), media_type="application/json")


def _add_socket(app: FastAPI, model: Model, engine: Engine, metrics: Metrics, settings: ServeSettings) -> None:
    smoothing = model.spec.smoothing
    average_s = smoothing.average_s if settings.average_s is None else settings.average_s
    dwell_s = smoothing.dwell_s if settings.dwell_s is None else settings.dwell_s
    greeting = wire.hello(model.spec, average_s, dwell_s)

    @app.websocket("/ws/infer")
    async def infer(socket: WebSocket) -> None:
        await socket.accept()
        origin = socket.headers.get("origin")
        if not may_connect(origin, socket.headers.get("host", ""), settings.allow_origins or ()):
            # A browser hides a refused handshake from its page, so the reason is told on the open socket.
            refusal = RequestError(
                "origin",
                expected="a page of this server",
                got=str(origin),
                next=f"start it with --allow-origin {origin}",
            )
            await socket.send_text(wire.dump(wire.error(refusal)))
            await socket.close(1008, "origin not allowed")
            return
        smoother = None
        if isinstance(model.task, States):
            smoother = Smoother(model.task.names, model.spec.thresholds, average_s, dwell_s)
        await Stream(socket, engine, smoother, metrics, settings.max_bytes).run(greeting)


def _add_state(app: FastAPI, model: Model, metrics: Metrics) -> None:
    @app.get(
        "/healthz",
        summary="Whether the server lives, and with which model",
        response_model=HealthBody,
        response_description="It lives.",
    )
    async def healthz() -> dict[str, Json]:
        return {
            "status": "ok",
            "bundle": model.spec.name,
            "kind": model.task.kind,
            "names": list(model.task.names),
            "connections": metrics.connections,
            "version": __version__,
        }

    @app.get("/metrics", summary="Counters for Prometheus", response_class=Response, response_description="Text.")
    async def counters() -> Response:
        return Response(metrics.text(), headers={"content-type": PROMETHEUS})

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return HTMLResponse(docs_page(app.openapi(), model.spec))


def _add_errors(app: FastAPI, metrics: Metrics) -> None:
    def answer(cause: TelltaleError, status: int) -> JSONResponse:
        metrics.errors.labels(cause.code).inc()
        return JSONResponse(wire.error(cause), status)

    @app.exception_handler(TelltaleError)
    async def ours(request: Request, cause: TelltaleError) -> JSONResponse:
        return answer(cause, cause.status)

    @app.exception_handler(HTTPException)
    async def routing(request: Request, cause: HTTPException) -> JSONResponse:
        """Unknown paths and wrong methods."""
        what = f"{request.method} {request.url.path[:80]}"
        response = answer(RequestError(what, got=str(cause.detail), next="see /docs"), cause.status_code)
        response.headers.update(cause.headers or {})
        return response

    @app.exception_handler(Exception)
    async def fault(request: Request, cause: Exception) -> JSONResponse:
        """Starlette logs the traceback after this."""
        return answer(TelltaleError("the server", got="a fault of its own", next="its log says more"), 500)
