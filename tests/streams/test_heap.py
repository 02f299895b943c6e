"""Large blocks are mappings of their own, even after one of their size was freed, which alone would end that."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import ctypes, sys
from telltale.streams.heap import LARGE, keep_frames_apart

libc = ctypes.CDLL(None)
if not hasattr(libc, "mallinfo2"):
    print("no glibc")
    sys.exit()
fields = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()
Info = type("Info", (ctypes.Structure,), {"_fields_": [(name, ctypes.c_size_t) for name in fields]})
libc.mallinfo2.restype, libc.malloc.restype, libc.free.argtypes = Info, ctypes.c_void_p, [ctypes.c_void_p]
libc.malloc.argtypes = [ctypes.c_size_t]
if sys.argv[1] == "apart":
    assert keep_frames_apart()
libc.free(libc.malloc(1 << 20))  # glibc's threshold follows this one up
before = libc.mallinfo2().hblks
block = libc.malloc(8 * LARGE)
print(libc.mallinfo2().hblks - before)
libc.free(block)
"""


def mappings(how: str) -> int:
    """How many of its own a block of half a megabyte was given."""
    said = subprocess.run([sys.executable, "-c", PROGRAM, how], capture_output=True, text=True, check=True).stdout
    if said.strip() == "no glibc":
        pytest.skip("the C library has no such switch")
    return int(said)


def test_frames_are_kept_off_the_heap() -> None:
    assert mappings("apart") == 1
    assert mappings("as it is") == 0
