"""The rule of the house, read from the imports."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parent.parent / "src" / "telltale"
NOUNS = [
    "errors",
    "frame",
    "progress",
    "preprocess",
    "pages",
    "tasks",
    "project",
    "dataset",
    "model",
    "bundle",
    "streams",
]
VERBS = ["collect", "curate", "label", "train", "evaluate", "export", "serve", "stream"]
TORCH = {"torch", "lightning_fabric", "tensorboard"}
TORCH_HOMES = {"model", "train", "export"}
FORBIDDEN = {"torchvision", "timm", "torchaudio", "segmentation_models_pytorch"}


def part_of(path: Path) -> str:
    first = path.relative_to(SOURCE).parts[0]
    return first.removesuffix(".py")


def imports(path: Path) -> Iterator[str]:
    """Every module a file names in an import, wherever it stands."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module or ""
            if node.module == "telltale":
                yield from (f"telltale.{alias.name}" for alias in node.names)


FILES = sorted(SOURCE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(SOURCE)))
def test_a_file_imports_only_what_lies_below_it(path: Path) -> None:
    part = part_of(path)
    for module in imports(path):
        root, _, rest = module.partition(".")
        assert root not in FORBIDDEN, f"{part} imports {root}"
        if root in TORCH:
            assert part in TORCH_HOMES, f"{part} imports {root}"
        if root != "telltale" or not rest or part in ("cli", "__init__", "__main__"):
            continue
        other = rest.partition(".")[0]
        if other == part or other == "__version__":
            continue
        assert other in NOUNS, f"{part} imports {other}, which is no noun"
        if part in NOUNS:
            assert NOUNS.index(other) < NOUNS.index(part), f"{part} imports {other}, which lies above it"


def test_every_folder_has_its_place() -> None:
    parts = {part_of(path) for path in FILES}
    assert parts <= {*NOUNS, *VERBS, "cli", "__init__", "__main__"}


def test_no_module_is_a_grab_bag() -> None:
    assert not [p for p in FILES if p.stem in ("utils", "common", "helpers", "misc")]


def test_importing_telltale_loads_neither_torch_nor_a_server() -> None:
    import subprocess
    import sys

    heavy = ("torch", "fastapi", "playwright", "aiortc", "av")
    code = f"import sys, telltale, telltale.cli; print([m for m in {heavy} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
