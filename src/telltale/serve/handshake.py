"""Lets a WebSocket in, or tells it why not. Knows nothing of what it is for."""

from __future__ import annotations

from fastapi import WebSocket

from telltale.errors import RequestError
from telltale.serve import wire
from telltale.serve.origins import may_connect
from telltale.serve.settings import ServeSettings


async def accept_origin(socket: WebSocket, settings: ServeSettings) -> bool:
    """Accept a handshake; tell a foreign page that it may not, and close."""
    await socket.accept()
    origin = socket.headers.get("origin")
    if may_connect(origin, socket.headers.get("host", ""), settings.allow_origins or ()):
        return True
    # A browser hides a refused handshake from its page, so the reason is told on the open socket.
    refusal = RequestError(
        "origin",
        expected="a page of this server",
        got=str(origin),
        next=f"start it with --allow-origin {origin}",
    )
    await socket.send_text(wire.dump(wire.error(refusal)))
    await socket.close(1008, "origin not allowed")
    return False
