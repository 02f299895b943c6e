"""Remakes the pictures of docs/monitor.md: `python -m bench.monitor_picture [--bundle B [--other B]] [--only-stream]`.

Without a bundle it trains one on scenes of `telltale collect synth`, and one for a quarter of the time to compare with;
what is shown are other scenes.
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

from bench.browser import open_page
from telltale.bundle.predictor import Predictor
from telltale.cli.init import init_project
from telltale.cli.shipping import export_and_tune
from telltale.collect.synth import Sample, Wish, make_scenes
from telltale.collect.synth.adding import keep_in_catalogue, kinds_for
from telltale.dataset.catalogue import Catalogue
from telltale.dataset.split import apply_split
from telltale.progress import progress
from telltale.project import Project, Train, Unsure, validate
from telltale.serve.server import ServerThread
from telltale.serve.settings import MonitorSettings, ServeSettings
from telltale.train import run

DOCS = Path(__file__).resolve().parent.parent / "docs"
METALS = ("rolled", "painted", "brushed")
SCENES, EPOCHS = 480, 24
WIDTH, HEIGHT = 320, 240
FEED_S = 0.12
CAMERA = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
TOML = 'name = "parts"\n[task]\nkind = "mask"\nnames = ["defect"]\n'


def train_bundles(folder: Path) -> tuple[Path, Path]:
    """A net that learned scenes for EPOCHS, and the same after a quarter of them, to compare with."""
    project = init_project(folder / "parts", ["defect"], [], kind="mask", width=160, height=160)
    scenes = make_scenes(Wish(SCENES, good=0.4, most=2, seed=1), width=WIDTH, height=HEIGHT, metals=METALS)
    with Catalogue.open(project.catalogue_path, project.images) as catalogue:
        kept = keep_in_catalogue(scenes, catalogue, kinds_for(["defect"]), training_only=False)
        print("\n".join(kept.lines()), flush=True)
        apply_split(catalogue, project.config.split)
    unsure = Unsure(error=0.1, alarms=0.1)  # a few dozen scenes vouch for no less
    paths = []
    for name, epochs in (("parts", EPOCHS), ("older", EPOCHS // 4)):
        settings = validate({**project.config.train.model_dump(), "epochs": epochs}, Train, "settings")
        result = run(project, name=name, settings=settings, steps=progress)
        named = Project(project.root, project.config.model_copy(update={"name": name, "unsure": unsure}))
        paths.append(export_and_tune(named, result.run_dir, folder / f"{name}.telltale").path)
    return paths[0], paths[1]


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
        bundle, other = given.bundle, given.other
        if bundle is None:
            bundle, other = train_bundles(folder)
        (folder / "telltale.toml").write_text(TOML)
        samples = list(make_scenes(Wish(30, good=0.3, most=2, seed=4), width=WIDTH, height=HEIGHT, metals=METALS))
        clear = [s for s in samples if any(m.contrast > 35 and m.area_px > 300 for m in s.painted.made)]
        shown = (clear or samples)[0]
        settings = ServeSettings(monitor=MonitorSettings(folder / "monitor.db", project=folder))
        stop = threading.Event()
        rival = Predictor.open(other or bundle)
        with ServerThread(Predictor.open(bundle), settings=settings, rival=rival) as server:
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
