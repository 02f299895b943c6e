"""From a catalogue of plates to a bundle that finds their blots."""

from __future__ import annotations

import itertools
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import telltale
from mask_scenes import draw_plate, make_project
from telltale.bundle.bundle import Bundle
from telltale.bundle.predictor import Predictor
from telltale.bundle.tiling import look, plan_windows, run_windows
from telltale.bundle.verify import verify_bundle
from telltale.cli import main
from telltale.dataset import Catalogue, Example
from telltale.errors import BundleError, ConfigError, Interrupted, TrainError
from telltale.evaluate import (
    keep_judged,
    measure_bundle,
    retune_bundle,
    tune_bundle,
    tune_for_target,
    write_judged,
)
from telltale.evaluate.masks import MaskEvaluation
from telltale.model import build, find_reach, stride_of
from telltale.preprocess import Preprocess
from telltale.project import Project, Unsure
from telltale.tasks.mask import MaskResult
from telltale.train import run


def pictures(project: Project, split: str) -> list[Example]:
    with Catalogue.open(project.catalogue_path, project.images, readonly=True) as catalogue:
        return catalogue.examples(split)


def test_a_trained_bundle_finds_blots_it_never_saw_and_none_on_a_good_plate(bundle: Bundle) -> None:
    model = telltale.load(bundle.path)
    rng = np.random.default_rng(99)
    picture, mask = draw_plate(rng, 150, 110, 3)
    result = model.tell(picture)
    assert isinstance(result, MaskResult)
    told = result.maps[0] >= 0.5
    assert told.shape == mask.shape
    assert 2 * (told & (mask > 0)).sum() / (told.sum() + (mask > 0).sum()) > 0.7
    good, _ = draw_plate(rng, 150, 110, 0)
    assert model.tell(good).to_json()["blot"]["count"] == 0


def test_the_bundle_agrees_with_itself_on_this_machine(bundle: Bundle) -> None:
    verify_bundle(bundle.path).raise_if_bad()
    assert bundle.spec.model.stride == 32
    assert bundle.spec.model.reach > 16


@pytest.mark.parametrize("size", [(1, 1), (5, 200), (64, 64), (65, 97), (300, 33)])
def test_a_picture_of_any_size_gets_a_map_of_its_size(bundle: Bundle, size: tuple[int, int]) -> None:
    width, height = size
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    result = Predictor.open(bundle.path, threads=1).tell(image)
    assert result.size == size


@pytest.mark.parametrize("window", [160, 192, 256])
def test_the_answer_is_the_same_however_the_picture_is_cut(bundle: Bundle, window: int) -> None:
    model = Predictor.open(bundle.path, threads=1, variant="float")
    image = np.random.default_rng(1).integers(0, 256, (333, 471, 3), np.uint8)
    about = model.spec.model
    whole = run_windows(model.run, image, about.stride, about.reach, 1024)["probabilities"]
    cut = run_windows(model.run, image, about.stride, about.reach, window)["probabilities"]
    assert len(plan_windows(480, about.stride, about.reach, window)) > 1
    np.testing.assert_allclose(cut, whole, atol=1e-6)


def test_less_overlap_than_the_reach_changes_the_answer(bundle: Bundle) -> None:
    model = Predictor.open(bundle.path, threads=1, variant="float")
    image = np.random.default_rng(1).integers(0, 256, (320, 480, 3), np.uint8)
    whole = run_windows(model.run, image, 32, model.spec.model.reach, 1024)["probabilities"]
    cut = run_windows(model.run, image, 32, 0, 160)["probabilities"]
    assert np.abs(cut - whole).max() > 1e-4


def test_windows_cover_a_side_once_and_see_their_surroundings() -> None:
    for side in (32, 320, 1056, 3232):
        windows = plan_windows(side, 32, 63, 512)
        assert windows[0].kept_from == 0
        assert windows[-1].kept_upto == side
        assert all(a.kept_upto == b.kept_from for a, b in itertools.pairwise(windows))
        for window in windows:
            assert window.start % 32 == 0
            assert window.start == 0 or window.kept_from - window.start >= 63
            assert window.stop == side or window.stop - window.kept_upto >= 63


def test_the_reach_of_a_net_is_where_its_answers_stop_to_change() -> None:
    from telltale.tasks import from_spec

    network = build("pico", from_spec({"kind": "mask", "names": ["a"]}), 64, 64)
    assert stride_of(network) == 32
    assert 31 < find_reach(network) < 128


def test_the_unet_reaches_as_far_as_its_pooling_does() -> None:
    import torch

    from telltale.tasks import from_spec

    torch.manual_seed(0)
    network = build("unet_tiny", from_spec({"kind": "mask", "names": ["a"]}), 64, 64).eval()
    reach = find_reach(network)
    picture = torch.rand(1, 3, 256, 256)
    other = picture.clone()
    other[:, :, :, : 128 - reach] = 0  # further left than the reach of column 128
    with torch.no_grad():
        one, two = network(picture)["logits"], network(other)["logits"]
    assert torch.allclose(one[..., 128:], two[..., 128:], atol=1e-6)
    assert not torch.allclose(one, two, atol=1e-3)


def test_cuts_are_chosen_anew_without_the_pictures(plates: Project, bundle: Bundle, tmp_path: Path) -> None:
    path = shutil.copytree(bundle.path, tmp_path / "copy.telltale")
    calibration = pictures(plates, "calibration")
    chosen = {}
    for error in (0.4, 0.3):
        chosen[error] = tune_bundle(Bundle.open(path), calibration, Unsure(error=error)).spec
    for error in (0.4, 0.3):
        again = retune_bundle(Bundle.open(path), Unsure(error=error)).spec
        assert again.thresholds == chosen[error].thresholds
        assert again.unsure.notes == chosen[error].unsure.notes
    with pytest.raises(SystemExit, match="0"):
        main(["thresholds", str(path), "--error", "0.4"])
    assert Bundle.open(path).spec.thresholds == chosen[0.4].thresholds
    with pytest.raises(SystemExit, match="0"):
        main(["thresholds", str(path), "--alarms", "0.45", "--confidence", "0.6"])
    assert Bundle.open(path).spec.thresholds["blot"].high >= chosen[0.4].thresholds["blot"].high
    assert "of the pictures without any" in Bundle.open(path).spec.unsure.notes["blot"]
    with pytest.raises(BundleError, match="expected a bundle of states, got one of kind mask"):
        tune_for_target(Bundle.open(path), recall=0.9)
    files = {name: info for name, info in chosen[0.3].files.items() if "calibration" not in name}
    with pytest.raises(BundleError, match="export again"):
        retune_bundle(Bundle(path, chosen[0.3].model_copy(update={"files": files})), Unsure(error=0.1))


def test_the_report_has_measures_with_intervals_and_pictures(plates: Project, bundle: Bundle, tmp_path: Path) -> None:
    tuned = tune_bundle(bundle, pictures(plates, "calibration"), Unsure(error=0.3))
    low, high = tuned.spec.thresholds["blot"].low, tuned.spec.thresholds["blot"].high
    assert 0 < low <= high < 1
    assert "conformal risk control" in tuned.spec.unsure.notes["blot"]
    judged = measure_bundle(tuned, pictures(plates, "test"), pictures(plates, "train"))
    said = judged.to_json()
    assert said["overall"]["dice"]["value"] > 0.6
    assert said["overall"]["dice"]["low"] <= said["overall"]["dice"]["value"] <= said["overall"]["dice"]["high"]
    assert said["overall"]["auroc"]["value"] > 0.9
    page = write_judged(judged, tmp_path).read_text(encoding="utf-8")
    assert "Best found" in page
    assert "data:image/jpeg" in page
    assert "http" not in page.replace("http://www.w3.org", "")
    kept = keep_judged(tuned, judged)
    assert kept.spec.metrics["overall"]["dice"] == said["overall"]["dice"]
    assert len((tmp_path / "table.csv").read_text().splitlines()) == 1 + len(pictures(plates, "test"))


def test_the_report_tells_kind_by_kind_and_of_how_many_parts_each_was_learned(
    plates: Project, bundle: Bundle, tmp_path: Path
) -> None:
    def named(split: str) -> list[Example]:
        """Two classes: groups of an even and of an odd number."""
        found = pictures(plates, split)
        order = sorted({example.group for example in found})
        return [replace(e, meta={**e.meta, "class": f"k{order.index(e.group) % 2}"}) for e in found]

    judged = measure_bundle(bundle, named("test"), named("train"))
    assert isinstance(judged, MaskEvaluation)
    assert [kind.kind for kind in judged.kinds] == ["k0", "k1"]
    assert sum(kind.regions for kind in judged.kinds) == judged.score["overall"]["regions"]
    assert sum(kind.missed for kind in judged.kinds) == judged.score["overall"]["regions_missed"]
    assert all(0 < kind.dice <= 1 and kind.learned > 0 for kind in judged.kinds)
    assert judged.to_json()["kinds"][0]["kind"] == "k0"
    page = write_judged(judged, tmp_path).read_text(encoding="utf-8")
    assert "Kind by kind" in page
    assert "k1" in (tmp_path / "table.csv").read_text()
    alone = measure_bundle(bundle, named("test"), [e for e in named("train") if e.meta["class"] == "k0"][:4])
    assert any("k1: learned from 0 groups" in warning for warning in alone.warnings)
    assert measure_bundle(bundle, pictures(plates, "test")).to_json().get("kinds") is None


def test_whole_pictures_are_learned_and_told_at_their_own_size(tmp_path: Path) -> None:
    project = make_project(tmp_path / "p", 24, fit="letterbox")
    settings = project.config.train.model_copy(update={"epochs": 1})
    result = run(project, name="r", settings=settings, allow_leak=True)
    assert result.best.is_file()
    from telltale.export.export import export_run

    made = export_run(result.run_dir, tmp_path / "x.telltale", training=pictures(project, "train"))
    assert telltale.load(made.path).tell(np.zeros((40, 90, 3), np.uint8)).size == (90, 40)
    assert look(Predictor.open(made.path), np.zeros((40, 90, 3), np.uint8))["probabilities"].shape == (1, 1, 40, 90)


def test_a_run_stopped_and_resumed_reaches_the_same_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from telltale.model.checkpoint import load
    from telltale.train.loop import Loop

    project = make_project(tmp_path / "p", 24)
    settings = project.config.train.model_copy(update={"epochs": 2, "watch": 0.0})
    unbroken = run(project, name="whole", settings=settings, allow_leak=True)
    step = Loop._step

    def stop_at_five(self: Loop, rows: torch.Tensor) -> None:
        step(self, rows)
        if self.position.step == 5:
            self._stop.set()

    with monkeypatch.context() as patch:
        patch.setattr(Loop, "_step", stop_at_five)
        with pytest.raises(Interrupted):
            run(project, name="broken", settings=settings, allow_leak=True)
    resumed = run(project, name="broken", resume=True, allow_leak=True)
    one, other = load(unbroken.run_dir / "last.pt").weights, load(resumed.run_dir / "last.pt").weights
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_size_the_net_cannot_halve_so_often_is_refused(tmp_path: Path) -> None:
    project = make_project(tmp_path / "p", 16, side=72)
    with pytest.raises(ConfigError, match="divisible by 32"):
        run(project, allow_leak=True)


def test_nothing_marked_at_all_is_refused_with_the_name(tmp_path: Path) -> None:
    project = make_project(tmp_path / "p", 16)
    with Catalogue.open(project.catalogue_path, project.images) as catalogue:
        for example in catalogue.examples():
            catalogue.label(example.image_id, "blot", False, who="test")
    with pytest.raises(TrainError, match="no picture shows 'blot'"):
        run(project, allow_leak=True)


def test_scale_and_contrast_are_part_of_what_the_model_sees() -> None:
    image = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    assert Preprocess(32, 32, "tile", scale=0.5).apply(image).shape == (20, 30, 3)
    plain, equal = Preprocess(32, 32, "tile").apply(image // 4), Preprocess(32, 32, "tile", clahe=2.0).apply(image // 4)
    assert equal.std() > 1.2 * plain.std()
    with pytest.raises(ConfigError, match="scale"):
        Preprocess(32, 32, "stretch", scale=0.5)
