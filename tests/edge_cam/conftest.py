"""Builds the edge's C once for a test run: for this machine under ASan and UBSan, and for ARMv7 under qemu."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_cam.programs import ARMV7, EDGE, HERE, PREPROCESS, SANITIZED, Program, armhf_root, compile_c, jpeg_for, needs
from edge_cam.servers import Broker

NEON = (("JSIMD_FORCENEON", "1"),)
"""qemu shows this machine's /proc/cpuinfo, in which libjpeg-turbo finds no NEON."""

PLAIN_SOURCES = [HERE / "edge_tool.c", *PREPROCESS, EDGE / "smooth.c"]


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


def make_cam(out: Path, target: str, flags: str = "") -> Path:
    """telltale-cam with the lamp net, by its own Makefile."""
    needs("make", "gcc")
    link = jpeg_for(target)[1]
    if target == "armv7":
        needs("arm-linux-gnueabihf-gcc", "qemu-arm")
    root = armhf_root()
    sources = [*PREPROCESS, EDGE / "smooth.c", EDGE / "regions.c", EDGE / "peaks.c"]  # the lamp is its own runtime
    settings = [
        f"RUNTIME={' '.join(map(str, sources))}",
        f"TARGET={target}",
        f"NET={HERE / 'lamp' / 'lamp'}",
        f"OUT={out}",
        f"ARMHF={root}",
        f"CFLAGS={flags}",
    ]
    optimise = "OPTIMISE=-O1" if flags else "OPTIMISE=-O2"
    done = subprocess.run(
        ["make", "-C", str(EDGE / "cam"), *settings, optimise, f"JPEG={link[0]}"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return out


@pytest.fixture(scope="session")
def cam_host(tmp_path_factory: pytest.TempPathFactory) -> Program:
    """telltale-cam for this machine under ASan and UBSan."""
    out = tmp_path_factory.mktemp("cam") / "telltale-cam"
    return Program((str(make_cam(out, "host", "-g -fsanitize=address,undefined -fno-sanitize-recover=all")),))


@pytest.fixture(scope="session")
def cam_plain(tmp_path_factory: pytest.TempPathFactory) -> Program:
    """telltale-cam for this machine, as it ships."""
    return Program((str(make_cam(tmp_path_factory.mktemp("cam") / "telltale-cam", "host")),))


@pytest.fixture(scope="session")
def cam_armv7(tmp_path_factory: pytest.TempPathFactory) -> Program:
    out = tmp_path_factory.mktemp("cam") / "telltale-cam"
    return Program(("qemu-arm", str(make_cam(out, "armv7"))))


@pytest.fixture(params=["host", "armv7"])
def cam(request: pytest.FixtureRequest) -> Program:
    program: Program = request.getfixturevalue(f"cam_{request.param}")
    return program


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    running = Broker(tmp_path)
    yield running
    running.stop()


@pytest.fixture
def guarded_broker(tmp_path: Path) -> Iterator[Broker]:
    running = Broker(tmp_path, "cam s:cret")
    yield running
    running.stop()
