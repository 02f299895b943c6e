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
PREPROCESS = [EDGE / f"{name}.c" for name in ("preprocess", "resize_area", "resize_factor", "resize_linear")]
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


def compile_c(
    compiler: str, flags: Sequence[str], sources: Sequence[Path], out: Path, link: Sequence[str] = ()
) -> None:
    includes = [f"-I{EDGE}", f"-I{EDGE / 'jpeg'}", f"-I{EDGE / 'cam'}"]
    done = subprocess.run(
        [compiler, *STRICT, *flags, *includes, *map(str, sources), "-o", str(out), *link],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-4000:]


def needs(*commands: str) -> None:
    for command in commands:
        if shutil.which(command) is None:
            pytest.skip(f"{command} is not installed; tools/setup.sh cross installs it")


def armhf_root() -> Path | None:
    """Where libjpeg-turbo for ARMv7 lies: .cache/armhf (tools/setup.sh cross), or TELLTALE_ARMHF, or the system's."""
    for root in (os.environ.get("TELLTALE_ARMHF"), ROOT / ".cache" / "armhf", "/"):
        if root and (Path(root) / "usr/lib/arm-linux-gnueabihf/libjpeg.a").is_file():
            return Path(root)
    return None


def jpeg_for(target: str) -> tuple[list[str], list[str]]:
    """Compiler flags and what to link for libjpeg-turbo; skips the test where it is not installed."""
    if target == "host":
        if not Path("/usr/include/jpeglib.h").is_file():
            pytest.skip("libjpeg62-turbo-dev is not installed; tools/setup.sh cross installs it")
        return [], ["-ljpeg"]
    root = armhf_root()
    if root is None:
        pytest.skip("libjpeg-turbo for armhf is not unpacked; tools/setup.sh cross does it")
    usr = root / "usr"
    flags = [f"-isystem{usr}/include/arm-linux-gnueabihf", f"-isystem{usr}/include"] if str(root) != "/" else []
    return flags, [str(usr / "lib/arm-linux-gnueabihf/libjpeg.a")]
