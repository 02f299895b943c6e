"""A user of the wheel needs neither Node nor the checkout."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import urllib.request
import zipfile
from pathlib import Path

import pytest

from edge_nets import NETS
from telltale import pages
from tiny_bundle import make_tiny_bundle

ROOT = Path(__file__).resolve().parent.parent

SERVE = """
import json, sys, urllib.request
import telltale, telltale.pages as pages
from telltale.serve.server import ServerThread
with ServerThread(telltale.load(sys.argv[1], threads=1)) as server:
    sizes = {}
    for path in ("car/", "widget/tell-tale.js", "vendor/three/three.module.min.js", "bundle/bundle.json", "healthz",
                 "vendor/onnxruntime-web/ort-wasm-simd-threaded.wasm", "vendor/lit/index.js"):
        sizes[path] = len(urllib.request.urlopen(f"{server.url}/{path}").read())
print(json.dumps({"from": telltale.__file__, "root": str(pages.web_root()), "sizes": sizes}))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not pages.vendor_ready():
        pytest.skip("the npm files are not here: tools/setup.sh web")
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", str(folder), str(ROOT)]
    made = subprocess.run(build, capture_output=True, text=True)
    assert made.returncode == 0, made.stdout + made.stderr
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_the_pages_their_npm_files_and_their_licences(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for path in (
        "car/index.html",
        "car/page.toml",
        "widget/tell-tale.js",
        "vendor/three/LICENSE",
        "vendor/lit/LICENSE",
    ):
        assert f"telltale/_web/{path}" in names
    assert "telltale/dataset/schema.sql" in names
    assert not [n for n in names if "node_modules" in n]


def test_the_wheel_serves_its_pages_from_a_clean_environment(wheel: Path, tmp_path: Path) -> None:
    """A fresh virtual environment; only the dependencies are borrowed, so that no registry is asked."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "env")], check=True)
    python = tmp_path / "env" / "bin" / "python"
    purelib = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = Path(subprocess.check_output([python, "-c", purelib], text=True).strip())
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "--quiet", "--no-deps", "--no-index", str(wheel)], check=True)
    (site / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    bundle = make_tiny_bundle(tmp_path)
    ran = subprocess.run([python, "-I", "-c", SERVE, bundle], capture_output=True, text=True, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    assert told["from"].startswith(str(site))
    assert told["root"].startswith(str(site))
    assert min(told["sizes"].values()) > 10
    assert told["sizes"]["vendor/onnxruntime-web/ort-wasm-simd-threaded.wasm"] > 1_000_000


def test_the_page_server_isolates_pages_so_that_wasm_may_use_threads() -> None:
    with pages.PageServer() as server, urllib.request.urlopen(server.url("car/index.html")) as answer:
        assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert answer.headers["Cross-Origin-Embedder-Policy"] == "require-corp"


def test_c_is_generated_and_proved_from_the_wheel_alone(wheel: Path, tmp_path: Path) -> None:
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed")
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    (tmp_path / "net.onnx").write_bytes(NETS["chain1"])
    words = ["-m", "telltale", "export", "net.onnx", "--to", "c", "--folder", str(tmp_path / "c")]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    ran = subprocess.run([sys.executable, *words], capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert ran.returncode == 0, ran.stderr + ran.stdout
    assert "every byte is the reference's" in ran.stdout
    assert (tmp_path / "c" / "telltale.c").read_bytes() == (ROOT / "edge" / "telltale.c").read_bytes()
