"""Follows a bundle's thresholds while it is served: `telltale thresholds` counts without a restart. Knows no routes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from telltale.bundle.bundle import SPEC
from telltale.bundle.predictor import Predictor
from telltale.errors import BundleError

log = logging.getLogger("telltale.serve")

LOOK_EVERY_S = 1.0


async def follow(model: Predictor, changed: Callable[[], None]) -> None:
    """Look at bundle.json once a second, for ever. changed: called on this loop after the model took new thresholds."""
    try:
        path = model.bundle.path / SPEC
    except BundleError:  # a lone .onnx
        return

    def stamp() -> tuple[int, int, int]:
        try:
            found = path.stat()
        except OSError:  # the moment between two names, or the folder has gone: what is loaded goes on
            return (0, 0, 0)
        return found.st_ino, found.st_mtime_ns, found.st_size

    seen = stamp()
    while True:
        await asyncio.sleep(LOOK_EVERY_S)
        now = stamp()
        if now == seen or now == (0, 0, 0):
            continue
        seen = now
        try:
            if await asyncio.to_thread(model.reread):
                changed()
                cuts = ", ".join(f"{n} {t.low:g} {t.high:g}" for n, t in model.spec.thresholds.items())
                log.warning("the bundle's thresholds have changed; from now on: %s", cuts)
        except BundleError as cause:
            log.warning("the bundle has changed and is not taken: %s", cause)
