"""Builds the edge's C once for a test run: for this machine under ASan and UBSan, and for ARMv7 under qemu."""

from __future__ import annotations

import pytest

from edge_cam.programs import ARMV7, EDGE, HERE, SANITIZED, Program, compile_c, jpeg_for, needs

NEON = (("JSIMD_FORCENEON", "1"),)
"""qemu shows this machine's /proc/cpuinfo, in which libjpeg-turbo finds no NEON."""

PLAIN_SOURCES = [HERE / "edge_tool.c", EDGE / "preprocess.c", EDGE / "smooth.c"]


@pytest.fixture(scope="session", params=["host", "armv7"])
def edge_tool(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Program:
    """edge_tool.c with preprocessing and smoothing."""
    out = tmp_path_factory.mktemp("edge") / "edge_tool"
    if request.param == "host":
        needs("gcc")
        compile_c("gcc", SANITIZED, PLAIN_SOURCES, out)
        return Program((str(out),))
    needs("arm-linux-gnueabihf-gcc", "qemu-arm")
    compile_c("arm-linux-gnueabihf-gcc", ARMV7, PLAIN_SOURCES, out)
    return Program(("qemu-arm", str(out)))


@pytest.fixture(scope="session", params=["host", "armv7"])
def jpeg_tool(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Program:
    """jpeg_tool.c with libjpeg-turbo."""
    out = tmp_path_factory.mktemp("edge_jpeg") / "jpeg_tool"
    sources = [HERE / "jpeg_tool.c", EDGE / "jpeg" / "jpeg.c"]
    flags, link = jpeg_for(request.param)
    if request.param == "host":
        needs("gcc")
        compile_c("gcc", [*SANITIZED, *flags], sources, out, link)
        return Program((str(out),))
    needs("arm-linux-gnueabihf-gcc", "qemu-arm")
    compile_c("arm-linux-gnueabihf-gcc", [*ARMV7, *flags], sources, out, link)
    return Program(("qemu-arm", str(out)), NEON)
