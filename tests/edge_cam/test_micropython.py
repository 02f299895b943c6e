"""The MicroPython modules: built into the unix port where MICROPYTHON_DIR points to its source, for this machine and
for ARMv7; and the examples under CPython, on a bundle."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from edge_cam.programs import EDGE, HERE, PREPROCESS, ROOT, Program, jpeg_for, needs
from edge_cam.servers import Snapshots
from telltale.preprocess import Preprocess, decode
from tiny_bundle import make_tiny_bundle

HEAP = ("-X", "heapsize=8m")
"""On 32 bits it is 1 MB without: less than one whole picture of 640x360 and what is made of it."""
EXAMPLES = EDGE / "micropython" / "examples"


def lit(level: float, width: int = 64, height: int = 48) -> bytes:
    out = io.BytesIO()
    PIL.Image.new("RGB", (width, height), (round(255 * level),) * 3).save(out, "JPEG", quality=95)
    return out.getvalue()


def build(target: str, out: Path) -> Path:
    """The unix port with the lamp net and both modules inside."""
    source = os.environ.get("MICROPYTHON_DIR", "")
    if not (Path(source) / "ports" / "unix" / "Makefile").is_file():
        pytest.skip("MICROPYTHON_DIR does not name a MicroPython source tree")
    needs("make", "gcc")
    flags, link = jpeg_for(target)
    settings = [
        "VARIANT=standard",
        "FROZEN_MANIFEST=",
        "MICROPY_PY_BTREE=0",
        "MICROPY_PY_SSL=0",
        "MICROPY_PY_FFI=0",
        f"BUILD={out}",
        f"USER_C_MODULES={EDGE / 'micropython'}",
        f"TELLTALE_NETS={HERE / 'lamp' / 'lamp'}",
        f"TELLTALE_RUNTIME={' '.join(map(str, [*PREPROCESS, EDGE / 'smooth.c']))}",  # the lamp is its own runtime
        f"UJPEG_FLAGS={' '.join(flags)}",
        f"UJPEG_LIB={link[0]}",
    ]
    if target == "armv7":
        needs("arm-linux-gnueabihf-gcc", "qemu-arm")
        settings += ["CROSS_COMPILE=arm-linux-gnueabihf-", "LDFLAGS_EXTRA=-static", "CFLAGS_EXTRA=-mfpu=neon"]
    done = subprocess.run(["make", "-C", f"{source}/ports/unix", "-j2", *settings], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    return out / "micropython"


@pytest.fixture(scope="module", params=["host", "armv7"])
def micropython(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Program:
    program = build(request.param, tmp_path_factory.mktemp("micropython"))
    if request.param == "host":
        return Program((str(program), *HEAP))
    return Program(("qemu-arm", str(program), *HEAP), (("JSIMD_FORCENEON", "1"),))


def ask(micropython: Program, tmp_path: Path, script: str) -> Any:
    """Runs a script in which `data` is a JPEG; what it prints last is JSON."""
    noise = np.random.default_rng(2).integers(0, 256, (45, 80, 3), dtype=np.uint8)
    PIL.Image.fromarray(noise).resize((640, 360)).save(tmp_path / "a.jpg")
    head = f"import json, telltale, ujpeg\ndata = open({str(tmp_path / 'a.jpg')!r}, 'rb').read()\n"
    (tmp_path / "script.py").write_text(head + script)
    return json.loads(micropython.answer(str(tmp_path / "script.py"), stdin=b"").decode().splitlines()[-1])


def test_pixels_are_those_python_decodes(micropython: Program, tmp_path: Path) -> None:
    got = ask(
        micropython,
        tmp_path,
        f"""
width, height, channels, pixels = ujpeg.decode(data)
open({str(tmp_path / "pixels")!r}, "wb").write(pixels)
into = bytearray(640 * 360)
grey = ujpeg.decode(data, 2, grey=True, roi=(64, 32, 256, 128), into=memoryview(into))
print(json.dumps([width, height, channels, list(grey[:3]), ujpeg.info(data), sum(into[128 * 64:]), any(into)]))
""",
    )
    assert got == [640, 360, 3, [128, 64, 1], [640, 360, 3, 1, False], 0, True]
    pixels = np.frombuffer((tmp_path / "pixels").read_bytes(), np.uint8).reshape(360, 640, 3)
    assert np.array_equal(pixels, decode(tmp_path / "a.jpg"))


def test_a_picture_of_any_size_is_told_as_python_would_see_it(micropython: Program, tmp_path: Path) -> None:
    prob, same = ask(
        micropython,
        tmp_path,
        """
net = telltale.load("lamp")
width, height, _, pixels = ujpeg.decode(data)
told = net.tell(pixels, (width, height))
values = net.run(pixels, (width, height))["output"]
print(json.dumps([told["lamp"][0], abs(values[0] - told["lamp"][0])]))
""",
    )
    seen = Preprocess(32, 32).apply(decode(tmp_path / "a.jpg")).mean() / 255
    assert abs(prob - seen) < 1e-6
    assert same < 1e-6


def test_readings_become_events(micropython: Program, tmp_path: Path) -> None:
    got = ask(
        micropython,
        tmp_path,
        """
net = telltale.load(average_s=0, dwell_s=0.5)
steps = []
for t, level in [(0, 250), (1, 250), (2, 5), (2.3, 5), (2.6, 5), (3, 5)]:
    told = net.tell(bytes([level]) * 3072, t_s=t)
    steps.append([told["lamp"][1], net.states()["lamp"][1], [e[:3] for e in net.events()]])
for i in range(100):
    net.tell(bytes([250 * (i % 2)]) * 3072, t_s=4 + i)
    net.tell(bytes([250 * (i % 2)]) * 3072, t_s=4.6 + i)
kept = net.events()
print(json.dumps([steps, len(kept), kept[-1][4] > kept[0][4], net.events(), net.names, net.shape, telltale.nets()]))
""",
    )
    steps, kept, in_order, empty, names, shape, nets = got
    assert [step[:2] for step in steps] == [
        ["on", "on"],
        ["on", "on"],
        ["off", "on"],
        ["off", "on"],
        ["off", "off"],
        ["off", "off"],
    ]
    assert steps[4][2] == [["lamp", "on", "off"], ["dark", "off", "on"]]
    assert (kept, in_order, empty) == (32, True, [])
    assert (names, shape, nets) == (["lamp", "dark"], [32, 32, 3], ["lamp"])


FAULTS = r"""
faults = [
    lambda: ujpeg.decode(data[:500]), lambda: ujpeg.decode(b""), lambda: ujpeg.decode(b"GIF89a"),
    lambda: ujpeg.decode(data[:900] + b"\xff\xc8" * 30 + data[960:]), lambda: ujpeg.info(data[:50]),
    lambda: ujpeg.decode(data, roi=(0, 0, 641, 5)), lambda: ujpeg.decode(data, roi=(0, 0, 0, 0)),
    lambda: ujpeg.decode(data, roi=(1 << 20, 0, 8, 8)),
    lambda: ujpeg.decode(data, 3), lambda: ujpeg.decode(data, into=bytearray(100)),
    lambda: net.tell(b"short"), lambda: net.tell(bytes(3072), (5, 5)), lambda: net.tell(bytes(3), (1, 0)),
    lambda: telltale.load("nobody"),
    lambda: net.tell(5), lambda: ujpeg.decode(5), lambda: ujpeg.decode(data, into=b"constant"),
    lambda: net.tell(array.array("f", [0.0] * 768)),
]
names = []
for fault in faults:
    try:
        fault()
        names.append("none")
    except ujpeg.JpegError as error:
        assert str(error)
        names.append("JpegError")
    except Exception as error:
        assert str(error)
        names.append(type(error).__name__)
"""
EXPECTED = ["JpegError"] * 8 + ["ValueError"] * 6 + ["TypeError"] * 4


def test_every_fault_is_an_exception(micropython: Program, tmp_path: Path) -> None:
    script = (
        "import array\nnet = telltale.load()\n" + FAULTS + "print(json.dumps([names, ujpeg.decode(data, 8)[:3]]))\n"
    )
    assert ask(micropython, tmp_path, script) == [EXPECTED, [80, 45, 3]]


def test_nothing_leaks_and_valgrind_finds_nothing(micropython: Program, tmp_path: Path) -> None:
    """Undefined values are not looked for: MicroPython's collector reads the stack as it is."""
    needs("valgrind")
    if micropython.command[0] == "qemu-arm":
        pytest.skip("valgrind runs the build for this machine")
    options = ["-q", "--error-exitcode=9", "--undef-value-errors=no", "--leak-check=full"]
    leaks = ["--errors-for-leak-kinds=definite,indirect", "--show-leak-kinds=definite,indirect"]
    checked = Program(("valgrind", *options, *leaks, *micropython.command))
    script = "import array, gc\nnet = telltale.load()\n" + FAULTS + "gc.collect()\nprint(json.dumps(names))\n"
    assert ask(checked, tmp_path, script) == EXPECTED


def test_the_examples_run_on_micropython(micropython: Program, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(lit(0.9, 640, 360))
    (tmp_path / "cut.jpg").write_bytes(lit(0.9)[:300])
    out = micropython.answer(str(EXAMPLES / "one_picture.py"), *map(str, sorted(tmp_path.glob("*.jpg"))), stdin=b"")
    first, second = out.decode().splitlines()
    assert "'lamp': (0.9" in first
    assert "'on'" in first
    assert "error: the JPEG is cut off" in second
    with Snapshots(lit(0.9)) as server:
        out = micropython.answer(str(EXAMPLES / "watch.py"), server.url, "3", "0.05", stdin=b"")
    assert "'lamp': 'on'" in out.decode()


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Lamps that are on where a strip of the picture is bright."""
    return make_tiny_bundle(tmp_path_factory.mktemp("bundle"), ["left", "right"], 48, 32)


def on_cpython(bundle: Path, script: Path, *arguments: str) -> str:
    command = [sys.executable, str(EDGE / "micropython" / "host.py"), "--net", str(bundle), str(script), *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT / "src")}, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def half_lit(width: int = 640, height: int = 360) -> bytes:
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, : width // 2] = 255
    out = io.BytesIO()
    PIL.Image.fromarray(pixels).save(out, "JPEG", quality=95)
    return out.getvalue()


def test_the_examples_run_on_cpython(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(half_lit())
    (tmp_path / "cut.jpg").write_bytes(half_lit()[:300])
    first, second = on_cpython(
        bundle, EXAMPLES / "one_picture.py", str(tmp_path / "a.jpg"), str(tmp_path / "cut.jpg")
    ).splitlines()
    assert "'left': (" in first
    assert first.endswith("'off')}")
    assert "error:" in second
    with Snapshots(half_lit()) as server:
        out = on_cpython(bundle, EXAMPLES / "watch.py", server.url, "2", "0.05")
    assert "begins with {'left': 'on', 'right': 'off'}" in out


def test_the_fake_has_the_calls_and_exceptions_of_the_modules(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(half_lit())
    faults = FAULTS.replace("bytes(3072)", "bytes(48 * 32 * 3)").replace("array.array", "__import__('array').array")
    script = f"""
import json, telltale, ujpeg
data = open({str(tmp_path / "a.jpg")!r}, "rb").read()
net = telltale.load(dwell_s=0)
{faults}
grey = ujpeg.decode(data, 2, grey=True, roi=(64, 32, 256, 128), into=bytearray(9000))
whole = ujpeg.decode(data, 4)
told = net.tell(whole[3], whole[:2], 0.0)
run = net.run(whole[3], whole[:2])
print(json.dumps([names, list(grey[:3]), list(whole[:3]), told["left"][1], len(run["probabilities"]), net.events()]))
print(json.dumps([net.names, net.shape, telltale.nets(), ujpeg.info(data), sorted(net.states())]))
"""
    (tmp_path / "script.py").write_text(script)
    first, second = (json.loads(line) for line in on_cpython(bundle, tmp_path / "script.py").splitlines())
    names = list(first[0])
    assert names[:14] == [*EXPECTED[:3], names[3], *EXPECTED[4:14]]  # Pillow decodes damaged data as far as it goes
    assert set(names[14:]) <= {"TypeError", "ValueError"}
    assert first[1:] == [[128, 64, 1], [160, 90, 3], "on", 2, []]
    assert second[0] == ["left", "right"]
    assert second[1] == [32, 48, 3]
    assert second[3:] == [[640, 360, 3, 1, False], ["left", "right"]]
