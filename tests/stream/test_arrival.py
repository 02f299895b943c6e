"""Frames come at once, whole, in order, and under their own number, whatever the network does."""

from __future__ import annotations

import itertools

import pytest
from aiortc import RTCRtpReceiver
from aiortc.rtp import RtpPacket
from hypothesis import given
from hypothesis import strategies as st

from telltale.errors import MissingPartError
from telltale.streams.arrival import GIVE_UP_S, WRAP, EncodedFrame, FrameBuffer, RtpClock, attach, is_key

KEY, DELTA = b"\xa0", b"\xa1"
"""First bytes of VP8 frames: bit 0 clear is a key frame."""


def packet(sequence: int, timestamp: int, data: bytes, marker: int = 0) -> RtpPacket:
    made = RtpPacket(payload_type=97, sequence_number=sequence % 65536, timestamp=timestamp % WRAP, marker=marker)
    made.payload = (b"\x10" if data[:1] in (KEY, DELTA) else b"\x00") + data if data else b""
    made._data = data  # type: ignore[attr-defined]  # the payload behind VP8's descriptor, here of one byte
    return made


def stream(frames: int, sizes: list[int], first: int = 0) -> list[RtpPacket]:
    """Frame n has sizes[n] packets, which spell its number; frame 0 is a key frame."""
    out: list[RtpPacket] = []
    for n in range(frames):
        size = sizes[n % len(sizes)]
        for part in range(size):
            head = (KEY if n == 0 else DELTA) if part == 0 else b""
            data = head + f"{n}.{part};".encode()
            out.append(packet(first + len(out), 3000 * n, data, int(part == size - 1)))
    return out


class Rig:
    """A buffer on a clock of its own that keeps what comes out."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.frames: list[EncodedFrame] = []
        self.asked: list[int] = []
        self.keys = 0
        self.backlog = 0
        self.buffer = FrameBuffer(
            self.frames.append,
            lambda payload_type: "VP8",
            lambda ssrc, numbers: self.asked.extend(numbers),
            lambda: self.backlog,
            lambda: self.now_s,
        )

    def add(self, packet: RtpPacket, at_s: float | None = None) -> None:
        self.now_s = self.now_s + 0.001 if at_s is None else at_s
        key, frame = self.buffer.add(packet)
        self.keys += key
        if frame is not None:
            self.frames.append(frame)

    def numbers(self) -> list[int]:
        return [frame.timestamp // 3000 for frame in self.frames]


def whole(frame: EncodedFrame, sizes: list[int]) -> bool:
    n = frame.timestamp // 3000
    expected = (KEY if n == 0 else DELTA) + "".join(f"{n}.{i};" for i in range(sizes[n % len(sizes)])).encode()
    return bool(frame.data == expected)


def test_a_frame_comes_with_its_own_last_packet() -> None:
    rig = Rig()
    first, *_ = packets = stream(2, [1, 3])
    rig.add(first)
    assert rig.numbers() == [0]
    for p in packets[1:3]:
        rig.add(p)
    assert rig.numbers() == [0]
    rig.add(packets[3])
    assert rig.numbers() == [0, 1]


def test_a_sender_without_markers_is_understood_too() -> None:
    rig = Rig()
    for p in stream(4, [2]):
        p.marker = 0
        rig.add(p)
    assert rig.numbers() == [0, 1, 2]


@given(
    sizes=st.lists(st.integers(1, 5), min_size=1, max_size=6),
    first=st.integers(0, 65535),
    order=st.randoms(use_true_random=False),
)
def test_packets_in_any_order_give_every_frame_whole_and_in_order(sizes: list[int], first: int, order: object) -> None:
    packets = stream(20, sizes, first)
    for start in range(1, len(packets), 6):  # the first packet tells where the stream begins
        chunk = packets[start : start + 6]
        order.shuffle(chunk)  # type: ignore[attr-defined]
        packets[start : start + 6] = chunk
    rig = Rig()
    for p in packets:
        rig.add(p)
        rig.add(p)  # and twice
    assert rig.numbers() == list(range(20))
    assert all(whole(frame, sizes) for frame in rig.frames)
    assert rig.buffer.reception.lost == 0


@given(
    sizes=st.lists(st.integers(1, 4), min_size=1, max_size=5),
    lost=st.sets(st.integers(1, 150), max_size=30),
    key_every=st.integers(10, 40),
)
def test_what_is_lost_takes_its_own_frames_and_never_makes_one_of_parts(
    sizes: list[int], lost: set[int], key_every: int
) -> None:
    packets = stream(150, sizes)
    starts: dict[int, RtpPacket] = {}
    for p in packets:
        starts.setdefault(p.timestamp // 3000, p)
    keys = {n for n in starts if n % key_every == 0}
    for n in keys - {0}:
        starts[n]._data = KEY + starts[n]._data[1:]  # type: ignore[attr-defined]
    rig = Rig()
    for i, p in enumerate(packets):
        if i not in lost:
            rig.add(p, 0.01 * i)
    broken = {p.timestamp // 3000 for i, p in enumerate(packets) if i in lost}
    given = rig.numbers()
    assert given == sorted(set(given))
    assert not broken & set(given)
    for frame in rig.frames:
        body = frame.data[1:].decode()
        n = frame.timestamp // 3000
        assert body == "".join(f"{n}.{i};" for i in range(sizes[n % len(sizes)]))
    for before, after in itertools.pairwise(given):
        assert after == before + 1 or after in keys, "only a key frame may follow a gap"


def test_a_hole_is_asked_for_again_and_given_up_in_the_end() -> None:
    rig = Rig()
    packets = stream(60, [1])
    rig.add(packets[0], 0.0)
    for n in range(2, 60):
        rig.add(packets[n], 0.033 * n)
    assert set(rig.asked) == {1}
    assert 5 <= len(rig.asked) <= GIVE_UP_S / 0.06
    assert rig.numbers() == [0]
    assert rig.keys >= 2, "asked for a key frame, and again"
    assert rig.buffer.reception.lost >= 50
    rig.add(packet(60, 3000 * 60, KEY + b"60.0;", 1), 2.1)
    rig.add(packet(61, 3000 * 61, DELTA + b"61.0;", 1), 2.2)
    assert rig.numbers() == [0, 60, 61]


def test_a_packet_that_comes_after_all_lets_the_waiting_frames_go_at_once() -> None:
    rig = Rig()
    packets = stream(10, [1])
    for n in (0, 2, 3, 4, 5, 6, 7):
        rig.add(packets[n], 0.01 * n)
    assert rig.numbers() == [0]
    rig.add(packets[1], 0.08)
    assert rig.numbers() == [0, 1, 2, 3, 4, 5, 6, 7]


def test_a_slow_decoder_is_spared_until_a_key_frame() -> None:
    rig = Rig()
    packets = stream(30, [1])
    for n in range(5):
        rig.add(packets[n], 0.03 * n)
    rig.backlog = 50
    for n in range(5, 10):
        rig.add(packets[n], 0.03 * n)
    rig.backlog = 0
    for n in range(10, 30):
        rig.add(packets[n], 0.03 * n)
    assert rig.numbers() == list(range(5))
    assert rig.keys > 0


def test_padding_between_frames_is_no_frame() -> None:
    rig = Rig()
    rig.add(packet(0, 0, KEY + b"0.0;", 1))
    rig.add(packet(1, 0, b""))
    rig.add(packet(2, 0, b""))
    rig.add(packet(3, 3000, DELTA + b"1.0;", 1))
    assert rig.numbers() == [0, 1]


def test_a_sender_that_never_gives_a_key_frame_is_taken_as_it_comes_in_the_end() -> None:
    rig = Rig()
    for n in range(200):
        rig.add(packet(n, 3000 * n, DELTA + b"x", 1), 0.033 * n)
    assert rig.numbers()[0] == pytest.approx(91, abs=3)
    assert rig.numbers()[-1] == 199


@given(st.integers(0, WRAP - 1), st.lists(st.integers(-(10**6), 10**8), max_size=30))
def test_the_clock_counts_on_over_its_wrap(start: int, steps: list[int]) -> None:
    clock, at = RtpClock(), start
    assert clock.map(at) == at
    for step in steps:
        at += step
        assert clock.map(at % WRAP) == at


def test_key_frames_are_told_by_their_first_bytes() -> None:
    assert is_key("VP8", b"\x10\x02\x00")
    assert not is_key("VP8", b"\x11\x02\x00")
    assert not is_key("VP8", b"")
    assert is_key("H264", b"\x00\x00\x00\x01\x67abc\x00\x00\x00\x01\x65xyz")
    assert not is_key("H264", b"\x00\x00\x00\x01\x41abc")
    assert is_key("AV2", b"anything")


def test_the_installed_aiortc_has_the_parts_that_are_replaced() -> None:
    import asyncio

    from aiortc import RTCPeerConnection

    async def check() -> None:
        peer = RTCPeerConnection()
        receiver: RTCRtpReceiver = peer.addTransceiver("video").receiver
        buffer = attach(receiver)
        assert receiver._RTCRtpReceiver__jitter_buffer is buffer  # type: ignore[attr-defined]
        delattr(receiver, "_RTCRtpReceiver__codecs")
        with pytest.raises(MissingPartError, match="aiortc"):
            attach(receiver)
        await peer.close()

    asyncio.run(check())
