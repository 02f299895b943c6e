"""The docs name every command, error and task; their links lead somewhere."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest
from typer.main import get_command

from telltale import errors
from telltale.cli.app import app
from telltale.tasks import KINDS

ROOT = Path(__file__).resolve().parent.parent
DOCS = sorted((ROOT / "docs").glob("*.md"))
TEXT = "\n".join(path.read_text() for path in [ROOT / "README.md", *DOCS])


def test_every_command_is_shown_somewhere() -> None:
    group = get_command(app)
    commands = getattr(group, "commands")  # noqa: B009
    for name, command in commands.items():
        assert f"telltale {name}" in TEXT, name
        for sub in getattr(command, "commands", {}):
            assert f"telltale {name} {sub}" in TEXT, f"{name} {sub}"


def test_every_error_code_has_its_row() -> None:
    page = (ROOT / "docs" / "errors.md").read_text()
    for _, cls in inspect.getmembers(errors, inspect.isclass):
        if issubclass(cls, errors.TelltaleError) and cls is not errors.TelltaleError:
            assert f"`{cls.code}`" in page, cls.code


def test_every_kind_of_task_is_described() -> None:
    page = (ROOT / "docs" / "tasks.md").read_text()
    for kind in KINDS:
        assert f"`{kind}`" in page


@pytest.mark.parametrize("path", [ROOT / "README.md", *DOCS], ids=lambda p: p.name)
def test_links_and_pictures_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text()):
        if not target.startswith(("http://", "https://", "mailto:")):
            assert (path.parent / target).exists(), f"{path.name}: {target}"


def test_every_page_is_reached_from_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    index = (ROOT / "docs" / "index.md").read_text()
    assert "docs/index.md" in readme
    for path in DOCS:
        assert path.name == "index.md" or f"({path.name})" in index, path.name
