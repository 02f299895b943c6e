"""Instructions, memory and code of nets in C on ARMv7, counted under qemu: the same numbers on any machine.

`python -m bench.edge [NET.onnx...]`, or without: the reference nets of the shared data. What an inference costs is the
count of three less the count of two.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.machine import keep
from telltale.errors import MissingPartError
from telltale.export.c.emit import About, identifier
from telltale.export.c.generate import Generated, generate
from telltale.export.c.toolchain import PROGRAM, TARGETS, Built, build

HERE = Path(__file__).resolve().parent
SHARED = Path(os.environ.get("TELLTALE_SHARED", HERE.parent.parent / "shared"))
REFERENCE = tuple(SHARED / "data" / "edge_nets" / f"{name}.onnx" for name in ("net4", "unet_small"))


def plugin(folder: Path) -> Path:
    """The counting plugin, compiled."""
    path = folder / "count_insns.so"
    words = ["cc", "-O2", "-fPIC", "-shared", str(HERE / "count_insns.c"), "-o", str(path)]
    subprocess.run(words, check=True, capture_output=True)
    return path


def instructions(built: Built, counter: Path, *more: str) -> int:
    """Of one inference."""

    def run(inferences: int) -> int:
        words = [*built.target.emulator, "-plugin", str(counter), str(built.path), "count", str(inferences), *more]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
        found = re.search(r"instructions (\d+)", done.stderr)
        assert found is not None, done.stderr
        return int(found[1])

    return run(3) - run(2)


def code_bytes(built: Built, net: str) -> int:
    """Of the runtime's functions that this net keeps; the C library and the program around it are not counted."""

    def names(source: Path) -> set[str]:
        part = source.with_suffix(".part.o")
        target = built.target
        words = [*target.compiler, *target.flags, "-std=c99", "-c", str(source), "-o", str(part), f"-I{source.parent}"]
        subprocess.run(words, check=True, capture_output=True)
        listed = subprocess.run(
            ["arm-linux-gnueabihf-nm", str(part)], capture_output=True, text=True, check=True
        ).stdout
        return set(re.findall(r" [tT] ([\w.]+)", listed))

    ours: set[str] = set()
    for source in built.path.parent.glob("*.c"):
        if source.stem not in (PROGRAM, net):
            ours |= names(source)
    words = ["arm-linux-gnueabihf-nm", "-S", "-t", "d", str(built.path)]
    listed = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    rows = re.findall(r"^\d+ (\d+) [tT] ([\w.]+)$", listed, re.M)
    return sum(int(size) for size, name in rows if name in ours)


def measure(path: Path, folder: Path, counter: Path) -> dict[str, Any]:
    """One net's row."""
    made = generate(path.read_bytes(), About(identifier(path.stem), path.name))
    place = folder / made.name
    place.mkdir()
    _write(made, place)
    row: dict[str, Any] = {
        "macs": made.macs,
        "arena_bytes": made.arena,
        "rows_arena_bytes": made.rows_arena,
        "constants_bytes": made.constants,
    }
    for name in ("armv7", "armv7-scalar"):
        built = build(place, made.name, TARGETS[name])
        built.run("selftest")
        row[f"{name} instructions"] = instructions(built, counter)
        row[f"{name} instructions by rows"] = instructions(built, counter, "rows")
        row[f"{name} code_bytes"] = code_bytes(built, made.name)
    return row


def _write(made: Generated, folder: Path) -> None:
    for file, data in made.files.items():
        (folder / file).write_bytes(data)


def main(arguments: Sequence[str]) -> None:
    """arguments: .onnx files; the reference nets when empty."""
    paths = [Path(argument) for argument in arguments] or [path for path in REFERENCE if path.is_file()]
    if not paths:
        raise MissingPartError("the reference nets", expected=str(REFERENCE[0]), got="none", next="name .onnx files")
    missing = TARGETS["armv7"].missing
    if missing:
        raise MissingPartError("ARMv7", expected=missing, got="none", next="run `tools/setup.sh cross`")
    rows = {}
    with tempfile.TemporaryDirectory() as place:
        counter = plugin(Path(place))
        for path in paths:
            rows[path.stem] = measure(path, Path(place), counter)
            print(path.stem, rows[path.stem], flush=True)
    if not arguments:
        keep("edge", {"nets": rows, "flags": list(TARGETS["armv7"].flags)})


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
