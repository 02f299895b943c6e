"""`telltale stream serve`: offers a bouncing ball and judges each answer. Knows nothing of detectors."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from aiortc import RTCDataChannel, RTCPeerConnection, RTCRtpSender

from telltale.errors import ConfigError, RequestError
from telltale.stream.ball import BallTrack
from telltale.stream.ledger import Ledger, Summary, Verdict
from telltale.stream.signalling import (
    End,
    OneClient,
    Stopped,
    close,
    receive_description,
    send_description,
    unless,
    wait_end,
)
from telltale.stream.talk import BUFFERED_BYTES, CHANNEL, TRUTH, dump_scene, dump_verdict, parse_spot
from telltale.streams.arrival import CLOCK_RATE
from telltale.streams.ice import accept, describe, new_peer
from telltale.streams.reach import Ice
from telltale.streams.scene import Kind, Scene

log = logging.getLogger("telltale.stream")

SILENCE_S = 5.0
"""A client that has said nothing for so long has gone."""

CONNECT_S = 15.0
TAIL_S = 0.5
"""How long the last answers are waited for."""

CODECS = ("VP8", "H264")


@dataclass(frozen=True, slots=True)
class ServeBall:
    """What to send and where to. frames: to each client; None: no end. codec: VP8 or H264."""

    host: str = "127.0.0.1"
    port: int = 8765
    scene: Kind = "plain"
    width: int = 640
    height: int = 480
    fps: float = 30.0
    seed: int = 0
    frames: int | None = None
    codec: str = "VP8"
    ice: Ice = field(default_factory=Ice)

    def __post_init__(self) -> None:
        if self.codec not in CODECS:
            raise ConfigError("--codec", expected=" or ".join(CODECS), got=repr(self.codec))
        most = 30 if self.codec == "H264" else 120  # aiortc's H.264 encoder counts time in 1/30 s
        if not 1 <= self.fps <= most:
            raise ConfigError("--fps", expected=f"1 to {most} with {self.codec}", got=str(self.fps))

    def make_scene(self) -> Scene:
        """Raises ConfigError."""
        return Scene(self.scene, self.width, self.height, self.seed)


@dataclass(frozen=True, slots=True)
class Session:
    """One client from its coming to its leaving. skipped: frames the sender had no time to draw."""

    summary: Summary
    end: End
    skipped: int = 0


async def serve_client(
    settings: ServeBall, stop: asyncio.Event, on_verdict: Callable[[Verdict, Ledger], None]
) -> Session | None:
    """Wait for one client, send it the ball, judge its answers until either side ends it.

    None: stopped before anybody came. Raises ServeError (port taken, no UDP port free).
    """
    signalling = OneClient(settings.host, settings.port)
    peer = new_peer(settings.ice)
    ledger = Ledger(CLOCK_RATE / settings.fps)
    track = BallTrack(settings.make_scene(), settings.fps, ledger, settings.frames)
    come = False
    try:
        track.sender = peer.addTrack(track)
        prefer(peer, settings.codec)
        judge = _Judge(settings, peer, track, ledger, on_verdict)
        offer = await describe(peer, settings.ice)
        await unless(stop, send_description(signalling, offer, "offer"))
        come = True
        answer = await unless(stop, asyncio.wait_for(receive_description(signalling, "answer"), CONNECT_S))
        if isinstance(answer, End):
            return Session(ledger.summary(final=True), answer)
        await accept(peer, answer, "answer")
        end = await judge.run(stop, wait_end(signalling))
        return Session(ledger.summary(final=True), end, track.skipped)
    except Stopped:
        return Session(ledger.summary(final=True), End.STOPPED, track.skipped) if come else None
    except (TimeoutError, ConnectionError):
        return Session(ledger.summary(final=True), End.GONE)
    finally:
        track.stop()
        await close(signalling)
        await peer.close()


def prefer(peer: RTCPeerConnection, codec: str) -> None:
    """Send video as this codec only."""
    capabilities = RTCRtpSender.getCapabilities("video")
    assert capabilities is not None
    chosen = [c for c in capabilities.codecs if c.mimeType.lower() in (f"video/{codec.lower()}", "video/rtx")]
    for transceiver in peer.getTransceivers():
        transceiver.setCodecPreferences(chosen)


class _Judge:
    """One connection: answers in, verdicts out, until it ends."""

    def __init__(
        self,
        settings: ServeBall,
        peer: RTCPeerConnection,
        track: BallTrack,
        ledger: Ledger,
        on_verdict: Callable[[Verdict, Ledger], None],
    ) -> None:
        self._settings, self._peer, self._ledger, self._on_verdict = settings, peer, ledger, on_verdict
        self._heard_s = time.perf_counter()
        self._failed, self._sent_all = asyncio.Event(), asyncio.Event()
        track.on("ended", self._sent_all.set)
        peer.on("connectionstatechange", self._look)
        peer.on("datachannel", self._open)
        self._truth = peer.createDataChannel(TRUTH, ordered=False)
        self._truth.on("open", self._greet)

    def _greet(self) -> None:
        s = self._settings
        self._truth.send(dump_scene(s.scene, s.width, s.height, s.fps))

    def _look(self) -> None:
        if self._peer.connectionState in ("failed", "closed"):
            self._failed.set()

    def _open(self, channel: RTCDataChannel) -> None:
        if channel.label == CHANNEL:
            channel.on("message", self._hear)

    def _hear(self, text: str | bytes) -> None:
        at_s = self._heard_s = time.perf_counter()
        try:
            spot = parse_spot(text)
        except RequestError as cause:
            log.warning("%s", cause)
            return
        verdict = self._ledger.heard(spot.rtp, spot.place, at_s, spot.dropped)
        if verdict is None:
            return
        if self._truth.readyState == "open" and self._truth.bufferedAmount < BUFFERED_BYTES:
            self._truth.send(dump_verdict(verdict))
        self._on_verdict(verdict, self._ledger)

    async def run(self, stop: asyncio.Event, gone: Coroutine[Any, Any, End]) -> End:
        """Until either side ends it, the network does, or all frames are through."""
        leaving = asyncio.ensure_future(gone)
        ends: dict[asyncio.Future[Any], End] = {
            asyncio.ensure_future(event.wait()): end
            for event, end in ((stop, End.STOPPED), (self._failed, End.GONE), (self._sent_all, End.DONE))
        }
        begun_s = time.perf_counter()
        try:
            while True:
                done, _ = await asyncio.wait({leaving, *ends}, timeout=0.5, return_when=asyncio.FIRST_COMPLETED)
                if leaving in done:
                    return leaving.result()
                if done:
                    end = ends[done.pop()]
                    if end is End.DONE:
                        await asyncio.wait({leaving}, timeout=TAIL_S)
                    return end
                now_s = time.perf_counter()
                if self._peer.connectionState != "connected":
                    if now_s - begun_s > CONNECT_S:
                        return End.FAILED
                    self._heard_s = now_s
                elif now_s - self._heard_s > SILENCE_S:
                    return End.SILENT
        finally:
            for task in (leaving, *ends):
                task.cancel()
            await asyncio.gather(leaving, *ends, return_exceptions=True)


async def run_server(
    settings: ServeBall,
    *,
    once: bool = False,
    stop: asyncio.Event | None = None,
    on_verdict: Callable[[Verdict, Ledger], None] = lambda verdict, ledger: None,
    on_session: Callable[[Session], None] = lambda session: None,
    on_ready: Callable[[], None] = lambda: None,
) -> list[Session]:
    """Serve one client after the other until `stop` is set, or the first alone. on_ready: waiting for a client now.

    Raises ServeError, ConfigError.
    """
    stop = stop or asyncio.Event()
    sessions: list[Session] = []
    while not stop.is_set():
        on_ready()
        session = await serve_client(settings, stop, on_verdict)
        if session is not None:
            sessions.append(session)
            on_session(session)
        if once and session is not None:
            break
    return sessions
