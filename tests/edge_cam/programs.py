"""Compiling the edge's C and running what came out, on this machine or under qemu."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EDGE = ROOT / "edge"
HERE = Path(__file__).resolve().parent
STRICT = ["-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror"]
SANITIZED = ["-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
ARMV7 = ["-O3", "-mcpu=cortex-a9", "-mfpu=neon", "-marm", "-static"]


@dataclass(frozen=True)
class Program:
    """A built program and how to run it here."""

    command: tuple[str, ...]
    environment: tuple[tuple[str, str], ...] = ()

    def run(self, *arguments: str, stdin: bytes = b"", timeout_s: float = 60) -> subprocess.CompletedProcess[bytes]:
        """Never raises on a failing program: the test says what it expects."""
        return subprocess.run(
            [*self.command, *arguments],
            input=stdin,
            capture_output=True,
            timeout=timeout_s,
            env={**os.environ, **dict(self.environment)},
        )

    def answer(self, *arguments: str, stdin: bytes) -> bytes:
        """What it writes; fails the test when it does not end with 0."""
        done = self.run(*arguments, stdin=stdin)
        assert done.returncode == 0, done.stderr.decode(errors="replace")[-2000:]
        return done.stdout


def compile_c(compiler: str, flags: Sequence[str], sources: Sequence[Path], out: Path) -> None:
    includes = [f"-I{EDGE}", f"-I{EDGE / 'jpeg'}", f"-I{EDGE / 'cam'}"]
    done = subprocess.run(
        [compiler, *STRICT, *flags, *includes, *map(str, sources), "-o", str(out)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-4000:]


def needs(*commands: str) -> None:
    for command in commands:
        if shutil.which(command) is None:
            pytest.skip(f"{command} is not installed; tools/setup.sh cross installs it")
