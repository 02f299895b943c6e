"""Which web pages may open a socket. Knows nothing of sockets.

Browsers send `Origin` with every WebSocket handshake and do not apply CORS to it, so the server must look itself
(RFC 6455, 10.2). Programs send none and are not held up: they could send any.
"""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import urlsplit

from telltale.serve.settings import ANY_ORIGIN


def may_connect(origin: str | None, host: str, allowed: Collection[str]) -> bool:
    """origin, host: the handshake's headers. allowed: origins, or `*`."""
    if origin is None or ANY_ORIGIN in allowed or origin.rstrip("/") in {entry.rstrip("/") for entry in allowed}:
        return True
    return urlsplit(origin).netloc.lower() == host.lower() != ""
