"""The command line as a user types it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest

from telltale.cli import main
from telltale.dataset.catalogue import Catalogue
from telltale.dataset.masks import with_pixels
from telltale.project import Project


@dataclass(frozen=True)
class Ran:
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def telltale(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """The command line in this process: what it printed and how it ended."""

    def run(*arguments: str | Path) -> Ran:
        capsys.readouterr()
        code: object = 0
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = end.code
        said = capsys.readouterr()
        return Ran(code if isinstance(code, int) else 0, said.out, said.err)

    return run


Telltale = Callable[..., Ran]


def test_without_a_command_it_lists_the_commands(telltale: Telltale) -> None:
    shown = telltale("--help")
    assert shown.returncode == 0
    for verb in ("init", "collect", "label", "train", "evaluate", "thresholds", "export", "serve", "send", "doctor"):
        assert f" {verb} " in shown.stdout


def test_an_error_is_one_line_on_stderr_and_a_failing_exit(telltale: Telltale, tmp_path: Path) -> None:
    failed = telltale("train", "--project", tmp_path)
    assert failed.returncode == 1
    assert failed.stdout == ""
    assert failed.stderr.count("\n") == 1
    assert "telltale init" in failed.stderr


def test_init_makes_a_project_that_the_next_command_opens(telltale: Telltale, tmp_path: Path) -> None:
    made = telltale("init", tmp_path / "car", "-n", "left", "-n", "right", "--mirror", "left:right")
    assert made.returncode == 0, made.stderr
    listed = telltale("label", "list", "--project", tmp_path / "car")
    assert listed.returncode == 0, listed.stderr


def test_doctor_says_how_to_get_what_is_missing(
    telltale: Telltale, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    shown = telltale("doctor")
    assert shown.returncode == 0
    assert "apt install chromium" in shown.stdout


def test_a_label_is_set_shown_and_taken_back(telltale: Telltale, tmp_path: Path) -> None:
    telltale("init", tmp_path, "-n", "hood")
    project = Project.open(tmp_path)
    with Catalogue.open(project.catalogue_path, project.images) as catalogue:
        picture = cv2.imencode(".png", np.zeros((8, 8, 3), np.uint8))[1].tobytes()
        catalogue.add(picture, suffix=".png", group="g", source="test")
    said = telltale("label", "set", "1", "hood=open", "-p", tmp_path)
    assert said.stdout == "1 hood = true\n", said.stderr
    assert "hood=True" in telltale("label", "list", "--pictures", "-p", tmp_path).stdout
    assert telltale("label", "undo", "1", "hood", "-p", tmp_path).stdout == "1 hood = unknown\n"
    assert "taken back" in telltale("label", "history", "1", "-p", tmp_path).stdout


def test_a_mask_is_set_from_its_file_and_taken_back(telltale: Telltale, tmp_path: Path) -> None:
    telltale("init", tmp_path / "p", "--kind", "mask", "-n", "scratch")
    project = Project.open(tmp_path / "p")
    with Catalogue.open(project.catalogue_path, project.images) as catalogue:
        picture = cv2.imencode(".png", np.zeros((8, 12, 3), np.uint8))[1].tobytes()
        catalogue.add(picture, suffix=".png", group="g", source="test")
    mask = np.zeros((8, 12), np.uint8)
    mask[2:4, 5:9] = 255
    cv2.imwrite(str(tmp_path / "mask.png"), mask)
    cv2.imwrite(str(tmp_path / "small.png"), mask[:4])
    said = telltale("label", "set", "1", f"scratch={tmp_path / 'mask.png'}", "-p", project.root)
    assert said.stdout.startswith("1 scratch = mask:"), said.stderr
    with Catalogue.open(project.catalogue_path, project.images, readonly=True) as catalogue:
        kept = with_pixels(catalogue.examples()[0], ["scratch"])["scratch"].value
    np.testing.assert_array_equal(kept, mask)
    refused = telltale("label", "set", "1", f"scratch={tmp_path / 'small.png'}", "-p", project.root)
    assert "expected the size of its picture, 12 x 8, got 12 x 4" in refused.stderr
    assert "no file" in telltale("label", "set", "1", "scratch=nothing.png", "-p", project.root).stderr
    assert telltale("label", "set", "1", "scratch=none", "-p", project.root).stdout == "1 scratch = false\n"
    assert telltale("label", "set", "1", "scratch=unknown", "-p", project.root).stdout == "1 scratch = unknown\n"
    assert telltale("label", "undo", "1", "scratch", "-p", project.root).stdout == "1 scratch = false\n"


def test_a_label_that_does_not_fit_is_refused(telltale: Telltale, tmp_path: Path) -> None:
    telltale("init", tmp_path, "-n", "hood")
    assert "expected one picture" in telltale("label", "set", "1", "hood=open", "-p", tmp_path).stderr


def test_a_wrong_option_is_a_usage_error(telltale: Telltale) -> None:
    assert telltale("train", "--epoch", "3").returncode == 2


def test_python_dash_m_is_the_same_command() -> None:
    ran = subprocess.run([sys.executable, "-m", "telltale", "--version"], capture_output=True, text=True, timeout=60)
    assert ran.stdout.startswith("telltale ")
    assert ran.returncode == 0


def test_a_folder_of_pictures_is_imported_listed_drawn_and_saved(telltale: Telltale, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for folder in ("empty", "taken"):
        (tmp_path / "set" / folder).mkdir(parents=True)
        for number in range(3):
            pixels = rng.integers(0, 256, (40, 60, 3), np.uint8)
            cv2.imwrite(str(tmp_path / "set" / folder / f"{number}.png"), pixels)
    (tmp_path / "set" / "taken" / "torn.jpg").write_bytes(b"\xff\xd8\xff")
    project = tmp_path / "slots"
    telltale("init", project, "-n", "occupied")
    maps = ("--map", "empty=occupied:off", "--map", "taken=occupied:on")
    imported = telltale("collect", "folder", tmp_path / "set", "-p", project, *maps)
    assert imported.returncode == 0, imported.stderr
    assert "6 pictures added" in imported.stdout
    assert "torn.jpg" in imported.stdout
    counted = telltale("label", "list", "-p", project).stdout
    assert re.search(r"occupied\s+3\s+3\s+0", counted)
    assert telltale("label", "sheet", tmp_path / "sheet.jpg", "-p", project).returncode == 0
    drawn = cv2.imread(str(tmp_path / "sheet.jpg"))
    assert drawn is not None
    assert telltale("label", "save", tmp_path / "out", "--format", "csv", "-p", project).returncode == 0
    assert (tmp_path / "out").is_dir()


def test_a_damaged_catalogue_is_named_and_restored_from_its_backup(telltale: Telltale, tmp_path: Path) -> None:
    telltale("init", tmp_path, "-n", "hood")
    project = Project.open(tmp_path)
    for level in (0, 128, 255):
        with Catalogue.open(project.catalogue_path, project.images) as catalogue:
            picture = cv2.imencode(".png", np.full((8, 8, 3), level, np.uint8))[1].tobytes()
            catalogue.add(picture, suffix=".png", group=f"g{level}", source="test")
    assert "healthy" in telltale("label", "restore", "-p", tmp_path).stdout
    project.catalogue_path.write_bytes(b"nothing like a database" * 500)
    broken = telltale("label", "list", "-p", tmp_path)
    assert broken.returncode == 1
    assert "catalogue.db" in broken.stderr
    assert "restored" in telltale("label", "restore", "-p", tmp_path).stdout
    assert "2 pictures" in telltale("label", "list", "-p", tmp_path).stdout
