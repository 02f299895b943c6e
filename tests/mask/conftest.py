"""One project of plates, trained and exported once: what the tests of masks share."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from mask_scenes import make_project
from telltale.bundle.bundle import Bundle
from telltale.dataset import Catalogue
from telltale.export.export import export_run
from telltale.project import Project
from telltale.train import run


@pytest.fixture(scope="session")
def plates(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Plates of 72 x 64 pixels and a run `r`, trained on crops of 64 x 64."""
    torch.set_num_threads(1)
    project = make_project(tmp_path_factory.mktemp("plates"), 60)
    settings = project.config.train.model_copy(update={"epochs": 6})
    run(project, name="r", settings=settings, allow_leak=True)
    return project


@pytest.fixture(scope="session")
def bundle(plates: Project) -> Bundle:
    with Catalogue.open(plates.catalogue_path, plates.images, readonly=True) as catalogue:
        training, calibration = catalogue.examples("train"), catalogue.examples("calibration")
    return export_run(
        plates.runs / "r", Path(plates.root) / "plates.telltale", training=training, calibration=calibration
    )
