"""aiortc's TcpSocketSignaling between one server and one client, with ends that are told apart. Knows no media."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Coroutine
from enum import Enum
from typing import Any, TypeVar

from aiortc import RTCSessionDescription
from aiortc.contrib.signaling import BYE, TcpSocketSignaling

from telltale.errors import ServeError

Value = TypeVar("Value")


class End(Enum):
    """How a connection came to its end."""

    BYE = "the other side left"
    GONE = "the connection broke"
    SILENT = "nothing came any more"
    FAILED = "no way through the network"
    STOPPED = "stopped"
    DONE = "all frames are through"


class Stopped(Exception):
    """The user wanted to end before what was waited for came."""


async def unless(stop: asyncio.Event, work: Coroutine[Any, Any, Value]) -> Value:
    """The result of `work`; raises Stopped when `stop` is set first, and cancels it."""
    task, stopped = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise Stopped
        return task.result()
    finally:
        stopped.cancel()
        if not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


class OneClient(TcpSocketSignaling):
    """The server's side: the port is free for nobody else once its client has come, and free again after `close`."""

    async def _connect(self, server: bool) -> None:
        try:
            await super()._connect(server)
        except OSError as cause:
            raise ServeError(
                f"{self._host} port {self._port}",
                expected="a free port of this machine",
                got=str(cause),
                next="end what holds it, or choose another with --port",
            ) from cause
        if self._server is not None:
            self._server.close()


async def send_description(signalling: TcpSocketSignaling, sdp: str, kind: str) -> None:
    """kind: offer, answer. The server waits here for its client."""
    await signalling.send(RTCSessionDescription(sdp=sdp, type=kind))


async def receive_description(signalling: TcpSocketSignaling, kind: str) -> str | End:
    """The other side's SDP, or how the connection ended. Raises OSError where nobody is there to connect to."""
    try:
        message = await signalling.receive()
    except (ValueError, KeyError, TypeError, AssertionError, asyncio.LimitOverrunError, UnicodeDecodeError) as cause:
        raise ServeError(
            "signalling", expected=f"an {kind}", got=str(cause)[:80] or "noise", next="is it telltale?"
        ) from cause
    if message is BYE:
        return End.BYE
    if message is None:
        return End.GONE
    if isinstance(message, RTCSessionDescription) and message.type == kind:
        return str(message.sdp)
    raise ServeError("signalling", expected=f"an {kind}", got=type(message).__name__, next="is it telltale?")


async def wait_end(signalling: TcpSocketSignaling) -> End:
    """Until the other side says good-bye or its connection breaks."""
    while True:
        try:
            message = await signalling.receive()
        except (OSError, ValueError, KeyError, AssertionError, asyncio.LimitOverrunError):
            return End.GONE
        if message is BYE:
            return End.BYE
        if message is None:
            return End.GONE


async def close(signalling: TcpSocketSignaling) -> None:
    """Say good-bye and let go of the socket. Never raises."""
    writer: asyncio.StreamWriter | None = signalling._writer
    with contextlib.suppress(OSError):
        await signalling.close()
    if writer is not None:
        with contextlib.suppress(OSError, asyncio.TimeoutError):
            await asyncio.wait_for(writer.wait_closed(), 1.0)


def free_port(host: str) -> int:
    """A TCP port that was free a moment ago."""
    with socket.create_server((host, 0)) as probe:
        port: int = probe.getsockname()[1]
        return port
