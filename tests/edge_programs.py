"""A C program of a test's own around a net, on this machine with sanitizers."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from edge_machines import machine
from telltale.export.c.generate import Generated
from telltale.export.c.toolchain import RUNTIME, STRICT, Built


def program(net: Generated, source: str, where: str = "host-sanitized") -> Built:
    """`source` has the main."""
    at = machine(where)
    place = Path(tempfile.mkdtemp(dir=at.folder))
    (place / "main.c").write_text(source)
    for end in (".c", ".h"):
        (place / f"{net.name}{end}").write_bytes(net.files[f"{net.name}{end}"])
    words = [*at.target.compiler, *at.target.flags, *STRICT, f"-I{place}", f"-I{at.folder}"]
    words += [str(place / "main.c"), str(place / f"{net.name}.c"), *(str(at.folder / f"{part}.o") for part in RUNTIME)]
    done = subprocess.run([*words, "-o", str(place / "main"), "-lm"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return Built(place / "main", at.target)
