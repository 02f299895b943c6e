"""A trained `locate` bundle beside the classical detector: how far off, how often not seen, how long it takes.

python -m bench.stream_locate [BUNDLE] [--frames 300]: scenes of seeds that no training picture has, without a codec;
then both through WebRTC, as `telltale stream serve` and `watch` run them. Without a bundle one is made as
docs/stream.md says: pictures of all scenes, some minutes of training on one core.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.machine import keep
from telltale.bundle.bundle import Bundle
from telltale.cli.init import init_project
from telltale.cli.shipping import export_and_tune
from telltale.collect.scenes import keep as keep_scenes
from telltale.collect.scenes import take
from telltale.dataset.catalogue import Catalogue
from telltale.dataset.split import apply_split
from telltale.progress import progress
from telltale.project import Train, validate
from telltale.stream.client import WatchBall, run_client
from telltale.stream.server import ServeBall, run_server
from telltale.stream.signalling import free_port
from telltale.streams.located import open_any
from telltale.streams.scene import KINDS, Kind, Scene
from telltale.streams.spot import BALL_COLOUR, Detector
from telltale.train import run

SEED = 1_000_003
"""`telltale collect scenes` counts from 0 with its seed 0."""
SEEN = 0.5
WITHIN_PX = 5.0

PICTURES = 1680
WIDTH, HEIGHT = 320, 256


def train_ball(folder: Path, minutes: float) -> Path:
    """A bundle that finds the ball."""
    project = init_project(folder / "ball", ["ball"], [], kind="locate", width=WIDTH, height=HEIGHT)
    with Catalogue.open(project.catalogue_path, project.images) as catalogue:
        kept = keep_scenes(take(PICTURES, KINDS, 640, 480), catalogue, "ball")
        print("\n".join(kept.lines()), flush=True)
        apply_split(catalogue, project.config.split)
    settings = validate({**project.config.train.model_dump(), "minutes": minutes, "threads": 1}, Train, "settings")
    result = run(project, settings=settings, allow_leak=True, steps=progress)  # plain scenes are near-duplicates
    return export_and_tune(project, result.run_dir).path


def still(detector: Detector, kind: Kind, frames: int) -> dict[str, Any]:
    """Pictures themselves, 20 frames of each scene."""
    errors: list[float] = []
    times_ms: list[float] = []
    unseen = judged = 0
    for n in range(frames):
        if n % 20 == 0:
            scene = Scene(kind, 640, 480, SEED + n)
        shot = scene.shot(n % 20 * 7)
        start_s = time.perf_counter()
        spot = detector.detect(shot.image)
        times_ms.append((time.perf_counter() - start_s) * 1e3)
        if shot.truth.visible < SEEN:
            continue
        judged += 1
        if spot is None:
            unseen += 1
        else:
            errors.append(float(np.hypot(spot.x - shot.truth.x, spot.y - shot.truth.y)))
    found = np.array(errors or [np.nan])
    return {
        "pictures": judged,
        "unseen": unseen,
        "off_by_more_than_5_px": int((found > WITHIN_PX).sum()),
        "mean_px": round(float(found.mean()), 3),
        "median_px": round(float(np.median(found)), 3),
        "p95_px": round(float(np.quantile(found, 0.95)), 3),
        "median_ms": round(float(np.median(times_ms)), 2),
    }


def live(detector: str, kind: Kind, frames: int, track: bool) -> dict[str, Any]:
    """Through VP8 and back."""

    async def run() -> dict[str, Any]:
        port = free_port("127.0.0.1")
        settings = ServeBall(port=port, scene=kind, frames=frames, seed=SEED)
        serving = asyncio.ensure_future(run_server(settings, once=True))
        await run_client(WatchBall(port=port, detector=detector, track=track))
        [session] = await serving
        return dict(session.summary.to_json())

    return asyncio.run(run())


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path, nargs="?")
    parser.add_argument("--minutes", type=float, default=6.0, help="of training, on one core")
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--live-frames", type=int, default=300)
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        bundle = chosen.bundle or train_ball(Path(folder), chosen.minutes)
        compare(bundle, chosen.frames, chosen.live_frames, None if chosen.bundle else chosen.minutes)


def compare(bundle: Path, frames: int, live_frames: int, minutes: float | None) -> None:
    """Both detectors on the same scenes. minutes: of the bundle's training, where it is known."""
    spec = Bundle.open(bundle).spec
    stills, lives = [], []
    for name, detector in (("locate", str(bundle)), ("colour", "colour")):
        opened = open_any(detector, BALL_COLOUR)
        opened.detect(Scene("plain").shot(0).image)
        for kind in KINDS:
            stills.append({"detector": name, "scene": kind, **still(opened, kind, frames)})
            print(stills[-1], flush=True)
        for kind in ("plain", "textured"):
            lives.append({"detector": name, "scene": kind, **live(detector, kind, live_frames, False)})
            print(lives[-1], flush=True)
    about = {
        "minutes_of_one_core": minutes,
        "pictures": PICTURES if minutes else None,
        "backbone": spec.model.backbone,
        "parameters": spec.model.parameters,
        "macs": spec.model.macs,
        "input": [spec.input.width, spec.input.height],
    }
    keep("stream_locate", {"model": about, "still": stills, "live": lives})


if __name__ == "__main__":
    main()
