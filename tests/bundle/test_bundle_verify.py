"""Verify tells everything that is wrong, not only the first."""

from __future__ import annotations

from pathlib import Path

import pytest

from telltale.bundle.bundle import Bundle, write_bundle
from telltale.bundle.golden import Golden
from telltale.bundle.verify import verify_bundle
from telltale.errors import BundleError
from tiny_bundle import make_tiny_bundle, tiny_model, tiny_pictures, tiny_spec


def bad(path: Path) -> list[str]:
    return [check.what for check in verify_bundle(path, threads=1).checks if not check.ok]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return make_tiny_bundle(tmp_path)


def test_a_whole_bundle_passes(path: Path) -> None:
    report = verify_bundle(path, threads=1)
    assert report.ok
    report.raise_if_bad()
    assert any("float on the golden set" in line for line in report.lines())


def test_every_damaged_file_is_named(path: Path) -> None:
    (path / "README.md").write_text("mine")
    (path / "model.onnx").unlink()
    assert bad(path) == ["README.md", "model.onnx"]
    with pytest.raises(BundleError, match=r"README\.md.*model\.onnx"):
        verify_bundle(path).raise_if_bad()


def test_a_model_that_answers_otherwise_is_told_with_the_difference(path: Path) -> None:
    """Hashes are right: somebody exported another model into the bundle and left the golden set."""
    bundle = Bundle.open(path)
    bundle.update(files={"model.onnx": tiny_model(("left", "right"), 32, 24, steepness=7.0)})
    assert bad(path) == ["float on the golden set"]
    line = next(line for line in verify_bundle(path).lines() if line.startswith("BAD"))
    assert "0.001 allowed" in line


def test_another_resize_is_told(path: Path) -> None:
    bundle = Bundle.open(path)
    golden = bundle.golden()
    assert golden.frame_input is not None
    moved = Golden(golden.inputs, golden.outputs, golden.torch, golden.frame, golden.frame_input[:, ::-1])
    bundle.update(files={"golden.npz": moved.to_bytes()})
    assert bad(path) == ["resize"]


def test_metadata_that_differs_from_bundle_json_is_told(path: Path) -> None:
    bundle = Bundle.open(path)
    text = (path / "bundle.json").read_text().replace('"licence": "Apache-2.0"', '"licence": "MIT"')
    (path / "bundle.json").write_text(text)
    assert bad(bundle.path) == ["model.onnx metadata"]


def test_without_a_golden_set_nothing_is_proved(tmp_path: Path) -> None:
    path = write_bundle(
        tmp_path / "x.telltale", tiny_spec(), {"model.onnx": tiny_model(("left", "right"), 32, 24)}
    ).path
    assert bad(path) == ["golden set"]


@pytest.mark.parametrize("data", [b"", b"PK", b"not a zip", Golden(tiny_pictures(1, 8, 8)[:, :, :, 0], {}).to_bytes()])
def test_a_golden_set_that_is_none_is_named(path: Path, data: bytes) -> None:
    bundle = Bundle.open(path).update(files={"golden.npz": data})
    with pytest.raises(BundleError, match=r"golden\.npz"):
        bundle.golden()
