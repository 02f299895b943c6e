"""Masks that may be false are found without a model: another picture's, and those on which nothing shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from mask_scenes import write_png
from telltale.cli.app import app
from telltale.dataset import Catalogue
from telltale.dataset.doubts import UNSEEN, WHO, Doubt, choose, find_doubts, forget_false, visibility
from telltale.dataset.importing import import_folder
from telltale.dataset.masks import place
from telltale.tasks import from_spec

ONE = from_spec({"kind": "mask", "names": ["crack"]})
RNG = np.random.default_rng(5)
SIDE = 96


def line(seed: int) -> Any:
    """(SIDE, SIDE) mask of a crooked line."""
    points = np.random.default_rng(seed).integers(8, SIDE - 8, (5, 2)).astype(np.int32)
    mask = np.zeros((SIDE, SIDE), np.uint8)
    cv2.polylines(mask, [points], False, 255, 4)
    return mask


def ground(mask: Any, depth: float = 40.0, colour: tuple[float, float, float] = (1, 1, 1)) -> Any:
    """(SIDE, SIDE, 3) grain, darker by `depth` along the mask, in these channels."""
    grain = 120 + 12 * RNG.standard_normal((SIDE, SIDE, 1)) - depth * (mask[..., None] > 0) * np.array(colour)
    return np.clip(np.broadcast_to(grain, (SIDE, SIDE, 3)), 0, 255).astype(np.uint8)


def write(folder: Path, name: str, image: Any, mask: Any) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    done, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 97])
    assert done
    (folder / f"{name}.jpg").write_bytes(data.tobytes())
    write_png(folder / f"{name}.png", mask)


def swapped(folder: Path) -> None:
    """Pictures a, b and c; b has a's mask in place of its own."""
    for name, mask in (("a", line(1)), ("b", line(2)), ("c", line(3))):
        write(folder, name, ground(mask), line(1) if name == "b" else mask)


def doubts_of(catalogue: Catalogue, folder: Path) -> list[Doubt]:
    import_folder(folder, catalogue, task=ONE)
    return find_doubts(catalogue.examples(), ONE.names)


def test_another_pictures_mask_is_found_and_forgotten_once(tmp_path: Path, catalogue: Catalogue) -> None:
    swapped(tmp_path / "d")
    (doubt,) = doubts_of(catalogue, tmp_path / "d")
    assert (doubt.example.meta["file"], doubt.other, doubt.kind, doubt.false) == ("b.jpg", "a.jpg", "shared", True)
    assert forget_false(catalogue, [doubt]) == [doubt]
    (b,) = [e for e in catalogue.examples() if e.meta["file"] == "b.jpg"]
    assert "crack" not in b.labels
    assert sum("crack" in e.labels for e in catalogue.examples()) == 2
    catalogue.undo(b.image_id, "crack")
    again = find_doubts(catalogue.examples(), ONE.names)
    assert [d.false for d in again] == [True]
    assert forget_false(catalogue, again) == [], "somebody took it back"
    assert [entry.who for entry in catalogue.history(b.image_id, "crack")] == ["import", WHO]


def test_one_thing_shot_twice_may_have_one_mask(tmp_path: Path, catalogue: Catalogue) -> None:
    for name in ("a", "b"):
        write(tmp_path / "d", name, ground(line(1)), line(1))
    import_folder(tmp_path / "d", catalogue, task=ONE)
    first, second = find_doubts(catalogue.examples(), ONE.names)
    assert [first.false, second.false] == [False, False], "it shows in both"
    assert {first.other, second.other} == {"a.jpg", "b.jpg"}
    catalogue.merge_groups({"b.jpg": "a.jpg"})
    assert find_doubts(catalogue.examples(), ONE.names) == []


def test_of_very_many_pictures_those_that_share_a_mask_are_looked_at(tmp_path: Path, catalogue: Catalogue) -> None:
    swapped(tmp_path / "d")
    for n in range(10, 20):
        write(tmp_path / "d", f"e{n}", ground(line(n)), line(n))
    import_folder(tmp_path / "d", catalogue, task=ONE)
    files = [e.file for e in choose(catalogue.examples(), most=5)]
    assert len(files) == len(set(files)) == 5
    assert sorted(files[:2]) == ["a.jpg", "b.jpg"]
    assert len(choose(catalogue.examples(), most=1)) == 2
    assert len(choose(catalogue.examples())) == 13


def test_a_plain_shape_may_be_shared(tmp_path: Path, catalogue: Catalogue) -> None:
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[20:50, 30:70] = 255
    for name in ("a", "b"):
        write(tmp_path / "d", name, ground(mask), mask)
    assert doubts_of(catalogue, tmp_path / "d") == []


def test_what_nothing_shows_of_is_doubted_and_kept(tmp_path: Path, catalogue: Catalogue) -> None:
    write(tmp_path / "d", "seen", ground(line(1)), line(1))
    write(tmp_path / "d", "unseen", ground(line(2), depth=0), line(2))
    (doubt,) = doubts_of(catalogue, tmp_path / "d")
    assert (doubt.kind, doubt.false) == ("unseen", False)
    assert "unseen.jpg" in str(doubt)
    assert forget_false(catalogue, [doubt]) == []
    assert all("crack" in e.labels for e in catalogue.examples())


@pytest.mark.parametrize(
    ("image", "seen"),
    [
        (ground(line(4)), True),
        (ground(line(4), depth=0), False),
        (ground(line(4), depth=30, colour=(1, -0.5, 0)), True),
    ],
    ids=["darker", "nothing", "another colour"],
)
def test_visibility(image: Any, seen: bool) -> None:
    value = visibility(image, line(4))
    assert value is not None
    assert (value > UNSEEN) == seen


def test_smoother_is_seen_too() -> None:
    image, mask = ground(line(4), depth=0), line(4)
    image[mask > 0] = 120
    value = visibility(image, mask)
    assert value is not None
    assert value > 0.8


def test_a_small_mark_and_one_without_surroundings_are_not_judged() -> None:
    image, small = ground(line(4), depth=0), np.zeros((SIDE, SIDE), np.uint8)
    small[40:45, 40:45] = 255
    assert visibility(image, small) is None
    assert visibility(image, np.full((SIDE, SIDE), 255, np.uint8)) is None
    unknown = np.full((SIDE, SIDE), 127, np.uint8)
    unknown[30:60, 30:60] = 255
    assert visibility(image, unknown) is None, "nobody knows what is around it"


def test_the_import_tells_of_it_and_draws_it(tmp_path: Path) -> None:
    swapped(tmp_path / "d")
    write(tmp_path / "d", "e", ground(line(5), depth=0), line(5))
    run = CliRunner()
    assert run.invoke(app, ["init", str(tmp_path / "p"), "--kind", "mask", "--name", "crack"]).exit_code == 0
    project = ["-p", str(tmp_path / "p")]
    took = run.invoke(app, ["collect", "folder", str(tmp_path / "d"), *project, "--sheet", str(tmp_path / "s.png")])
    assert took.exit_code == 0, took.output
    said = " ".join(took.output.split())
    assert "(b.jpg): its mask of crack is that of a.jpg, and hardly shows here: not known now" in said
    assert "(e.jpg): what crack marks looks like what is around it" in said
    assert cv2.imread(str(tmp_path / "s.png")) is not None
    drawn = run.invoke(app, ["label", "sheet", str(tmp_path / "t.png"), *project, "--doubtful"])
    assert drawn.exit_code == 0, drawn.output
    assert cv2.imread(str(tmp_path / "t.png")) is not None


def test_a_damaged_mask_is_passed_over(tmp_path: Path, catalogue: Catalogue) -> None:
    write(tmp_path / "d", "unseen", ground(line(2), depth=0), line(2))
    write(tmp_path / "d", "damaged", ground(line(3), depth=0), line(3))
    import_folder(tmp_path / "d", catalogue, task=ONE)
    (damaged,) = [e for e in catalogue.examples() if e.file == "damaged.jpg"]
    (catalogue.images / place(str(damaged.labels["crack"].value))).unlink()
    assert [d.example.file for d in find_doubts(catalogue.examples(), ONE.names)] == ["unseen.jpg"]
