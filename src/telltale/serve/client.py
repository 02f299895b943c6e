"""The small client: sends pictures to a server, gives its answers. Knows the wire, and nothing of models.

for sent in send(["picture.jpg", "folder/"], "127.0.0.1:8000"):
    print(describe(sent))
"""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, WebSocketException

from telltale.errors import ImageError, ServeError
from telltale.serve.settings import is_loopback
from telltale.tasks.task import Json

DEFAULT = "http://127.0.0.1:8000"

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp"})

START = "start one with `telltale serve BUNDLE`, or say where it is with --host"


@dataclass(frozen=True, slots=True)
class Sent:
    """One picture and what the server answered.

    message: a `result` or an `error`, docs/wire.md. round_trip_ms: from the first byte sent to the answer read.
    """

    path: Path
    message: dict[str, Json]
    round_trip_ms: float

    @property
    def ok(self) -> bool:
        return self.message.get("type") == "result"

    def to_json(self) -> dict[str, Json]:
        return {"path": str(self.path), "round_trip_ms": round(self.round_trip_ms, 3), **self.message}


@dataclass(frozen=True, slots=True)
class Server:
    """Where a server is. base: `http://host:port` or `https://host:port`."""

    base: str

    @classmethod
    def parse(cls, text: str) -> Server:
        """Takes `host`, `host:port`, http(s):// and ws(s):// addresses. Raises ServeError."""
        whole = text if "://" in text else f"http://{text}{'' if _has_port(text) else ':8000'}"
        try:
            parts = urlsplit(whole)
            scheme = {"http": "http", "ws": "http", "https": "https", "wss": "https"}[parts.scheme]
            port = f":{parts.port}" if parts.port is not None else ""
            host = parts.hostname or ""
            if not host or any(c.isspace() for c in host):
                raise ValueError("no host")
        except (KeyError, ValueError) as cause:
            raise ServeError(
                f"host {text!r}", expected="HOST, HOST:PORT or http(s)://HOST:PORT", got=f"no such address ({cause})"
            ) from cause
        return cls(f"{scheme}://{f'[{host}]' if ':' in host else host}{port}")

    @property
    def socket(self) -> str:
        return f"ws{self.base.removeprefix('http')}/ws/infer"

    @property
    def secure(self) -> bool:
        return self.base.startswith("https")

    @property
    def loopback(self) -> bool:
        return is_loopback(urlsplit(self.base).hostname or "")


def find_pictures(paths: Iterable[str | PathLike[str]]) -> list[Path]:
    """Files as given; of folders their pictures, in order of name. Raises ImageError where there is none."""
    found: list[Path] = []
    for path in map(Path, paths):
        inside = sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES) if path.is_dir() else [path]
        if not inside or not (path.is_dir() or path.is_file()):
            got = "none" if path.is_dir() else "nothing there"
            raise ImageError(str(path), expected="a picture, or a folder of JPEG, PNG or WebP files", got=got)
        found += inside
    return found


def send(
    paths: Sequence[str | PathLike[str]],
    host: str = DEFAULT,
    *,
    stream: bool = False,
    timeout_s: float = 30.0,
    certificate: Path | None = None,
    insecure: bool = False,
) -> Iterator[Sent]:
    """Send each picture and give its answer as it comes; a refused picture is an answer too.

    stream: over one WebSocket, each frame after the answer to the one before, so the answers are smoothed.
    certificate: a PEM file to trust besides the system's (the one `--self-signed` made). insecure: trust any.
    Raises ImageError where there is no picture, ServeError when no telltale server answers.
    """
    pictures = find_pictures(paths)
    server = Server.parse(host)
    context = _context(certificate, insecure) if server.secure else None
    return (_stream if stream else _post)(pictures, server, context, timeout_s)


def describe(sent: Sent, width: int = 0) -> str:
    """One line: the path padded to `width`, each name's state and probability, the round trip."""
    name = f"{sent.path!s:<{width}}"
    if not sent.ok:
        return f"{name}  refused: {sent.message.get('message', sent.message)}"
    told = sent.message["result"]
    readings = "  ".join(f"{key} {value['state']} {value['prob']:.2f}" for key, value in told.items())
    changes = "".join(f"  [{e['name']}: {e['from']} -> {e['to']}]" for e in sent.message.get("events", ()))
    return f"{name}  {readings}  {sent.round_trip_ms:.1f} ms{changes}"


def _has_port(text: str) -> bool:
    return ":" in text.rpartition("]")[2]


def _context(certificate: Path | None, insecure: bool) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context()
        if certificate is not None:
            context.load_verify_locations(certificate)
    except (OSError, ValueError) as cause:
        raise ServeError(str(certificate), expected="a PEM certificate", got=str(cause)) from cause
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as cause:
        raise ImageError(str(path), expected="a file to read", got=str(cause)) from cause


def _post(pictures: list[Path], server: Server, context: ssl.SSLContext | None, timeout_s: float) -> Iterator[Sent]:
    url = f"{server.base}/api/tell"
    # A proxy from the environment must not be asked for this very machine.
    with httpx.Client(timeout=timeout_s, verify=context or True, trust_env=not server.loopback) as client:
        for path in pictures:
            data = _read(path)
            start_s = time.perf_counter()
            try:
                response = client.post(url, content=data, headers={"content-type": "application/octet-stream"})
            except httpx.HTTPError as cause:
                raise _unreachable(server, cause) from cause
            yield Sent(path, _message(response.text, server), (time.perf_counter() - start_s) * 1e3)


def _stream(pictures: list[Path], server: Server, context: ssl.SSLContext | None, timeout_s: float) -> Iterator[Sent]:
    """One frame after the other. On a loop of its own: websockets' threaded client reads and writes one TLS
    connection from two threads, which OpenSSL does not allow; now and then it hung.
    """
    with asyncio.Runner() as runner:
        socket = runner.run(_connect(server, context, timeout_s))
        try:
            greeting = _message(runner.run(_receive(socket, server, timeout_s)), server)
            if greeting["type"] != "hello":
                raise ServeError(server.socket, expected="hello", got=str(greeting.get("message", greeting)))
            for path in pictures:
                data = _read(path)
                start_s = time.perf_counter()
                text = runner.run(_ask(socket, data, server, timeout_s))
                yield Sent(path, _message(text, server), (time.perf_counter() - start_s) * 1e3)
        finally:
            runner.run(socket.close())


async def _connect(server: Server, context: ssl.SSLContext | None, timeout_s: float) -> ClientConnection:
    try:
        return await connect(
            server.socket,
            ssl=context,
            compression=None,
            open_timeout=timeout_s,
            proxy=None if server.loopback else True,
            max_size=2**24,
        )
    except (OSError, InvalidHandshake, WebSocketException) as cause:
        raise _unreachable(server, cause) from cause


async def _ask(socket: ClientConnection, data: bytes, server: Server, timeout_s: float) -> str:
    try:
        await socket.send(data)
    except (OSError, WebSocketException) as cause:
        raise _unreachable(server, cause) from cause
    return await _receive(socket, server, timeout_s)


async def _receive(socket: ClientConnection, server: Server, timeout_s: float) -> str:
    try:
        async with asyncio.timeout(timeout_s):
            return str(await socket.recv())
    except (OSError, WebSocketException) as cause:  # TimeoutError is an OSError
        raise _unreachable(server, cause) from cause


def _message(text: str, server: Server) -> dict[str, Json]:
    """Raises ServeError on anything that is no message of ours."""
    try:
        message = json.loads(text)
        if message["type"] in ("hello", "result", "error"):
            return dict(message)
    except (ValueError, TypeError, KeyError):
        pass
    raise ServeError(server.base, expected="a telltale server", got=f"another one ({text[:60]!r})", next=START)


def _unreachable(server: Server, cause: Exception) -> ServeError:
    said = str(cause) or type(cause).__name__
    if "CERTIFICATE_VERIFY_FAILED" in said:
        return ServeError(
            server.base,
            expected="a certificate this machine trusts",
            got=said,
            next="trust the server's own with --certificate FILE, or any with --insecure",
        )
    return ServeError(server.base, expected="a telltale server", got=said, next=START)
