"""A bundle on disk: what is written is read; what is damaged is named; what is interrupted leaves one whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from telltale.bundle.bundle import Bundle, spec_of_model, write_bundle
from telltale.errors import BundleError
from telltale.tasks import Threshold
from tiny_bundle import make_tiny_bundle, tiny_model, tiny_spec


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return Bundle.open(make_tiny_bundle(tmp_path))


def edit_json(bundle: Bundle, **changes: Any) -> None:
    path = bundle.path / "bundle.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_what_is_written_is_read_back(bundle: Bundle) -> None:
    again = Bundle.open(bundle.path)
    assert again.spec == bundle.spec
    assert again.task.names == ("left", "right")
    golden = again.golden()
    assert golden.inputs.shape == (8, 24, 32, 3)
    assert golden.outputs["cam"].shape == (8, 2, 3, 4)
    assert golden.frame is not None
    assert golden.frame_input is not None


def test_a_truncated_model_is_named(bundle: Bundle) -> None:
    path = bundle.path / "model.onnx"
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(BundleError, match=r"model\.onnx: expected \d+ bytes"):
        Bundle.open(bundle.path)
    with pytest.raises(BundleError, match=r"model\.onnx"):
        Bundle.open(bundle.path, verify=False)


def test_a_flipped_byte_is_named(bundle: Bundle) -> None:
    path = bundle.path / "golden.npz"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(BundleError, match=r"golden\.npz: expected SHA-256"):
        Bundle.open(bundle.path)


def test_a_missing_file_is_named(bundle: Bundle) -> None:
    (bundle.path / "model.onnx").unlink()
    with pytest.raises(BundleError, match=r"model\.onnx: expected a file, got none"):
        Bundle.open(bundle.path)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "12", "\x00\xff", '{"format": 1}', '{"format": true}', "[" * 99999]
)
def test_a_garbled_bundle_json_is_named(bundle: Bundle, text: str) -> None:
    (bundle.path / "bundle.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(BundleError, match=r"bundle\.json"):
        Bundle.open(bundle.path)


def test_a_newer_format_says_to_update(bundle: Bundle) -> None:
    edit_json(bundle, format=2)
    with pytest.raises(BundleError, match="update telltale"):
        Bundle.open(bundle.path)


@pytest.mark.parametrize(
    "name", ["../model.onnx", "/etc/passwd", "a/../../b", "..", ".hidden", "a\\b", "", "bundle.json"]
)
def test_a_file_name_never_leaves_the_bundle(bundle: Bundle, name: str) -> None:
    edit_json(bundle, files={name: {"sha256": "0" * 64, "bytes": 1}})
    with pytest.raises(BundleError, match="inside the bundle"):
        Bundle.open(bundle.path)
    with pytest.raises(BundleError, match="inside the bundle"):
        write_bundle(bundle.path.parent / "other.telltale", tiny_spec(), {name: b"x"})
    assert not (bundle.path.parent / "other.telltale").exists()


def test_a_link_out_of_the_bundle_is_refused(bundle: Bundle) -> None:
    outside = bundle.path.parent / "outside.onnx"
    (bundle.path / "model.onnx").rename(outside)
    (bundle.path / "model.onnx").symlink_to(outside)
    with pytest.raises(BundleError, match="link out of it"):
        Bundle.open(bundle.path)


def test_an_edit_keeps_hashes_and_the_metadata_inside_the_model_right(bundle: Bundle) -> None:
    thresholds = {"left": Threshold(0.2, 0.9), "right": Threshold(0.5, 0.5)}
    bundle.update(thresholds=thresholds, metrics={"overall": {"accuracy": [0.9, 0.8, 1.0]}})
    again = Bundle.open(bundle.path)
    assert again.spec.thresholds == thresholds
    assert again.spec.metrics["overall"] == {"accuracy": [0.9, 0.8, 1.0]}
    lone = spec_of_model((bundle.path / "model.onnx").read_bytes(), "model.onnx")
    assert lone.thresholds == thresholds


def test_an_edit_adds_files(bundle: Bundle) -> None:
    bundle.update(files={"report.html": b"<p>fine", "c/net.c": b"int x;"})
    again = Bundle.open(bundle.path)
    assert again.read("c/net.c") == b"int x;"
    assert again.read("report.html") == b"<p>fine"


def test_an_edit_refuses_what_does_not_fit_and_changes_nothing(bundle: Bundle) -> None:
    before = (bundle.path / "bundle.json").read_bytes()
    for changes in ({"thresholds": {"nose": Threshold()}}, {"nose": 1}, {"metrics": {"f1": float("nan")}}):
        with pytest.raises(BundleError):
            bundle.update(**changes)
    assert (bundle.path / "bundle.json").read_bytes() == before


def test_a_folder_that_is_no_bundle_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep")
    with pytest.raises(BundleError, match="choose another name"):
        write_bundle(tmp_path / "mine", tiny_spec(), {"model.onnx": tiny_model(("left", "right"), 32, 24)})
    assert (tmp_path / "mine" / "notes.txt").read_text() == "keep"


def test_golden_is_an_uncompressed_zip(bundle: Bundle) -> None:
    import zipfile

    with zipfile.ZipFile(bundle.path / "golden.npz") as archive:
        assert all(entry.compress_type == zipfile.ZIP_STORED for entry in archive.infolist())
    golden = bundle.golden()
    assert golden.to_bytes() == (bundle.path / "golden.npz").read_bytes()
    assert np.load(bundle.path / "golden.npz")["out.probabilities"].shape == (8, 2)
