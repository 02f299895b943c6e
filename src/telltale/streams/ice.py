"""A WebRTC peer that opens sockets only where it was told to, and asks nobody outside. Knows nothing of pictures.

aiortc left to itself asks a public STUN server for its address, listens on every address but loopback, takes any port
and resolves the `.local` names in a browser's offer by multicast. Here all four are settings, and off by default.
"""

from __future__ import annotations

import asyncio
import ipaddress
import random
import re
import socket
from collections.abc import Iterable
from functools import partial

from aioice import Candidate
from aioice.candidate import candidate_foundation, candidate_priority
from aioice.ice import Connection, StunProtocol, get_host_addresses, server_reflexive_candidate
from aiortc import (
    RTCBundlePolicy,
    RTCConfiguration,
    RTCDtlsTransport,
    RTCIceServer,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.exceptions import OperationError
from aiortc.sdp import candidate_from_sdp

from telltale.errors import RequestError, ServeError, UnfitError
from telltale.streams.reach import Ice

RECEIVE_BYTES = 1 << 20
"""The kernel's receive buffer of each socket: a key frame comes as a burst of packets."""


def new_peer(ice: Ice) -> RTCPeerConnection:
    """A peer that sends all its media and data over one pair of sockets. Nothing is opened yet.

    Add tracks before data channels: aiortc 1.16 closes its own socket when data come first in such an offer.
    """
    servers = [RTCIceServer(s.url, s.username, s.credential) for s in ice.servers]
    return RTCPeerConnection(RTCConfiguration(iceServers=servers, bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))


async def describe(peer: RTCPeerConnection, ice: Ice) -> str:
    """Open the sockets `ice` allows and give our own offer, or our answer to the offer the peer has: SDP.

    Raises ServeError where no port of the range is free.
    """
    for connection in _connections(peer):
        # aioice asks its own method for the candidates; the addresses and ports are ours.
        connection.get_component_candidates = partial(_gather, connection, ice)  # type: ignore[method-assign]
    await peer.setLocalDescription()
    description: RTCSessionDescription = peer.localDescription
    return str(description.sdp)


async def accept(peer: RTCPeerConnection, sdp: str, kind: str) -> None:
    """Take the other side's description. kind: offer, answer. Raises RequestError, UnfitError."""
    if not sdp.startswith("v=0"):
        raise RequestError(f"the SDP {kind}", expected="v=0 at its beginning", got=repr(sdp[:30]))
    try:
        await peer.setRemoteDescription(RTCSessionDescription(sdp=without_names(sdp), type=kind))
    except OperationError as cause:
        raise UnfitError(
            f"the SDP {kind}", expected="VP8 or H.264", got="no codec in common", next="offer one of them"
        ) from cause
    except Exception as cause:  # aiortc answers a bad description with whatever its parser came upon
        raise RequestError(
            f"the SDP {kind}", expected="one this server can use", got=_brief(cause), next="send video as VP8 or H.264"
        ) from cause


def _brief(cause: Exception) -> str:
    return f"{type(cause).__name__}: {cause}"[:120] if str(cause) else type(cause).__name__


def be_passive(peer: RTCPeerConnection) -> None:
    """Before the answer: let the other side open the DTLS handshake where its offer leaves the choice.

    RFC 9725 asks it of a server, and peers with an RSA certificate (GStreamer) share no cipher with aiortc otherwise.
    """
    for transport in _transports(peer):
        if transport._role == "auto":
            transport._set_role("server")


def without_names(sdp: str) -> str:
    """The description without candidates that are names, and without word that there are no more.

    A browser hides its addresses behind `.local` names that only multicast resolves. It need not be asked: its own
    checks reach us and tell its address (a peer-reflexive candidate, RFC 8445 section 7.3.1.3), as long as we go on
    waiting for them.
    """
    lines = re.split(r"\r?\n", sdp)
    kept = [line for line in lines if line != "a=end-of-candidates" and not is_named_candidate(line)]
    return "\r\n".join(kept)


def is_named_candidate(line: str) -> bool:
    """Whether an SDP line is a candidate whose address is a name, or no UDP."""
    if not line.startswith("a=candidate:"):
        return False
    fields = line.split()
    if len(fields) < 6 or fields[2].lower() != "udp":
        return True
    try:
        ipaddress.ip_address(fields[4])
    except ValueError:
        return True
    return False


async def add_candidates(peer: RTCPeerConnection, fragment: str) -> None:
    """The candidates of an SDP fragment (RFC 8840). Names and all but UDP are passed over. Raises RequestError."""
    mid, lines = None, fragment.split("\n")
    if not any(line.startswith(("a=candidate:", "a=end-of-candidates", "a=ice-ufrag:")) for line in lines):
        raise RequestError("the fragment", expected="an SDP fragment with candidates", got=repr(fragment[:40]))
    for line in map(str.rstrip, lines):
        if line.startswith("a=mid:"):
            mid = line.removeprefix("a=mid:")
        if not line.startswith("a=candidate:") or is_named_candidate(line):
            continue
        try:
            candidate = candidate_from_sdp(line.removeprefix("a=candidate:"))
            candidate.sdpMid, candidate.sdpMLineIndex = mid, 0
            await peer.addIceCandidate(candidate)
        except Exception as cause:  # as above
            raise RequestError("the fragment", expected="a candidate", got=repr(line[:60])) from cause


def is_restart(peer: RTCPeerConnection, fragment: str) -> bool:
    """Whether a fragment has other credentials than the peer's ICE session."""
    remote = peer.remoteDescription
    known = set(re.findall(r"a=ice-ufrag:(\S+)", str(remote.sdp) if remote else ""))
    return not set(re.findall(r"a=ice-ufrag:(\S+)", fragment)) <= known


def _transports(peer: RTCPeerConnection) -> list[RTCDtlsTransport]:
    found = [t.receiver.transport for t in peer.getTransceivers()]
    return found if peer.sctp is None else [*found, peer.sctp.transport]


def _connections(peer: RTCPeerConnection) -> Iterable[Connection]:
    return {id(t.transport): t.transport._connection for t in _transports(peer)}.values()


async def _gather(
    connection: Connection, ice: Ice, component: int, addresses: list[str], timeout: int = 5
) -> list[Candidate]:
    """What aioice's method of this name does, on our addresses and ports. addresses: aioice's own choice, unused."""
    hosts = list(ice.addresses) or [*get_host_addresses(True, False), "127.0.0.1"]
    protocols = [await _open(connection, host, ice.ports) for host in hosts]
    for protocol, host in zip(protocols, hosts, strict=True):
        told = ice.public or host
        protocol.local_candidate = Candidate(
            foundation=candidate_foundation("host", "udp", told),
            component=component,
            transport="udp",
            priority=candidate_priority(component, "host"),
            host=told,
            port=protocol.transport.get_extra_info("sockname")[1],
            type="host",
        )
    connection._protocols += protocols
    candidates = [protocol.local_candidate for protocol in protocols]
    if connection.stun_server:
        asked = [server_reflexive_candidate(p, connection.stun_server) for p in protocols if _leaves(p)]
        found = await asyncio.gather(*(asyncio.wait_for(one, timeout) for one in asked), return_exceptions=True)
        candidates += [one[0] for one in found if not isinstance(one, BaseException)]
    if connection.turn_server:  # with no addresses aioice's own way only asks the TURN server
        candidates += await Connection.get_component_candidates(connection, component, [], timeout)
    return candidates


def _leaves(protocol: StunProtocol) -> bool:
    address = ipaddress.ip_address(protocol.transport.get_extra_info("sockname")[0])
    return address.version == 4 and not address.is_loopback


async def _open(connection: Connection, host: str, ports: tuple[int, int] | None) -> StunProtocol:
    """A socket on this address, on a free port of the range taken by chance."""
    loop = asyncio.get_running_loop()
    choices = [0] if ports is None else random.sample(range(ports[0], ports[1] + 1), ports[1] - ports[0] + 1)
    reason = ""
    for port in choices:
        try:
            transport, protocol = await loop.create_datagram_endpoint(
                lambda: StunProtocol(connection), local_addr=(host, port)
            )
        except OSError as cause:
            reason = str(cause)
            continue
        _widen(transport)
        return protocol
    wanted = f"a free UDP port on {host}" + (f" from {ports[0]} to {ports[1]}" if ports else "")
    raise ServeError("webrtc", expected=wanted, got=reason, next="widen --rtc-ports, or end other streams")


def _widen(transport: asyncio.DatagramTransport) -> None:
    found = transport.get_extra_info("socket")
    if found is not None:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
