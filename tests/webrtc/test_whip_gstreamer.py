"""A second WebRTC implementation as peer: GStreamer's webrtcbin (libnice, its own DTLS, SCTP and RTP)."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import httpx
import pytest

from telltale.serve.server import ServerThread

PYTHON = "/usr/bin/python3"
SCRIPT = Path(__file__).with_name("gst_whip.py")
PROBE = """
import gi
for name in ("Gst", "GstSdp", "GstWebRTC"): gi.require_version(name, "1.0")
gi.require_version("Nice", "0.1")
from gi.repository import Gst, Nice
Gst.init(None)
import sys
sys.exit(not all(Gst.ElementFactory.find(e) for e in ("webrtcbin", "nicesrc", "dtlsenc", "vp8enc", "rtpvp8pay")))
"""


@pytest.fixture(scope="module")
def gstreamer() -> dict[str, str]:
    """The environment for it; skips where Debian's packages are not installed."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL"))}
    environment["no_proxy"] = "*"
    if (
        not Path(PYTHON).exists()
        or subprocess.run([PYTHON, "-c", PROBE], env=environment, capture_output=True).returncode
    ):
        pytest.skip("no webrtcbin with Python: run tools/setup.sh peer")
    return environment


@pytest.mark.parametrize("encoder", ["vp8", "h264"])
def test_gstreamer_sends_and_is_told(server: ServerThread, gstreamer: dict[str, str], encoder: str) -> None:
    run = subprocess.run(
        [PYTHON, str(SCRIPT), f"{server.url}/whip?stream=gst-{encoder}", encoder, "8"],
        capture_output=True, text=True, env=gstreamer, timeout=120,
    )  # fmt: skip
    if encoder == "h264" and "openh264enc" in run.stderr:
        pytest.skip("this GStreamer has no openh264enc")
    assert run.returncode == 0, run.stderr[-2000:]
    messages = [json.loads(line) for line in run.stdout.splitlines()]
    assert messages[0]["type"] == "hello", run.stderr[-2000:]
    results = [m for m in messages if m["type"] == "result"]
    assert len(results) > 5
    assert {r["state"] for r in results[-1]["result"].values()} == {"on"}
    assert results[-1]["size"] == [320, 240]
    with httpx.Client(base_url=server.url, trust_env=False) as http:
        assert http.get("/api/streams").json() == {"streams": []}
