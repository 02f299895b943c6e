"""What a live stream needs beyond its frames: smoothing and a one-frame slot."""

from __future__ import annotations

from telltale.streams.latest import Closed, Latest
from telltale.streams.smooth import Event, Smoothed, Smoother

__all__ = ["Closed", "Event", "Latest", "Smoothed", "Smoother"]
