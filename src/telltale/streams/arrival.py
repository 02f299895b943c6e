"""Video as it arrives: each frame at once, known by its RTP timestamp, never made of parts. Knows no signalling.

aiortc 1 gives a frame on only when the first packet of the *next* one has come, which is a whole frame later; it waits
for a lost packet until 512 more have come; it numbers frames from the first one that arrived, so that a lost first
frame shifts all the others; and its queues have no end. `attach` puts three things of ours in the place of its own:

- a frame is whole with the packet that carries the marker bit, as RFC 7741 (4.1) and RFC 6184 (5.1) have it;
- a hole is asked for again every 60 ms, and given up after half a second: then a key frame is asked for, and what
  cannot be decoded without one is dropped and counted, for a picture made of parts would be a wrong answer;
- `pts` is the RTP timestamp as it was sent, unwrapped: the same number for the same frame, whatever was lost before.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import av
from aiortc import MediaStreamTrack, RTCRtpReceiver
from aiortc.jitterbuffer import JitterBuffer, JitterFrame
from aiortc.mediastreams import MediaStreamError
from aiortc.rtp import RtpPacket

from telltale.errors import MissingPartError
from telltale.streams.latest import Closed, Latest

CLOCK_RATE = 90_000
"""Ticks of a video's RTP timestamp in a second (RFC 3551)."""

WRAP = 1 << 32
ASK_AGAIN_S = 0.06
GIVE_UP_S = 0.5
KEY_AGAIN_S = 0.3
KEY_GIVE_UP_S = 3.0
"""A sender that answers no request for a key frame is decoded as it comes."""
CAPACITY = 2048
BACKLOG = 8
"""Frames waiting for the decoder before new ones are dropped."""
REMEMBERED = 256

IDR = re.compile(rb"\x00\x00\x01[\x05\x25\x45\x65]")


@dataclass(slots=True)
class Reception:
    """What became of a stream's frames so far.

    frames: given on. lost: never came whole, or dropped because they need one that did not.
    asked_again: requests for lost packets beyond aiortc's first. keys: key frames asked for.
    """

    frames: int = 0
    lost: int = 0
    asked_again: int = 0
    keys: int = 0


@dataclass(frozen=True, slots=True)
class Arrived:
    """A decoded frame.

    rtp: its RTP timestamp as sent, 0 to 2**32 - 1. at_s: when its last packet came, on time.perf_counter's clock.
    sequence: counts decoded frames from 0.
    """

    frame: av.VideoFrame
    rtp: int
    at_s: float
    sequence: int


class RtpClock:
    """In the place of aiortc's TimestampMapper: the timestamp itself, counted on over its wrap every 13 hours."""

    def __init__(self) -> None:
        self._last: int | None = None

    def map(self, timestamp: int) -> int:
        """An RTP timestamp -> an integer that is equal to it modulo 2**32 and never jumps by half of that."""
        if self._last is None:
            self._last = timestamp
        else:
            self._last += (timestamp - self._last + WRAP // 2) % WRAP - WRAP // 2
        return self._last


def is_key(codec: str, data: bytes) -> bool:
    """Whether an encoded frame can be decoded without those before it. Of unknown codecs: yes."""
    if codec == "VP8":
        return len(data) > 0 and data[0] & 1 == 0  # RFC 6386, 9.1
    if codec == "H264":
        return IDR.search(data) is not None
    return True


def begins_vp8(payload: bytes) -> bool:
    """Whether a packet begins a VP8 frame: S set, partition 0 (RFC 7741, 4.2)."""
    return len(payload) > 0 and payload[0] & 0x17 == 0x10


class EncodedFrame(JitterFrame):
    """A whole frame before it is decoded. timestamp: RTP. payload_type: tells the codec."""

    def __init__(self, packets: list[RtpPacket]) -> None:
        data = b"".join(packet._data for packet in packets)  # type: ignore[attr-defined]  # aiortc's: without header
        super().__init__(data, packets[0].timestamp)
        self.payload_type = packets[0].payload_type


class FrameBuffer(JitterBuffer):
    """In the place of aiortc's JitterBuffer, for video.

    on_frame(frame): takes all frames of a burst but the last, which `add` returns. codec(payload type): its name.
    ask(ssrc, sequence numbers): asks for packets again. backlog(): frames that wait for the decoder.
    """

    def __init__(
        self,
        on_frame: Callable[[EncodedFrame], None],
        codec: Callable[[int], str],
        ask: Callable[[int, list[int]], None],
        backlog: Callable[[], int],
        now: Callable[[], float] = time.perf_counter,
    ) -> None:
        super().__init__(capacity=CAPACITY, is_video=True)
        self._on_frame, self._codec, self._ask, self._backlog, self._now = on_frame, codec, ask, backlog, now
        self._next: int | None = None  # the sequence number wanted next, counted on over its wrap
        self._held: dict[int, RtpPacket] = {}
        self._cut = False  # `_next` is, or may be, in the middle of a frame of this timestamp
        self._cut_stamp: int | None = None
        self._hole_s: float | None = None
        self._asked_s = 0.0
        self._key_since_s: float | None = now()  # since when only a key frame will do
        self._key_asked_s = now()
        self._given: int | None = None  # the timestamp of the last frame given on or dropped
        self.reception = Reception()
        self.arrivals: OrderedDict[int, float] = OrderedDict()

    def add(self, packet: RtpPacket) -> tuple[bool, EncodedFrame | None]:
        """(whether to ask for a key frame, the newest whole frame or None)."""
        now = self._now()
        if self._next is None:
            self._cut = self._codec(packet.payload_type) == "VP8" and not begins_vp8(packet.payload)
        number = self._unwrap(packet.sequence_number)
        assert self._next is not None
        if number >= self._next:
            self._held[number] = packet
        frames = self._take_whole()
        if self._held:
            frames += self._mind_hole(now)
        else:
            self._hole_s = None
        wanted = [frame for frame in frames if self._usable(frame, now)]
        for frame in wanted:
            self.arrivals[frame.timestamp] = now
            while len(self.arrivals) > REMEMBERED:
                self.arrivals.popitem(last=False)
        self.reception.frames += len(wanted)
        for frame in wanted[:-1]:
            self._on_frame(frame)
        return self._want_key(now), wanted[-1] if wanted else None

    def _unwrap(self, sequence: int) -> int:
        if self._next is None:
            self._next = sequence
            return sequence
        number = self._next + (sequence - self._next + 0x8000) % 0x10000 - 0x8000
        if abs(number - self._next) > CAPACITY:  # another stream in the place of the old one
            self._held.clear()
            self._need_key()
            self._next = number
        return number

    def _take_whole(self) -> list[EncodedFrame]:
        """Every frame that is whole and whose turn it is."""
        self._drop_cut()
        assert self._next is not None
        frames: list[EncodedFrame] = []
        parts: list[RtpPacket] = []
        at = start = self._next
        while (packet := self._held.get(at)) is not None:
            if parts and packet.timestamp != parts[0].timestamp:  # a sender that sets no marker
                frames.append(EncodedFrame(parts))
                start, parts = at, []
            if packet.payload:
                parts.append(packet)
            at += 1
            if packet.marker or not parts:  # no parts: padding between frames
                if parts:
                    frames.append(EncodedFrame(parts))
                start, parts = at, []
        for number in range(self._next, start):
            del self._held[number]
        if start != self._next:
            self._next, self._hole_s = start, None
        return frames

    def _drop_cut(self) -> None:
        """Pass over the rest of a frame whose head is lost: it ends with a marker, or where the timestamp changes."""
        while self._cut and self._next is not None and (packet := self._held.get(self._next)) is not None:
            if self._cut_stamp is not None and packet.timestamp != self._cut_stamp:
                self._cut = False
                return
            self._cut_stamp = packet.timestamp
            self._cut = not packet.marker
            self._lose(packet.timestamp)
            del self._held[self._next]
            self._next += 1

    def _mind_hole(self, now: float) -> list[EncodedFrame]:
        """Ask for what is missing; give it up in the end and go on behind it."""
        assert self._next is not None
        last = max(self._held)
        missing = [n for n in range(self._next, last) if n not in self._held]
        if not missing:  # only the rest of a frame that is still coming
            self._hole_s = None
            return []
        if self._hole_s is None:
            self._hole_s = self._asked_s = now  # aiortc has just asked itself
        if now - self._hole_s > GIVE_UP_S or last - self._next > CAPACITY // 2:
            return self._skip(missing[-1])
        if now - self._asked_s > ASK_AGAIN_S:
            self._asked_s = now
            self.reception.asked_again += 1
            self._ask(self._held[last].ssrc, [n & 0xFFFF for n in missing[:64]])
        return []

    def _skip(self, hole: int) -> list[EncodedFrame]:
        """Go on behind the hole, and behind the frame it cuts."""
        for number in sorted(self._held):
            if number < hole:
                self._lose(self._held.pop(number).timestamp)
        self._next, self._cut, self._cut_stamp, self._hole_s = hole + 1, True, None, None
        self._need_key()
        return self._take_whole()

    def _usable(self, frame: EncodedFrame, now: float) -> bool:
        if self._backlog() > BACKLOG:
            self._need_key()
        if self._key_since_s is not None:
            key = is_key(self._codec(frame.payload_type), frame.data) and self._backlog() <= BACKLOG
            if not key and now - self._key_since_s <= KEY_GIVE_UP_S:
                self._lose(frame.timestamp)
                return False
            self._key_since_s = None
        self._given = frame.timestamp
        return True

    def _lose(self, timestamp: int) -> None:
        if timestamp != self._given:
            self.reception.lost += 1
            self._given = timestamp

    def _need_key(self) -> None:
        if self._key_since_s is None:
            self._key_since_s = self._now()
            self._key_asked_s = 0.0

    def _want_key(self, now: float) -> bool:
        if self._key_since_s is None or now - self._key_asked_s < KEY_AGAIN_S:
            return False
        self._key_asked_s = now
        self.reception.keys += 1
        return True


def attach(receiver: RTCRtpReceiver) -> FrameBuffer:
    """Put our buffer and clock into a receiver, before its first packet comes.

    Raises MissingPartError where aiortc is not built as we know it.
    """
    inside: Any = receiver
    # Names made once: CPython keeps each string an attribute was asked by, thousands of equal ones where made anew.
    jitter_buffer, mapper, queue, codecs = (
        f"_RTCRtpReceiver__{name}" for name in ("jitter_buffer", "timestamp_mapper", "decoder_queue", "codecs")
    )
    for name in (jitter_buffer, mapper, queue, codecs):
        if not hasattr(receiver, name):
            raise MissingPartError(
                "aiortc", expected="version 1, whose parts telltale knows", got=f"none of {name}", next="aiortc<2"
            )
    clock = RtpClock()
    setattr(receiver, mapper, clock)

    def codec(payload_type: int) -> str:
        known = getattr(receiver, codecs).get(payload_type)
        return known.name if known else ""

    def on_frame(frame: EncodedFrame) -> None:
        known = getattr(receiver, codecs).get(frame.payload_type)
        frame.timestamp = clock.map(frame.timestamp)
        getattr(receiver, queue).put((known, frame))

    def ask(ssrc: int, missing: list[int]) -> None:
        task = asyncio.ensure_future(inside._send_rtcp_nack(ssrc, missing))
        asked.add(task)
        task.add_done_callback(asked.discard)

    asked: set[asyncio.Future[None]] = set()
    buffer = FrameBuffer(on_frame, codec, ask, lambda: int(getattr(receiver, queue).qsize()))
    setattr(receiver, jitter_buffer, buffer)
    return buffer


async def drain(track: MediaStreamTrack, slot: Latest[Arrived], buffer: FrameBuffer) -> None:
    """Read a track to its end, newest frame wins; then close the slot. aiortc's own queue never grows."""
    sequence = 0
    try:
        while True:
            frame = await track.recv()
            if not isinstance(frame, av.VideoFrame) or frame.pts is None:
                continue
            rtp = frame.pts % WRAP
            at_s = buffer.arrivals.pop(rtp, None)
            slot.put(Arrived(frame, rtp, time.perf_counter() if at_s is None else at_s, sequence))
            sequence += 1
    except (MediaStreamError, Closed):
        return
    finally:
        slot.close()
