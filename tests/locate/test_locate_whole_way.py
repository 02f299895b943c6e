"""From a folder of YOLO boxes to a bundle that finds discs, its report, and the same in C."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

import telltale
from telltale.bundle.bundle import Bundle
from telltale.bundle.verify import verify_bundle
from telltale.cli.init import init_project
from telltale.cli.shipping import export_and_tune
from telltale.dataset import Catalogue
from telltale.dataset.importing import import_folder
from telltale.dataset.split import apply_split
from telltale.errors import BundleError, ConfigError
from telltale.evaluate import keep_judged, measure_bundle, retune_bundle
from telltale.evaluate.boxes import BoxEvaluation
from telltale.export.c.into_bundle import export_c, verify_c
from telltale.project import Project, Train, Unsure, validate
from telltale.train import run


def draw_table(rng: np.random.Generator, ball: bool) -> tuple[np.ndarray, str]:
    """(64, 80, 3) uint8 of a rough green ground with a yellow disc, or not; and its line of YOLO text."""
    rough = rng.integers(0, 90, (8, 10, 3)).astype(np.uint8)
    picture = cv2.resize(rough, (80, 64), interpolation=cv2.INTER_LINEAR)
    picture[:, :, 1] += 60
    if not ball:
        return picture, ""
    radius = int(rng.integers(4, 8))
    x, y = int(rng.integers(8, 72)), int(rng.integers(8, 56))
    cv2.circle(picture, (x, y), radius, (240, 220, 60), -1)
    side = 2 * radius + 1
    return picture, f"0 {(x + 0.5) / 80:.6f} {(y + 0.5) / 64:.6f} {side / 80:.6f} {side / 64:.6f}\n"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Trained, exported and tuned."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("table")
    rng = np.random.default_rng(0)
    (folder / "set").mkdir()
    for n in range(120):
        picture, line = draw_table(rng, n % 4 != 0)
        cv2.imwrite(str(folder / "set" / f"t{n // 3}-{n % 3}.png"), picture[:, :, ::-1])
        (folder / "set" / f"t{n // 3}-{n % 3}.txt").write_text(line)
    made = init_project(folder / "project", ["ball"], [], kind="locate", width=64, height=64)
    with Catalogue.open(made.catalogue_path, made.images) as catalogue:
        report = import_folder(folder / "set", catalogue, group_by=r"(t\d+)-", task=made.config.make_task())
        assert (report.added, report.skipped) == (120, ())
        apply_split(catalogue, made.config.split)
    given = {
        **made.config.train.model_dump(),
        "epochs": 25,
        "backbone": "8-16-24-32",
        "learning_rate": 0.01,
        "ema": 0.95,
    }
    run(made, name="r", settings=validate(given, Train, "settings"), allow_leak=True)
    return made


@pytest.fixture(scope="module")
def bundle(project: Project) -> Bundle:
    return export_and_tune(project, project.runs / "r", int8="always")


def test_a_trained_bundle_finds_discs_it_never_saw(bundle: Bundle) -> None:
    verify_bundle(bundle.path).raise_if_bad()
    model = telltale.load(bundle.path)
    rng = np.random.default_rng(99)
    off = []
    for _ in range(20):
        picture, line = draw_table(rng, True)
        x, y = (float(v) for v in line.split()[1:3])
        boxes = model.tell(picture).readings["ball"].boxes
        if boxes:
            off.append(float(np.hypot(boxes[0].centre[0] - 80 * x, boxes[0].centre[1] - 64 * y)))
    assert len(off) >= 18
    assert np.median(off) < 2


def test_its_thresholds_say_what_they_promise(bundle: Bundle) -> None:
    cut = bundle.spec.thresholds["ball"]
    assert 0 <= cut.low <= cut.high < 1
    assert "conformal risk control" in bundle.spec.unsure.notes["ball"]


def test_its_thresholds_are_chosen_anew_without_the_pictures(bundle: Bundle, tmp_path: Path) -> None:
    """Of both variants: what is vouched for where int8 is served is not lost."""
    copy = Bundle.open(shutil.copytree(bundle.path, tmp_path / "copy.telltale"))
    assert {"evaluation/calibration.json", "evaluation/calibration-int8.json"} <= set(copy.spec.files)
    again = retune_bundle(copy, Unsure(error=0.2, confidence=0.8))
    assert again.spec.unsure.error == 0.2
    assert retune_bundle(again, Unsure()).spec.thresholds == bundle.spec.thresholds
    (copy.path / "evaluation/calibration.json").unlink()
    with pytest.raises(BundleError, match=r"calibration\.json"):
        retune_bundle(copy, Unsure())


def test_its_report_has_intervals_pictures_and_a_line_for_each_picture(bundle: Bundle, project: Project) -> None:
    with Catalogue.open(project.catalogue_path, project.images, readonly=True) as catalogue:
        test = catalogue.examples("test")
    judged = measure_bundle(bundle, test)
    assert isinstance(judged, BoxEvaluation)
    assert judged.overall["ap50"].value is not None
    assert judged.overall["ap50"].value > 0.7
    assert judged.overall["near"].low is not None
    files = judged.files()
    page = files["report.html"].decode()
    assert "within 5 px" in page
    assert "data:image/jpeg;base64," in page
    assert len(files["evaluation/table.csv"].decode().splitlines()) == len(test) + 1
    kept = keep_judged(bundle, judged)
    assert kept.spec.metrics["overall"]["ap50"]["value"] == judged.overall["ap50"].value


def test_its_net_in_c_gives_every_byte_of_the_reference(bundle: Bundle, tmp_path: Path) -> None:
    for numbers in ("int8", "float32"):
        made, _, proofs = export_c(bundle, numbers=numbers)
        assert all(proof.ok or proof.skipped for proof in proofs)
    assert all(proof.ok or proof.skipped for proof in verify_c(made))
    assert "c/peaks.h" in made.spec.files


def test_tiles_are_refused_before_anything_is_read(project: Project) -> None:
    tiled = project.config.model_copy(update={"input": project.config.input.model_copy(update={"fit": "tile"})})
    with pytest.raises(ConfigError, match="boxes are told of whole pictures"):
        run(Project(project.root, tiled), name="tiled", allow_leak=True)
