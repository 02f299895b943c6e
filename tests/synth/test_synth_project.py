"""Made pictures in a project: masks become labels, and real pictures alone calibrate and test."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from telltale.cli import main
from telltale.collect.synth.adding import kinds_for
from telltale.dataset.catalogue import Catalogue, NewImage, Said
from telltale.dataset.masks import with_pixels
from telltale.errors import ConfigError
from telltale.project import Project


def project(folder: Path, names: str = '["defect"]') -> Project:
    folder.mkdir()
    (folder / "telltale.toml").write_text(f'name = "parts"\n[task]\nkind = "mask"\nnames = {names}\n')
    return Project.open(folder)


def opened(made: Project) -> Catalogue:
    return Catalogue.open(made.catalogue_path, made.images)


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(["collect", "synth", *words])
    return int(end.value.code or 0)


def part(seed: int) -> tuple[bytes, np.ndarray]:
    noise = np.random.default_rng(seed).integers(90, 150, (12, 16, 1)).astype(np.uint8)
    image = cv2.resize(noise, (128, 96), interpolation=cv2.INTER_CUBIC)
    return cv2.imencode(".png", image)[1].tobytes(), image


def add_real(catalogue: Catalogue, count: int, *, bad: int) -> None:
    new = []
    for n in range(count):
        data, image = part(n)
        mask = np.zeros(image.shape[:2], np.uint8)
        mask[10:20, 10:30] = 255
        said = Said(catalogue.keep_mask(mask)) if n < bad else Said(False)
        new.append(NewImage(data, ".png", f"part{n}", "camera", labels={"defect": said}))
    catalogue.add_many(new)


def test_scenes_go_straight_into_a_project_with_their_masks(tmp_path: Path) -> None:
    made = project(tmp_path / "p")
    assert run("-p", str(made.root), "-n", "10", "--width", "64", "--height", "64") == 0
    with opened(made) as catalogue:
        examples = catalogue.examples()
        assert len(examples) == 10
        for example in examples:
            label = with_pixels(example, ["defect"])["defect"].value
            area = 0 if label is False else int(np.count_nonzero(label))
            assert (area > 0) == bool(example.meta["defects"])
            assert area <= sum(d["area_px"] for d in example.meta["defects"])
            assert example.meta["seed"] == 0
        assert catalogue.verify() == []


def test_the_same_command_again_adds_nothing(tmp_path: Path) -> None:
    made = project(tmp_path / "p")
    for _ in range(2):
        assert run("-p", str(made.root), "-n", "5", "--width", "64", "--height", "64") == 0
    with opened(made) as catalogue:
        assert len(catalogue) == 5


def test_names_that_are_kinds_get_a_mask_each(tmp_path: Path) -> None:
    made = project(tmp_path / "p", '["pit", "scratch"]')
    assert run("-p", str(made.root), "-n", "8", "--good", "0", "--width", "96", "--height", "96") == 0
    with opened(made) as catalogue:
        for example in catalogue.examples():
            drawn = {d["kind"] for d in example.meta["defects"]}
            assert drawn <= {"pit", "scratch"}
            assert {name for name, label in example.labels.items() if label.value is not False} == drawn


def test_where_there_are_real_defects_what_is_made_only_trains(tmp_path: Path) -> None:
    made = project(tmp_path / "p")
    with opened(made) as catalogue:
        add_real(catalogue, 24, bad=8)
    assert run("-p", str(made.root), "--own", "-n", "20", "--good", "0") == 0
    with opened(made) as catalogue:
        painted = [e for e in catalogue.examples() if e.meta.get("synthetic")]
        assert len(painted) == 20
        assert {e.split for e in painted} == {"train"}
        bad = {f"part{n}" for n in range(8)}
        assert not {e.group for e in painted} & bad
        assert {e.group for e in painted} <= {f"part{n}" for n in range(24)}


def test_without_a_real_defect_the_splits_are_left_to_be_planned(tmp_path: Path) -> None:
    made = project(tmp_path / "p")
    with opened(made) as catalogue:
        add_real(catalogue, 12, bad=0)
    assert run("-p", str(made.root), "-n", "6", "--width", "64", "--height", "64") == 0
    with opened(made) as catalogue:
        assert {e.split for e in catalogue.examples() if e.meta.get("synthetic")} == {None}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "a folder, or --project"),
        (["out", "-p", "p"], "both"),
        (["out", "--own"], "--project with it"),
        (["-p", "p", "--own"], "labelled as having nothing"),
        (["-p", "p", "--by-kind"], "--by-kind"),
    ],
)
def test_options_that_do_not_fit_say_so(
    tmp_path: Path, words: list[str], said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    project(tmp_path / "p")
    monkeypatch.chdir(tmp_path)
    assert run(*words) == 1
    assert said in capsys.readouterr().err


def test_names_that_stand_for_nothing_are_refused() -> None:
    with pytest.raises(ConfigError, match="--by-kind"):
        kinds_for(("left", "right"))
    assert set(kinds_for(("pit", "logo"))) == {"pit"}
