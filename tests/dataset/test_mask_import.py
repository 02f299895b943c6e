"""Data sets with masks, as they lie on people's disks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mask_scenes import draw_plate, write_png
from telltale.dataset import Catalogue
from telltale.dataset.exporting import export_folder
from telltale.dataset.importing import ImportReport, import_folder
from telltale.dataset.layouts import detect
from telltale.dataset.masks import CocoMask, FileMask, is_reference, with_pixels
from telltale.errors import CatalogueError
from telltale.tasks import Label, Task, from_spec

ONE = from_spec({"kind": "mask", "names": ["defect"]})
TWO = from_spec({"kind": "mask", "names": ["crack", "hole"]})
RNG = np.random.default_rng(3)


def plate(blots: int, size: tuple[int, int] = (40, 30)) -> tuple[Any, Any]:
    return draw_plate(RNG, *size, blots)


def write_jpg(path: Path, pixels: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    done, data = cv2.imencode(".jpg", pixels)
    assert done
    path.write_bytes(data.tobytes())


def took(
    catalogue: Catalogue, folder: Path, task: Task, **more: Any
) -> tuple[ImportReport, dict[str, dict[str, Label]]]:
    """The report, and each picture's labels with their pixels by file name."""
    report = import_folder(folder, catalogue, task=task, **more)
    names = sorted({name for e in catalogue.examples() for name in e.labels})
    return report, {str(e.meta["file"]): with_pixels(e, names) for e in catalogue.examples()}


def test_a_picture_and_a_mask_of_one_name_in_a_class_folder(tmp_path: Path, catalogue: Catalogue) -> None:
    marked, mask = plate(2)
    write_jpg(tmp_path / "d/MT_Crack/a.jpg", marked)
    write_png(tmp_path / "d/MT_Crack/a.png", mask)
    write_jpg(tmp_path / "d/MT_Free/b.jpg", plate(0)[0])
    write_png(tmp_path / "d/MT_Free/b.png", np.zeros((30, 40), np.uint8))
    write_jpg(tmp_path / "d/good/c.jpg", plate(0)[0])
    assert detect(tmp_path / "d") == "masks"
    report, labels = took(catalogue, tmp_path / "d", ONE)
    assert not report.skipped
    np.testing.assert_array_equal(labels["MT_Crack/a.jpg"]["defect"].value, mask)
    assert labels["MT_Free/b.jpg"]["defect"].value is False
    assert labels["good/c.jpg"]["defect"].value is False


@pytest.mark.parametrize(
    ("picture", "mask"),
    [
        ("a.png", "a_mask.png"),
        ("images/a.jpg", "masks/a.png"),
        ("images/train/a.jpg", "masks/train/a.png"),
        ("x/images/a.png", "x/ground_truth/a_gt.png"),
        ("a.jpg", "a.bmp"),
    ],
)
def test_pairs_by_name_wherever_they_lie(tmp_path: Path, catalogue: Catalogue, picture: str, mask: str) -> None:
    pixels, marks = plate(1)
    (write_jpg if picture.endswith("jpg") else write_png)(tmp_path / "d" / picture, pixels)
    (tmp_path / "d" / mask).parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(tmp_path / "d" / mask), marks)
    report, labels = took(catalogue, tmp_path / "d", ONE)
    assert not report.skipped
    assert list(labels) == [picture]
    np.testing.assert_array_equal(labels[picture]["defect"].value, marks)


def test_a_table_names_picture_mask_and_group(tmp_path: Path, catalogue: Catalogue) -> None:
    for name in ("a", "b"):
        pixels, marks = plate(1)
        write_jpg(tmp_path / "d" / f"{name}.jpg", pixels)
        write_png(tmp_path / "d" / f"{name}.png", marks)
    (tmp_path / "d/manifest.csv").write_text(
        "image,mask,class,exposure,tile_group\na.jpg,a.png,X,0,7\nb.jpg,b.png,X,1,7\n"
    )
    report, labels = took(catalogue, tmp_path / "d", ONE)
    assert report.labels == 2
    assert list(catalogue.groups()) == ["7"]
    assert catalogue.examples()[0].meta["class"] == "X"
    assert all(list(each) == ["defect"] for each in labels.values())


def test_a_table_with_a_mask_for_each_name(tmp_path: Path, catalogue: Catalogue) -> None:
    pixels, marks = plate(1)
    write_jpg(tmp_path / "d/a.jpg", pixels)
    write_png(tmp_path / "d/c.png", marks)
    (tmp_path / "d/labels.csv").write_text("file,mask:crack\na.jpg,c.png\n")
    _, labels = took(catalogue, tmp_path / "d", TWO)
    np.testing.assert_array_equal(labels["a.jpg"]["crack"].value, marks)
    assert "hole" not in labels["a.jpg"]


def test_the_class_names_the_mask_where_the_task_has_several(tmp_path: Path, catalogue: Catalogue) -> None:
    for folder in ("crack", "MT_Hole", "odd"):
        pixels, marks = plate(1)
        write_jpg(tmp_path / "d" / folder / "a.jpg", pixels)
        write_png(tmp_path / "d" / folder / "a.png", marks)
    report, labels = took(catalogue, tmp_path / "d", TWO, class_map={"MT_Hole": {"hole": True}})
    assert labels["crack/a.jpg"]["hole"].value is False
    assert isinstance(labels["crack/a.jpg"]["crack"].value, np.ndarray)
    assert isinstance(labels["MT_Hole/a.jpg"]["hole"].value, np.ndarray)
    assert labels["odd/a.jpg"] == {}
    assert "--map odd=NAME" in report.skipped[0].reason


def test_mvtec_good_pictures_have_none_and_defects_their_ground_truth(tmp_path: Path, catalogue: Catalogue) -> None:
    root = tmp_path / "bottle"
    write_png(root / "train/good/000.png", plate(0)[0])
    write_png(root / "test/good/000.png", plate(0)[0])
    pixels, marks = plate(2)
    write_png(root / "test/broken/000.png", pixels)
    write_png(root / "ground_truth/broken/000_mask.png", marks)
    write_png(root / "test/broken/001.png", plate(1)[0])
    assert detect(root) == "mvtec"
    report, labels = took(catalogue, root, ONE)
    assert labels["train/good/000.png"]["defect"].value is False
    np.testing.assert_array_equal(labels["test/broken/000.png"]["defect"].value, marks)
    assert labels["test/broken/001.png"] == {}
    assert "001_mask.png" in report.skipped[0].reason
    assert set(catalogue.splits()) == set()


def test_coco_polygons_run_lengths_and_crowds(tmp_path: Path, catalogue: Catalogue) -> None:
    write_png(tmp_path / "d/images/a.png", plate(0)[0])
    write_png(tmp_path / "d/images/b.png", plate(0)[0])
    square = [10.0, 5.0, 20.0, 5.0, 20.0, 15.0, 10.0, 15.0]
    runs = {"size": [30, 40], "counts": [30 * 3, 30, 30 * 36]}  # column 3
    said = {
        "images": [{"id": 1, "file_name": "a.png"}, {"id": 2, "file_name": "b.png"}],
        "categories": [{"id": 4, "name": "crack"}, {"id": 5, "name": "hole"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 4, "segmentation": [square]},
            {"id": 2, "image_id": 1, "category_id": 4, "segmentation": runs, "iscrowd": 1},
        ],
    }
    (tmp_path / "d/annotations.json").write_text(json.dumps(said))
    assert detect(tmp_path / "d") == "coco"
    report, labels = took(catalogue, tmp_path / "d", TWO)
    assert not report.skipped
    mask = labels["images/a.png"]["crack"].value
    assert abs(int((mask == 255).sum()) - 100) <= 21  # a square of 10, its edge in or out
    assert (mask[:, 3] == 127).all()
    assert labels["images/a.png"]["hole"].value is False
    assert labels["images/b.png"] == {"crack": Label(False), "hole": Label(False)}


@given(st.lists(st.integers(0, 40), min_size=1, max_size=30))
def test_cocos_text_of_run_lengths_reads_back(lengths: list[int]) -> None:
    total = sum(lengths)
    counts = [*lengths, (-total) % 7]
    if sum(counts) == 0:
        return
    width, height = sum(counts) // 7, 7
    plain = CocoMask(({"size": [height, width], "counts": counts},)).read(width, height)
    text = CocoMask(({"size": [height, width], "counts": to_text(counts)},)).read(width, height)
    np.testing.assert_array_equal(plain, text)


def to_text(counts: list[int]) -> str:
    """The inverse of `_read_counts`, from the description of the format."""
    out = []
    for i, count in enumerate(counts):
        value = count - counts[i - 2] if i > 2 else count
        while True:
            low = value & 0x1F
            value >>= 5
            more = not (value == 0 and not low & 0x10) and not (value == -1 and low & 0x10)
            out.append(chr((low | (0x20 if more else 0)) + 48))
            if not more:
                break
    return "".join(out)


def test_a_pixel_over_127_is_on_and_a_mask_of_ones_is_read_as_such(tmp_path: Path) -> None:
    soft = np.array([[0, 60, 127, 128, 255]], np.uint8)
    write_png(tmp_path / "a.png", soft)
    assert FileMask(tmp_path / "a.png").read(5, 1).tolist() == [[0, 0, 0, 255, 255]]
    write_png(tmp_path / "b.png", (soft > 100).astype(np.uint8))
    assert FileMask(tmp_path / "b.png").read(5, 1).tolist() == [[0, 0, 255, 255, 255]]
    cv2.imwrite(str(tmp_path / "c.png"), soft.astype(np.uint16) * 257)
    assert FileMask(tmp_path / "c.png").read(5, 1).tolist() == [[0, 0, 0, 255, 255]]


def bad_masks(folder: Path) -> Iterator[str]:
    """One picture for each way in which a mask can be wrong; gives what the report must say."""
    _pixels, marks = plate(1)
    for name in "abcde":
        write_jpg(folder / f"{name}.jpg", plate(1)[0])
    write_png(folder / "a.png", marks[:-1])
    yield "40 x 30, got 40 x 29"
    write_png(folder / "b.png", np.where(marks > 0, 3, 0).astype(np.uint8))
    yield "numbers of classes"
    (folder / "c.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    yield "mask c.png"
    (folder / "d.png").write_bytes(b"")
    yield "mask d.png"
    yield "no mask of this name"  # e


def test_bad_masks_are_named_and_stop_nothing(tmp_path: Path, catalogue: Catalogue) -> None:
    reasons = list(bad_masks(tmp_path / "d"))
    pixels, marks = plate(1)
    write_jpg(tmp_path / "d/good.jpg", pixels)
    write_png(tmp_path / "d/good.png", marks)
    report, labels = took(catalogue, tmp_path / "d", ONE)
    assert report.added == 6
    assert report.labels == 1
    told = {skipped.file: skipped.reason for skipped in report.skipped}
    assert sorted(told) == [f"{name}.jpg" for name in "abcde"]
    for name, reason in zip("abcde", reasons, strict=True):
        assert reason in told[f"{name}.jpg"]
        assert labels[f"{name}.jpg"] == {}


def test_a_mask_without_a_picture_is_told(tmp_path: Path, catalogue: Catalogue) -> None:
    write_jpg(tmp_path / "d/images/a.jpg", plate(1)[0])
    for name in "ab":
        write_png(tmp_path / "d/masks" / f"{name}.png", plate(1)[1])
    report, _ = took(catalogue, tmp_path / "d", ONE)
    assert [(s.file, s.reason) for s in report.skipped] == [("masks/b.png", "a mask without a picture")]


@pytest.mark.parametrize("format", ["json", "csv"])
def test_what_is_exported_is_imported_with_its_masks(tmp_path: Path, catalogue: Catalogue, format: Any) -> None:
    pixels, marks = plate(2)
    write_jpg(tmp_path / "d/a.jpg", pixels)
    write_png(tmp_path / "d/a.png", marks)
    import_folder(tmp_path / "d", catalogue, task=ONE)
    export_folder(catalogue, tmp_path / "out", format=format)
    with Catalogue.open(tmp_path / "again.db", tmp_path / "again") as again:
        report = import_folder(tmp_path / "out", again, task=ONE)
        assert not report.skipped
        assert [e.labels for e in again.examples()] == [e.labels for e in catalogue.examples()]
        np.testing.assert_array_equal(with_pixels(again.examples()[0], ["defect"])["defect"].value, marks)


def test_importing_again_changes_nothing(tmp_path: Path, catalogue: Catalogue) -> None:
    pixels, marks = plate(1)
    write_jpg(tmp_path / "d/a.jpg", pixels)
    write_png(tmp_path / "d/a.png", marks)
    import_folder(tmp_path / "d", catalogue, task=ONE)
    before = catalogue.data_hash()
    report = import_folder(tmp_path / "d", catalogue, task=ONE)
    assert (report.known, report.labels) == (1, 0)
    assert catalogue.data_hash() == before


def test_a_kept_mask_that_is_gone_or_changed_is_found_and_named(tmp_path: Path, catalogue: Catalogue) -> None:
    pixels, marks = plate(1)
    write_jpg(tmp_path / "d/a.jpg", pixels)
    write_png(tmp_path / "d/a.png", marks)
    import_folder(tmp_path / "d", catalogue, task=ONE)
    assert catalogue.verify() == []
    (kept,) = (catalogue.images / "masks").rglob("*.png")
    kept.write_bytes(kept.read_bytes()[:-9])
    assert "changed" in catalogue.verify()[0]
    kept.unlink()
    with pytest.raises(CatalogueError, match=kept.name):
        with_pixels(catalogue.examples()[0], ["defect"])


def test_one_mask_is_kept_once(catalogue: Catalogue) -> None:
    mask = plate(1)[1]
    first = catalogue.keep_mask(mask)
    assert first == catalogue.keep_mask(mask.copy())
    assert is_reference(first)
    assert len(list((catalogue.images / "masks").rglob("*.png"))) == 1


@pytest.mark.real
def test_magnetic_tiles_by_their_table(shared: Path, catalogue: Catalogue) -> None:
    report = import_folder(shared / "magtile", catalogue, task=ONE)
    assert (report.added, len(report.skipped)) == (1059, 0)
    assert len(catalogue.groups()) == 205
    marked = [e for e in catalogue.examples() if is_reference(e.labels["defect"].value)]
    assert len(marked) == 298  # four masks of uneven tiles are empty


@pytest.mark.real
def test_cracks_in_asphalt_by_their_names(shared: Path, catalogue: Catalogue) -> None:
    report = import_folder(shared / "crackforest", catalogue, task=from_spec({"kind": "mask", "names": ["crack"]}))
    assert (report.added, report.labels, len(report.skipped)) == (80, 80, 0)
