"""Defects made on purpose: exact masks, untouched surroundings, the same bytes for the same seed."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telltale.cli import main
from telltale.collect.synth import (
    KINDS,
    METAL_KINDS,
    METALS,
    GoodFile,
    Sample,
    Unread,
    Wish,
    keep_in_folder,
    make_on,
    make_scenes,
    paint_picture,
    paint_scene,
    write_sheet,
)
from telltale.collect.synth.run import generator
from telltale.errors import ConfigError, ImageError
from telltale.preprocess import decode


def texture(height: int = 120, width: int = 160, seed: int = 0) -> np.ndarray:
    """(H, W, 3) uint8 grey with a grain, as a good part."""
    rng = np.random.default_rng(seed)
    grey = np.clip(rng.normal(120, 8, (height, width)) + np.linspace(-20, 20, width), 0, 255).astype(np.uint8)
    return np.asarray(cv2.cvtColor(cv2.GaussianBlur(grey, (0, 0), 0.8), cv2.COLOR_GRAY2RGB), np.uint8)


@pytest.fixture
def goods(tmp_path: Path) -> Path:
    folder = tmp_path / "good"
    folder.mkdir()
    for n in range(3):
        cv2.imwrite(str(folder / f"part{n}.png"), texture(seed=n))
    return folder


@pytest.mark.parametrize("metal", METALS)
@pytest.mark.parametrize("kind", METAL_KINDS)
def test_every_defect_on_every_metal_has_a_mask_where_it_is(metal: str, kind: str) -> None:
    painted = paint_scene(np.random.default_rng(5), 128, 96, metal, (kind,), 1)
    assert painted.image.shape == (96, 128, 3)
    assert [made.kind for made in painted.made] == [kind]
    mask, made = painted.masks[kind], painted.made[0]
    assert set(np.unique(mask)) == {0, 255}
    assert np.count_nonzero(mask) == made.area_px
    assert cv2.boundingRect(mask) == made.box
    assert made.contrast >= 2.0


SIDES = st.integers(24, 200)


@given(seed=st.integers(0, 10_000), kind=st.sampled_from(KINDS), width=SIDES, height=SIDES)
@settings(max_examples=60)
def test_a_good_picture_changes_where_its_mask_says_and_hardly_beside_it(
    seed: int, kind: str, width: int, height: int
) -> None:
    good = texture(height, width, seed % 7)
    painted = paint_picture(np.random.default_rng(seed), good, (kind,), 1, donor=texture(seed=99))
    changed = (painted.image != good).any(axis=2)
    mask = painted.mask() > 0
    if not painted.made:  # what would not be seen was left out
        assert not changed.any()
        return
    assert changed[mask].mean() > 0.6
    reach = cv2.dilate(mask.astype(np.uint8), np.ones((15, 15), np.uint8)) > 0
    if kind in ("scratch", "crack", "pit"):  # a soft edge, and parts thinner than half a pixel
        assert (changed & ~reach).mean() < 0.02
    assert np.array_equal(painted.image[..., 0], painted.image[..., 2])  # a grey picture stays grey


def test_a_patch_too_small_to_be_cloned_is_left_out() -> None:
    good = texture(34, 34, 9724 % 7)
    painted = paint_picture(np.random.default_rng(9724), good, ("patch",), 1, donor=texture(seed=99))
    assert not painted.made
    assert np.array_equal(painted.image, good)


def test_the_pixels_that_change_most_are_in_the_mask() -> None:
    good, found = texture(200, 200), []
    for seed in range(12):
        painted = paint_picture(np.random.default_rng(seed), good, ("crack", "rust"), 1)
        change = np.abs(painted.image.astype(int) - good).max(axis=2)
        found.append(painted.mask()[change > change.max() * 0.6] == 255)
    assert np.concatenate(found).mean() > 0.95


def test_the_same_seed_gives_the_same_bytes_on_any_number_of_threads() -> None:
    one = [(s.png, s.painted.mask().tobytes(), s.meta()) for s in make_scenes(Wish(12, seed=4), workers=1)]
    four = [(s.png, s.painted.mask().tobytes(), s.meta()) for s in make_scenes(Wish(12, seed=4), workers=4)]
    longer = [s.png for s in make_scenes(Wish(20, seed=4), workers=3)]
    assert one == four
    assert [png for png, _, _ in one] == longer[:12]
    assert one[0][0] != next(iter(make_scenes(Wish(1, seed=5)))).png


def test_what_is_recorded_makes_the_picture_again() -> None:
    sample = list(make_scenes(Wish(3, seed=9, good=0), width=96, height=80, workers=1))[2]
    meta = sample.meta()
    again = list(make_scenes(Wish(meta["number"] + 1, seed=meta["seed"], good=0), width=96, height=80))[-1]
    assert again.png == sample.png
    for defect in meta["defects"]:
        assert defect["kind"] in METAL_KINDS
        assert 0 <= defect["severity"] <= 1
        assert defect["area_px"] > 0


def test_severe_defects_show_more_than_slight_ones() -> None:
    made = [m for s in make_scenes(Wish(120, good=0, most=1), width=128, height=128) for m in s.painted.made]
    slight = [m.contrast for m in made if m.severity < 0.35]
    severe = [m.contrast for m in made if m.severity > 0.65]
    assert np.mean(severe) > 1.8 * np.mean(slight)


def test_a_wish_for_no_good_picture_gives_none_and_for_good_ones_only_those() -> None:
    assert all(s.painted.made for s in make_scenes(Wish(25, good=0), width=96, height=96))
    for sample in make_scenes(Wish(5, good=1), width=64, height=64):
        assert not sample.painted.masks
        assert not sample.painted.mask().any()


def test_pictures_of_one_part_stay_in_one_group(goods: Path) -> None:
    files = [GoodFile(path) for path in sorted(goods.iterdir())]
    samples = list(make_on(Wish(9, good=0), files))
    assert sorted({s.group for s in samples}) == ["part0", "part1", "part2"]
    assert all(s.group == Path(s.source or "").stem for s in samples)


def test_files_that_are_no_pictures_are_passed_over_and_named(goods: Path) -> None:
    (goods / "broken.png").write_bytes(b"no picture")
    cv2.imwrite(str(goods / "part0_mask.png"), np.zeros((120, 160), np.uint8))
    unread = Unread()
    samples = list(make_on(Wish(10), [GoodFile(p) for p in sorted(goods.iterdir())], unread=unread))
    assert len(samples) == 10
    assert set(unread.files) == {"broken.png", "part0_mask.png"}
    assert {s.source for s in samples} == {"part0.png", "part1.png", "part2.png"}


def test_nothing_readable_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(ImageError, match="at least one that can be read"):
        list(make_on(Wish(2), [GoodFile(tmp_path / "a.png")]))


@pytest.mark.parametrize(
    ("wish", "what"),
    [
        (lambda: list(make_scenes(Wish(1, ("hole",)))), "hole"),
        (lambda: list(make_scenes(Wish(1, ("patch",)))), "patch"),
        (lambda: list(make_scenes(Wish(1), metals=("wood",))), "wood"),
        (lambda: list(make_scenes(Wish(1), width=3)), "32 to 8192"),
        (lambda: Wish(1, good=1.5), "share"),
    ],
)
def test_a_wish_nobody_can_fulfil_says_what_can_be(wish: object, what: str) -> None:
    with pytest.raises(ConfigError, match=what):
        wish()  # type: ignore[operator]


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (2600, 30), (9, 9)])
def test_pictures_of_any_size_are_painted_on_or_left_alone(size: tuple[int, int]) -> None:
    good = texture(*size)
    painted = paint_picture(np.random.default_rng(1), good, KINDS, 3)
    assert painted.image.shape == good.shape
    for made in painted.made:
        x, y, w, h = made.box
        assert 0 <= x <= x + w <= good.shape[1]
        assert 0 <= y <= y + h <= good.shape[0]


def test_a_large_picture_is_painted_in_one_window_and_its_boxes_are_of_the_whole() -> None:
    good = texture(2500, 3000)
    painted = paint_picture(generator(1, 2), good, ("stain", "pit"), 3)
    assert painted.mask().shape == (2500, 3000)
    for made in painted.made:
        x, y, w, h = made.box
        inside = painted.masks[made.kind][y : y + h, x : x + w]
        assert np.count_nonzero(inside) >= made.area_px * 0.99
    rows, columns = np.nonzero((painted.image != good).any(axis=2))
    assert np.ptp(rows) < 2048
    assert np.ptp(columns) < 2048


def read_table(folder: Path) -> list[dict[str, str]]:
    with (folder / "manifest.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_folder_holds_pairs_and_a_table_that_names_them(tmp_path: Path) -> None:
    samples = list(make_scenes(Wish(6, seed=2), width=64, height=64))
    kept = keep_in_folder(samples, tmp_path / "out")
    rows = read_table(tmp_path / "out")
    assert len(rows) == kept.pictures == 6
    for row, sample in zip(rows, samples, strict=True):
        assert np.array_equal(decode(tmp_path / "out" / row["file"]), sample.painted.image)
        mask = decode(tmp_path / "out" / row["mask"])[:, :, 0]
        assert np.array_equal(mask, sample.painted.mask())
        assert json.loads(row["defects"]) == sample.meta()["defects"]


def test_masks_by_kind_overlay_to_the_mask_of_all(tmp_path: Path) -> None:
    samples = list(make_scenes(Wish(5, ("pit", "scratch"), good=0), width=96, height=96))
    keep_in_folder(samples, tmp_path, kinds=("pit", "scratch"))
    for row, sample in zip(read_table(tmp_path), samples, strict=True):
        both = [decode(tmp_path / row[f"mask:{kind}"])[:, :, 0] for kind in ("pit", "scratch")]
        assert np.array_equal(np.maximum(both[0], both[1]), sample.painted.mask())


def test_the_command_makes_a_folder_and_a_sheet(
    tmp_path: Path, goods: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target, sheet = tmp_path / "out", tmp_path / "sheet.jpg"
    with pytest.raises(SystemExit) as end:
        main(["collect", "synth", str(target), "-n", "8", "--on", str(goods), "--good", "0", "--sheet", str(sheet)])
    assert end.value.code in (0, None)
    said = capsys.readouterr().out
    assert "8 pictures, 0 of them good" in said
    assert len(list((target / "images").iterdir())) == len(list((target / "masks").iterdir())) == 8
    assert decode(sheet).shape[1] > 400


def test_the_sheet_shows_each_picture_twice(tmp_path: Path) -> None:
    samples: list[Sample] = list(make_scenes(Wish(5, good=0), width=64, height=64))
    drawn = decode(write_sheet(samples, tmp_path / "s.png", columns=2, cell_px=100))
    assert drawn.shape[1] == 10 + 2 * (202 + 10)
    plain, outlined = drawn[10:110, 10:110], drawn[10:110, 112:212]
    assert (plain != outlined).any()
