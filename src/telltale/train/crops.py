"""What a net for masks sees: crops around what is marked, and of good areas. Knows nothing of networks.

Half of the crops are drawn around a marked pixel, for what is to be found covers little of most pictures, and nothing
of many; the others lie anywhere, or around good places that the net took for something (hard examples, Sung and Poggio
1998). Pictures of the input's size are taken whole. Each crop is cut, moved and turned in one resample of the picture
and its masks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from telltale.frame import Image
from telltale.preprocess import MASK_UNKNOWN, PAD
from telltale.project import Augment
from telltale.tasks import Target, Task
from telltale.train.arrays import pick_side
from telltale.train.augment import Moves, draw_moves, share_out
from telltale.train.feed import Batch, BatchTarget, MakeBatch, Points, Watched
from telltale.train.paste import paste
from telltale.train.store import Store

MARKED = 0.5
"""The share of crops drawn around something marked."""

HARD = 0.5
"""Of the other crops, the share around hard good places, once the net has shown where they are."""
HARD_FROM = 0.1
"""A good place is hard where the net gives it this probability or more."""
SEARCHED = 1024
"""Tiles of good pictures looked at for hard places at most, evenly spread over all."""

POINTS = 512
"""Marked pixels of each picture that crops are drawn around: evenly spread over all of them."""

PASSES = 4
"""Crops of one epoch, as often as there are pictures: between two looks at the watched groups."""

EDGE_PX = 2
"""Pixels this close to an edge of what is marked weigh EDGE_WEIGHT: there the answer is decided."""
EDGE_WEIGHT = 2

WATCH_BATCH = 32


@dataclass(frozen=True)
class MaskData:
    """What one run learns from. labels: (N, K) what pictures show. train, watch: rows of the store."""

    store: Store
    labels: Target
    train: NDArray[np.int64]
    watch: NDArray[np.int64]


class Crops:
    """Feeds crops of (width, height)."""

    def __init__(self, task: Task, data: MaskData, augment: Augment, width: int, height: int) -> None:
        self.task, self.data, self.augment = task, data, augment
        self.width, self.height = width, height
        self.turns = augment.turns is not False and width == height
        self.labels = pick_side(data.labels, data.train)
        self.points = {int(row): _marked(data.store.masks(int(row))) for row in data.train}
        self.marked = np.array([row for row in data.train if len(self.points[int(row)])], np.int64)
        self.hard = np.empty(0, np.int64)
        self._tiles = [t for row in data.watch for t in _tiles(int(row), data.store.sizes[row], width, height)]

    def __len__(self) -> int:
        return PASSES * len(self.data.train)

    @property
    def watching(self) -> bool:
        return bool(self._tiles)

    def order(self, generator: torch.Generator) -> Tensor:
        """Rows of the store for one epoch: about half of them pictures with something marked."""
        count = len(self)
        plain = torch.from_numpy(self.data.train)
        parts = [plain[torch.randperm(len(plain), generator=generator)] for _ in range(PASSES)]
        rows = torch.cat(parts)
        if len(self.marked):
            often = torch.from_numpy(self.marked)[torch.randint(len(self.marked), (count,), generator=generator)]
            chosen = torch.rand(count, generator=generator)
            if len(self.hard):
                hard = torch.from_numpy(self.hard)[torch.randint(len(self.hard), (count,), generator=generator)]
                rows = torch.where(chosen > 1 - (1 - MARKED) * HARD, hard, rows)
            rows = torch.where(chosen < MARKED, often, rows)
        return rows

    def find_hard(self, answer: Callable[[Tensor], Tensor], device: torch.device) -> Points:
        """The place of the highest probability in each tile of the pictures without anything, where it is hard."""
        good = [int(row) for row in self.data.train if row not in set(self.marked.tolist())]
        tiles = [t for row in good for t in _tiles(row, self.data.store.sizes[row], self.width, self.height)]
        if len(tiles) > SEARCHED:
            tiles = [tiles[i] for i in np.linspace(0, len(tiles) - 1, SEARCHED).astype(np.int64)]
        found: Points = []
        for start in range(0, len(tiles), WATCH_BATCH):
            part = tiles[start : start + WATCH_BATCH]
            pixels, masks = self._read(part)
            p = answer(to_planes(pixels, device)).float().cpu().numpy()
            p = np.where(masks == 0, p, 0).max(axis=1)  # (N, H, W), only where it is known that there is nothing
            for (row, x, y), each in zip(part, p, strict=True):
                at_y, at_x = np.unravel_index(int(each.argmax()), each.shape)
                if each[at_y, at_x] >= HARD_FROM:
                    found.append((row, x + float(at_x) + 0.5, y + float(at_y) + 0.5))
        return found

    def dwell_on(self, points: Points) -> None:
        """See `Dwells`."""
        for row in self.hard:
            self.points[int(row)] = np.empty((0, 2))
        self.hard = np.array(sorted({row for row, _, _ in points}), np.int64)
        for row in self.hard:
            self.points[int(row)] = np.array([(x, y) for other, x, y in points if other == row], np.float64)

    def draw(self, rows: Tensor, generator: torch.Generator, device: torch.device) -> MakeBatch:
        """Crops of these rows."""
        moves = draw_moves(len(rows), self.height, self.width, self.augment, generator)
        draws = torch.rand(len(rows), 10, generator=generator).numpy()
        return lambda share: self._make(rows[share], moves.part(share), draws[share], device)

    def _make(self, rows: Tensor, moves: Moves, draws: NDArray[np.float32], device: torch.device) -> Batch:
        count = len(rows)
        pixels = np.empty((count, self.height, self.width, 3), np.uint8)
        masks = np.empty((count, len(self.task.names), self.height, self.width), np.uint8)
        weights = np.empty_like(masks)

        def fill(i: int) -> None:
            self._cut(int(rows[i]), moves, i, draws[i], pixels[i], masks[i])
            if draws[i, 5] < self.augment.paste and len(self.marked) and not (masks[i] > MASK_UNKNOWN).any():
                self._paste(moves, i, draws[i], pixels[i], masks[i])
            for k in range(len(masks[i])):
                weights[i, k] = weigh(masks[i, k])

        share_out(fill, count)
        return Batch(to_planes(pixels, device), to_target(masks, weights, device), None)

    def _cut(
        self, row: int, moves: Moves, i: int, draw: NDArray[np.float32], pixels: Image, masks: NDArray[np.uint8]
    ) -> None:
        """Fill one crop, (H, W, 3), and its masks, (K, H, W)."""
        picture, marks = self.data.store.picture(row), self.data.store.masks(row)
        shift = np.eye(3)
        shift[:2, 2] = -self._corner(row, draw)
        turn = _turn(int(draw[4] * 8), self.width) if self.turns else np.eye(3)
        half = np.array([[1.0, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])  # OpenCV puts pixel centres at integers
        matrix = np.linalg.inv(half) @ moves.matrices[i].double().numpy() @ turn @ shift @ half
        size = (self.width, self.height)
        moved = cv2.warpPerspective(picture, matrix, size, flags=cv2.INTER_LINEAR, borderValue=(PAD, PAD, PAD))
        colour = torch.cat([moves.colour[i], moves.offset[i, :, None] * 255], 1).numpy()
        pixels[:] = cv2.transform(moved, colour)
        for k, mark in enumerate(marks):
            masks[k] = cv2.warpPerspective(
                mark, matrix, size, flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=MASK_UNKNOWN
            )

    def _paste(self, moves: Moves, i: int, draw: NDArray[np.float32], pixels: Image, masks: NDArray[np.uint8]) -> None:
        """Lay what is marked in another picture into a crop that has nothing marked."""
        row = int(self.marked[int(draw[6] * len(self.marked))])
        donor, marks = np.empty_like(pixels), np.empty_like(masks)
        around = np.array([*draw[7:9], 0.0, draw[9], draw[4], 0.0], np.float32)  # surely around a marked pixel
        self._cut(row, moves, i, around, donor, marks)
        paste(pixels, masks, donor, marks)

    def _corner(self, row: int, draw: NDArray[np.float32]) -> NDArray[np.float64]:
        """x, y of the crop's upper left corner in the picture."""
        size = np.array(self.data.store.sizes[row], np.float64)
        crop = np.array([self.width, self.height], np.float64)
        free = size - crop
        corner = draw[:2] * free  # where the picture is smaller: anywhere it is wholly inside
        points = self.points[row]
        if len(points) and draw[2] < MARKED:
            point = points[int(draw[3] * len(points))]
            corner = point - draw[:2] * crop
        inside: NDArray[np.float64] = np.where(free > 0, np.clip(corner, 0, np.maximum(free, 0)), free * draw[:2])
        return np.round(inside)  # whole pixels: a crop that is not turned is not blurred

    def watched(self, device: torch.device) -> Iterator[Watched]:
        """The watched pictures as plain tiles."""
        for start in range(0, len(self._tiles), WATCH_BATCH):
            pixels, masks = self._read(self._tiles[start : start + WATCH_BATCH])
            target = to_target(masks, np.ones_like(masks), device)
            truth = Target(
                (masks > MASK_UNKNOWN).astype(np.float32), masks != MASK_UNKNOWN, np.zeros(masks.shape, np.bool_)
            )
            yield Watched(to_planes(pixels, device), target, truth)

    def _read(self, tiles: Sequence[tuple[int, int, int]]) -> tuple[Image, NDArray[np.uint8]]:
        """(N, H, W, 3) and (N, K, H, W) of (row, x, y) tiles; what lies outside the picture is not known."""
        pixels = np.full((len(tiles), self.height, self.width, 3), PAD, np.uint8)
        masks = np.full((len(tiles), len(self.task.names), self.height, self.width), MASK_UNKNOWN, np.uint8)
        for i, (row, x, y) in enumerate(tiles):
            picture = self.data.store.picture(row)[y : y + self.height, x : x + self.width]
            height, width = picture.shape[:2]
            pixels[i, :height, :width] = picture
            masks[i, :, :height, :width] = self.data.store.masks(row)[:, y : y + height, x : x + width]
        return pixels, masks

    def pairs(self, seed: int, count: int) -> list[tuple[Image, Image]]:
        """Crops as the net sees them, and the same with the edges of what is marked."""
        generator = torch.Generator().manual_seed(seed)
        rows = self.order(generator)[:count]
        batch = self.draw(rows, generator, torch.device("cpu"))(slice(0, len(rows)))
        plain = batch.pixels.permute(0, 2, 3, 1).mul(255).round().to(torch.uint8).contiguous().numpy()
        drawn = plain.copy()
        for picture, masks in zip(drawn, batch.target.values.numpy(), strict=True):
            edges, _ = cv2.findContours((masks.max(axis=0) > 0).astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
            cv2.drawContours(picture, edges, -1, (255, 213, 0), 1)
        return list(zip(plain, drawn, strict=True))


def to_planes(pixels: Image, device: torch.device) -> Tensor:
    """(N, H, W, 3) uint8 -> (N, 3, H, W) float32 in 0..1, channels last in memory."""
    return torch.from_numpy(pixels).to(device).permute(0, 3, 1, 2).float() / 255


def to_target(masks: NDArray[np.uint8], weights: NDArray[np.uint8], device: torch.device) -> BatchTarget:
    """Values, weights of what is known (0 where it is not), and hidden, which masks do not have; (N, K, H, W)."""
    marks = torch.from_numpy(masks).to(device)
    known = torch.from_numpy(weights).to(device).float() * (marks != MASK_UNKNOWN)
    return BatchTarget((marks > MASK_UNKNOWN).float(), known, torch.zeros(1, device=device))


def weigh(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W) weights: EDGE_WEIGHT within EDGE_PX of an edge of what is marked, else 1."""
    on = (mask > MASK_UNKNOWN).astype(np.uint8)
    if not on.any():
        return np.ones_like(mask)
    kernel = np.ones((2 * EDGE_PX + 1, 2 * EDGE_PX + 1), np.uint8)
    edge = cv2.dilate(on, kernel) - cv2.erode(on, kernel)
    return np.asarray(1 + (EDGE_WEIGHT - 1) * edge, np.uint8)


def _marked(masks: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(P, 2) x, y of at most POINTS pixels that are marked."""
    y, x = np.nonzero((masks > MASK_UNKNOWN).any(axis=0))
    if len(x) > POINTS:
        rows = np.linspace(0, len(x) - 1, POINTS).astype(np.int64)
        x, y = x[rows], y[rows]
    return np.stack([x, y], 1).astype(np.float64) + 0.5


def _tiles(row: int, size: tuple[int, int], tile_width: int, tile_height: int) -> list[tuple[int, int, int]]:
    """(row, x, y) of tiles that cover a picture once."""
    return [(row, x, y) for y in range(0, size[1], tile_height) for x in range(0, size[0], tile_width)]


def _turn(which: int, side: int) -> NDArray[np.float64]:
    """One of the eight ways to lay a square: quarter turns, and each upside down."""
    quarter: NDArray[np.float64] = np.array([[0.0, -1, side], [1, 0, 0], [0, 0, 1]])
    turned: NDArray[np.float64] = np.array([[1.0, 0, 0], [0, -1, side], [0, 0, 1]]) if which >= 4 else np.eye(3)
    for _ in range(which % 4):
        turned = np.matmul(quarter, turned)
    return turned
