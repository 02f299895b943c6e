"""The server's routes. Knows nothing of ports, certificates or threads."""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from fastapi import FastAPI, Request, Response, WebSocket
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.exceptions import HTTPException

from telltale import __version__
from telltale.bundle.predictor import Predictor
from telltale.bundle.tiling import Looks
from telltale.errors import BusyError, NotLiveError, RequestError, TelltaleError
from telltale.serve import wire
from telltale.serve.answers import Speaker
from telltale.serve.attach import Extras, attach
from telltale.serve.batching import Batched
from telltale.serve.body import read_picture
from telltale.serve.docs_page import docs_page
from telltale.serve.engine import Engine, Model
from telltale.serve.follow import follow
from telltale.serve.handshake import accept_origin
from telltale.serve.history import open_history
from telltale.serve.manners import Manners
from telltale.serve.metrics import Metrics
from telltale.serve.monitor import Monitor, mount_monitor
from telltale.serve.schema import TELL_BODY, TELL_ERRORS, TELL_QUERY, HealthBody, ToldBody
from telltale.serve.settings import ANY_ORIGIN, ServeSettings
from telltale.serve.site import PageHeaders, mount_bundle, mount_pages
from telltale.serve.stream import Stream
from telltale.serve.watch import Watch
from telltale.tasks.task import Json

if TYPE_CHECKING:
    from telltale.serve.rtc import Streams

log = logging.getLogger("telltale.serve")

RETRY_S = {BusyError.code: 5, NotLiveError.code: 1}
"""Of the errors that pass by themselves: what `Retry-After` says."""
PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"


def create_app(
    model: Model, *, pages: bool = True, settings: ServeSettings | None = None, rival: Model | None = None
) -> FastAPI:
    """Everything docs/serve.md describes, for one model.

    model: a `Predictor`. pages: also serve `/`, `/car/`, `/widget/` and `/vendor/`. rival: another one, to compare with
    in the monitor.
    settings.allow_origins None means no foreign page here: the host is not known yet.
    """
    settings = settings or ServeSettings()
    told_by: Looks = model
    if settings.batch > 1:
        told_by = Batched(model, settings.batch, settings.run_count(), settings.batch_wait_ms / 1e3)
    engine = Engine(told_by, settings.worker_count(), settings.max_pixels)

    metrics = Metrics()
    watch = None
    if settings.monitor is not None:
        watch = Watch(open_history(settings.monitor))
    speaker = Speaker(model, metrics, settings, watch)
    streams: Streams | None = None

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        following = asyncio.ensure_future(follow(model, speaker.renew)) if isinstance(model, Predictor) else None
        yield
        if following is not None:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
        if streams is not None:
            await streams.close()
        engine.close()
        if watch is not None:
            watch.close()

    app = FastAPI(
        title=f"telltale: {model.spec.name}",
        description=f"Tells {', '.join(model.task.names)} from a picture.",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    _add_errors(app, metrics)
    _add_tell(app, model, engine, metrics, settings, watch)
    _add_socket(app, engine, speaker, settings)
    if importlib.util.find_spec("aiortc") is not None:
        from telltale.serve.rtc import Streams
        from telltale.serve.whip import mount_streams

        streams = Streams(engine, model.task, speaker, settings)
        mount_streams(app, streams, settings)
    _add_state(app, model, metrics)
    mount_bundle(app, model)
    if watch is not None and settings.monitor is not None:
        mount_monitor(
            app, Monitor(model, rival, engine, watch, metrics, settings, settings.monitor, streams is not None)
        )
    if pages:
        mount_pages(app, model.spec, monitor=watch is not None)
    allowed = [origin.rstrip("/") for origin in settings.allow_origins or ()]
    app.add_middleware(
        CORSMiddleware,
        allow_origins=allowed,
        allow_methods=["GET", "POST", "PATCH", "DELETE"],
        allow_headers=["*"],
        expose_headers=["Location", "ETag", "Link", "Accept-Patch", "Accept-Post", "Retry-After"],
        allow_private_network=ANY_ORIGIN in allowed,
    )
    app.add_middleware(Manners)
    app.add_middleware(PageHeaders)
    return app


def _add_tell(
    app: FastAPI, model: Model, engine: Engine, metrics: Metrics, settings: ServeSettings, watch: Watch | None
) -> None:
    @app.post(
        "/api/tell",
        summary="Tell one picture",
        response_model=ToldBody,
        response_description="The answer.",
        responses=TELL_ERRORS,
        openapi_extra={"requestBody": TELL_BODY, "parameters": TELL_QUERY},
    )
    async def tell(request: Request) -> Response:
        extras = Extras.parse(request.query_params)
        data = await read_picture(request, settings.max_bytes)
        start_s = time.perf_counter()
        told = await engine.tell(lambda: data)
        age_ms = (time.perf_counter() - start_s) * 1e3
        metrics.tell("http", told.infer_ms, age_ms)
        if watch is not None:
            watch.note("http", told, age_ms)
        message = wire.result(0, None, told.result.to_json(), told.size, age_ms=age_ms, infer_ms=told.infer_ms)
        if extras != Extras():
            thresholds = model.spec.thresholds
            message |= await engine.do(lambda: attach(extras, model.task, thresholds, told.image, told.result))
        return Response(wire.dump(message), media_type="application/json")


def _add_socket(app: FastAPI, engine: Engine, speaker: Speaker, settings: ServeSettings) -> None:
    @app.websocket("/ws/infer")
    async def infer(socket: WebSocket) -> None:
        if await accept_origin(socket, settings):
            await Stream(socket, engine, speaker.narrator("ws"), settings.max_bytes).run(speaker.greeting)


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
        retry_s = RETRY_S.get(cause.code)
        return JSONResponse(wire.error(cause), status, {"Retry-After": str(retry_s)} if retry_s else None)

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
