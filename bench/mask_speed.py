"""How fast masks are learned and told on this machine's CPU, beside a plain U-Net: both in one run, in turns.

python -m bench.mask_speed [BACKBONE...]
Training at 256 x 256 is measured as `Loop` runs it, data included; telling at 512 x 512 through onnxruntime with all
cores. Pictures are made up: speed does not depend on what they show.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench import plain_unet
from bench.machine import keep
from telltale.bundle.predictor import INPUT, open_session
from telltale.export.deploy import Deployed, to_onnx
from telltale.export.measure import median_ms
from telltale.export.quantise import quantise
from telltale.model import build, count_macs, count_parameters, find_reach
from telltale.project import Train
from telltale.tasks import Target, from_spec
from telltale.train.crops import Crops, MaskData
from telltale.train.device import make_fabric
from telltale.train.loop import Loop
from telltale.train.store import Store

TASK = from_spec({"kind": "mask", "names": ["defect"]})
SIDE, LARGE = 256, 512
PICTURES = 48
ROUNDS, SECONDS = 4, 5.0
BACKBONES = ("nano", "tiny")


def make_store() -> Store:
    """Pictures of 320 x 272 of noise, half of them with a bright square that is marked."""
    rng = np.random.default_rng(0)
    width, height = 320, 272
    rows = []
    for i in range(PICTURES):
        picture = rng.integers(60, 180, (height, width, 3), dtype=np.uint8)
        mask = np.zeros((1, height, width), np.uint8)
        if i % 2:
            x, y = rng.integers(0, width - 20), rng.integers(0, height - 20)
            picture[y : y + 20, x : x + 20] = 240
            mask[:, y : y + 20, x : x + 20] = 255
        rows.append(np.concatenate([picture.ravel(), mask.ravel()]))
    size = len(rows[0])
    return Store(np.concatenate(rows), ((width, height),) * PICTURES, np.arange(PICTURES) * size, 1)


def make_loop(backbone: str, store: Store) -> Loop:
    there = (np.arange(PICTURES) % 2)[:, None]
    labels = Target(there.astype(np.float32), there >= 0, there < 0)
    settings = Train.model_validate({"backbone": backbone})
    data = MaskData(store, labels, np.arange(PICTURES), np.arange(0))
    torch.manual_seed(0)
    fabric = make_fabric(settings)
    feed = Crops(TASK, data, settings.augment, SIDE, SIDE)
    return Loop(build(backbone, TASK, SIDE, SIDE), TASK, feed, settings, {}, Path(tempfile.mkdtemp()), fabric)


def our_steps(loop: Loop) -> Iterator[int]:
    """Pictures learned from, step by step."""
    loop.model.train()
    while True:
        order = loop.feed.order(torch.Generator().manual_seed(loop.position.step))
        for start in range(0, len(order) - loop.batch + 1, loop.batch):
            loop._step(order[start : start + loop.batch])
            yield loop.batch


def measure_training(backbones: tuple[str, ...]) -> dict[str, Any]:
    """Pictures a second of each, the best of ROUNDS, in turns so that a busy machine slows all alike."""
    cores = torch.get_num_threads()
    store = make_store()
    loops = {name: our_steps(make_loop(name, store)) for name in backbones}
    torch.set_num_threads(cores)
    images = np.stack([store.picture(i)[:SIDE, :SIDE] for i in range(PICTURES)])
    masks = np.stack([store.masks(i)[:, :SIDE, :SIDE] > 127 for i in range(PICTURES)])
    plain = plain_unet.Plain(
        torch.from_numpy(images).permute(0, 3, 1, 2).float().contiguous() / 255, torch.from_numpy(masks).float()
    )
    plain_steps = plain_unet.steps(plain_unet.make_net(TASK), plain)
    runs: dict[str, Callable[[], int]] = {"plain": lambda: (next(plain_steps), plain_unet.BATCH)[1]}
    runs |= {name: lambda steps=steps: next(steps) for name, steps in loops.items()}  # type: ignore[misc]
    rates: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(ROUNDS):
        for name, step in runs.items():
            torch.set_num_threads(cores if name == "plain" else 1)  # ours: a thread for each share of the batch
            step()
            start_s, seen = time.perf_counter(), 0
            while time.perf_counter() - start_s < SECONDS:
                seen += step()
            rates[name].append(seen / (time.perf_counter() - start_s))
            print(f"  turn {turn}: {name} {rates[name][-1]:.1f} pictures/s", flush=True)
    best = {name: max(found) for name, found in rates.items()}
    return {
        name: {"pictures_per_s": round(rate, 1), "times_plain": round(rate / best["plain"], 1)}
        for name, rate in best.items()
    }


def measure_telling(backbones: tuple[str, ...]) -> dict[str, Any]:
    """Milliseconds of one picture of 512 x 512 through onnxruntime with all cores, float and int8."""
    rng = np.random.default_rng(0)
    calls, about = {}, {}
    pictures = rng.integers(0, 256, (16, SIDE, SIDE, 3), dtype=np.uint8)
    large = rng.integers(0, 256, (1, LARGE, LARGE, 3), dtype=np.uint8)
    for backbone in ("unet_tiny", *backbones):
        network = build(backbone, TASK, SIDE, SIDE).eval()
        fused = network.fused()
        model = to_onnx(Deployed(fused, TASK.kind, torch.ones(1)), SIDE, SIDE, any_size=True)
        about[backbone] = {
            "parameters": count_parameters(fused),
            "macs_256": count_macs(network),
            "reach_px": find_reach(network),
        }
        forms = {"float": model} | ({} if backbone == "unet_tiny" else {"int8": quantise(model, pictures)})
        for form, data in forms.items():
            session = open_session(data, backbone)
            calls[f"{backbone} {form}"] = lambda session=session: session.run(None, {INPUT: large})
    taken = median_ms(calls, 30)
    plain = taken["unet_tiny float"]
    return {
        "ms_512": taken,
        "times_unet_tiny": {name: round(plain / value, 2) for name, value in taken.items()},
        "int8_times_float": {name: round(taken[f"{name} float"] / taken[f"{name} int8"], 2) for name in backbones},
        "nets": about,
    }


def main(arguments: list[str]) -> None:
    backbones = tuple(arguments) or BACKBONES
    training = measure_training(backbones)
    telling = measure_telling(backbones)
    for name, row in training.items():
        print(f"train {name}: {row['pictures_per_s']} pictures/s, {row['times_plain']} times the plain U-Net")
    for name, value in telling["ms_512"].items():
        print(f"tell {name}: {value:.1f} ms at 512 x 512, {telling['times_unet_tiny'][name]} times unet_tiny float")
    targets = {"train_times_plain": 8, "tell_times_unet_tiny": 4, "int8_times_float": 1.5}
    keep("mask_speed", {"targets": targets, "training_256": training, "telling": telling})


if __name__ == "__main__":
    main(sys.argv[1:])
