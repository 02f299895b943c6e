"""Boxes of other people: three formats, and what is wrong with them, named and passed over."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from small_pictures import png
from telltale.dataset import Catalogue
from telltale.dataset.exporting import export_folder
from telltale.dataset.importing import ImportReport, import_folder
from telltale.dataset.layouts import detect
from telltale.tasks.locate import Locate

TASK = Locate(("ball", "post"), max_count=5)


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    with Catalogue.open(tmp_path / "catalogue.db", tmp_path / "kept") as opened:
        yield opened


def lay(folder: Path, files: dict[str, str | int]) -> Path:
    """Text files, and pictures of 64 x 48 by their number."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(png(content) if isinstance(content, int) else content.encode())
    return folder


def labels(catalogue: Catalogue) -> dict[str, dict[str, Any]]:
    """File name to its labels."""
    return {
        Path(str(e.meta["file"])).stem: {name: label.value for name, label in e.labels.items()}
        for e in catalogue.examples()
    }


def take(folder: Path, catalogue: Catalogue, **more: Any) -> ImportReport:
    return import_folder(folder, catalogue, task=TASK, **more)


def reasons(report: ImportReport) -> str:
    return "\n".join(f"{item.file}: {item.reason}" for item in report.skipped)


YOLO: dict[str, str | int] = {
    "images/one.png": 1,
    "labels/one.txt": "0 0.5 0.5 0.25 0.5\n1 0.25 0.25 0.125 0.125\n",
    "images/none.png": 2,
    "labels/none.txt": "",
}


def test_yolo_boxes_are_in_pixels_and_an_empty_file_says_none(tmp_path: Path, catalogue: Catalogue) -> None:
    folder = lay(tmp_path / "set", YOLO)
    assert detect(folder) == "yolo"
    assert take(folder, catalogue).skipped == ()
    assert labels(catalogue) == {
        "one": {"ball": [[24.0, 12.0, 16.0, 24.0]], "post": [[12.0, 9.0, 8.0, 6.0]]},
        "none": {"ball": False, "post": False},
    }


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("data.yaml", "nc: 2\nnames: ['post', \"ball\"]  # as they are\n"),
        ("data.yaml", "path: .\nnames:\n  0: post\n  1: ball\ntrain: images\n"),
        ("data.yaml", "names:\n- post\n- ball\nnc: 2\n"),
        ("classes.txt", "post\nball\n"),
        ("labels/obj.names", "post\nball\n"),
    ],
)
def test_a_file_names_the_classes_of_yolo(file: str, text: str, tmp_path: Path, catalogue: Catalogue) -> None:
    take(lay(tmp_path / "set", {**YOLO, file: text}), catalogue)
    assert labels(catalogue)["one"]["post"] == [[24.0, 12.0, 16.0, 24.0]]


def test_bad_lines_of_yolo_are_named_and_their_pictures_stay_unlabelled(tmp_path: Path, catalogue: Catalogue) -> None:
    files: dict[str, str | int] = {f"{name}.png": 10 + i for i, name in enumerate("abcdefg")}
    files |= {
        "a.txt": "0 nan 0.5 0.1 0.1\n",
        "b.txt": "7 0.5 0.5 0.1 0.1\n",
        "c.txt": "0 0.5 0.5\n",
        "d.txt": "0 0.5 0.5 0 0.1\n",
        "e.txt": "0 1.0 0.5 0.25 0.25\n0 3 0.5 0.25 0.25\n",
        "f.txt": "0 0.5 0.5 0.25 0.25\n",
        "gone.txt": "0 0.5 0.5 0.25 0.25\n",
    }
    report = take(lay(tmp_path / "set", files), catalogue)
    found = labels(catalogue)
    assert all(not found[name] for name in "abcdg")
    assert found["e"]["ball"] == [[56.0, 18.0, 8.0, 12.0]]
    said = reasons(report)
    for words in (
        "a.png: box in line 1: expected finite numbers",
        "b.txt: line 1: expected a class of 0 to 1, got 7",
        "c.txt: line 1: expected CLASS X Y WIDTH HEIGHT",
        "d.png: box in line 1: expected finite numbers with sides above 0",
        "e.png: box in line 1 reaches outside the picture: cut to it",
        "e.png: box in line 2 lies outside the picture: left out",
        "g.png: no .txt of this name",
        "gone.txt: boxes without a picture",
    ):
        assert words in said
    assert report.added == 7


def voc(objects: str, width: int = 64, height: int = 48) -> str:
    return f"<annotation><size><width>{width}</width><height>{height}</height></size>{objects}</annotation>"


def thing(name: str, box: tuple[int, int, int, int], difficult: int = 0) -> str:
    corners = "".join(f"<{k}>{v}</{k}>" for k, v in zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True))
    return f"<object><name>{name}</name><difficult>{difficult}</difficult><bndbox>{corners}</bndbox></object>"


def test_voc_counts_from_one_and_difficult_things_are_regions_nobody_knows(
    tmp_path: Path, catalogue: Catalogue
) -> None:
    things = thing("ball", (1, 1, 8, 8)) + thing("ball", (11, 11, 20, 20), difficult=1)
    files: dict[str, str | int] = {
        "JPEGImages/a.png": 1,
        "Annotations/a.xml": voc(things),
        "JPEGImages/b.png": 2,
        "Annotations/b.xml": voc("", width=640),
        "JPEGImages/c.png": 3,
        "Annotations/c.xml": "<annotation><object>",
    }
    folder = lay(tmp_path / "set", files)
    assert detect(folder) == "voc"
    report = take(folder, catalogue)
    assert labels(catalogue)["a"] == {
        "ball": {"boxes": [[0.0, 0.0, 8.0, 8.0]], "unknown": [[10.0, 10.0, 10.0, 10.0]]},
        "post": False,
    }
    assert not labels(catalogue)["b"]
    assert not labels(catalogue)["c"]
    said = reasons(report)
    assert "expected boxes of a picture of 64 x 48, got of 640 x 48" in said
    assert "c.xml" in said


def test_coco_gives_boxes_to_a_task_that_locates(tmp_path: Path, catalogue: Catalogue) -> None:
    said = {
        "images": [{"id": 1, "file_name": "a.png"}, {"id": 2, "file_name": "b.png", "width": 64, "height": 48}],
        "categories": [{"id": 3, "name": "football"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 3, "bbox": [4, 5, 10, 12.5]},
            {"id": 2, "image_id": 1, "category_id": 3, "bbox": [30, 5, 10, 10], "iscrowd": 1},
        ],
    }
    folder = lay(tmp_path / "set", {"a.png": 1, "b.png": 2, "instances.json": json.dumps(said)})
    take(folder, catalogue, class_map={"football": {"ball": True}})
    assert labels(catalogue) == {
        "a": {"ball": {"boxes": [[4, 5, 10, 12.5]], "unknown": [[30, 5, 10, 10]]}},
        "b": {"ball": False},
    }


@pytest.mark.parametrize("format", ["json", "csv"])
def test_boxes_are_exported_and_read_back(format: str, tmp_path: Path, catalogue: Catalogue) -> None:
    take(lay(tmp_path / "set", YOLO), catalogue)
    export_folder(catalogue, tmp_path / "out", format=format)  # type: ignore[arg-type]
    with Catalogue.open(tmp_path / "again.db", tmp_path / "again") as again:
        assert import_folder(tmp_path / "out", again, task=TASK).skipped == ()
        assert labels(again) == labels(catalogue)
