"""From a project to a run folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from telltale.dataset.catalogue import Catalogue
from telltale.errors import CatalogueError, ConfigError, ImageError, LeakError, TrainError
from telltale.model import load_run
from telltale.preprocess import decode
from telltale.project import Project
from telltale.train import RunResult, run
from telltale.train.arrays import pick_watch
from toy_lamps import HEIGHT, WIDTH
from toy_project import TOML, project_of


def train(project: Project, *, resume: bool = False, name: str | None = None) -> RunResult:
    return run(project, name=name, resume=resume)


def test_a_run_leaves_all_its_files_and_a_network_that_loads(tmp_path: Path) -> None:
    project = project_of(tmp_path)
    result = train(project)
    names = {path.name for path in result.run_dir.iterdir()}
    assert names == {"config.json", "log.csv", "tb", "best.pt", "last.pt", "curves.svg", "augmented.jpg"}
    assert result.run_dir == tmp_path / "runs" / "run-1"
    assert result.epochs == 2
    assert result.watch["watch/loss"] > 0
    sheet = decode(result.run_dir / "augmented.jpg")
    assert sheet.shape[0] > 3 * HEIGHT
    network, config = load_run(result.run_dir)
    assert not config.leak_allowed
    assert config.licence == "CC0-1.0"
    assert set(config.groups.values()) == {"train", "watch"}
    assert "g5" not in config.groups  # the test split stays untouched
    assert config.fused_parameters == result.parameters
    assert network(torch.rand(1, 3, HEIGHT, WIDTH))["logits"].shape == (1, 3)
    assert train(project).run_dir.name == "run-2"


def test_the_same_seed_trains_the_same_network(tmp_path: Path) -> None:
    project = project_of(tmp_path)
    one, two = (load_run(train(project, name=name).run_dir)[0].state_dict() for name in ("a", "b"))
    assert all(torch.equal(one[key], two[key]) for key in one)


def test_resuming_a_finished_run_changes_nothing(tmp_path: Path) -> None:
    project = project_of(tmp_path)
    result = train(project, name="a")
    before = (result.run_dir / "log.csv").read_text()
    again = train(project, resume=True)
    assert again.run_dir == result.run_dir
    assert again.best_epoch == result.best_epoch
    assert (result.run_dir / "log.csv").read_text() == before


def test_a_run_does_not_go_on_with_other_data(tmp_path: Path) -> None:
    project = project_of(tmp_path)
    train(project, name="a")
    with Catalogue.open(project.catalogue_path, project.images) as catalogue:
        catalogue.label(catalogue.examples("train")[0].image_id, "lid", True, who="me")
        catalogue.label(catalogue.examples("train")[1].image_id, "lid", False, who="me")
        catalogue.label(catalogue.examples("train")[2].image_id, "lid", True, who="me")
        catalogue.label(catalogue.examples("train")[3].image_id, "lid", False, who="me")
    with pytest.raises(TrainError, match="data hash has changed"):
        train(project, name="a", resume=True)


def test_a_name_is_not_taken_twice(tmp_path: Path) -> None:
    project = project_of(tmp_path)
    train(project, name="a")
    with pytest.raises(TrainError, match="--resume"):
        train(project, name="a")


@pytest.mark.parametrize("name", ["../up", "", "a/b", ".hidden"])
def test_a_name_that_is_no_folder_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="run's name"):
        train(project_of(tmp_path), name=name)


def test_nothing_to_resume_says_so(tmp_path: Path) -> None:
    project = project_of(tmp_path)
    with pytest.raises(TrainError, match="no run to go on with"):
        train(project, resume=True)
    with pytest.raises(TrainError, match="'b'"):
        train(project, resume=True, name="b")


def empty(root: Path) -> Project:
    return project_of(root, count=0)


def unlabelled(root: Path) -> Project:
    return project_of(root, label=False)


def tiny(root: Path) -> Project:
    return project_of(root, count=7)


def nameless(root: Path) -> Project:
    return project_of(root, toml=TOML.replace('"lid"]', '"lid", "boot"]'))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (empty, "the catalogue is empty"),
        (unlabelled, "no labelled pictures"),
        (tiny, "too few pictures"),
        (nameless, "nobody labelled 'boot'"),
    ],
)
def test_a_data_set_that_cannot_be_learned_is_a_clear_error(
    tmp_path: Path, make: Callable[[Path], Project], words: str
) -> None:
    project = make(tmp_path)
    with pytest.raises(TrainError, match=words):
        train(project)
    assert not list(project.runs.glob("*"))


def test_a_missing_catalogue_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "telltale.toml").write_text(TOML)
    with pytest.raises(CatalogueError):
        train(Project.open(tmp_path))


def test_a_damaged_picture_is_named(tmp_path: Path) -> None:
    project = project_of(tmp_path)
    with Catalogue.open(project.catalogue_path, project.images, readonly=True) as catalogue:
        victim = catalogue.examples("train")[0].path
    victim.chmod(0o644)
    victim.write_bytes(b"no picture")
    with pytest.raises(ImageError, match=victim.name):
        train(project)


def test_a_leaking_split_stops_training_unless_told_otherwise(tmp_path: Path) -> None:
    project = project_of(tmp_path)
    with Catalogue.open(project.catalogue_path, project.images) as catalogue:
        twin = decode(next(e for e in catalogue.examples("train") if e.group == "g0").path)
        twin[0, 0] += 1
        ok, data = cv2.imencode(".png", cv2.cvtColor(twin, cv2.COLOR_RGB2BGR))
        assert ok
        catalogue.add(data.tobytes(), suffix=".png", group="g5", source="toy")
    with pytest.raises(LeakError, match="--allow-leak"):
        train(project)
    assert not list(project.runs.glob("*"))
    assert load_run(run(project, allow_leak=True).run_dir)[1].leak_allowed


def test_an_unknown_backbone_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'resnet'"):
        train(project_of(tmp_path, toml=TOML.replace('"pico"', '"resnet"')))


def test_states_are_not_told_of_tiles(tmp_path: Path) -> None:
    project = project_of(tmp_path, toml=TOML.replace("[train]", 'fit = "tile"\n[train]'))
    with pytest.raises(ConfigError, match="stretch or letterbox"):
        train(project)


def test_notes_warn_of_names_that_look_mirrored_and_are_not(tmp_path: Path) -> None:
    result = train(project_of(tmp_path, toml=TOML.replace('mirror = [["left", "right"]]', "")))
    assert any("task.mirror" in note for note in result.notes)


def test_a_name_always_off_is_noted_and_trained_through(tmp_path: Path) -> None:
    project = project_of(tmp_path)
    with Catalogue.open(project.catalogue_path, project.images) as catalogue:
        for example in catalogue.examples():
            catalogue.label(example.image_id, "lid", False, who="me")
    result = train(project)
    assert "lid is always off in the training labels: it cannot be learned" in result.notes


def test_without_groups_to_spare_nothing_is_watched(tmp_path: Path) -> None:
    project = project_of(tmp_path, groups=1, count=20)
    with Catalogue.open(project.catalogue_path, project.images) as catalogue:
        catalogue.set_splits({"g0": "train"})
    result = train(project)
    assert result.best_epoch == 2
    assert result.watch == {}
    assert any("too few groups" in note for note in result.notes)


def test_config_json_is_what_the_run_was_made_from(tmp_path: Path) -> None:
    config = json.loads((train(project_of(tmp_path)).run_dir / "config.json").read_text())
    assert config["train"]["backbone"] == "pico"
    assert config["input"] == {"width": WIDTH, "height": HEIGHT, "fit": "stretch"}
    assert len(config["data_hash"]) >= 16


def test_watched_groups_are_whole_groups_and_about_the_share_asked_for() -> None:
    groups = [f"g{k % 24}" for k in range(480)]
    watched = pick_watch(groups, 0.1, 0)
    assert watched == pick_watch(groups, 0.1, 0)
    held = sum(group in watched for group in groups) / len(groups)
    assert 0.05 <= held <= 0.15
    assert pick_watch(groups, 0.1, 1) != watched
    assert pick_watch(groups, 0.0, 0) == set()
    assert pick_watch(["one"] * 50, 0.1, 0) == set()
    assert np.array(sorted(pick_watch(["a"] * 500 + ["b"] * 10, 0.1, 0))).size <= 1
