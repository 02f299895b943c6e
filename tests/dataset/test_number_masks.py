"""Masks whose pixels are numbers of classes, as Pascal VOC and most sets of several classes have them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL.Image
import pytest

from telltale.dataset import Catalogue
from telltale.dataset.importing import ImportReport, import_folder
from telltale.dataset.masks import with_pixels
from telltale.tasks import from_spec

ONE = from_spec({"kind": "mask", "names": ["defect"]})
TWO = from_spec({"kind": "mask", "names": ["crack", "hole"]})
NUMBERS = np.array([[0, 1, 1, 2], [0, 0, 255, 2]], np.uint8)
CRACK = [[0, 255, 255, 0], [0, 0, 127, 0]]
HOLE = [[0, 0, 0, 255], [0, 0, 127, 255]]


def write_pair(folder: Path, mask: Any, *, palette: bool = False) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    done, data = cv2.imencode(".jpg", np.full((*mask.shape, 3), 90, np.uint8))
    assert done
    (folder / "a.jpg").write_bytes(data.tobytes())
    picture = PIL.Image.fromarray(np.asarray(mask, np.uint8), "L")
    if palette:
        picture = picture.convert("P")
        picture.putdata(np.asarray(mask).ravel().tolist())
        picture.putpalette([(37 * i) % 256 for i in range(768)])
    picture.save(folder / "a.png")


def take(catalogue: Catalogue, folder: Path, **more: Any) -> tuple[ImportReport, dict[str, Any]]:
    """The report, and the one picture's labels."""
    report = import_folder(folder, catalogue, **more)
    (example,) = catalogue.examples()
    said = with_pixels(example, ["crack", "hole", "defect"])
    return report, {name: label.value for name, label in said.items()}


@pytest.mark.parametrize("palette", [False, True])
def test_numbers_are_the_names_in_their_order_and_255_is_not_known(
    tmp_path: Path, catalogue: Catalogue, palette: bool
) -> None:
    write_pair(tmp_path / "d", NUMBERS, palette=palette)
    report, said = take(catalogue, tmp_path / "d", task=TWO)
    assert not report.skipped
    assert said["crack"].tolist() == CRACK
    assert said["hole"].tolist() == HOLE


def test_nothing_on_it_says_that_there_is_none(tmp_path: Path, catalogue: Catalogue) -> None:
    write_pair(tmp_path / "d", np.where(NUMBERS == 2, 2, 0))
    _, said = take(catalogue, tmp_path / "d", task=TWO)
    assert said["crack"] is False
    assert said["hole"].any()


def test_a_map_names_the_numbers_meant_and_leaves_the_others_out(tmp_path: Path, catalogue: Catalogue) -> None:
    write_pair(tmp_path / "d", np.array([[0, 7, 30, 12]]))
    _, said = take(catalogue, tmp_path / "d", task=TWO, class_map={"7": {"hole": True}, "30": {"crack": True}})
    assert said["crack"].tolist() == [[0, 0, 255, 0]]
    assert said["hole"].tolist() == [[0, 255, 0, 0]]


def test_several_numbers_may_be_one_name(tmp_path: Path, catalogue: Catalogue) -> None:
    write_pair(tmp_path / "d" / "street", np.array([[0, 7, 30, 12]]))
    _, said = take(catalogue, tmp_path / "d", task=ONE, class_map={"7": {"defect": True}, "30": {"defect": True}})
    assert said["defect"].tolist() == [[0, 255, 255, 0]]


@pytest.mark.parametrize("values", [[0, 1, 2, 3], [0, 255, 255, 0], [0, 60, 90, 255]])
def test_what_are_no_numbers_of_the_names_is_told_once(tmp_path: Path, catalogue: Catalogue, values: list[int]) -> None:
    write_pair(tmp_path / "d", np.array([values]))
    report, said = take(catalogue, tmp_path / "d", task=TWO)
    assert said == {}
    (told,) = report.skipped
    assert "expected numbers of classes, 0, 1, 2" in told.reason
    assert "--map NUMBER=NAME:on" in told.reason


def test_a_folder_named_as_a_class_is_the_class(tmp_path: Path, catalogue: Catalogue) -> None:
    write_pair(tmp_path / "d" / "hole", np.array([[0, 255, 255, 0]]))
    report, said = take(catalogue, tmp_path / "d", task=TWO)
    assert not report.skipped
    assert said["crack"] is False
    assert said["hole"].tolist() == [[0, 255, 255, 0]]


def test_pascal_vocs_own_folders(tmp_path: Path, catalogue: Catalogue) -> None:
    write_pair(tmp_path / "d", NUMBERS, palette=True)
    for name, folder in (("a.jpg", "JPEGImages"), ("a.png", "SegmentationClass")):
        (tmp_path / "d" / folder).mkdir()
        (tmp_path / "d" / name).rename(tmp_path / "d" / folder / name)
    report, said = take(catalogue, tmp_path / "d", task=TWO)
    assert not report.skipped
    assert said["hole"].tolist() == HOLE
