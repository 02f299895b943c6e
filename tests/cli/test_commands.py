"""The command line as a user types it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from telltale.dataset.catalogue import Catalogue
from telltale.project import Project


def telltale(*arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "telltale", *map(str, arguments)], capture_output=True, text=True, cwd=cwd, timeout=120
    )


def test_without_a_command_it_lists_the_commands() -> None:
    shown = telltale("--help")
    assert shown.returncode == 0
    for verb in ("init", "collect", "label", "train", "evaluate", "thresholds", "export", "serve", "send", "doctor"):
        assert f" {verb} " in shown.stdout


def test_an_error_is_one_line_on_stderr_and_a_failing_exit(tmp_path: Path) -> None:
    failed = telltale("train", "--project", tmp_path)
    assert failed.returncode == 1
    assert failed.stdout == ""
    assert failed.stderr.count("\n") == 1
    assert "telltale init" in failed.stderr


def test_init_makes_a_project_that_the_next_command_opens(tmp_path: Path) -> None:
    made = telltale("init", "car", "-n", "left", "-n", "right", "--mirror", "left:right", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    listed = telltale("label", "list", "--project", "car", cwd=tmp_path)
    assert listed.returncode == 0, listed.stderr


def test_doctor_says_how_to_get_what_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    shown = telltale("doctor")
    assert shown.returncode == 0
    assert "apt install chromium" in shown.stdout


def test_a_label_is_set_shown_and_taken_back(tmp_path: Path) -> None:
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


def test_a_label_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    telltale("init", tmp_path, "-n", "hood")
    assert "expected one picture" in telltale("label", "set", "1", "hood=open", "-p", tmp_path).stderr
