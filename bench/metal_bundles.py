"""Two small mask bundles of made-up metal, trained on the spot: something real to look at in the monitor's pictures."""

from __future__ import annotations

from pathlib import Path

from telltale.cli.init import init_project
from telltale.cli.shipping import export_and_tune
from telltale.collect.synth import Wish, make_scenes
from telltale.collect.synth.adding import keep_in_catalogue, kinds_for
from telltale.dataset.catalogue import Catalogue
from telltale.dataset.split import apply_split
from telltale.progress import progress
from telltale.project import Project
from telltale.train import run

METALS = ("rolled", "painted", "brushed")
PICTURES = 500
MINUTES = 3.0


def make_project(folder: Path, name: str) -> Project:
    """Scenes of metal in a project of its own, split."""
    project = init_project(folder, ["defect"], [], kind="mask", name=name, width=160, height=160)
    with Catalogue.open(project.catalogue_path, project.images) as catalogue:
        scenes = make_scenes(Wish(PICTURES, good=0.3, most=2, seed=11), width=320, height=240, metals=METALS)
        keep_in_catalogue(scenes, catalogue, kinds_for(["defect"]), training_only=False)
        apply_split(catalogue, project.config.split)
    return project


def learn(project: Project, name: str, backbone: str, minutes: float) -> Path:
    """Train and export one net; the bundle's folder comes back."""
    settings = project.config.train.model_copy(update={"backbone": backbone, "minutes": minutes})
    result = run(project, name=name, settings=settings, steps=progress)
    return export_and_tune(project, result.run_dir, project.root / f"{name}.telltale").path


def learn_two(folder: Path) -> tuple[Path, Path]:
    """A bundle, and an older and smaller one to compare it with."""
    project = make_project(folder, "metal")
    return learn(project, "metal", "nano", MINUTES), learn(project, "older", "pico", MINUTES / 3)
