"""Where a WebRTC peer may be reached: settings alone. Knows nothing of WebRTC's libraries."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from telltale.errors import ConfigError

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
