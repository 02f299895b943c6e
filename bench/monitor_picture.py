"""Remakes the pictures of docs/monitor.md: `python -m bench.monitor_picture [--bundle B [--other B]] [--only-stream]`.

Without a bundle it uses two hand-made nets that call a defect what stands out from its surroundings: enough to look
at, no measure of anything. The pictures are scenes of `telltale collect synth`.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import httpx
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from bench.browser import open_page
from telltale.bundle.bundle import write_bundle
from telltale.bundle.golden import Golden
from telltale.bundle.predictor import Predictor, open_session
from telltale.bundle.spec import GOLDEN, MODEL, BundleSpec, Model, Variant
from telltale.collect.synth import Sample, Wish, make_scenes
from telltale.project import Input
from telltale.serve.server import ServerThread
from telltale.serve.settings import MonitorSettings, ServeSettings
from telltale.tasks import Threshold
from telltale.tasks.mask import Masks

DOCS = Path(__file__).resolve().parent.parent / "docs"
NAMES = ("defect",)
FEED_S = 0.12
CAMERA = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
TOML = 'name = "parts"\n[task]\nkind = "mask"\nnames = ["defect"]\n'


def contrast_model(near: int, far: int, cut: float) -> bytes:
    """Probability that a pixel's surroundings of `near` pixels differ from those of `far` by more than `cut`."""

    def pool(source: str, target: str, side: int) -> list[onnx.NodeProto]:
        """A box filter, row by row and column by column."""
        return [
            helper.make_node(
                "AveragePool", [a], [b], kernel_shape=kernel, pads=[k // 2 for k in kernel] * 2, count_include_pad=0
            )
            for a, b, kernel in ((source, f"{target}_rows", [1, side]), (f"{target}_rows", target, [side, 1]))
        ]

    constants = {"scale": np.float32(1 / 255), "colours": np.array([1], np.int64)}
    constants |= {"cut": np.float32(cut), "steep": np.float32(55)}
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["float", "scale"], ["unit"]),
        helper.make_node("Transpose", ["unit"], ["nchw"], perm=[0, 3, 1, 2]),
        helper.make_node("ReduceMean", ["nchw", "colours"], ["grey"], keepdims=1),
        *pool("grey", "close", near),
        *pool("grey", "wide", far),
        helper.make_node("Sub", ["close", "wide"], ["signed"]),
        helper.make_node("Abs", ["signed"], ["stands_out"]),
        helper.make_node("Sub", ["stands_out", "cut"], ["over"]),
        helper.make_node("Mul", ["over", "steep"], ["logits"]),
        helper.make_node("Sigmoid", ["logits"], ["probabilities"]),
    ]
    graph = helper.make_graph(
        nodes,
        "contrast",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", "H", "W", 3])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", 1, "H", "W"])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def contrast_bundle(folder: Path, name: str, near: int, far: int, cut: float) -> Path:
    """Write `folder/NAME.telltale`."""
    model = contrast_model(near, far, cut)
    spec = BundleSpec(
        name=name,
        created="2026-01-02T03:04:05Z",
        licence="Apache-2.0",
        task=Masks(NAMES, min_area=14, mm_per_px=0.2).to_spec(),
        input=Input(width=128, height=128, fit="tile"),
        outputs={"probabilities": [1, 128, 128]},
        thresholds={"defect": Threshold(0.45, 0.75)},
        model=Model(backbone="contrast", parameters=0, macs=1, stride=1, reach=far),
        variants={"float": Variant(file=MODEL)},
    )
    inputs = np.stack([s.painted.image for s in make_scenes(Wish(2), width=128, height=128, workers=1)])
    outputs = {"probabilities": open_session(model, MODEL, 1).run(["probabilities"], {"image": inputs})[0]}
    golden = Golden(inputs, outputs, frame=inputs[0], frame_input=inputs[0])
    return write_bundle(folder / f"{name}.telltale", spec, {MODEL: model, GOLDEN: golden.to_bytes()}).path


def feed(url: str, samples: Sequence[Sample], stop: threading.Event) -> None:
    """A line that sends its pictures one after the other."""
    with httpx.Client(base_url=url, trust_env=False, timeout=60) as http:
        n = 0
        while not stop.is_set():
            http.post("/api/tell", content=samples[n % len(samples)].png)
            n += 1
            time.sleep(FEED_S)


def shoot(server: ServerThread, shown: Sample, folder: Path) -> None:
    """Wide and light, narrow and dark."""
    picture, mask = folder / "part.png", folder / "mask.png"
    picture.write_bytes(shown.png)
    cv2.imwrite(str(mask), shown.painted.mask())
    for name, width, height, scheme in (("monitor", 1440, 1000, "light"), ("monitor_narrow", 390, 844, "dark")):
        with open_page(width, height) as page:
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            page.goto(server.url)
            page.get_by_text("connected", exact=True).wait_for()
            page.set_input_files("#try-file", picture)
            page.set_input_files("#compare-picture", picture)
            page.locator("monitor-compare figure").nth(2).wait_for()
            page.set_input_files("#compare-mask", mask)
            page.get_by_text("Dice").first.wait_for()
            page.wait_for_timeout(30_000 if width > 1000 else 3000)
            page.locator("#cut-high").fill("0.9")
            page.wait_for_timeout(2500)
            page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
            page.screenshot(path=folder / f"{name}.png", full_page=True)
        shot = cv2.imread(str(folder / f"{name}.png"))
        assert shot is not None
        cv2.imwrite(str(DOCS / f"{name}.jpg"), shot, [cv2.IMWRITE_JPEG_QUALITY, 85])
        print(f"wrote {DOCS / f'{name}.jpg'}")


PUBLISH = """async (name) => {
  const stream = await navigator.mediaDevices.getUserMedia({video: {width: 320, height: 240}});
  const peer = globalThis.peer = new RTCPeerConnection();
  peer.addTransceiver(stream.getVideoTracks()[0], {direction: "sendonly"});
  await peer.setLocalDescription();
  const response = await fetch(`/whip?stream=${name}`,
    {method: "POST", headers: {"Content-Type": "application/sdp"}, body: peer.localDescription.sdp});
  await peer.setRemoteDescription({type: "answer", sdp: await response.text()});
}"""


def shoot_stream(server: ServerThread, samples: Sequence[Sample], folder: Path) -> None:
    """A webcam that shows the scenes, sent by WHIP; the card that plays it, wide and narrow."""
    film = folder / "line.mjpeg"
    pictures = [cv2.cvtColor(sample.painted.image, cv2.COLOR_RGB2BGR) for sample in samples]
    film.write_bytes(b"".join(cv2.imencode(".jpg", p)[1].tobytes() for p in pictures for _ in range(45)))
    camera = [f"--use-file-for-fake-video-capture={film}", *CAMERA]
    for name, width, height, scheme in (("wide", 1440, 1000, "light"), ("narrow", 390, 844, "dark")):
        with open_page(width, height, camera) as page:
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            page.goto(server.url)
            stream = f"line-{2 + (width < 1000)}"
            page.evaluate(PUBLISH, stream)
            page.locator(f"monitor-streams [data-stream={stream}]").click()
            page.locator("monitor-streams .link.up").wait_for()
            page.wait_for_timeout(4000)
            page.locator("monitor-streams").screenshot(path=folder / f"stream_{name}.png")
    wide, narrow = (cv2.imread(str(folder / f"stream_{name}.png")) for name in ("wide", "narrow"))
    assert wide is not None
    assert narrow is not None
    for picture, name in ((wide, "monitor_stream"), (narrow, "monitor_stream_narrow")):
        cv2.imwrite(str(DOCS / f"{name}.jpg"), picture, [cv2.IMWRITE_JPEG_QUALITY, 85])
        print(f"wrote {DOCS / f'{name}.jpg'}")


def main(arguments: Sequence[str] | None = None) -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--bundle", type=Path)
    options.add_argument("--other", type=Path)
    options.add_argument("--only-stream", action="store_true", help="remake the pictures of a live stream alone")
    given = options.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bundle = given.bundle or contrast_bundle(folder, "contrast", 3, 71, 0.10)
        other = given.other or contrast_bundle(folder, "older", 9, 41, 0.06)
        (folder / "telltale.toml").write_text(TOML)
        metals = ("rolled", "painted", "brushed")
        samples = list(make_scenes(Wish(30, good=0.3, most=2, seed=4), width=320, height=240, metals=metals))
        clear = [s for s in samples if any(m.contrast > 35 and m.area_px > 300 for m in s.painted.made)]
        shown = (clear or samples)[0]
        settings = ServeSettings(monitor=MonitorSettings(folder / "monitor.db", project=folder))
        stop = threading.Event()
        with ServerThread(Predictor.open(bundle), settings=settings, rival=Predictor.open(other)) as server:
            feeding = threading.Thread(target=feed, args=(server.url, samples, stop))
            feeding.start()
            try:
                if not given.only_stream:
                    shoot(server, shown, folder)
                shoot_stream(server, clear or samples, folder)
            finally:
                stop.set()
                feeding.join()


if __name__ == "__main__":
    main()
