"""One WebSocket connection: frames in, answers out. Knows nothing of routes or threads.

Two tasks: one only receives, so a slow model never holds up the socket; one answers the newest frame whenever it is
its turn. Between them lies one slot.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass

from fastapi import WebSocket, WebSocketDisconnect

from telltale.errors import RequestError, TelltaleError, TooLargeError
from telltale.serve import wire
from telltale.serve.answers import Narrator
from telltale.serve.engine import Engine
from telltale.streams import Closed, Latest
from telltale.tasks.task import Json


@dataclass(frozen=True, slots=True)
class Arrived:
    """A frame and when it came, on time.perf_counter's clock."""

    frame: wire.FrameMessage
    seq: int
    at_s: float


class Turn:
    """Takes the newest frame when it is asked for, on the thread that is about to tell it."""

    def __init__(self, slot: Latest[Arrived]) -> None:
        self._slot = slot
        self.arrived: Arrived

    def file(self) -> bytes:
        arrived = self._slot.take()
        assert arrived is not None  # `ready`, and nobody else takes
        self.arrived = arrived
        return arrived.frame.file()


class Stream:
    """Runs until the client leaves."""

    def __init__(self, socket: WebSocket, engine: Engine, narrator: Narrator, max_bytes: int) -> None:
        self._socket = socket
        self._engine = engine
        self._narrator = narrator
        self._metrics = narrator.metrics
        self._max_bytes = max_bytes
        self._slot: Latest[Arrived] = Latest()
        self._arrived = 0

    async def run(self, greeting: Mapping[str, Json]) -> None:
        """Greet, then receive and answer. The socket is accepted already."""
        self._metrics.connections += 1
        answering = asyncio.create_task(self._answer())
        try:
            await self._socket.send_text(wire.dump(greeting))
            await self._receive()
        except WebSocketDisconnect:
            pass
        finally:
            self._slot.close()
            answering.cancel()
            await asyncio.gather(answering, return_exceptions=True)
            self._metrics.connections -= 1

    async def _receive(self) -> None:
        while True:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            try:
                frame = self._read(message)
            except TelltaleError as cause:
                await self._socket.send_text(self._narrator.refusal(cause, None))
                continue
            seq = self._arrived if frame.seq is None else frame.seq
            self._arrived += 1
            dropped = self._slot.dropped
            self._slot.put(Arrived(frame, seq, time.perf_counter()))
            if self._slot.dropped > dropped:
                self._metrics.dropped.inc()

    def _read(self, message: Mapping[str, Json]) -> wire.FrameMessage:
        """Raises RequestError, TooLargeError."""
        data, text = message.get("bytes"), message.get("text")
        limit = self._max_bytes if data is not None else self._max_bytes * 4 // 3 + 1024
        size = len(data if data is not None else text or "")
        if size > limit:
            raise TooLargeError("frame", expected=f"at most {limit} bytes", got=str(size), next="scale it down")
        if data is not None:
            return wire.FrameMessage(data)
        if text is None:
            raise RequestError("message", expected="a binary or text message", got="neither", next=wire.SEE)
        return wire.parse_frame(text)

    async def _answer(self) -> None:
        try:
            while True:
                await self._slot.ready()
                turn = Turn(self._slot)
                try:
                    told = await self._engine.tell(turn.file)
                    arrived = turn.arrived
                    message = self._narrator.message(
                        told, arrived.seq, arrived.frame.t_ms, arrived.at_s, self._slot.dropped
                    )
                    answer = wire.dump(message)
                except TelltaleError as cause:
                    answer = self._narrator.refusal(cause, turn.arrived.seq)
                except Exception:  # also answers that are no numbers, which JSON cannot hold
                    answer = self._narrator.fault(turn.arrived.seq)
                await self._socket.send_text(answer)
        except (Closed, WebSocketDisconnect, RuntimeError):
            return  # the client has left; the receiving task sees it too
