"""Compilers and emulators: build a generated net with its runtime and run it. Knows nothing of nets."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from telltale.errors import ExportError, MissingPartError

RUNTIME = ("telltale", "conv", "pool", "pointwise", "float32", "peaks")
"""C files that a net needs, less .c."""

HEADERS = ("telltale", "peaks", "kernels", "numbers", "tile", "tile_scalar", "tile_neon", "tile_sse2")

PROGRAM = "run_net"
"""The program around a net: edge/run_net.c."""

STRICT = ("-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror")
SECTIONS = ("-ffunction-sections", "-fdata-sections", "-Wl,--gc-sections")
TIMEOUT_S = 300


@dataclass(frozen=True, slots=True)
class Target:
    """How to build for a machine, and how to run what was built. emulator: words before the program's."""

    name: str
    compiler: tuple[str, ...]
    flags: tuple[str, ...] = ("-O2",)
    emulator: tuple[str, ...] = ()

    @property
    def missing(self) -> str:
        """What this machine lacks for it; empty when it has all."""
        needed = [self.compiler[0], *self.emulator[:1]]
        return ", ".join(name for name in needed if shutil.which(name) is None)


_ARM = ("-O2", "-mcpu=cortex-a9", "-marm", "-static")
SCALAR = "-DTT_SCALAR"
TARGETS: Mapping[str, Target] = {
    target.name: target
    for target in (
        Target("host", ("cc",)),
        Target("armv7", ("arm-linux-gnueabihf-gcc",), (*_ARM, "-mfpu=neon"), ("qemu-arm",)),
        Target("armv7-scalar", ("arm-linux-gnueabihf-gcc",), (*_ARM, "-mfpu=vfpv3-d16", SCALAR), ("qemu-arm",)),
    )
}
"""Name to target; see `Target.missing`."""


@dataclass(frozen=True, slots=True)
class Built:
    """A program on disk."""

    path: Path
    target: Target
    emulator: tuple[str, ...] = field(default=())

    def run(self, *arguments: str, given: bytes = b"") -> bytes:
        """What it wrote to stdout. Raises ExportError with what it said when it fails."""
        command = [*(self.emulator or self.target.emulator), str(self.path), *arguments]
        try:
            done = subprocess.run(command, input=given, capture_output=True, timeout=TIMEOUT_S, check=False)
        except subprocess.TimeoutExpired as error:
            raise ExportError(f"{self.path.name} on {self.target.name}", expected=f"an end in {TIMEOUT_S} s") from error
        if done.returncode != 0:
            said = done.stderr.decode(errors="replace").strip() or f"exit status {done.returncode}"
            raise ExportError(f"{self.path.name} on {self.target.name}", expected="success", got=said[-500:])
        return done.stdout


def runtime_root() -> Path:
    """The folder of the C runtime: inside the installed package, or in the checkout."""
    here = Path(__file__).resolve().parents[2]
    for root in (here / "_edge", here.parent.parent / "edge"):
        if (root / "telltale.h").is_file():
            return root
    raise MissingPartError("the C runtime", expected=f"a folder {here / '_edge'}", got="none", next="install the wheel")


def runtime_files() -> dict[str, bytes]:
    """The files that a generated net is compiled with, by name."""
    root = runtime_root()
    names = [*(f"{name}.h" for name in HEADERS), *(f"{name}.c" for name in (*RUNTIME, PROGRAM))]
    return {name: (root / name).read_bytes() for name in names}


def build(folder: Path, net: str, target: Target, *, extra: Sequence[str] = (), to: Path | None = None) -> Built:
    """Compile `net`.c in the folder, which has the runtime too, to a program.

    extra: more flags. Raises MissingPartError where there is no compiler, ExportError with its first complaint.
    """
    if target.missing:
        raise MissingPartError(
            f"a build for {target.name}", expected=target.missing, got="none", next="run `tools/setup.sh cross`"
        )
    path = to or folder / f"{net}.{target.name}"
    sources = [str(folder / f"{name}.c") for name in (net, *RUNTIME, PROGRAM)]
    words = [*target.compiler, *target.flags, *STRICT, *SECTIONS, *extra, f"-I{folder}"]
    names = [f"-DNET={net}_net", f'-DHEADER="{net}.h"']
    done = subprocess.run(
        [*words, *names, *sources, "-o", str(path), "-lm"],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if "error" in line] or done.stderr.splitlines()
        raise ExportError(f"{net} for {target.name}", expected="a program", got="; ".join(lines[:2])[:500])
    return Built(path, target)
