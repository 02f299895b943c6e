"""Who may see what a server told: its own pages and programs, no other page. Knows nothing of what it is.

The answers to one's own pictures are anybody's to ask for; the pictures of others are not. So the monitor refuses
what a foreign page sends (`Origin`, Fetch Metadata) whatever --allow-origin says, and, on a server for this machine
alone, what came under a name that is not this machine's (DNS rebinding).
"""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from telltale.errors import ForeignError
from telltale.serve.origins import may_connect
from telltale.serve.settings import is_loopback


def check_own(connection: HTTPConnection, *, local: bool) -> None:
    """local: the server listens for this machine alone. Raises ForeignError."""
    headers = connection.headers
    host = headers.get("host", "")
    origin = headers.get("origin")
    site = headers.get("sec-fetch-site", "none")
    if not may_connect(origin, host, ()) or site not in ("none", "same-origin"):
        raise ForeignError("the monitor", expected="its own page or a program", got=f"a page of {origin or site}")
    name = urlsplit(f"//{host}").hostname or ""
    if local and not is_loopback(name):
        raise ForeignError("the monitor", expected="127.0.0.1 or localhost in the address", got=repr(name)[:80])
