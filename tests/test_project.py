"""Settings and project folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from telltale.cli.init import init_project
from telltale.errors import ConfigError
from telltale.project import Config, Project, validate


def test_a_new_project_opens_with_what_it_was_given(tmp_path: Path) -> None:
    made = init_project(tmp_path / "car", ['say "hi"', "left", "right"], [("left", "right")], width=96, height=64)
    opened = Project.open(tmp_path / "car")
    assert opened.config == made.config
    assert opened.config.make_task().names == ('say "hi"', "left", "right")
    assert (opened.config.input.width, opened.config.input.height) == (96, 64)
    assert opened.images.is_dir()
    assert opened.runs.is_dir()


def test_a_written_project_holds_the_defaults(tmp_path: Path) -> None:
    made = init_project(tmp_path, ["hood"], [], name="x")
    bare = validate({"name": "x", "task": {"kind": "states", "names": ["hood"], "mirror": []}}, Config, "telltale.toml")
    assert made.config == bare


def test_init_never_overwrites(tmp_path: Path) -> None:
    init_project(tmp_path, ["hood"], [])
    before = (tmp_path / "telltale.toml").read_text()
    with pytest.raises(ConfigError, match="no project yet"):
        init_project(tmp_path, ["other"], [])
    assert (tmp_path / "telltale.toml").read_text() == before


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[task]\nkind='states'\nnames=['a']\n[train]\nepoch = 3\n", "did you mean 'epochs'"),
        ("[task]\nkind='states'\nnames=['a']\n[train.augment]\nbrightnes = 3\n", "did you mean 'brightness'"),
        ("[task]\nkind='states'\nnames=['a']\n[trian]\nepochs = 3\n", "did you mean 'train'"),
        ("[task]\nkind='states'\nnames=['a']\n[input]\nwidth = 'wide'\n", "telltale.toml: input.width"),
        ("[task\n", "expected valid TOML"),
        ("name = 'x'\n", "telltale.toml: task"),
    ],
)
def test_a_bad_setting_is_named_with_the_nearest_known_one(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "telltale.toml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        Project.open(tmp_path)
    assert says in str(caught.value)


def test_a_folder_without_a_project_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="telltale init"):
        Project.open(tmp_path)


@pytest.mark.parametrize(
    "task",
    [
        {"kind": "state", "names": ["a"]},
        {"kind": "states", "names": []},
        {"kind": "states", "names": ["a", "a"]},
        {"kind": "states", "names": ["a"], "mirror": [["a", "b"]]},
        {"kind": "states", "names": ["a", "b", "c"], "mirror": [["a", "b", "c"]]},
        {"kind": "states", "names": ["a"], "colour": "red"},
    ],
)
def test_a_task_that_does_not_fit_is_refused(tmp_path: Path, task: dict[str, object]) -> None:
    config = validate({"task": task}, Config, "telltale.toml")
    with pytest.raises(ConfigError):
        config.make_task()
