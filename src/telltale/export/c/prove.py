"""Build the generated C for each machine at hand and compare every byte with the reference."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from telltale.errors import ExportError, ParityError
from telltale.export.c.generate import Images, Numbers
from telltale.export.c.toolchain import TARGETS, Target, build

FLOAT_TOLERANCE = 1e-4
"""Of float nets, in parts of the largest answer: sums come in another order."""

WAYS = ((), ("rows",))
"""The whole picture at once, and row by row."""


@dataclass(frozen=True, slots=True)
class Proof:
    """Of one machine. skipped: what is missing, or empty."""

    target: str
    ok: bool
    detail: str
    skipped: str = ""


def prove(
    files: Mapping[str, bytes],
    name: str,
    numbers: Numbers,
    inputs: Images,
    expected: bytes,
    targets: Sequence[str] = ("host", "armv7"),
) -> list[Proof]:
    """One proof a target: its selftest, and every byte of the answers to the inputs, both ways of feeding."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for file, data in files.items():
            (folder / file).write_bytes(data)
        return [_prove(folder, name, numbers, inputs, expected, TARGETS[target]) for target in targets]


def _prove(folder: Path, name: str, numbers: Numbers, inputs: Images, expected: bytes, target: Target) -> Proof:
    if target.missing:
        return Proof(target.name, True, f"not built: no {target.missing} here", skipped=target.missing)
    try:
        built = build(folder, name, target)
        built.run("selftest")
        for way in WAYS:
            found = built.run(*way, given=inputs.tobytes())
            trouble = _differs(found, expected, numbers)
            if trouble:
                return Proof(target.name, False, f"{trouble}, {'by rows' if way else 'whole pictures'}")
    except ExportError as error:
        return Proof(target.name, False, str(error))
    same = "every byte is" if numbers == "int8" else f"within {FLOAT_TOLERANCE:g} of"
    return Proof(target.name, True, f"{len(expected):,} bytes for {len(inputs)} pictures, {same} the reference's")


def _differs(found: bytes, expected: bytes, numbers: Numbers) -> str:
    """What is wrong, or nothing."""
    if len(found) != len(expected):
        return f"{len(found)} bytes came, {len(expected)} expected"
    if numbers == "int8":
        wrong = int((np.frombuffer(found, np.uint8) != np.frombuffer(expected, np.uint8)).sum())
        return f"{wrong} of {len(expected)} bytes differ" if wrong else ""
    a, b = np.frombuffer(found, np.float32), np.frombuffer(expected, np.float32)
    delta, largest = float(np.abs(a - b).max()), float(np.abs(b).max())
    return "" if delta <= FLOAT_TOLERANCE * max(largest, 1e-6) else f"answers differ by {delta:.3g}"


def raise_if_bad(name: str, proofs: Sequence[Proof]) -> None:
    """Raises ParityError naming the machines that disagree."""
    bad = [f"{proof.target}: {proof.detail}" for proof in proofs if not proof.ok]
    if bad:
        raise ParityError(f"{name} in C", expected="the integer reference's bytes", got="; ".join(bad))
