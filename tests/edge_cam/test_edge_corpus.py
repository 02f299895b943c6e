"""What the fuzzers found worth keeping runs clean under ASan and UBSan, here and as an ARMv7 build."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_cam.programs import ARMV7, EDGE, PREPROCESS, SANITIZED, Program, compile_c, jpeg_for, needs

CAM = [EDGE / "cam" / f"{name}.c" for name in ("config", "http", "keep", "link", "mqtt", "text")]
SOURCES = {
    "jpeg": [EDGE / "jpeg" / "jpeg.c"],
    "net": [EDGE / "telltale.c"],
    "prep": PREPROCESS,
    "told": [EDGE / f"{name}.c" for name in ("regions", "peaks", "telltale")],
    "words": [*CAM, EDGE / "smooth.c", EDGE / "telltale.c"],
}


@pytest.mark.parametrize("machine", ["host", "armv7"])
@pytest.mark.parametrize("target", SOURCES)
def test_the_kept_corpus_runs_clean(target: str, machine: str, tmp_path: Path) -> None:
    compiler = "gcc" if machine == "host" else "arm-linux-gnueabihf-gcc"
    needs(compiler, *([] if machine == "host" else ["qemu-arm"]))
    flags, link = jpeg_for(machine) if target == "jpeg" else ([], [])
    sources = [EDGE / "fuzz" / "replay.c", EDGE / "fuzz" / f"fuzz_{target}.c", *SOURCES[target]]
    posix = "-D_POSIX_C_SOURCE=200809L"
    out = tmp_path / "replay"
    compile_c(compiler, [*(SANITIZED if machine == "host" else ARMV7), posix, *flags], sources, out, link)
    files = sorted((EDGE / "fuzz" / "corpus" / target).iterdir())
    assert len(files) >= 5
    command = (str(out),) if machine == "host" else ("qemu-arm", str(out))
    answer = Program(command, (("JSIMD_FORCENEON", "1"),)).answer(*map(str, files), stdin=b"")
    assert answer.decode() == f"{len(files)} files\n"
