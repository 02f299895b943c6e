"""Where generated C runs in the tests. The runtime is compiled once for each machine and kept until the tests end."""

from __future__ import annotations

import atexit
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from telltale.export.c.generate import Generated
from telltale.export.c.toolchain import PROGRAM, RUNTIME, SECTIONS, STRICT, TARGETS, Built, Target, runtime_files

SANITIZERS = ("-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
MACHINES: dict[str, Target] = {
    "host": Target("host", ("cc",), ("-O1",)),
    "host-scalar": Target("host-scalar", ("cc",), ("-O1", "-DTT_SCALAR")),
    "host-avx2": Target("host-avx2", ("cc",), ("-O1", "-mavx2")),
    "host-sanitized": Target("host-sanitized", ("cc",), ("-O1", *SANITIZERS)),
    "armv7": TARGETS["armv7"],
    "armv7-scalar": TARGETS["armv7-scalar"],
}


@dataclass(frozen=True)
class Machine:
    target: Target
    folder: Path

    def build(self, net: Generated, source: str | None = None) -> Built:
        """The net's program; source: its .c changed."""
        place = Path(tempfile.mkdtemp(dir=self.folder))
        for end in (".c", ".h"):
            (place / f"{net.name}{end}").write_bytes(net.files[f"{net.name}{end}"])
        if source is not None:
            (place / f"{net.name}.c").write_text(source)
        words = [*self.target.compiler, *self.target.flags, *STRICT, *SECTIONS, f"-I{place}", f"-I{self.folder}"]
        words += [f"-DNET={net.name}_net", f'-DHEADER="{net.name}.h"']
        words += [str(place / f"{net.name}.c"), str(self.folder / f"{PROGRAM}.c")]
        words += [str(self.folder / f"{name}.o") for name in RUNTIME]
        done = subprocess.run([*words, "-o", str(place / "net"), "-lm"], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return Built(place / "net", self.target)


@cache
def machine(name: str) -> Machine:
    """Skips the test, with a reason, where it cannot be."""
    target = MACHINES[name]
    if target.missing:
        pytest.skip(f"{target.missing} is not installed: tools/setup.sh cross")
    if name == "host-avx2" and "avx2" not in Path("/proc/cpuinfo").read_text():
        pytest.skip("this processor has no AVX2")
    folder = Path(tempfile.mkdtemp(prefix="telltale-edge-"))
    atexit.register(shutil.rmtree, folder, True)
    for file, data in runtime_files().items():
        (folder / file).write_bytes(data)
    for part in RUNTIME:
        words = [*target.compiler, *target.flags, *STRICT, *SECTIONS[:2], "-c", str(folder / f"{part}.c")]
        done = subprocess.run([*words, "-o", str(folder / f"{part}.o")], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    return Machine(target, folder)
