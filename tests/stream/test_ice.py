"""A peer opens its sockets where it is told to, and nowhere else."""

from __future__ import annotations

import asyncio
import re
import socket

import pytest
from aiortc import RTCPeerConnection

from telltale.errors import ConfigError, RequestError, ServeError
from telltale.streams.ice import accept, describe, is_named_candidate, new_peer, without_names
from telltale.streams.reach import Ice, IceServer, addresses_for, parse_ports


def offer_of(ice: Ice) -> str:
    async def run() -> str:
        peer = new_peer(ice)
        peer.addTransceiver("video", direction="recvonly")
        try:
            return await describe(peer, ice)
        finally:
            await peer.close()

    return asyncio.run(run())


def candidates(sdp: str) -> list[tuple[str, int]]:
    return [(m[0], int(m[1])) for m in re.findall(r"a=candidate:\S+ 1 udp \d+ (\S+) (\d+) typ host", sdp)]


def free_udp_range(count: int) -> tuple[int, int]:
    """So many free neighbouring ports."""
    for low in range(43000, 60000, count):
        held = []
        try:
            for port in range(low, low + count):
                held.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                held[-1].bind(("127.0.0.1", port))
        except OSError:
            continue
        else:
            return low, low + count - 1
        finally:
            for one in held:
                one.close()
    raise AssertionError("no free range")


def test_the_default_is_loopback_and_any_port() -> None:
    assert [host for host, _ in candidates(offer_of(Ice()))] == ["127.0.0.1"]


def test_the_port_range_is_kept_and_its_end_is_told() -> None:
    low, high = free_udp_range(3)

    async def run() -> None:
        ice = Ice(ports=(low, high))
        peers: list[RTCPeerConnection] = []
        try:
            ports = set()
            for _ in range(3):
                peers.append(new_peer(ice))
                peers[-1].addTransceiver("video", direction="recvonly")
                ports |= {port for _, port in candidates(await describe(peers[-1], ice))}
            assert ports == {low, low + 1, high}
            peers.append(new_peer(ice))
            peers[-1].addTransceiver("video", direction="recvonly")
            with pytest.raises(ServeError, match=rf"from {low} to {high}.*--rtc-ports"):
                await describe(peers[-1], ice)
        finally:
            for peer in peers:
                await peer.close()
        again = new_peer(ice)  # and all are free again
        again.addTransceiver("video", direction="recvonly")
        assert candidates(await describe(again, ice))
        await again.close()

    asyncio.run(run())


def test_a_container_tells_its_outer_address() -> None:
    sdp = offer_of(Ice(public="203.0.113.7"))
    assert [host for host, _ in candidates(sdp)] == ["203.0.113.7"]


def test_names_in_an_offer_are_left_alone() -> None:
    sdp = "\r\n".join(
        [
            "v=0",
            "a=candidate:1 1 udp 2113937151 4f1c5d9e-aaaa.local 50000 typ host generation 0",
            "a=candidate:2 1 udp 2113937151 192.0.2.9 50001 typ host",
            "a=candidate:3 1 tcp 1518280447 192.0.2.9 9 typ host tcptype active",
            "a=candidate:4 1 UDP 2113937151 fd00::9 50002 typ host",
            "a=end-of-candidates",
            "a=mid:0",
            "",
        ]
    )
    kept = without_names(sdp)
    assert ".local" not in kept
    assert "192.0.2.9 50001" in kept
    assert "fd00::9" in kept
    assert "tcp" not in kept
    assert "end-of-candidates" not in kept
    assert kept.endswith("a=mid:0\r\n")
    assert not is_named_candidate("a=mid:0")
    assert is_named_candidate("a=candidate:")


@pytest.mark.parametrize("sdp", ["", "v=0", "\x00\xff", "v=0\r\nm=video x", "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\n"])
def test_an_offer_that_cannot_be_used_is_a_named_error(sdp: str) -> None:
    async def run() -> None:
        peer = new_peer(Ice())
        try:
            await accept(peer, sdp, "offer")
            if not peer.getTransceivers():
                raise RequestError("nothing in it")  # an empty description is one, of nothing
        finally:
            await peer.close()

    with pytest.raises(RequestError):
        asyncio.run(run())


def test_settings_that_cannot_be_meant_are_told() -> None:
    assert parse_ports("40000-40100") == (40000, 40100)
    assert parse_ports("40000") == (40000, 40000)
    with pytest.raises(ConfigError, match="LOW-HIGH"):
        parse_ports("many")
    for ports in ((0, 5), (9, 8), (1, 70000)):
        with pytest.raises(ConfigError):
            Ice(ports=ports)
    with pytest.raises(ConfigError, match="IP address"):
        Ice(addresses=("camera",))
    for url in ("stun", "http://x", "stun:", "stun:a b"):
        with pytest.raises(ConfigError):
            IceServer(url)
    assert IceServer("turn:turn.example.org:3478?transport=tcp").url
    assert addresses_for("127.0.0.1") == addresses_for("localhost") == ("127.0.0.1",)
    assert addresses_for("0.0.0.0") == addresses_for("::") == addresses_for("camera.local") == ()
    assert addresses_for("192.0.2.4") == ("192.0.2.4",)
