"""The monitor's routes: what was told, live and kept; compare; send to labelling. Knows nothing of how it is kept.

Described in docs/monitor.md and docs/wire.md. Every route here refuses foreign pages (`guard.py`).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
from fastapi import FastAPI, Request, Response, WebSocket, WebSocketDisconnect
from numpy.typing import NDArray

from telltale.bundle.tiling import look
from telltale.dataset.catalogue import Catalogue
from telltale.errors import ConflictError, ForeignError, NotFoundError, RequestError
from telltale.frame import Image
from telltale.preprocess import decode
from telltale.project import Project
from telltale.serve import wire
from telltale.serve.body import read_named
from telltale.serve.compare import compare
from telltale.serve.engine import Engine, Model
from telltale.serve.guard import check_own
from telltale.serve.history import SPANS, Kept
from telltale.serve.metrics import Metrics
from telltale.serve.settings import MonitorSettings, ServeSettings
from telltale.serve.watch import Noted, Watch, jpeg
from telltale.streams.latest import Closed, Latest
from telltale.tasks.task import Json

LIVE_SIDE = 960
"""Pixels on a side of a picture in the live view."""
LIVE_EVERY_S = 0.08
"""Between two messages of a live view: no screen shows more."""
PACE_EVERY_S = 1.0
MOST = 2000
"""Answers listed at once."""
MOST_SENT = 500
GROUP_MINUTES = 10
SUFFIXES = {b"\xff\xd8\xff": ".jpg", b"\x89PNG": ".png", b"RIFF": ".webp"}


class Monitor:
    """What the routes need, bundled. streams: this server takes WebRTC."""

    def __init__(
        self,
        model: Model,
        rival: Model | None,
        engine: Engine,
        watch: Watch,
        metrics: Metrics,
        settings: ServeSettings,
        own: MonitorSettings,
        streams: bool = False,
    ) -> None:
        self.model, self.rival, self.engine, self.watch = model, rival, engine, watch
        self.metrics, self.settings, self.own = metrics, settings, own
        self.streams = streams
        self.project = None if own.project is None else Project.open(own.project)

    def about(self) -> dict[str, Json]:
        history = self.watch.history
        return {
            "bundle": self.model.spec.name,
            "kind": self.model.task.kind,
            "names": list(self.model.task.names),
            "thresholds": {n: {"low": t.low, "high": t.high} for n, t in self.model.spec.thresholds.items()},
            "rival": None if self.rival is None else self.rival.spec.name,
            "streams": self.streams,
            "project": None if self.project is None else self.project.config.name,
            "kept": {
                **history.size(),
                "file": None if history.path is None else history.path.name,
                "keep_days": history.keep_days,
                "keep_bytes": history.keep_bytes,
            },
        }

    def pace(self) -> dict[str, Json]:
        return {
            "type": "pace",
            **self.watch.pace(),
            **self.metrics.totals(),
            "connections": self.metrics.connections,
        }

    def overlay(self, image: Image) -> bytes:
        result = self.model.task.decode(look(self.model, image), self.model.spec.thresholds)[0]
        return jpeg(self.model.task.draw(image, result))

    def send_to_labelling(self, found: Sequence[tuple[Kept, bytes]]) -> int:
        """Into the project's catalogue, unlabelled; pictures of ten minutes are one group. Returns how many."""
        project = self.project
        if project is None:
            raise ConflictError("labelling", expected="a project", got="none", next="start with --project FOLDER")
        with Catalogue.open(project.catalogue_path, project.images) as catalogue, catalogue.transaction():
            for kept, data in found:
                at = datetime.fromtimestamp(kept.at_s, UTC)
                part = at.replace(minute=at.minute // GROUP_MINUTES * GROUP_MINUTES)
                catalogue.add(
                    data,
                    suffix=suffix_of(data),
                    group=f"monitor {part:%Y-%m-%d %H:%M}",
                    source="monitor",
                    meta={"told": kept.result, "told_by": self.model.spec.name, "told_at": f"{at:%Y-%m-%dT%H:%M:%SZ}"},
                )
        self.watch.history.mark_sent([kept.id for kept, _ in found])
        return len(found)


def suffix_of(data: bytes) -> str:
    """Of the file's name, by its first bytes."""
    return next((suffix for head, suffix in SUFFIXES.items() if data.startswith(head)), ".jpg")


def mount_monitor(app: FastAPI, monitor: Monitor) -> None:
    """`/api/monitor...`, `/api/compare` and `/ws/monitor`."""
    _add_kept(app, monitor)
    _add_live(app, monitor)
    _add_compare(app, monitor)


def _add_kept(app: FastAPI, monitor: Monitor) -> None:
    history, local = monitor.watch.history, monitor.own.local

    @app.get("/api/monitor", include_in_schema=False)
    async def about(request: Request) -> Response:
        check_own(request, local=local)
        return _json(await asyncio.to_thread(monitor.about))

    @app.get("/api/monitor/trend", include_in_schema=False)
    async def trend(request: Request) -> Response:
        check_own(request, local=local)
        span = request.query_params.get("span", "minute")
        if span not in SPANS:
            raise RequestError("?span=", expected=" or ".join(SPANS), got=repr(span)[:40])

        def read() -> dict[str, Json]:
            monitor.watch.flush()
            return history.trend(span, _now_s())

        return _json(await asyncio.to_thread(read))

    @app.get("/api/monitor/told", include_in_schema=False)
    async def told(request: Request) -> Response:
        check_own(request, local=local)
        query = request.query_params
        limit = _whole(query.get("limit", "60"), "?limit=", 1, MOST)
        before = _whole(query["before"], "?before=", 0, wire.MAX_SAFE) if "before" in query else None
        found = await asyncio.to_thread(
            history.list_told, unsure=query.get("only") == "unsure", before=before, limit=limit
        )
        return _json({"told": [each.to_json() for each in found]})

    @app.get("/api/monitor/pictures/{told_id}", include_in_schema=False)
    async def picture(request: Request) -> Response:
        check_own(request, local=local)
        told_id = _whole(request.path_params["told_id"], "the picture's number", 0, wire.MAX_SAFE)
        found = await asyncio.to_thread(history.find, told_id)
        if found is None:
            raise NotFoundError(f"picture {told_id}", got="none: it is not kept any more")
        query = request.query_params
        if query.get("overlay", "none") == "none" and "side" not in query:
            return _picture(found[1])
        side = _whole(query.get("side", "4096"), "?side=", 16, 4096)

        def draw() -> bytes:
            image = decode(found[1], max_pixels=monitor.settings.max_pixels)
            if query.get("overlay", "none") != "none":
                return monitor.overlay(image)
            return jpeg(image, side=side, quality=85)

        return _picture(await monitor.engine.do(draw))

    @app.post("/api/monitor/label", include_in_schema=False)
    async def label(request: Request) -> Response:
        check_own(request, local=local)
        ids = await _read_ids(request)

        def send() -> int:
            found = [one for one in map(history.find, ids) if one is not None]
            return monitor.send_to_labelling(found)

        return _json({"sent": await asyncio.to_thread(send)})


def _add_live(app: FastAPI, monitor: Monitor) -> None:
    local = monitor.own.local

    @app.get("/api/monitor/latest", include_in_schema=False)
    async def latest(request: Request) -> Response:
        check_own(request, local=local)
        noted = monitor.watch.latest
        if noted is None:
            raise NotFoundError("the newest picture", got="none: nothing was told yet")
        drawn = request.query_params.get("overlay", "none") != "none"

        def make() -> bytes:
            image = noted.told.image
            return jpeg(
                monitor.model.task.draw(image, noted.told.result) if drawn else image, side=LIVE_SIDE, quality=82
            )

        return _picture(await monitor.engine.do(make))

    @app.websocket("/ws/monitor")
    async def live(socket: WebSocket) -> None:
        await socket.accept()
        try:
            check_own(socket, local=local)
        except ForeignError as cause:
            await socket.send_text(wire.dump(wire.error(cause)))
            await socket.close(1008, "not allowed")
            return
        slot = monitor.watch.look_on()
        tasks = [asyncio.create_task(work) for work in (_tell_on(socket, monitor, slot), _until_gone(socket))]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            monitor.watch.look_away(slot)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _tell_on(socket: WebSocket, monitor: Monitor, slot: Latest[Noted]) -> None:
    """The newest answer as it comes, and the pace once a second."""
    paced_s = -1e9
    loop = asyncio.get_running_loop()
    with contextlib.suppress(Closed, WebSocketDisconnect, RuntimeError):
        while True:
            if loop.time() - paced_s >= PACE_EVERY_S:
                await socket.send_text(wire.dump(monitor.pace()))
                paced_s = loop.time()
            try:
                noted = await asyncio.wait_for(slot.get(), max(0.01, paced_s + PACE_EVERY_S - loop.time()))
            except TimeoutError:
                continue
            await socket.send_text(wire.dump(noted.to_json()))
            await asyncio.sleep(LIVE_EVERY_S)


async def _until_gone(socket: WebSocket) -> None:
    with contextlib.suppress(WebSocketDisconnect, RuntimeError):
        while (await socket.receive())["type"] != "websocket.disconnect":
            pass


def _add_compare(app: FastAPI, monitor: Monitor) -> None:
    @app.post("/api/compare", include_in_schema=False)
    async def compare_two(request: Request) -> Response:
        check_own(request, local=monitor.own.local)
        rival = monitor.rival
        if rival is None:
            raise ConflictError("comparing", expected="two bundles", got="one", next="start with --compare BUNDLE")
        files = await read_named(request, ("picture", "mask"), monitor.settings.max_bytes)
        if "picture" not in files:
            raise RequestError("form", expected="a file `picture`, and a `mask` if there is one", got="none")

        def work() -> dict[str, Json]:
            image = decode(files["picture"], max_pixels=monitor.settings.max_pixels)
            mask: NDArray[np.bool_] | None = None
            if files.get("mask"):
                mask = decode(files["mask"], max_pixels=monitor.settings.max_pixels).max(axis=2) > 127
            return compare(monitor.model, rival, image, mask)

        return _json(await monitor.engine.do(work))


async def _read_ids(request: Request) -> list[int]:
    """Of `{"ids": [1, 2]}`. Raises RequestError."""
    try:
        said = json.loads(await request.body())
        ids = [int(i) for i in said["ids"]]
    except (ValueError, KeyError, TypeError, RecursionError) as cause:
        raise RequestError("body", expected='{"ids": [1, 2, ...]}', got="something else") from cause
    if not 0 < len(ids) <= MOST_SENT:
        raise RequestError("ids", expected=f"1 to {MOST_SENT}", got=str(len(ids)))
    return ids


def _whole(text: str, what: str, low: int, high: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 17 and low <= int(text) <= high):
        raise RequestError(what, expected=f"{low} to {high}", got=repr(text)[:40])
    return int(text)


def _now_s() -> float:
    return datetime.now(UTC).timestamp()


def _json(message: dict[str, Json]) -> Response:
    return Response(wire.dump(message), media_type="application/json", headers=PRIVATE)


def _picture(data: bytes) -> Response:
    kind = {".png": "image/png", ".webp": "image/webp"}.get(suffix_of(data), "image/jpeg")
    return Response(data, media_type=kind, headers=PRIVATE)


PRIVATE = {"Cross-Origin-Resource-Policy": "same-origin", "Cache-Control": "no-store"}
