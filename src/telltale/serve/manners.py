"""What HTTP asks of every address beside its route. Knows nothing of routes' answers.

- HEAD is answered wherever GET is, with the same headers and no body (RFC 9110, 9.3.2).
- The answer to OPTIONS says what may be posted for WHIP and WHEP, a page's preflight included (RFC 9725, 4.2).
"""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SDP = "application/sdp"


class Manners:
    """ASGI middleware, outside everything that answers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in ("HEAD", "OPTIONS"):
            await self._app(scope, receive, send)
        elif scope["method"] == "HEAD":
            await self._app({**scope, "method": "GET"}, receive, _without_body(send))
        else:
            await self._app(scope, receive, _with_post(send) if _takes_offers(scope["path"]) else send)


def _takes_offers(path: str) -> bool:
    return path == "/whip" or (path.startswith("/whep/") and not path.startswith("/whep/session/"))


def _without_body(send: Send) -> Send:
    async def sent(message: Message) -> None:
        await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

    return sent


def _with_post(send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).setdefault("Accept-Post", SDP)
        await send(message)

    return sent
