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
from dataclasses import dataclass
from functools import partial

from aioice import Candidate
from aioice.candidate import candidate_foundation, candidate_priority
from aioice.ice import Connection, StunProtocol, get_host_addresses, server_reflexive_candidate
from aiortc import RTCBundlePolicy, RTCConfiguration, RTCIceServer, RTCPeerConnection, RTCSessionDescription

from telltale.errors import ConfigError, RequestError, ServeError

RECEIVE_BYTES = 1 << 20
"""The kernel's receive buffer of each socket: a key frame comes as a burst of packets."""

ICE_URL = re.compile(r"(stun|turn|turns):[\w.\-\[\]:]+(\?transport=(udp|tcp))?")


@dataclass(frozen=True, slots=True)
class IceServer:
    """A STUN or TURN server of the user's own. url: `stun:host[:port]`, `turn:host[:port][?transport=tcp]`."""

    url: str
    username: str | None = None
    credential: str | None = None

    def __post_init__(self) -> None:
        if not ICE_URL.fullmatch(self.url):
            raise ConfigError("ice server", expected="stun:HOST[:PORT] or turn:HOST[:PORT]", got=repr(self.url))


@dataclass(frozen=True, slots=True)
class Ice:
    """Where a peer may be reached.

    addresses: of this machine, to listen on; empty: all of them. ports: UDP, (lowest, highest); None: any free one.
    public: the address others are told instead, for a container behind address translation. servers: none, unless
    the user has one.
    """

    addresses: tuple[str, ...] = ("127.0.0.1",)
    ports: tuple[int, int] | None = None
    public: str | None = None
    servers: tuple[IceServer, ...] = ()

    def __post_init__(self) -> None:
        if self.ports is not None and not 1 <= self.ports[0] <= self.ports[1] <= 65535:
            raise ConfigError("rtc ports", expected="LOW-HIGH from 1 to 65535", got=f"{self.ports[0]}-{self.ports[1]}")
        for address in (*self.addresses, *([self.public] if self.public else [])):
            try:
                ipaddress.ip_address(address)
            except ValueError:
                raise ConfigError("rtc address", expected="an IP address", got=repr(address)) from None


def parse_ports(text: str) -> tuple[int, int]:
    """'40000-40100' -> (40000, 40100); one port stands for itself. Raises ConfigError."""
    low, _, high = text.partition("-")
    try:
        return int(low), int(high or low)
    except ValueError:
        raise ConfigError("rtc ports", expected="LOW-HIGH, as 40000-40100", got=repr(text)) from None


def addresses_for(host: str) -> tuple[str, ...]:
    """What a server bound to `host` should offer: that address, loopback for localhost, all for a wildcard."""
    if host == "localhost":
        return ("127.0.0.1",)
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return ()
    return () if address.is_unspecified else (str(address),)


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
    """Take the other side's description. kind: offer, answer. Raises RequestError on one that cannot be used."""
    try:
        await peer.setRemoteDescription(RTCSessionDescription(sdp=without_names(sdp), type=kind))
    except Exception as cause:  # aiortc answers a bad description with whatever its parser came upon
        raise RequestError(
            f"the SDP {kind}", expected="one this server can use", got=_brief(cause), next="send video as VP8 or H.264"
        ) from cause


def _brief(cause: Exception) -> str:
    return f"{type(cause).__name__}: {cause}"[:120] if str(cause) else type(cause).__name__


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


def _connections(peer: RTCPeerConnection) -> Iterable[Connection]:
    transports = [t.receiver.transport for t in peer.getTransceivers()]
    if peer.sctp is not None:
        transports.append(peer.sctp.transport)
    return {id(t.transport): t.transport._connection for t in transports}.values()


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
