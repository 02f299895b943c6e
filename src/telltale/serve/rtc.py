"""WebRTC streams of a server: video in, answers out, the annotated picture to those who watch. Knows nothing of HTTP.

Of each stream one frame is being told and one waits; each viewer has a slot of its own, so a slow one holds up nobody.
Nothing here waits without end: aiortc's queues are drained, and ICE's own consent checks end a peer that is gone
(RFC 7675, here after 30 s). A peer that sends no frame lives on: a page whose canvas stands still has none to send.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import Callable

import av
import numpy as np
from aiortc import MediaStreamTrack, RTCDataChannel

from telltale.errors import (
    BusyError,
    ConflictError,
    NotFoundError,
    NotLiveError,
    RequestError,
    TelltaleError,
    UnfitError,
)
from telltale.frame import Image
from telltale.serve import wire
from telltale.serve.answers import Narrator, Speaker
from telltale.serve.engine import Engine, Told
from telltale.serve.session import Listener, Picture, Session, ViewerTrack
from telltale.serve.settings import ServeSettings
from telltale.streams.arrival import CLOCK_RATE, Arrived, FrameBuffer, RtpClock, attach, drain
from telltale.streams.heap import keep_frames_apart
from telltale.streams.ice import accept
from telltale.streams.latest import Closed, Latest
from telltale.tasks import Task
from telltale.tasks.task import Json

CHANNEL = "telltale"
BUFFERED_BYTES = 1 << 17
"""More than this waiting in a data channel: its client does not keep up, and messages are left out."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}")


class Turn:
    """Takes the newest frame when it is asked for, on the thread that is about to tell it."""

    def __init__(self, slot: Latest[Arrived]) -> None:
        self._slot = slot
        self.arrived: Arrived
        self.picture: Image

    def image(self) -> Image:
        arrived = self._slot.take()
        assert arrived is not None  # `ready`, and nobody else takes
        self.arrived = arrived
        self.picture = np.asarray(arrived.frame.to_ndarray(format="rgb24"), np.uint8)
        return self.picture


class Ingest(Session):
    """One stream coming in: told, frame by frame."""

    def __init__(
        self,
        name: str,
        settings: ServeSettings,
        engine: Engine,
        task: Task,
        narrator: Narrator,
        greeting: str,
        on_end: Callable[[str], None],
    ) -> None:
        super().__init__(settings, on_end)
        self.name = name
        self._engine, self._task, self._narrator, self._greeting = engine, task, narrator, greeting
        self._slot: Latest[Arrived] = Latest()
        self._tasks: list[asyncio.Future[None]] = []
        self._channels: list[RTCDataChannel] = []
        self.listeners: set[Listener] = set()
        self.viewers: dict[str, ViewerTrack] = {}
        self._buffer: FrameBuffer | None = None
        self._clock, self._taken = RtpClock(), RtpClock()
        self.told = 0
        self.size: tuple[int, int] | None = None
        self._told_s = time.perf_counter()
        self.peer.on("datachannel", self._open)

    async def offer(self, sdp: str) -> str:
        """Take an offer that sends video, give our answer. Raises RequestError, UnfitError, ServeError."""
        tracks: list[MediaStreamTrack] = []
        self.peer.on("track", tracks.append)
        await accept(self.peer, sdp, "offer")
        video = None
        for transceiver in self.peer.getTransceivers():
            track = transceiver.receiver.track
            if transceiver.kind != "video" or track is None or track not in tracks:  # sound
                transceiver.direction = "inactive"
            elif video is None:
                video = transceiver
                transceiver.direction = "recvonly"
            else:  # RFC 9725, 4.4.2: refused as a whole, for half a stream would mislead
                raise UnfitError("the offer", expected="one video track", got="several", next="a session for each")
        if video is None:
            raise UnfitError("the offer", expected="video to be sent", got="none", next="add a video track")
        self._buffer = attach(video.receiver)
        answer = await self.answer()
        self._tasks = [
            asyncio.ensure_future(drain(video.receiver.track, self._slot, self._buffer)),
            asyncio.ensure_future(self._tell()),
        ]
        return answer

    def _open(self, channel: RTCDataChannel) -> None:
        if channel.label == CHANNEL:
            channel.send(self._greeting)
            self._channels.append(channel)

    async def _tell(self) -> None:
        while True:
            try:
                await self._slot.ready()
            except Closed:
                return self.end()
            turn = Turn(self._slot)
            try:
                told = await self._engine.tell_image(turn.image)
            except asyncio.CancelledError:
                raise
            except TelltaleError as cause:
                self._send(self._narrator.refusal(cause, turn.arrived.sequence))
                continue
            except Exception:
                self._send(self._narrator.fault(turn.arrived.sequence))
                continue
            self._send(self._message(turn.arrived, told))
            if self.viewers:
                await self._show(turn, told)

    def _message(self, arrived: Arrived, told: Told) -> str:
        self.told += 1
        self.size, self._told_s = told.size, time.perf_counter()
        try:
            taken_s = self._taken.map(arrived.rtp) / CLOCK_RATE
            message = self._narrator.message(told, arrived.sequence, None, arrived.at_s, self.dropped, taken_s=taken_s)
            return wire.dump({**message, "rtp": arrived.rtp})
        except Exception:  # answers that are no numbers, which JSON cannot hold
            return self._narrator.fault(arrived.sequence)

    @property
    def seen(self) -> int:
        """Frames that came whole."""
        return self._buffer.reception.frames if self._buffer is not None else 0

    @property
    def dropped(self) -> int:
        """Frames a newer one took the place of."""
        return self._slot.dropped

    def _send(self, message: str) -> None:
        for channel in self._channels:
            if channel.readyState == "open" and channel.bufferedAmount < BUFFERED_BYTES:
                channel.send(message)
        for listener in self.listeners:
            listener.put(message)

    async def _show(self, turn: Turn, told: Told) -> None:
        """Draw once, then to every viewer's slot."""
        pts = self._clock.map(turn.arrived.rtp)
        picture = await asyncio.to_thread(self._draw, turn.picture, told, pts)
        for track in self.viewers.values():
            with contextlib.suppress(Closed):
                track.slot.put(picture)

    def _draw(self, image: Image, told: Told, pts: int) -> Picture:
        drawn = self._task.draw(image, told.result)
        height, width = (side - side % 2 for side in drawn.shape[:2])
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(drawn[:height, :width]), format="rgb24")
        return Picture(np.asarray(frame.reformat(format="yuv420p").to_ndarray(), np.uint8), pts)

    async def release(self) -> None:
        self._slot.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for listener in self.listeners:
            listener.put(None)
        for track in list(self.viewers.values()):
            track.stop()

    def to_json(self) -> dict[str, Json]:
        """As `/api/streams` lists it."""
        lost = self._buffer.reception.lost if self._buffer is not None else 0
        return {
            "name": self.name,
            "state": self.peer.connectionState,
            "size": list(self.size) if self.size else None,
            "frames": self.seen,
            "told": self.told,
            "dropped": self.dropped,
            "lost": lost,
            "viewers": len(self.viewers),
            "age_s": round(time.perf_counter() - self._told_s, 3),
        }


class Viewer(Session):
    """One who watches a stream."""

    def __init__(self, ingest: Ingest, settings: ServeSettings, on_end: Callable[[str], None]) -> None:
        super().__init__(settings, on_end)
        self._ingest = ingest
        self.track = ViewerTrack()
        self.track.on("ended", self.end)

    async def offer(self, sdp: str) -> str:
        """Take an offer that receives video, give our answer. Raises RequestError, ServeError."""
        await accept(self.peer, sdp, "offer")
        found = False
        for transceiver in self.peer.getTransceivers():
            if transceiver.kind == "video" and not found and transceiver._offerDirection in ("sendonly", "sendrecv"):
                transceiver.direction, found = "sendonly", True
                transceiver.sender.replaceTrack(self.track)
            else:
                transceiver.direction = "inactive"
        if not found:
            raise UnfitError("the offer", expected="video to be received", got="none", next="add a recvonly track")
        answer = await self.answer()
        self._ingest.viewers[self.key] = self.track
        return answer

    async def release(self) -> None:
        self._ingest.viewers.pop(self.key, None)
        self.track.stop()


class Streams:
    """All of a server's. Belongs to one event loop."""

    def __init__(self, engine: Engine, task: Task, speaker: Speaker, settings: ServeSettings) -> None:
        self._engine, self._task, self._speaker, self._settings = engine, task, speaker, settings
        self.ingests: dict[str, Ingest] = {}
        self.viewers: dict[str, Viewer] = {}
        self._count = 0

    @property
    def greeting(self) -> str:
        return wire.dump(self._speaker.greeting)

    async def ingest(self, sdp: str, name: str | None) -> tuple[Ingest, str]:
        """A new stream and the SDP answer. Raises BusyError, ConflictError, RequestError, ServeError."""
        if len(self.ingests) >= self._settings.streams:
            raise BusyError("streams", expected=f"at most {self._settings.streams}", got="one more", next="try later")
        name = self._name(name)
        keep_frames_apart()  # not before: pictures that come by HTTP are decoded a tenth faster on the heap
        ingest = Ingest(
            name,
            self._settings,
            self._engine,
            self._task,
            self._speaker.narrator("webrtc"),
            self.greeting,
            self._forget,
        )
        self.ingests[ingest.key] = ingest
        try:
            return ingest, await ingest.offer(sdp)
        except BaseException:
            await ingest.close()
            raise

    def _forget(self, key: str) -> None:
        self.ingests.pop(key, None)
        self.viewers.pop(key, None)

    def _name(self, wanted: str | None) -> str:
        taken = {ingest.name for ingest in self.ingests.values()}
        if wanted is None:
            while f"stream-{self._count}" in taken or not self._count:
                self._count += 1
            return f"stream-{self._count}"
        if not NAME.fullmatch(wanted):
            raise RequestError("stream", expected="1 to 40 letters, digits, - _ .", got=repr(wanted)[:60])
        if wanted in taken:
            raise ConflictError(f"stream {wanted}", expected="a name nobody sends under", got="one in use")
        return wanted

    async def view(self, sdp: str, name: str) -> tuple[Viewer, str]:
        """A new viewer of a stream and the SDP answer.

        Raises NotLiveError, NotFoundError, BusyError, RequestError, ServeError.
        """
        try:
            ingest = self.named(name)
        except NotFoundError as cause:
            if NAME.fullmatch(name):  # it may come: the WHEP draft wants 409 and Retry-After
                raise NotLiveError(
                    cause.what, expected=cause.expected, got=cause.got, next="send it, or try again"
                ) from None
            raise
        if len(self.viewers) >= self._settings.viewers:
            raise BusyError("viewers", expected=f"at most {self._settings.viewers}", got="one more", next="try later")
        viewer = Viewer(ingest, self._settings, self._forget)
        self.viewers[viewer.key] = viewer
        try:
            return viewer, await viewer.offer(sdp)
        except BaseException:
            await viewer.close()
            raise

    def named(self, name: str) -> Ingest:
        """Raises NotFoundError."""
        for ingest in self.ingests.values():
            if ingest.name == name:
                return ingest
        there = ", ".join(sorted(i.name for i in self.ingests.values())) or "none"
        raise NotFoundError(
            f"stream {name[:40]!r}", expected=f"one of those that come in: {there}", got="no such stream"
        )

    def session(self, key: str, viewer: bool) -> Session:
        """Raises NotFoundError."""
        found: Session | None = self.viewers.get(key) if viewer else self.ingests.get(key)
        if found is None:
            raise NotFoundError(
                "session", expected="one that is open", got="none at this address", next="POST a new offer"
            )
        return found

    async def close(self) -> None:
        """Everybody off."""
        sessions: list[Session] = [*self.viewers.values(), *self.ingests.values()]
        await asyncio.gather(*(session.close() for session in sessions), return_exceptions=True)
