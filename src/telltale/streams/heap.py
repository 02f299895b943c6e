"""Frames kept off the C heap, so that memory stays flat. Knows nothing of frames.

glibc hands out blocks of half a megabyte by `mmap` at first, but once one was freed it takes such sizes from the heap
for good (its threshold follows what is freed). Decoded frames and packets, aligned and of many sizes, then leave gaps
between longer-lived small blocks that are never wholly filled again: a client grew by 15 MiB an hour with nothing
leaked (docs/log.md). A threshold that was set stays.
"""

from __future__ import annotations

import ctypes

LARGE = 64 * 1024
"""Bytes from which a block is a mapping of its own, given back when freed."""

_M_MMAP_THRESHOLD = -3
"""Its number in glibc's malloc.h."""


def keep_frames_apart() -> bool:
    """For this process, from now on. False where the C library has no such switch (musl, macOS, Windows)."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    mallopt.argtypes, mallopt.restype = [ctypes.c_int, ctypes.c_int], ctypes.c_int
    return bool(mallopt(_M_MMAP_THRESHOLD, LARGE))
