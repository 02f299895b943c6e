"""Pictures, a spec and a trained little network to export."""

from __future__ import annotations

import numpy as np
import torch

from telltale.bundle.spec import BundleSpec
from telltale.export.pictures import Pictures
from telltale.model import Network, build
from telltale.project import Input
from telltale.tasks import Target
from telltale.tasks.states import States
from tiny_bundle import tiny_pictures

WIDTH, HEIGHT = 64, 48
NAMES = ("left", "right")


def labelled_pictures(count: int, seed: int) -> Pictures:
    """Strips, labelled by which is bright; one label in ten unknown."""
    images = tiny_pictures(count, WIDTH, HEIGHT, len(NAMES), seed)
    values = np.stack([half.mean((1, 2, 3)) > 127 for half in np.array_split(images, 2, axis=2)], axis=1)
    known = np.random.default_rng(seed).random(values.shape) > 0.1
    return Pictures(images, Target(values.astype(np.float32), known, np.zeros_like(known)))


def about() -> BundleSpec:
    return BundleSpec(name="strips", task=States(NAMES).to_spec(), input=Input(width=WIDTH, height=HEIGHT))


def trained_network() -> Network:
    """With a life behind it: neither its weights nor its batch statistics are the initial ones."""
    torch.manual_seed(0)
    network = build("pico", States(NAMES), HEIGHT, WIDTH)
    pictures = labelled_pictures(64, seed=5)
    x = torch.from_numpy(pictures.images).permute(0, 3, 1, 2).float() / 255
    y = torch.from_numpy(pictures.target.values)
    optimizer = torch.optim.AdamW(network.parameters(), 5e-3)
    for _ in range(25):
        optimizer.zero_grad()
        torch.nn.functional.binary_cross_entropy_with_logits(network(x)["logits"], y).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return network.eval()
