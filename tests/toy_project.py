"""A project of the toy world of lamps."""

from __future__ import annotations

from pathlib import Path

import cv2

from telltale.dataset.catalogue import Catalogue
from telltale.project import Project
from toy_lamps import HEIGHT, WIDTH, toy

TOML = f"""
licence = "CC0-1.0"
[task]
kind = "states"
names = ["left", "right", "lid"]
mirror = [["left", "right"]]
[input]
width = {WIDTH}
height = {HEIGHT}
[train]
backbone = "pico"
epochs = 2
batch = 16
threads = 1
precision = "32-true"
watch = 0.2
"""


def project_of(root: Path, *, count: int = 60, toml: str = TOML, label: bool = True, groups: int = 6) -> Project:
    (root / "telltale.toml").write_text(toml)
    project = Project.open(root)
    pixels, labels = toy(count)
    with Catalogue.open(project.catalogue_path, project.images) as catalogue:
        for index, (picture, row) in enumerate(zip(pixels, labels, strict=True)):
            ok, data = cv2.imencode(".png", cv2.resize(picture, None, fx=2, fy=2))
            assert ok
            added = catalogue.add(data.tobytes(), suffix=".png", group=f"g{index % groups}", source="toy")
            for name, value in zip(("left", "right", "lid"), row, strict=True):
                if label:
                    catalogue.label(added, name, bool(value), who="toy")
        catalogue.set_splits({f"g{k}": "test" if k == groups - 1 else "train" for k in range(min(groups, count))})
    return project
