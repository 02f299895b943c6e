"""The catalogue as a table for programs and as a sheet for people."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import pyarrow.parquet as pq
import pytest

from small_pictures import fill
from telltale.dataset import Catalogue
from telltale.dataset.manifest import to_manifest, write_manifest
from telltale.dataset.sheet import HIDDEN, contact_sheet, sample, write_sheet
from telltale.errors import CatalogueError


def test_the_manifest_has_a_row_for_each_picture(catalogue: Catalogue, tmp_path: Path) -> None:
    ids = fill(catalogue, 5)
    catalogue.label(ids[0], "door", "open", who="ada", visible_px=64 * 48 // 2)
    catalogue.label(ids[1], "angle", 30, who="ada")
    catalogue.label(ids[2], "mixed", True, who="ada")
    catalogue.label(ids[3], "mixed", "x", who="ada")
    catalogue.set_splits({"g000": "train"})
    table = pq.read_table(write_manifest(catalogue, tmp_path / "deep" / "m.parquet"))
    assert table.equals(to_manifest(catalogue))
    rows = {row["sha256"]: row for row in table.to_pylist()}
    for e in catalogue.examples():
        row = rows[e.sha256]
        assert (catalogue.images / row["file"]) == e.path
        assert (row["group"], row["split"], row["width"], row["height"]) == (e.group, e.split, 64, 48)
        for name in ("lit", "door", "angle"):
            assert row[f"label.{name}"] == (e.labels[name].value if name in e.labels else None)
    assert {str(table.schema.field(f"label.{n}").type) for n in ("lit", "angle")} == {"bool", "double"}
    assert sorted(filter(None, table["label.mixed"].to_pylist())) == ["true", "x"]
    assert sorted(filter(None, table["visible.door"].to_pylist())) == [0.5]
    assert table.schema.metadata[b"telltale.data_hash"].decode() == catalogue.data_hash()


def test_an_empty_catalogue_has_an_empty_manifest(catalogue: Catalogue) -> None:
    assert to_manifest(catalogue).num_rows == 0


def test_a_sheet_shows_pictures_and_labels(catalogue: Catalogue, tmp_path: Path) -> None:
    ids = fill(catalogue, 7)
    catalogue.set_splits({"g000": "train", "g001": "calibration", "g002": "test"})
    bare = contact_sheet(catalogue.examples(), columns=3)
    for image_id in ids:
        catalogue.label(image_id, "front_left", True, who="ada")
    labelled = contact_sheet(catalogue.examples(), columns=3)
    assert labelled.dtype == np.uint8
    assert labelled.shape[1] == bare.shape[1]
    green = (labelled == (46, 160, 92)).all(axis=2).sum()
    assert green > (bare == (46, 160, 92)).all(axis=2).sum() + 7 * 200
    for name, kind in (("sheet.jpg", "JPEG"), ("sheet.png", "PNG")):
        path = write_sheet(catalogue.examples(), tmp_path / name, title="seven")
        with PIL.Image.open(path) as picture:
            assert picture.format == kind


def test_a_hidden_state_is_hollow(catalogue: Catalogue) -> None:
    (image_id,) = fill(catalogue, 1)
    catalogue.label(image_id, "lit", True, who="ada", visible_px=64 * 48)
    filled = (contact_sheet(catalogue.examples()) == (46, 160, 92)).all(axis=2).sum()
    catalogue.label(image_id, "lit", True, who="ada", visible_px=int(HIDDEN * 64 * 48))
    assert (contact_sheet(catalogue.examples()) == (46, 160, 92)).all(axis=2).sum() < filled


def test_a_sheet_of_nothing_is_an_error_and_a_missing_file_is_a_card(catalogue: Catalogue) -> None:
    with pytest.raises(CatalogueError, match="contact sheet"):
        contact_sheet([])
    fill(catalogue, 2)
    whole = contact_sheet(catalogue.examples())
    catalogue.examples()[0].path.unlink()
    assert contact_sheet(catalogue.examples()).shape == whole.shape


def test_long_names_stay_inside_their_card(catalogue: Catalogue) -> None:
    (image_id,) = fill(catalogue, 1)
    catalogue.label(image_id, "a_very_long_name_of_a_state_" * 5, "and a long value " * 9, who="ada")
    catalogue.merge_groups({"g000": "group " * 40})
    sheet = contact_sheet(catalogue.examples(), cell_px=200, title="title " * 60)
    assert (sheet[:, -18:] == sheet[0, 0]).all()


def test_a_sample_takes_every_group_before_a_second_of_one(catalogue: Catalogue) -> None:
    fill(catalogue, 12, per_group=3)
    examples = catalogue.examples()
    assert len({e.group for e in sample(examples, 4)}) == 4
    assert len(sample(examples, 100)) == 12
    assert sample(examples, 5) == sample(examples, 5)
    assert len({id(e) for e in sample(examples, 9)}) == 9
