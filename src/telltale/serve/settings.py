"""What a server may be told. Knows nothing of sockets or models."""

from __future__ import annotations

import ipaddress
import math
import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

from telltale.errors import ConfigError
from telltale.preprocess import MAX_PIXELS
from telltale.streams.reach import Ice, addresses_for

ANY_ORIGIN = "*"
MOST_BATCH = 64
MOST_WAIT_MS = 100.0


@dataclass(frozen=True, slots=True)
class MonitorSettings:
    """What the monitor keeps, and who may see it.

    history: its file; None: in memory, lost at the end. keep_days, keep_mb: older and more is thrown away.
    project: a project's folder, to which unsure pictures can be sent. local: only this machine reaches the server.
    """

    history: Path | None = None
    keep_days: float = 7.0
    keep_mb: float = 500.0
    project: Path | None = None
    local: bool = True

    def __post_init__(self) -> None:
        """Raises ConfigError on what cannot be meant."""
        for name, value in (("keep-days", self.keep_days), ("keep-mb", self.keep_mb)):
            if not (math.isfinite(value) and value > 0):
                raise ConfigError(f"--{name}", expected="a number above 0", got=str(value))


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """Limits and manners of one server.

    max_bytes: of a picture file, over HTTP or as one frame. max_pixels: of a picture once decoded.
    average_s, dwell_s: smoothing; track: boxes are followed; None: the bundle's.
    workers: pictures told at once; None: one for each core.
    batch: pictures run together at most; 1: none. batch_wait_ms: how long the first of a batch waits for others.
    allow_origins: foreign pages (`https://host[:port]`) that may use the server; `*`: any. The server's own pages
    and programs that send no Origin always may. None: any on a loopback address, else none.
    ice: where WebRTC may be reached; no addresses in it: the server's own. streams, viewers: at most so many at once.
    monitor: None serves no monitor.
    """

    max_bytes: int = 20_000_000
    max_pixels: int = MAX_PIXELS
    average_s: float | None = None
    dwell_s: float | None = None
    track: bool | None = None
    workers: int | None = None
    batch: int = 1
    batch_wait_ms: float = 0.0
    allow_origins: tuple[str, ...] | None = None
    ice: Ice = field(default_factory=lambda: Ice(addresses=()))
    streams: int = 8
    viewers: int = 32
    monitor: MonitorSettings | None = None

    def __post_init__(self) -> None:
        """Raises ConfigError on what cannot be meant."""
        for name, value in (("average-s", self.average_s), ("dwell-s", self.dwell_s)):
            if value is not None and not (math.isfinite(value) and value >= 0):
                raise ConfigError(f"--{name}", expected="seconds from 0 up", got=str(value))
        if not 1 <= self.batch <= MOST_BATCH:
            raise ConfigError("--batch", expected=f"1 to {MOST_BATCH} pictures", got=str(self.batch))
        if not 0 <= self.batch_wait_ms <= MOST_WAIT_MS:
            raise ConfigError("--batch-wait-ms", expected=f"0 to {MOST_WAIT_MS:g}", got=str(self.batch_wait_ms))
        for origin in self.allow_origins or ():
            parts = urlsplit(origin)
            plain = parts.scheme in ("http", "https") and parts.netloc and not parts.path.strip("/")
            if not (origin in (ANY_ORIGIN, "null") or plain):
                raise ConfigError("--allow-origin", expected="https://host[:port] or *", got=repr(origin))

    def worker_count(self) -> int:
        """Threads that decode and tell. A batch needs one for each of its pictures, which wait for it there."""
        return max(self.run_count(), self.batch)

    def run_count(self) -> int:
        """Runs of the model at once."""
        return self.workers or os.cpu_count() or 1

    def origins(self, host: str) -> tuple[str, ...]:
        """The foreign pages allowed on a server bound to this host."""
        if self.allow_origins is not None:
            return self.allow_origins
        return (ANY_ORIGIN,) if is_loopback(host) else ()

    def ice_at(self, host: str) -> Ice:
        """Where WebRTC may be reached on a server bound to this host."""
        return self.ice if self.ice.addresses else replace(self.ice, addresses=addresses_for(host))


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
