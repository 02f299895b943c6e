"""The same part shot again is found, whatever its exposure and crop; other parts of its kind are not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from telltale.dataset import Catalogue
from telltale.dataset.importing import import_folder
from telltale.dataset.surface import Same, find_same_surfaces, group_same_surfaces
from telltale.errors import ImageError
from telltale.frame import Image
from telltale.tasks import from_spec


@dataclass(frozen=True)
class Shot:
    path: Path
    group: str
    width: int
    height: int


def surface(seed: int) -> NDArray[np.float32]:
    """Brushed metal: streaks and grain, 0 to 1, larger than a picture."""
    rng = np.random.default_rng(seed)
    grain = cv2.GaussianBlur(rng.random((240, 320)).astype(np.float32), (0, 0), 1.5)
    streaks = cv2.GaussianBlur(rng.random((1, 320)).astype(np.float32), (0, 0), 1).repeat(240, axis=0)
    both = grain - grain.mean() + (streaks - streaks.mean())
    return np.asarray(0.5 + both / both.std() * 0.12, np.float32)


def shoot(part: NDArray[np.float32], gain: float, x: int, y: int, seed: int) -> Image:
    """A crop of 280 x 200 at another exposure, with noise and light from one side."""
    rng = np.random.default_rng(seed)
    crop = part[y : y + 200, x : x + 280]
    light = np.linspace(0.8, 1.2, 280, dtype=np.float32) if seed % 2 else np.linspace(1.1, 0.9, 280, dtype=np.float32)
    grey = np.clip(crop**1.2 * gain * light * 150 + rng.normal(0, 3, crop.shape), 0, 255).astype(np.uint8)
    return np.repeat(grey[:, :, None], 3, axis=2)


def shots(parts: int, each: int) -> tuple[list[Shot], dict[Path, Image]]:
    rng = np.random.default_rng(0)
    found, pictures = [], {}
    for part in range(parts):
        for k in range(each):
            path = Path(f"{part}-{k}")
            x, y = rng.integers(0, 24, 2)
            pictures[path] = shoot(surface(part), 0.5 + 0.3 * k, int(x), int(y), 10 * part + k)
            found.append(Shot(path, str(path), 280, 200))
    return found, pictures


def test_every_part_becomes_one_group_and_no_two_parts_do() -> None:
    examples, pictures = shots(12, 4)
    same = find_same_surfaces(examples, read=pictures.__getitem__)
    joins = group_same_surfaces(examples, same)
    groups = {e.group: joins.get(e.group, e.group) for e in examples}
    assert groups == {f"{part}-{k}": f"{part}-0" for part in range(12) for k in range(4)}


def test_a_picture_that_cannot_be_read_is_like_no_other() -> None:
    examples, pictures = shots(2, 2)

    def read(path: Path) -> Image:
        if path.name == "0-1":
            raise ImageError("gone", expected="a picture", got="none")
        return pictures[path]

    assert [(s.first, s.second) for s in find_same_surfaces(examples, read=read)] == [(2, 3)]


def test_a_background_that_all_share_joins_nothing() -> None:
    examples, _ = shots(3, 4)
    chain = [Same(i, i + 1, 0.9) for i in range(len(examples) - 1)]
    assert group_same_surfaces(examples, chain) == {}


def test_pictures_smaller_than_what_is_compared_are_no_error() -> None:
    tiny = [Shot(Path(str(i)), str(i), 1 + i, 1) for i in range(3)]
    pictures = {shot.path: np.zeros((1, shot.width, 3), np.uint8) for shot in tiny}
    assert find_same_surfaces(tiny, read=pictures.__getitem__) == []


@pytest.mark.real
def test_exposures_of_a_magnetic_tile_are_found_without_being_told(
    shared: Path, tmp_path: Path, catalogue: Catalogue
) -> None:
    lines = (shared / "magtile/manifest.csv").read_text().splitlines()
    kept = [line for line in lines[1:] if int(line.rsplit(",", 1)[1]) % 6 == 0]
    table = tmp_path / "some.csv"
    header = lines[0].replace("tile_group", "tile")  # not a group any more
    table.write_text(
        "\n".join([header, *(f"{shared}/magtile/{line}" for line in kept)]).replace(",MT", f",{shared}/magtile/MT")
    )
    import_folder(table, catalogue, task=from_spec({"kind": "mask", "names": ["defect"]}))
    examples = catalogue.examples()
    assert len(examples) == len(catalogue.groups()) == len(kept)
    joins = group_same_surfaces(examples, find_same_surfaces(examples))
    pairs = [(a, b) for i, a in enumerate(examples) for b in examples[:i] if a.meta["tile"] == b.meta["tile"]]
    together = [joins.get(a.group, a.group) == joins.get(b.group, b.group) for a, b in pairs]
    assert np.mean(together) > 0.95
