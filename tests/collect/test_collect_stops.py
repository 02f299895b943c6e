"""Ctrl-C and a kill keep what was saved; a machine without a browser is told so; a first page.toml is written."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lamps_recipe import PAGES
from telltale.collect import Summary, load_recipe, starter_recipe
from telltale.collect.browser import find_chromium
from telltale.dataset import Catalogue
from telltale.errors import CatalogueError, MissingPartError, PageError

RECIPE = """
url = "{page}?slow=100"
state = "lamps.state()"
views = 3
viewport = [480, 360]
[labels]
red = "Red lamp"
green = "Green lamp"
blue = "Blue lamp"
[camera]
js = "lamps.camera({{angle: $angle}})"
vary = {{ angle = [0, 360] }}
"""

PROGRAM = """
import sys
from pathlib import Path
from telltale.collect import collect_page, load_recipe
from telltale.dataset import Catalogue
from telltale.errors import Interrupted
root = Path(sys.argv[1])
with Catalogue.open(root / "catalogue.db", root / "images") as catalogue:
    try:
        print("saved", collect_page(load_recipe(root / "page.toml"), catalogue).saved)
    except Interrupted as error:
        print("stopped:", error)
        sys.exit(130)
"""


def start(root: Path) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", PROGRAM, str(root)], stdout=subprocess.PIPE, text=True)


def count(root: Path) -> int:
    if not (root / "catalogue.db").is_file():
        return 0
    try:
        with Catalogue.open(root / "catalogue.db", root / "images", readonly=True) as catalogue:
            return len(catalogue)
    except CatalogueError:
        return 0  # the other process is just making it


@pytest.mark.browser
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_stopped_in_the_middle_keeps_what_was_saved_and_goes_on_from_there(tmp_path: Path, how: signal.Signals) -> None:
    (tmp_path / "page.toml").write_text(RECIPE.format(page=PAGES / "lamps.html"))
    with start(tmp_path) as running:
        deadline_s = time.monotonic() + 120
        while not count(tmp_path) and time.monotonic() < deadline_s:
            time.sleep(0.1)
        os.kill(running.pid, how)
        said, _ = running.communicate(timeout=60)
    saved = count(tmp_path)
    assert 0 < saved < 24
    if how is signal.SIGINT:
        assert running.returncode == 130
        assert f"{saved} pictures saved by this run" in said
        assert "run the same command to go on" in said
    with start(tmp_path) as again:
        said, _ = again.communicate(timeout=180)
    assert said.strip() == f"saved {24 - saved}"
    assert count(tmp_path) == 24


def test_a_machine_without_a_browser_is_told_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("TELLTALE_CHROMIUM", raising=False)
    with pytest.raises(MissingPartError, match="apt install chromium"):
        find_chromium()
    monkeypatch.setenv("TELLTALE_CHROMIUM", "/nowhere/chromium")
    with pytest.raises(MissingPartError, match="TELLTALE_CHROMIUM"):
        find_chromium()


@pytest.mark.browser
def test_a_first_recipe_is_written_from_what_the_page_has(tmp_path: Path) -> None:
    path = tmp_path / "page.toml"
    path.write_text(starter_recipe(f"{PAGES / 'lamps.html'}?instant"))
    recipe = load_recipe(path)
    assert recipe.state == "lamps.state()"
    assert {name: control.press for name, control in recipe.labels.items()} == {
        "red": "Red lamp",
        "green": "Green lamp",
        "blue": "Blue lamp",
    }


@pytest.mark.browser
def test_a_page_without_a_canvas_gets_no_recipe() -> None:
    with pytest.raises(PageError, match="canvas"):
        starter_recipe(str(PAGES / "empty.html"))


def test_a_summary_says_what_was_saved_and_what_was_not_and_why() -> None:
    summary = Summary(12, {"a press changed nothing": 4}, 3, 4, 2.0, 1.5, 1, 0, {"a press changed nothing": "hood: x"})
    text = "\n".join(summary.lines())
    assert "saved 12 pictures of 3 of 4 combinations in 0:02 (6.0/s)" in text
    assert "not saved: 4, a press changed nothing" in text
