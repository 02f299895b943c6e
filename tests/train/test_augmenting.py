"""Moved pictures, and everything that moves with them."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from telltale.project import Augment
from telltale.train.augment import (
    Moves,
    augment,
    draw_moves,
    move_boxes,
    move_points,
    recolour,
    to_float,
    warp,
    warp_bytes,
)
from toy_lamps import STILL

WILD = Augment(rotate=40, scale=0.4, shift=0.2, perspective=0.2)


def moves_of(changes: Augment, count: int = 8, height: int = 40, width: int = 60, seed: int = 0) -> Moves:
    return draw_moves(count, height, width, changes, torch.Generator().manual_seed(seed))


def smooth(count: int, height: int, width: int) -> torch.Tensor:
    """(N, H, W, 3) uint8 without hard edges, so that a rounding of place stays a rounding of value."""
    rng = torch.Generator().manual_seed(3)
    coarse = torch.rand(count, 3, 6, 6, generator=rng) * 255
    fine = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 255)
    return fine.permute(0, 2, 3, 1).to(torch.uint8).contiguous()


def test_no_moves_leave_a_picture_as_it_is() -> None:
    pixels = smooth(4, 24, 32)
    moves = moves_of(STILL, 4, 24, 32)
    assert torch.allclose(augment(pixels, moves), to_float(pixels), atol=1e-5)
    assert not moves.flipped.any()


def test_a_flip_mirrors_every_pixel() -> None:
    pixels = smooth(16, 24, 32)
    moves = moves_of(STILL.model_copy(update={"flip": True}), 16, 24, 32)
    assert 0 < int(moves.flipped.sum()) < 16
    moved = augment(pixels, moves)
    for i in range(16):
        plain = to_float(pixels)[i]
        assert torch.allclose(moved[i], plain.flip(2) if moves.flipped[i] else plain, atol=1e-5)


def test_the_fast_way_on_bytes_is_the_same_move() -> None:
    pixels = smooth(8, 40, 60)
    moves = moves_of(WILD)
    exact = warp(pixels.permute(0, 3, 1, 2).float(), moves.matrices)
    fast = warp_bytes(pixels, moves.matrices).permute(0, 3, 1, 2).float()
    difference = (exact - fast).abs()
    assert difference.mean() < 0.6
    assert difference.max() < 6


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_a_dot_moves_where_the_matrix_says(seed: int) -> None:
    height, width = 48, 64
    moves = moves_of(WILD, 1, height, width, seed)
    dot = torch.tensor([[[20.5, 30.5], [40.5, 20.5]]])  # (1, 2, 2) x, y
    there = move_points(dot, moves.matrices)[0]
    for (x, y), (moved_x, moved_y) in zip(dot[0].tolist(), there.tolist(), strict=True):
        if not (4 < moved_x < width - 4 and 4 < moved_y < height - 4):
            continue
        pixels = torch.zeros(1, height, width, 3, dtype=torch.uint8)
        pixels[0, int(y) - 1 : int(y) + 2, int(x) - 1 : int(x) + 2] = 255
        for moved in (warp_bytes(pixels, moves.matrices).float()[..., 0], _warp_plane(pixels, moves)):
            weight = moved[0] / moved[0].sum()
            centre_x = float((weight.sum(0) * (torch.arange(width) + 0.5)).sum())
            centre_y = float((weight.sum(1) * (torch.arange(height) + 0.5)).sum())
            assert abs(centre_x - moved_x) < 0.5
            assert abs(centre_y - moved_y) < 0.5


def _warp_plane(pixels: torch.Tensor, moves: Moves) -> torch.Tensor:
    return warp(pixels.permute(0, 3, 1, 2).float(), moves.matrices)[:, 0]


def test_a_box_holds_its_moved_corners() -> None:
    moves = moves_of(WILD, 5)
    boxes = torch.tensor([[10.0, 8.0, 30.0, 28.0]]).expand(5, 1, 4)
    moved = move_boxes(boxes, moves.matrices)
    corners = move_points(torch.tensor([[10.0, 8], [30, 8], [30, 28], [10, 28]]).expand(5, 4, 2), moves.matrices)
    assert torch.allclose(moved[:, 0, :2], corners.amin(1))
    assert torch.allclose(moved[:, 0, 2:], corners.amax(1))


def test_a_mask_keeps_its_values() -> None:
    mask = torch.zeros(8, 1, 40, 60)
    mask[:, :, 10:30, 20:50] = 1
    assert set(warp(mask, moves_of(WILD).matrices, nearest=True).flatten().tolist()) == {0.0, 1.0}


def test_hue_and_saturation_keep_grey_grey() -> None:
    moves = moves_of(Augment(hue=90, saturation=0.9, brightness=0, contrast=0))
    grey = torch.full((8, 3, 4, 4), 128.0)
    assert torch.allclose(recolour(grey, moves.colour, moves.offset), torch.full((8, 3, 4, 4), 128 / 255), atol=1e-4)


def test_colours_stay_in_range() -> None:
    pixels = torch.randint(0, 256, (8, 20, 20, 3), dtype=torch.uint8)
    moved = augment(pixels, moves_of(Augment(brightness=0.9, contrast=0.9, saturation=0.9, hue=180), 8, 20, 20))
    assert moved.min() >= 0
    assert moved.max() <= 1
    assert moved.dtype == torch.float32


def test_the_same_generator_gives_the_same_moves() -> None:
    one, two, other = moves_of(WILD, seed=4), moves_of(WILD, seed=4), moves_of(WILD, seed=5)
    assert torch.equal(one.matrices, two.matrices)
    assert torch.equal(one.colour, two.colour)
    assert not torch.equal(one.matrices, other.matrices)


def test_erasing_blanks_a_rectangle() -> None:
    pixels = torch.full((8, 40, 60, 3), 200, dtype=torch.uint8)
    moved = augment(pixels, moves_of(STILL.model_copy(update={"erase": 1.0})))
    share = ((moved - 0.45).abs() < 1e-6).float().mean((1, 2, 3))
    assert (share > 0.005).all()
    assert (share < 0.12).all()


@pytest.mark.parametrize("angle", [0.0, 10.0])
def test_moves_stay_within_their_settings(angle: float) -> None:
    changes = STILL.model_copy(update={"rotate": angle})
    matrices = moves_of(changes, 200).matrices
    furthest = float(torch.rad2deg(torch.atan2(matrices[:, 1, 0], matrices[:, 0, 0])).abs().max())
    assert furthest <= angle + 1e-3
    assert angle == 0 or furthest > angle / 2
