"""A net that knows where things are shows it to a smaller one, in pictures that nobody labelled."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from telltale.cli.init import init_project
from telltale.dataset import Catalogue
from telltale.frame import Image
from telltale.model.checkpoint import load_run
from telltale.project import Project, Train, validate
from telltale.train import run

WIDTH, HEIGHT, LABELLED = 64, 48, 4


YELLOW, NIGHT = (240, 220, 60), (0, 0, 70)


def draw(rng: np.random.Generator, colour: tuple[int, int, int] = YELLOW) -> tuple[Image, list[float]]:
    """A rough ground with a disc, and the disc's box."""
    picture = cv2.resize(rng.integers(0, 90, (6, 8, 3)).astype(np.uint8), (WIDTH, HEIGHT))
    radius, x, y = int(rng.integers(4, 7)), int(rng.integers(8, 56)), int(rng.integers(8, 40))
    cv2.circle(picture, (x, y), radius, colour, -1)
    return np.asarray(picture, np.uint8), [x - radius, y - radius, 2 * radius + 1, 2 * radius + 1]


def fill(project: Project, count: int, labelled: int, colour: tuple[int, int, int]) -> Project:
    """Pictures, all of them to train on; so many have a label and a disc of this colour, the others a yellow one."""
    rng = np.random.default_rng(count)
    with Catalogue.open(project.catalogue_path, project.images) as catalogue:
        for n in range(count):
            picture, box = draw(rng, colour if n < labelled else YELLOW)
            data = cv2.imencode(".png", picture[:, :, ::-1])[1].tobytes()
            image_id = catalogue.add(data, suffix=".png", group=f"g{n}", source="test")
            if n < labelled:
                catalogue.label(image_id, "disc", [box], who="test")
        catalogue.set_splits({f"g{n}": "train" for n in range(count)})
    return project


def settings_of(project: Project, **given: object) -> Train:
    usual = {"epochs": 40, "backbone": "8-16-24-32", "learning_rate": 0.01, "ema": 0.95, "batch": 16, "watch": 0}
    both = {**project.config.train.model_dump(), **usual, "threads": 1, "precision": "32-true", **given}
    return validate(both, Train, "settings")


def found(run_dir: Path) -> float:
    """Of new pictures, the share whose highest peak lies within 5 pixels of the disc."""
    network, _ = load_run(run_dir)
    rng, near = np.random.default_rng(77), []
    for _ in range(60):
        picture, (x, y, w, h) = draw(rng)
        with torch.no_grad():
            heat = network(torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255)["logits"][0, 0].numpy()
        row, column = np.unravel_index(int(heat.argmax()), heat.shape)
        near.append(np.hypot(4 * column + 2 - x - w / 2, 4 * row + 2 - y - h / 2) < 5)
    return float(np.mean(near))


@pytest.mark.slow
def test_centres_are_learned_from_pictures_that_nobody_labelled(tmp_path: Path) -> None:
    def begin(name: str) -> Project:
        return init_project(tmp_path / name, ["disc"], [], kind="locate", width=WIDTH, height=HEIGHT)

    school = fill(begin("school"), 96, 96, YELLOW)
    teacher = run(school, name="wise", settings=settings_of(school), allow_leak=True).run_dir
    assert found(teacher) > 0.9
    project = fill(begin("pupil"), 97, LABELLED, NIGHT)
    small = {"backbone": "4-8-12-16"}
    alone = run(project, name="alone", settings=settings_of(project, **small), allow_leak=True)
    lessons = {"teacher": str(teacher), "distil": {"weight": 0.9}}
    taught = run(project, name="taught", settings=settings_of(project, **small, **lessons), allow_leak=True)
    assert found(taught.run_dir) > max(0.9, found(alone.run_dir) + 0.25)
