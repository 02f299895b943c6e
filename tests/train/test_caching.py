"""The cache of decoded pictures."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from telltale.errors import ImageError, TrainError
from telltale.frame import Image
from telltale.preprocess import Preprocess
from telltale.train.cache import KEEP, Source, open_cache

SMALL = Preprocess(16, 12)


class Pictures:
    """Counts how often it decodes."""

    def __init__(self, count: int) -> None:
        rng = np.random.default_rng(0)
        self.images = [rng.integers(0, 256, (24, 32, 3)).astype(np.uint8) for _ in range(count)]
        self.decoded = 0

    def source(self, index: int) -> Source:
        def decode() -> Image:
            self.decoded += 1
            return self.images[index]

        return Source(f"{index:064x}", decode)

    def sources(self) -> list[Source]:
        return [self.source(index) for index in range(len(self.images))]


class Count:
    def __init__(self) -> None:
        self.total = 0

    def advance(self, count: int = 1, note: str = "") -> None:
        self.total += count


def test_rows_are_the_resized_pictures_in_order(tmp_path: Path) -> None:
    pictures, count = Pictures(10), Count()
    rows = open_cache(tmp_path, pictures.sources(), SMALL, progress=count)
    assert rows.shape == (10, 12, 16, 3)
    for row, image in zip(rows, pictures.images, strict=True):
        assert np.array_equal(row, SMALL.apply(image))
    assert count.total == 10


def test_a_second_run_decodes_nothing(tmp_path: Path) -> None:
    pictures = Pictures(6)
    first = np.array(open_cache(tmp_path, pictures.sources(), SMALL))
    again = open_cache(tmp_path, pictures.sources(), SMALL)
    assert pictures.decoded == 6
    assert np.array_equal(first, again)


def test_another_size_or_another_picture_makes_another_cache(tmp_path: Path) -> None:
    pictures = Pictures(6)
    open_cache(tmp_path, pictures.sources(), SMALL)
    assert open_cache(tmp_path, pictures.sources(), Preprocess(16, 12, "letterbox")).shape == (6, 12, 16, 3)
    assert open_cache(tmp_path, pictures.sources()[1:], SMALL).shape == (5, 12, 16, 3)
    assert pictures.decoded == 17


@pytest.mark.parametrize("damage", ["flip", "truncate", "index", "no index"])
def test_a_damaged_cache_is_built_anew(tmp_path: Path, damage: str) -> None:
    pictures = Pictures(6)
    good = np.array(open_cache(tmp_path, pictures.sources(), SMALL))
    (data,) = tmp_path.glob("*.u8")
    index = data.with_suffix(".json")
    if damage == "flip":
        raw = bytearray(data.read_bytes())
        raw[1000] ^= 1
        data.write_bytes(raw)
    elif damage == "truncate":
        data.write_bytes(data.read_bytes()[:-1])
    elif damage == "index":
        index.write_text('{"shape": 4}')
    else:
        index.unlink()
    assert np.array_equal(open_cache(tmp_path, pictures.sources(), SMALL), good)
    assert pictures.decoded == 12


def test_a_picture_that_does_not_decode_leaves_no_half_cache(tmp_path: Path) -> None:
    def fail() -> Image:
        raise ImageError("seven.jpg", expected="a picture", got="nothing")

    with pytest.raises(ImageError, match=r"seven\.jpg"):
        open_cache(tmp_path, [*Pictures(4).sources(), Source("f" * 64, fail)], SMALL)
    assert list(tmp_path.iterdir()) == []


def test_old_caches_are_dropped(tmp_path: Path) -> None:
    pictures = Pictures(3)
    for width in range(10, 10 + KEEP + 2):
        open_cache(tmp_path, pictures.sources(), Preprocess(width, 8))
        for path in tmp_path.glob("*.u8"):
            os.utime(path, (path.stat().st_atime, path.stat().st_mtime - 10))
    assert len(list(tmp_path.glob("*.u8"))) == KEEP
    assert len(list(tmp_path.glob("*.json"))) == KEEP


def test_a_folder_that_cannot_be_written_is_a_named_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TrainError, match="cannot write the cache"):
        open_cache(tmp_path / "file", Pictures(2).sources(), SMALL)
