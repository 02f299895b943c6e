"""Near-duplicates are found, and what only looks alike to a hash is not."""

from __future__ import annotations

import io
import re
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from small_pictures import png, scene, to_png
from telltale.dataset import Catalogue, Example
from telltale.dataset.near import FINGERPRINT_BYTES, find_leaks, fingerprint, group_near_duplicates, refuse_leaks
from telltale.errors import CatalogueError, LeakError
from telltale.frame import Image
from telltale.preprocess import decode
from telltale.tasks.task import Label

NEAR_BITS = 12


def example(image: Image, split: str | None, n: int = 0, group: str = "", **labels: bool) -> Example:
    return Example(
        image_id=n,
        path=Path(f"/nowhere/{n:064d}.png"),
        sha256=f"{n:064d}",
        group=group or f"g{n}",
        split=split,
        width=image.shape[1],
        height=image.shape[0],
        labels={name: Label(value) for name, value in labels.items()},
        meta={},
        near=fingerprint(image),
    )


def leaks(first: Image, second: Image, first_labels: bool = True, second_labels: bool = True) -> bool:
    pair = [example(first, "train", 1, lit=first_labels), example(second, "test", 2, lit=second_labels)]
    return bool(find_leaks(pair, NEAR_BITS))


def jpeg(image: Image, quality: int) -> Image:
    out = io.BytesIO()
    PIL.Image.fromarray(image).save(out, "JPEG", quality=quality)
    return decode(out.getvalue())


def room(seed: int = 0) -> Image:
    """A wall, a floor and a cupboard, 320 x 240, smooth as a photo."""
    image = np.full((240, 320, 3), (190, 185, 170), np.uint8)
    image[160:] = (110, 90, 70)
    cv2.rectangle(image, (60, 60), (150, 180), (90, 60, 40), -1)
    cv2.circle(image, (250, 90), 40, (40, 80, 150), -1)
    noise = np.random.default_rng(seed).normal(0, 2, image.shape)
    return np.asarray(np.clip(cv2.GaussianBlur(image, (0, 0), 2) + noise, 0, 255), np.uint8)


@pytest.mark.parametrize("seed", range(4))
def test_a_recompressed_rescaled_or_noisy_copy_is_a_leak(seed: int) -> None:
    original = scene(seed, 320, 240)
    assert leaks(original, original)
    assert leaks(original, jpeg(original, 40))
    assert leaks(original, np.asarray(cv2.resize(original, (160, 120), interpolation=cv2.INTER_AREA), np.uint8))
    assert leaks(original, np.asarray(cv2.resize(original, (640, 480)), np.uint8))
    assert leaks(room(seed), room(seed + 100))


def test_another_exposure_is_a_leak() -> None:
    assert leaks(room(), np.asarray(np.clip(room(1) * 0.6 + 5, 0, 255), np.uint8))


@pytest.mark.parametrize("seed", range(10))
def test_another_picture_is_none(seed: int) -> None:
    assert not leaks(scene(seed, 320, 240), scene(seed + 1, 320, 240))


def dark(seed: int) -> Image:
    """Night: nearly black, with something faint in it that is different each time."""
    faint = cv2.resize(
        np.random.default_rng(seed).integers(0, 24, (8, 10, 1), dtype=np.uint8),
        (320, 240),
        interpolation=cv2.INTER_CUBIC,
    )
    return np.repeat(np.asarray(faint, np.uint8)[..., None], 3, axis=2)


def test_dark_pictures_do_not_all_collide() -> None:
    night = [example(dark(n), "train" if n % 2 else "test", n) for n in range(40)]
    assert find_leaks(night, 32) == []


def on_a_wall(x: int, y: int, size: int = 30) -> Image:
    image = np.full((240, 320, 3), 245, np.uint8)
    cv2.rectangle(image, (x, y), (x + size, y + size), (20, 20, 30), -1)
    return image


def test_a_small_thing_elsewhere_before_a_plain_wall_is_another_picture() -> None:
    first, second = on_a_wall(100, 100), on_a_wall(118, 100)
    bits = np.bitwise_count(
        np.frombuffer(fingerprint(first)[:32], np.uint8) ^ np.frombuffer(fingerprint(second)[:32], np.uint8)
    ).sum()
    assert bits <= NEAR_BITS  # the hash alone would call them the same
    assert not leaks(first, second)


def test_the_same_view_with_another_state_is_no_leak_and_unseen_it_is() -> None:
    shut = room()
    ajar = shut.copy()
    cv2.rectangle(ajar, (60, 60), (70, 180), (60, 40, 28), -1)  # ten columns a third darker
    assert not leaks(shut, ajar, first_labels=False, second_labels=True)
    assert leaks(shut, ajar)  # nobody says that they differ: the same thing again
    assert leaks(shut, jpeg(shut, 90), first_labels=False, second_labels=True)  # different labels, same pixels


def test_red_and_green_lamps_differ() -> None:
    red, green = room(), room()
    red[80:110, 200:230] = (220, 30, 30)
    green[80:110, 200:230] = (30, 165, 30)
    assert not leaks(red, green, first_labels=True, second_labels=False)


def test_only_pairs_across_a_split_count() -> None:
    same = [example(room(n), split, n) for n, split in enumerate(["train", "train", None, "test", "calibration"])]
    pairs = {(leak.first.split, leak.second.split) for leak in find_leaks(same, NEAR_BITS)}
    assert pairs == {("train", "test"), ("train", "calibration"), ("test", "calibration")}
    assert len(find_leaks(same, NEAR_BITS)) == 5


def test_a_leak_stops_with_the_pairs_their_number_and_what_to_do() -> None:
    pairs = [example(room(n), "train" if n < 3 else "test", n) for n in range(9)]
    with pytest.raises(LeakError, match=r"got 18 near-duplicate pairs: .* and 8 more; .*--allow-leak") as caught:
        refuse_leaks(pairs, NEAR_BITS)
    assert "000000000000 (train, group g0)" in str(caught.value)
    named = [replace(each, meta={"file": f"hall_{each.image_id}.jpg"}) for each in pairs[2:4]]
    with pytest.raises(
        LeakError, match=re.escape("1 near-duplicate pair: hall_2.jpg (train, group g2) and hall_3.jpg")
    ):
        refuse_leaks(named, NEAR_BITS)


def test_a_group_on_both_sides_is_a_leak_whatever_it_shows() -> None:
    torn = [example(scene(1), "train", 1, group="tile 7"), example(scene(2), "test", 2, group="tile 7")]
    with pytest.raises(LeakError, match="1 in several: tile 7"):
        refuse_leaks(torn, NEAR_BITS)


def test_no_leak_no_error() -> None:
    for examples in ([], [example(scene(n), ("train", "test")[n % 2], n) for n in range(20)]):
        assert find_leaks(examples, NEAR_BITS) == []
        refuse_leaks(examples, NEAR_BITS)


def test_a_missing_fingerprint_is_named() -> None:
    with pytest.raises(CatalogueError, match="fingerprint of"):
        find_leaks([replace(example(scene(1), "train"), near=b"")], NEAR_BITS)


def test_groups_that_share_a_picture_are_joined_through_a_third() -> None:
    some = [example(room(n), None, n, group) for n, group in enumerate(["c", "a", "b"])]
    other = [example(scene(n), None, n) for n in range(10, 14)]
    assert group_near_duplicates([*some, *other], NEAR_BITS) == {"b": "a", "c": "a"}


def test_the_suggestion_mends_the_leak(catalogue: Catalogue) -> None:
    for n in range(4):
        catalogue.add(to_png(room(n)), suffix=".png", group=f"room{n}", source="x")
        catalogue.add(png(n), suffix=".png", group=f"other{n}", source="x")
    splits = {f"room{n}": ("train", "test")[n % 2] for n in range(4)} | {f"other{n}": "train" for n in range(4)}
    catalogue.set_splits(splits)
    with pytest.raises(LeakError):
        refuse_leaks(catalogue.examples(), NEAR_BITS)
    catalogue.merge_groups(group_near_duplicates(catalogue.examples(), NEAR_BITS))
    refuse_leaks(catalogue.examples(), NEAR_BITS)
    assert len(catalogue.groups()) == 5


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 255))
@settings(max_examples=40, deadline=None)
def test_any_size_has_a_fingerprint(width: int, height: int, level: int) -> None:
    assert len(fingerprint(np.full((height, width, 3), level, np.uint8))) == FINGERPRINT_BYTES


def test_ten_thousand_pictures_take_seconds() -> None:
    rng = np.random.default_rng(0)
    base = example(scene(0), "train")
    many = [
        replace(base, group=f"{n}", split=("train", "test")[n % 3 == 0], near=rng.bytes(FINGERPRINT_BYTES))
        for n in range(10_000)
    ]
    many[7000] = replace(many[7000], near=many[1].near, split="test")
    start_s = time.process_time()
    assert [(leak.first, leak.second) for leak in find_leaks(many, NEAR_BITS)] == [(many[1], many[7000])]
    assert time.process_time() - start_s < 10


@pytest.mark.real
@pytest.mark.slow
def test_on_real_pictures_only_the_same_thing_is_near(shared: Path) -> None:
    """Views of one 3D car before white: the hash alone finds 163 wrong pairs within 12 bits."""
    cars = [
        example(decode(file), None, n, file.stem.rsplit("_", 1)[0])
        for n, file in enumerate(sorted((shared / "car3d" / "images").glob("*.png")))
    ]
    assert group_near_duplicates(cars, 16) == {}
    slots = [
        example(decode(file), None, n, file.stem.split("_")[1])
        for n, file in enumerate(sorted((shared / "parking").rglob("*.jpg"))[::4])
    ]
    assert group_near_duplicates(slots, 16) == {}
