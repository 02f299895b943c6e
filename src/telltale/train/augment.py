"""Move pictures and their colours, all in one resample. Knows nothing of files or networks.

Every picture of a batch gets one homography (flip, turn, scale, shift and perspective together) and one
3x3 colour matrix with an offset (brightness, contrast, saturation and hue together), so a batch costs
one resample and one small matrix product however many changes are asked for. The matrices come
back, so masks, points and boxes move with their picture.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import cv2
import torch
from torch import Tensor
from torch.nn import functional

from telltale.project import Augment

LUMA = (0.299, 0.587, 0.114)
"""Weights of grey, Rec. ITU-R BT.601."""


@dataclass(frozen=True, slots=True)
class Moves:
    """What happens to each of N pictures.

    matrices: (N, 3, 3) float32 homographies from a point of the picture to where it goes, in pixels with
    pixel centres at half-integers (x right, y down).
    flipped: (N,) bool, mirrored left to right: the labels must swap.
    colour, offset: (N, 3, 3) and (N, 3): rgb' = colour rgb + offset, for values 0..1.
    erased: (N, 4) float32 rectangles x0, y0, x1, y1 in pixels of the moved picture, empty where nothing is.
    """

    matrices: Tensor
    flipped: Tensor
    colour: Tensor
    offset: Tensor
    erased: Tensor

    def part(self, rows: slice) -> Moves:
        """The moves of some of the pictures."""
        return Moves(self.matrices[rows], self.flipped[rows], self.colour[rows], self.offset[rows], self.erased[rows])


def draw_moves(count: int, height: int, width: int, settings: Augment, generator: torch.Generator) -> Moves:
    """Random moves; the same generator state gives the same moves. On the CPU."""

    def between(bound: float, *shape: int) -> Tensor:
        """Uniform in -bound..bound."""
        return (torch.rand(count, *shape, generator=generator) * 2 - 1) * bound

    flipped = torch.rand(count, generator=generator) < (0.5 if settings.flip else 0.0)
    angle = between(math.radians(settings.rotate))
    scale = torch.exp(between(math.log1p(settings.scale)))
    shift = between(settings.shift, 2) * torch.tensor([width, height])
    lean = between(settings.perspective, 2) / torch.tensor([width / 2, height / 2])
    zero, one = torch.zeros(count), torch.ones(count)
    sign = torch.where(flipped, -1.0, 1.0)
    cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
    # About the middle: flip, then turn and scale, lean, shift.
    turn = _stack([cos * sign, -sin, zero], [sin * sign, cos, zero], [zero, zero, one])
    tilt = _stack([one, zero, zero], [zero, one, zero], [lean[:, 0], lean[:, 1], one])
    to_middle = torch.tensor([[1.0, 0, -width / 2], [0, 1, -height / 2], [0, 0, 1]])
    back = _stack([one, zero, width / 2 + shift[:, 0]], [zero, one, height / 2 + shift[:, 1]], [zero, zero, one])
    matrices = back @ tilt @ turn @ to_middle
    colour, offset = _draw_colours(count, settings, between)
    return Moves(matrices, flipped, colour, offset, _draw_rectangles(count, height, width, settings, generator))


def _stack(*rows: list[Tensor]) -> Tensor:
    """Rows of (N,) tensors -> (N, rows, columns)."""
    return torch.stack([torch.stack(row, -1) for row in rows], -2)


def _draw_colours(count: int, settings: Augment, between: _Between) -> tuple[Tensor, Tensor]:
    """Contrast about mid-grey, then brightness, saturation about luma and hue about the grey axis."""
    contrast = 1 + between(settings.contrast)
    brightness = 1 + between(settings.brightness)
    saturation = 1 + between(settings.saturation)
    hue = between(math.radians(settings.hue))
    grey = torch.tensor(LUMA).expand(3, 3)  # rgb -> (luma, luma, luma)
    eye = torch.eye(3)
    saturate = grey + saturation[:, None, None] * (eye - grey)
    # Rodrigues' rotation about (1, 1, 1): keeps grey grey.
    axis = torch.tensor([[0.0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / math.sqrt(3)
    cos, sin = torch.cos(hue)[:, None, None], torch.sin(hue)[:, None, None]
    turn = cos * eye + sin * axis + (1 - cos) / 3 * torch.ones(3, 3)
    gain = contrast * brightness
    colour = gain[:, None, None] * (turn @ saturate)
    # Rows of turn and saturate sum to 1, so the offset of a grey stays that grey.
    offset = (0.5 * (1 - contrast) * brightness)[:, None].expand(count, 3)
    return colour, offset


class _Between(Protocol):
    """The type of `between` above."""

    def __call__(self, bound: float, *shape: int) -> Tensor: ...


def _draw_rectangles(count: int, height: int, width: int, settings: Augment, generator: torch.Generator) -> Tensor:
    """A rectangle of 10 to 30 % of each side for a share `erase` of the pictures, else an empty one."""
    if settings.erase == 0:
        return torch.zeros(count, 4)
    hit = torch.rand(count, generator=generator) < settings.erase
    size = (0.1 + 0.2 * torch.rand(count, 2, generator=generator)) * torch.tensor([width, height])
    corner = torch.rand(count, 2, generator=generator) * (torch.tensor([width, height]) - size)
    return torch.where(hit[:, None], torch.cat([corner, corner + size], 1), 0.0)


def warp(batch: Tensor, matrices: Tensor, *, nearest: bool = False) -> Tensor:
    """Move a batch: (N, C, H, W) float and (N, 3, 3) -> (N, C, H, W). The edge is stretched outwards.

    nearest: for masks whose values must not mix.
    """
    _, _, height, width = batch.shape
    grid = _grid(matrices.to(batch.device), height, width)
    return functional.grid_sample(
        batch, grid, mode="nearest" if nearest else "bilinear", padding_mode="border", align_corners=False
    )


def _grid(matrices: Tensor, height: int, width: int) -> Tensor:
    """(N, H, W, 2): where each pixel of the result comes from, in grid_sample's -1..1."""
    device = matrices.device
    # Fold the scaling between pixels and -1..1 into the inverse, so that only one product runs per pixel.
    to_unit = torch.tensor([[2 / width, 0, -1], [0, 2 / height, -1], [0, 0, 1]], device=device)
    inverse = to_unit @ torch.linalg.inv(matrices)  # (N, 3, 3)
    x = torch.arange(width, device=device) + 0.5
    y = torch.arange(height, device=device) + 0.5
    # p = m0 x + m1 y + m2, as an outer sum: cheaper than a matrix product over all pixels.
    m = inverse[:, :, :, None, None]
    p = m[:, :, 0] * x[None, None, None, :] + (m[:, :, 1] * y[None, None, :, None] + m[:, :, 2])  # (N, 3, H, W)
    return torch.stack([p[:, 0] / p[:, 2], p[:, 1] / p[:, 2]], -1)


def warp_bytes(pixels: Tensor, matrices: Tensor) -> Tensor:
    """`warp` of (N, H, W, 3) uint8 on the CPU, equal to a rounding of 1/32 pixel, three times as fast.

    OpenCV's warp keeps to bytes and releases the GIL, so each of torch's threads takes a share.
    """
    source, moved = pixels.numpy(), torch.empty_like(pixels)
    out = moved.numpy()
    count, height, width, _ = source.shape
    # OpenCV puts pixel centres at integers.
    half = torch.tensor([[1.0, 0, 0.5], [0, 1, 0.5], [0, 0, 1]], dtype=torch.float64)
    homographies = (torch.linalg.inv(half) @ matrices.double() @ half).numpy()

    def move(i: int) -> None:
        cv2.warpPerspective(
            source[i],
            homographies[i],
            (width, height),
            dst=out[i],
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )

    share_out(move, count)
    return moved


def share_out(work: Callable[[int], None], count: int) -> None:
    """work(0) to work(count - 1), each of torch's threads taking a share; for work that releases the GIL."""
    threads = min(torch.get_num_threads(), count)

    def share(part: range) -> None:
        for i in part:
            work(i)

    if threads <= 1:
        share(range(count))
    else:
        list(_pool(threads).map(share, [range(k, count, threads) for k in range(threads)]))


@functools.cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, "warp")


def move_points(points: Tensor, matrices: Tensor) -> Tensor:
    """(N, P, 2) pixels -> where they are in the moved pictures."""
    ones = torch.ones_like(points[..., :1])
    moved = torch.cat([points, ones], -1) @ matrices.transpose(1, 2)
    return moved[..., :2] / moved[..., 2:]


def move_boxes(boxes: Tensor, matrices: Tensor) -> Tensor:
    """(N, B, 4) x0, y0, x1, y1 -> the upright boxes around the moved corners."""
    x0, y0, x1, y1 = boxes.unbind(-1)
    corners = torch.stack([torch.stack(c, -1) for c in ((x0, y0), (x1, y0), (x1, y1), (x0, y1))], -2)  # (N, B, 4, 2)
    moved = move_points(corners.flatten(1, 2), matrices).view(corners.shape)
    return torch.cat([moved.amin(-2), moved.amax(-2)], -1)


def recolour(pixels: Tensor, colour: Tensor, offset: Tensor) -> Tensor:
    """(N, 3, H, W) in 0..255 -> float32 in 0..1, clamped, the same shape."""
    colour, offset = colour.to(pixels.device) / 255, offset.to(pixels.device)
    mixed = torch.baddbmm(offset[:, :, None], colour, pixels.reshape(len(pixels), 3, -1))
    return mixed.clamp_(0, 1).view_as(pixels)


def recolour_bytes(pixels: Tensor, colour: Tensor, offset: Tensor) -> Tensor:
    """`recolour` of (N, H, W, 3) uint8 on the CPU, in place, rounded to bytes: a sixth of its time."""
    change = torch.cat([colour, offset[:, :, None] * 255], 2).numpy()  # (N, 3, 4)
    for picture, matrix in zip(pixels.numpy(), change, strict=True):
        cv2.transform(picture, matrix, dst=picture)
    return pixels


def augment(pixels: Tensor, moves: Moves) -> Tensor:
    """(N, H, W, 3) uint8 -> (N, 3, H, W) float32 in 0..1, moved and recoloured, on the pixels' device."""
    if pixels.is_cpu:
        batch = to_float(recolour_bytes(warp_bytes(pixels, moves.matrices), moves.colour, moves.offset))
    else:
        batch = recolour(warp(_planes(pixels), moves.matrices), moves.colour, moves.offset)
    if bool((moves.erased[:, 2] > 0).any()):
        batch = _erase(batch, moves.erased.to(batch.device))
    return batch


def _erase(batch: Tensor, rectangles: Tensor) -> Tensor:
    x = torch.arange(batch.shape[3], device=batch.device) + 0.5
    y = torch.arange(batch.shape[2], device=batch.device) + 0.5
    x0, y0, x1, y1 = rectangles[:, :, None].unbind(1)  # (N, 1) each
    inside = ((y >= y0) & (y < y1))[:, :, None] & ((x >= x0) & (x < x1))[:, None, :]
    return batch.masked_fill(inside[:, None], 0.45)


def _planes(pixels: Tensor) -> Tensor:
    """(N, H, W, 3) uint8 -> (N, 3, H, W) float32, still 0..255."""
    return pixels.permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.contiguous_format)


def to_float(pixels: Tensor) -> Tensor:
    """(N, H, W, 3) uint8 -> (N, 3, H, W) float32 in 0..1, unmoved; in memory as the bytes lie (channels last)."""
    return pixels.permute(0, 3, 1, 2).to(torch.float32).div_(255)
