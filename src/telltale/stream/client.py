"""`telltale stream watch`: takes the video, lets a process find the ball, sends each place back. Knows no truth."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from aiortc import MediaStreamTrack, RTCDataChannel, RTCPeerConnection
from aiortc.contrib.signaling import TcpSocketSignaling

from telltale.errors import MissingPartError, RequestError, ServeError
from telltale.frame import Image
from telltale.stream.film import Film
from telltale.stream.finder import Finder, Found
from telltale.stream.signalling import (
    End,
    Stopped,
    close,
    receive_description,
    send_description,
    unless,
    wait_end,
)
from telltale.stream.talk import BUFFERED_BYTES, CHANNEL, TRUTH, SpotMessage, VerdictMessage, parse_verdict
from telltale.streams.arrival import CLOCK_RATE, Arrived, Reception, RtpClock, attach, drain
from telltale.streams.ice import accept, describe, new_peer
from telltale.streams.latest import Closed, Latest
from telltale.streams.reach import Ice
from telltale.streams.spot import BALL_COLOUR, Colour
from telltale.streams.track import Follower

log = logging.getLogger("telltale.stream")

SILENCE_S = 3.0
"""A stream that has brought no frame for so long has broken."""

CONNECT_S = 10.0
RETRY_S = 0.3


@dataclass(frozen=True, slots=True)
class WatchBall:
    """Where from, and what to look for.

    detector: colour, circle, or the folder of a `locate` bundle, of which `name` is looked for. track: places go
    through a Kalman filter, which also tells where a ball is that was not found.

    seconds: how long to watch; None: to the end. patience_s: how long to try for a server that is not there (yet, or
    any more). reconnect: try again also after the server said good-bye.
    """

    host: str = "127.0.0.1"
    port: int = 8765
    detector: str = "colour"
    colour: Colour = BALL_COLOUR
    name: str | None = None
    track: bool = False
    record: Path | None = None
    display: bool = False
    seconds: float | None = None
    patience_s: float = 10.0
    reconnect: bool = False
    ice: Ice = field(default_factory=Ice)


@dataclass(slots=True)
class Watched:
    """All of one run. received: frames decoded; found: of those looked at, with a ball; connections: made so far.

    overtaken: frames a newer one took the place of. end: how the last connection ended.
    reconnect_s: from the end of a connection to the first frame of the next, each.
    """

    received: int = 0
    looked: int = 0
    found: int = 0
    overtaken: int = 0
    connections: int = 0
    end: End = End.STOPPED
    reconnect_s: list[float] = field(default_factory=list)
    reception: Reception = field(default_factory=Reception)


class Window(Protocol):
    """Somewhere to show frames. False from `show`: the user has closed it."""

    def show(self, image: Image, place: tuple[float, float] | None) -> bool: ...
    def close(self) -> None: ...


class CvWindow:
    """OpenCV's. Raises MissingPartError where OpenCV is built without windows, as its headless package is."""

    NAME = "telltale stream watch"

    def __init__(self) -> None:
        import cv2

        try:
            cv2.namedWindow(self.NAME, cv2.WINDOW_AUTOSIZE)
        except cv2.error as cause:
            raise MissingPartError(
                "--display",
                expected="OpenCV with windows, and a screen",
                got="the headless package",
                next="pip uninstall opencv-python-headless && pip install opencv-python, or use --record",
            ) from cause

    def show(self, image: Image, place: tuple[float, float] | None) -> bool:
        import cv2

        from telltale.stream.film import draw

        cv2.imshow(self.NAME, cv2.cvtColor(draw(image, place, None), cv2.COLOR_RGB2BGR))
        return cv2.waitKey(1) not in (27, ord("q"))

    def close(self) -> None:
        import cv2

        cv2.destroyWindow(self.NAME)


async def run_client(
    settings: WatchBall,
    *,
    stop: asyncio.Event | None = None,
    on_found: Callable[[Found], None] = lambda found: None,
    on_verdict: Callable[[VerdictMessage], None] = lambda verdict: None,
    say: Callable[[str], None] = lambda line: None,
) -> Watched:
    """Watch until the stream ends, `stop` is set or the time is over. Nothing is left running, however it ends.

    Raises ServeError (no server within the patience, a finder that died), MissingPartError, ConfigError.
    """
    stop = stop or asyncio.Event()
    timer = None
    if settings.seconds is not None:
        timer = asyncio.get_running_loop().call_later(settings.seconds, stop.set)
    watched = Watched()
    window: Window | None = CvWindow() if settings.display else None
    watcher = _Watcher(settings, stop, watched, window, on_found, on_verdict)
    try:
        await watcher.run(say)
    except Stopped:
        watched.end = End.STOPPED
    finally:
        if timer is not None:
            timer.cancel()
        await watcher.close()
        if window is not None:
            window.close()
    return watched


class _Watcher:
    """One process for all connections of a run, one connection after the other."""

    def __init__(
        self,
        settings: WatchBall,
        stop: asyncio.Event,
        watched: Watched,
        window: Window | None,
        on_found: Callable[[Found], None],
        on_verdict: Callable[[VerdictMessage], None],
    ) -> None:
        self._settings, self._stop, self._watched, self._window = settings, stop, watched, window
        self._tell_found, self._tell_verdict = on_found, on_verdict
        self._finder = Finder(settings.detector, settings.colour, self._found, settings.name)
        self._follower: Follower | None = None
        self._clock = RtpClock()
        self._film: Film | None = None
        self._channel: RTCDataChannel | None = None
        self._slot: Latest[Arrived] = Latest()
        self._dropped_before = 0  # by the finder, in earlier connections
        self._unsent = 0
        self._frame_s = 0.0
        self._ended_s: float | None = None
        self._shown: tuple[float, float] | None = None

    async def run(self, say: Callable[[str], None]) -> None:
        await unless(self._stop, self._finder.ready.wait())  # frames that came before would wait for it
        since_s = time.perf_counter()
        while True:
            self._finder.check()
            end = await self._try()
            now_s = time.perf_counter()
            if end is not None:
                since_s = self._ended_s = now_s
                self._watched.end = end
                if end is End.STOPPED or (end is End.BYE and not self._settings.reconnect):
                    return
                say(f"{end.value}; trying again for {self._settings.patience_s:.0f} s")
            if now_s - since_s > self._settings.patience_s:
                where = f"{self._settings.host}:{self._settings.port}"
                raise ServeError(
                    where,
                    expected="telltale stream serve",
                    got="no answer",
                    next="start it, or correct --host and --port",
                )
            await unless(self._stop, asyncio.sleep(RETRY_S))

    async def _try(self) -> End | None:
        """One connection from its beginning to its end; None when there was no server."""
        signalling = TcpSocketSignaling(self._settings.host, self._settings.port)
        peer = new_peer(self._settings.ice)
        try:
            try:
                offer = await unless(self._stop, asyncio.wait_for(receive_description(signalling, "offer"), CONNECT_S))
            except (OSError, TimeoutError):
                return None
            if isinstance(offer, End):
                return None
            return await self._connect(signalling, peer, offer)
        finally:
            self._channel = None
            await close(signalling)
            await peer.close()

    async def _connect(self, signalling: TcpSocketSignaling, peer: RTCPeerConnection, offer: str) -> End:
        tracks: list[MediaStreamTrack] = []
        peer.on("track", tracks.append)
        peer.on("datachannel", lambda opened: opened.label == TRUTH and opened.on("message", self._hear))
        await accept(peer, offer, "offer")
        if not tracks:
            raise ServeError("the offer", expected="video", got="none", next="is it telltale stream serve?")
        buffer = attach(peer.getTransceivers()[0].receiver)
        channel = peer.createDataChannel(CHANNEL, ordered=False)
        channel.on("open", lambda: self._open(channel))
        answer = await describe(peer, self._settings.ice)
        await send_description(signalling, answer, "answer")
        self._watched.connections += 1
        self._watched.reception = buffer.reception
        self._dropped_before, self._unsent = self._finder.dropped, 0
        slot = self._slot = Latest()
        self._follower, self._clock = None, RtpClock()  # another connection counts from another origin
        draining = asyncio.ensure_future(drain(tracks[0], slot, buffer))
        looking = asyncio.ensure_future(self._look(slot))
        try:
            return await self._until_end(peer, looking, wait_end(signalling))
        finally:
            slot.close()
            tracks[0].stop()
            draining.cancel()
            looking.cancel()
            await asyncio.gather(draining, looking, return_exceptions=True)

    def _open(self, channel: RTCDataChannel) -> None:
        self._channel = channel

    async def _look(self, slot: Latest[Arrived]) -> None:
        """Each newest frame to the process, the film and the window."""
        while True:
            try:
                arrived = await slot.get()
            except Closed:
                return
            image = np.asarray(arrived.frame.to_ndarray(format="rgb24"), np.uint8)
            self._note_frame()
            if self._settings.track and self._follower is None:
                self._follower = Follower(arrived.frame.width, arrived.frame.height)
            self._finder.look(arrived.rtp, image)
            if self._settings.record is not None:
                if self._film is None:
                    self._film = Film(self._settings.record, arrived.frame.width, arrived.frame.height)
                self._film.saw(arrived.rtp, image)
            if self._window is not None and not self._window.show(image, self._shown):
                self._stop.set()

    def _note_frame(self) -> None:
        self._watched.received += 1
        self._frame_s = time.perf_counter()
        if self._ended_s is not None:
            self._watched.reconnect_s.append(self._frame_s - self._ended_s)
            self._ended_s = None

    def _found(self, found: Found) -> None:
        """The process has looked at a frame: send the place back."""
        if self._follower is not None:
            t_s = self._clock.map(found.rtp) / CLOCK_RATE
            found = replace(found, place=self._follower.follow(t_s, found.place))
        self._watched.looked += 1
        self._watched.found += found.place is not None
        self._shown = found.place
        if self._film is not None:
            self._film.answered(found.rtp, found.place)
        dropped = self._finder.dropped - self._dropped_before + self._slot.dropped + self._unsent
        self._watched.overtaken = dropped
        channel = self._channel
        if channel is None or channel.readyState != "open" or channel.bufferedAmount > BUFFERED_BYTES:
            self._unsent += 1
        else:
            channel.send(SpotMessage(found.rtp, found.place, found.score, dropped).dump())
        self._tell_found(found)

    def _hear(self, text: str | bytes) -> None:
        try:
            verdict = parse_verdict(text)
        except RequestError as cause:
            log.warning("%s", cause)
            return
        if verdict is not None:
            if self._film is not None:
                self._film.judged(verdict)
            self._tell_verdict(verdict)

    async def _until_end(
        self, peer: RTCPeerConnection, looking: asyncio.Future[None], gone: Coroutine[Any, Any, End]
    ) -> End:
        leaving = asyncio.ensure_future(gone)
        stopped, died = asyncio.ensure_future(self._stop.wait()), asyncio.ensure_future(self._finder.ended.wait())
        begun_s = self._frame_s = time.perf_counter()
        received = self._watched.received
        try:
            while True:
                ends: set[asyncio.Future[Any]] = {leaving, stopped, died, looking}
                await asyncio.wait(ends, timeout=0.25, return_when=asyncio.FIRST_COMPLETED)
                if stopped.done():
                    return End.STOPPED
                if leaving.done():
                    return leaving.result()
                if died.done():
                    self._finder.check()
                if looking.done():
                    looking.result()
                    done, _ = await asyncio.wait({leaving}, timeout=1.0)  # the good-bye may come a moment later
                    return leaving.result() if done else End.GONE
                now_s = time.perf_counter()
                if self._watched.received == received:
                    if now_s - begun_s > CONNECT_S or peer.connectionState == "failed":
                        return End.FAILED
                elif now_s - self._frame_s > SILENCE_S:
                    return End.SILENT
        finally:
            for task in (leaving, stopped, died):
                task.cancel()
            await asyncio.gather(leaving, stopped, died, return_exceptions=True)

    async def close(self) -> None:
        await self._finder.close()
        if self._film is not None:
            await asyncio.to_thread(self._film.close)
