"""`telltale tell`: every picture has its line, bad ones too, and what is drawn lies beside it."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest

from telltale.bundle.predictor import Predictor
from telltale.cli import main
from telltale.preprocess import decode
from tiny_bundle import make_tiny_bundle
from tiny_mask import make_mask_bundle, spotted


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(["tell", *words])
    return int(end.value.code or 0)


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "results.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Good, bad and odd ones, in two folders."""
    folder = tmp_path / "line"
    (folder / "late").mkdir(parents=True)
    cv2.imwrite(str(folder / "a.png"), spotted())
    cv2.imwrite(str(folder / "late" / "a.png"), spotted(scratch=False))
    cv2.imwrite(str(folder / "late" / "tiny.png"), spotted(1, 1, scratch=False))
    cv2.imwrite(str(folder / "b.jpg"), spotted(400, 90))
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff no more")
    (folder / "empty.png").write_bytes(b"")
    (folder / "notes.txt").write_text("no picture")
    return folder


def test_every_picture_has_a_line_and_a_bad_one_says_why(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle, to = make_mask_bundle(tmp_path), tmp_path / "results"
    assert run(str(pictures), "-b", str(bundle), "--out", str(to)) == 0
    rows = {row["file"]: row for row in table(to)}
    assert list(rows) == ["a.png", "b.jpg", "broken.jpg", "empty.png", "late/a.png", "late/tiny.png"]
    assert [name for name, row in rows.items() if row["error"]] == ["broken.jpg", "empty.png"]
    a = rows["a.png"]
    assert (a["width"], a["height"]) == ("96", "72")
    assert (a["scratch.state"], a["scratch.regions"], a["scratch.area_px"]) == ("on", "1", "120")
    assert float(a["scratch.area_mm2"]) == 30.0
    assert rows["late/a.png"]["scratch.state"] == "off"
    said = capsys.readouterr().out
    assert "told 4 pictures, refused 2" in said
    assert "broken.jpg" in said


def test_overlays_and_masks_are_those_of_the_model(pictures: Path, tmp_path: Path) -> None:
    bundle, to = make_mask_bundle(tmp_path), tmp_path / "results"
    assert run(str(pictures), "-b", str(bundle), "--out", str(to), "--overlays", "--masks") == 0
    predictor, image = Predictor.open(bundle), decode(pictures / "a.png")
    drawn = predictor.task.draw(image, predictor.tell(image))
    assert np.array_equal(decode(to / "overlays" / "a.png.png"), drawn)
    mask = decode(to / "masks" / "scratch" / "a.png.png")[:, :, 0]
    assert np.count_nonzero(mask == 255) == 120
    assert len(list((to / "overlays").rglob("*.png"))) == 4


def test_states_are_told_as_the_model_tells_them(tmp_path: Path) -> None:
    bundle, to = make_tiny_bundle(tmp_path), tmp_path / "out"
    halves = np.zeros((48, 64, 3), np.uint8)
    halves[:, :32] = 240
    for n in range(20):
        cv2.imwrite(str(tmp_path / f"{n:02d}.png"), halves[:, ::-1] if n % 2 else halves)
    assert run(str(tmp_path), "-b", str(bundle), "--out", str(to), "--overlays") == 0
    rows = [row for row in table(to) if "/" not in row["file"]]
    assert [row["left.state"] for row in rows] == ["on", "off"] * 10
    predictor = Predictor.open(bundle)
    for row in rows[:2]:
        told = predictor.tell(tmp_path / row["file"]).readings["left"].prob
        assert float(row["left.prob"]) == pytest.approx(told, abs=1e-6)


def test_a_second_run_does_not_tell_what_the_first_one_drew(pictures: Path, tmp_path: Path) -> None:
    bundle, to = make_mask_bundle(tmp_path), pictures / "results"
    for _ in range(2):
        assert run(str(pictures), "-b", str(bundle), "--out", str(to), "--overlays") == 0
        assert len(table(to)) == 6


def test_nothing_to_tell_is_one_clear_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = make_mask_bundle(tmp_path / "b")
    (tmp_path / "none").mkdir()
    assert run(str(tmp_path / "none"), "-b", str(bundle), "--out", str(tmp_path / "r")) == 1
    assert "expected a picture, or a folder of pictures" in capsys.readouterr().err
    states = make_tiny_bundle(tmp_path)
    cv2.imwrite(str(tmp_path / "none" / "x.png"), spotted())
    assert run(str(tmp_path / "none"), "-b", str(states), "--out", str(tmp_path / "r"), "--masks") == 1
    assert "tells masks" in capsys.readouterr().err
