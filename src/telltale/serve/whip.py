"""WHIP (RFC 9725) and WHEP over HTTP: offers in, answers out, sessions by address. Knows nothing of media.

Trickle ICE is supported, ICE restarts are not: RFC 9725 (4.3) then wants 422 for those. WHEP is
draft-ietf-wish-whep: the same exchange with the video going the other way; of its two, we never make an offer. Sound is
declined (`inactive`) rather than refused, for common programs always offer it. There are no bearer tokens.
"""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import FastAPI, Request, Response, WebSocket, WebSocketDisconnect

from telltale.errors import (
    MediaTypeError,
    PreconditionError,
    PreconditionMissingError,
    RequestError,
    TelltaleError,
    TooLargeError,
    UnfitError,
)
from telltale.serve import wire
from telltale.serve.handshake import accept_origin
from telltale.serve.rtc import Streams
from telltale.serve.schema import ErrorBody, StreamsBody
from telltale.serve.session import Listener, Session
from telltale.serve.settings import ServeSettings
from telltale.streams.ice import is_restart
from telltale.tasks.task import Json

SDP = "application/sdp"
FRAGMENT = "application/trickle-ice-sdpfrag"
MAX_SDP_BYTES = 64_000
SDP_BODY = {
    "requestBody": {"required": True, "content": {SDP: {"schema": {"type": "string"}}}},
    "responses": {
        "201": {
            "description": "The SDP answer; `Location` is the session's address.",
            "content": {SDP: {"schema": {"type": "string"}}},
        }
    },
}
REFUSED: dict[int | str, dict[str, Any]] = {
    400: {"model": ErrorBody, "description": "No SDP, or an offer that cannot be used."},
    409: {"model": ErrorBody, "description": "The name is in use; to watch: nobody sends the stream."},
    413: {"model": ErrorBody, "description": "More bytes than an SDP has."},
    415: {"model": ErrorBody, "description": "Another content type."},
    503: {"model": ErrorBody, "description": "As many streams or viewers as allowed."},
}


def mount_streams(app: FastAPI, streams: Streams, settings: ServeSettings) -> None:
    """`/whip`, `/whep/{stream}`, their sessions, `/api/streams` and `/ws/streams/{stream}`."""
    links = [_link(server.url, server.username, server.credential) for server in settings.ice.servers]

    async def created(session: Session, answer: str, path: str) -> Response:
        headers = {
            "Location": f"{path}/{session.key}",
            "ETag": f'"{session.etag}"',
            "Accept-Patch": FRAGMENT,
        }
        response = Response(answer, 201, headers, media_type=SDP)
        for link in links:
            response.headers.append("Link", link)
        return response

    @app.post(
        "/whip",
        summary="Send video over WebRTC (WHIP, RFC 9725)",
        status_code=201,
        response_class=Response,
        responses=REFUSED,
        openapi_extra=SDP_BODY,
    )
    async def whip(request: Request) -> Response:
        """Answers come on a data channel `telltale` that the offer opens. `?stream=NAME` names the stream."""
        sdp = await read_text(request, SDP)
        session, answer = await streams.ingest(sdp, request.query_params.get("stream"))
        return await created(session, answer, "/whip/session")

    @app.post(
        "/whep/{stream}",
        summary="Watch a stream with its answers drawn on it (WHEP)",
        status_code=201,
        response_class=Response,
        responses={**REFUSED, 404: {"model": ErrorBody, "description": "No such stream."}},
        openapi_extra={
            **SDP_BODY,
            "parameters": [{"name": "stream", "in": "path", "required": True, "schema": {"type": "string"}}],
        },
    )
    async def whep(request: Request) -> Response:
        sdp = await read_text(request, SDP)
        session, answer = await streams.view(sdp, str(request.path_params["stream"]))
        return await created(session, answer, "/whep/session")

    for path in ("/whip", "/whep/{stream}"):

        @app.options(path, include_in_schema=False)
        async def options() -> Response:
            return Response(headers={"Allow": "GET, HEAD, OPTIONS, POST"})  # `manners` adds what may be posted

    @app.get("/whip", include_in_schema=False)
    async def nothing() -> Response:
        """RFC 9725, 4.1: there is nothing to show, and that is no error."""
        return Response(status_code=204)

    @app.get("/whep/{stream}", include_in_schema=False)
    async def is_whep() -> Response:
        """By this content type a player tells that it may post here (WHEP, discovery)."""
        return Response(b"", media_type=SDP)

    _mount_sessions(app, streams)
    _mount_answers(app, streams, settings)


def _mount_sessions(app: FastAPI, streams: Streams) -> None:
    def session_of(request: Request) -> Session:
        key = str(request.path_params["key"])
        return streams.session(key, viewer=request.url.path.startswith("/whep/"))

    for way in ("whip", "whep"):
        path = f"/{way}/session/{{key}}"

        @app.get(path, include_in_schema=False)
        async def nothing(request: Request) -> Response:
            session_of(request)
            return Response(status_code=204)

        @app.options(path, include_in_schema=False)
        async def options() -> Response:
            allowed = "DELETE, GET, HEAD, OPTIONS, PATCH"
            return Response(headers={"Allow": allowed, "Accept-Patch": FRAGMENT})

        @app.delete(path, include_in_schema=False)
        async def end(request: Request) -> Response:
            await session_of(request).close()
            return Response(status_code=200)

        @app.patch(path, include_in_schema=False)
        async def trickle(request: Request) -> Response:
            session = session_of(request)
            fragment = await read_text(request, FRAGMENT)
            check_match(request.headers.get("if-match"), session.etag)
            if is_restart(session.peer, fragment):
                raise UnfitError(
                    "ICE restart", expected="more candidates", got="new credentials", next="POST a new offer"
                )
            await session.trickle(fragment)
            return Response(status_code=204)  # and no ETag: RFC 9725, 4.3.1


def check_match(given: str | None, etag: str) -> None:
    """The ICE session a fragment is for. Raises PreconditionMissingError, PreconditionError, UnfitError."""
    if given is None:
        raise PreconditionMissingError("If-Match", expected="the ETag of the answer", got="none")
    if given.strip() == "*":  # how a client asks for an ICE restart
        raise UnfitError("ICE restart", expected="more candidates", got="If-Match: *", next="POST a new offer")
    if etag not in [part.strip().removeprefix("W/").strip('"') for part in given.split(",")]:
        raise PreconditionError("If-Match", expected=f'"{etag}"', got=given[:60])


def _mount_answers(app: FastAPI, streams: Streams, settings: ServeSettings) -> None:
    @app.get(
        "/api/streams",
        summary="The streams that come in over WebRTC",
        response_model=StreamsBody,
        response_description="Each with its counters.",
    )
    async def listed() -> dict[str, Json]:
        return {"streams": [ingest.to_json() for ingest in streams.ingests.values()]}

    @app.websocket("/ws/streams/{stream}")
    async def listen(socket: WebSocket) -> None:
        """A stream's answers, as its own data channel has them."""
        if not await accept_origin(socket, settings):
            return
        try:
            ingest = streams.named(str(socket.path_params["stream"]))
        except TelltaleError as cause:
            await socket.send_text(wire.dump(wire.error(cause)))
            await socket.close(1008, "no such stream")
            return
        listener = Listener()
        ingest.listeners.add(listener)
        leaving = asyncio.ensure_future(_until_left(socket))
        try:
            await socket.send_text(streams.greeting)
            while True:
                hearing = asyncio.ensure_future(listener.get())
                await asyncio.wait({hearing, leaving}, return_when=asyncio.FIRST_COMPLETED)
                if leaving.done():
                    hearing.cancel()
                    return
                message = hearing.result()
                if message is None:
                    await socket.close(1000, "the stream has ended")
                    return
                await socket.send_text(message)
        except (WebSocketDisconnect, RuntimeError):
            return
        finally:
            ingest.listeners.discard(listener)
            leaving.cancel()
            await asyncio.gather(leaving, return_exceptions=True)


async def _until_left(socket: WebSocket) -> None:
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass


async def read_text(request: Request, kind: str) -> str:
    """The body, of this content type. Raises MediaTypeError, TooLargeError, RequestError."""
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given != kind:
        raise MediaTypeError("content-type", expected=kind, got=repr(given)[:80])
    data = b""
    async for chunk in request.stream():
        data += chunk
        if len(data) > MAX_SDP_BYTES:
            raise TooLargeError("body", expected=f"at most {MAX_SDP_BYTES} bytes", got="more")
    try:
        return data.decode()
    except UnicodeDecodeError as cause:
        raise RequestError("body", expected="SDP", got=str(cause)) from cause


def _link(url: str, username: str | None, credential: str | None) -> str:
    """RFC 9725, 4.6."""
    parts = [f"<{url}>", 'rel="ice-server"']
    if username is not None:
        parts += [
            f"username={_quote(username)}",
            f"credential={_quote(credential or '')}",
            'credential-type="password"',
        ]
    return "; ".join(parts)


def _quote(text: str) -> str:
    """A quoted string of HTTP (RFC 9110, 5.6.4)."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
