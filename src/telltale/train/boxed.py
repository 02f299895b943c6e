"""Whole pictures with boxes, moved together. Knows nothing of networks.

A moved box is the upright one around the moved ellipse that filled it: exact without a turn, and under a turn for round
things; the hull of its turned corners would teach boxes that grow with the angle. One of which less than LEFT stays in
the picture becomes a region nobody knows; others are cut to the picture, as people label them.
"""

from __future__ import annotations

import math
from dataclasses import replace

import cv2
import numpy as np
import torch
from torch import Tensor

from telltale.frame import Image
from telltale.project import Augment
from telltale.tasks import Target, Task
from telltale.train.array_feed import ArrayFeed
from telltale.train.arrays import Arrays, pick_side
from telltale.train.augment import Moves, augment, move_points
from telltale.train.feed import Batch, BatchTarget, MakeBatch
from telltale.train.occlude import DRAWS, occlude

LEFT = 0.5
"""The share of a box that must stay in the picture."""

TRUE_EDGE = (255, 213, 0)


class BoxedPictures(ArrayFeed):
    """Feeds `Arrays` whose target is boxes of the model's input."""

    watch_batch = 64

    def __init__(self, task: Task, arrays: Arrays, labels: Target, settings: Augment) -> None:
        """labels: (N, K), what the training pictures show."""
        super().__init__(task, arrays, labels, settings)
        height, width = arrays.pixels.shape[1:3]
        self.turns = settings.turns is True and height == width

    def draw_moves(self, count: int, generator: torch.Generator) -> Moves:
        """With turns by quarters, if asked for."""
        moves = super().draw_moves(count, generator)
        if not self.turns:
            return moves
        side = self.arrays.pixels.shape[1]
        quarters = torch.randint(4, (count,), generator=generator)
        return replace(moves, matrices=moves.matrices @ torch.stack([_quarter(int(q), side) for q in quarters]))

    def draw(self, rows: Tensor, generator: torch.Generator, device: torch.device) -> MakeBatch:
        make = super().draw(rows, generator, device)
        if not self.settings.occlude:
            return make
        hide = torch.rand(len(rows), generator=generator) < self.settings.occlude
        draws = torch.rand(len(rows), DRAWS, generator=generator)

        def hidden(share: slice) -> Batch:
            batch = make(share)
            _hide(batch, hide[share], draws[share])
            return batch

        return hidden

    def make(self, rows: Tensor, moves: Moves, device: torch.device) -> Batch:
        pixels = torch.from_numpy(self.arrays.pixels[rows.numpy()]).to(device)
        return Batch(augment(pixels, moves), self._move(rows, moves, device), None)

    def _move(self, rows: Tensor, moves: Moves, device: torch.device) -> BatchTarget:
        """The boxes of these rows where they come to lie."""
        index = rows.numpy()
        plain, swapped = pick_side(self.arrays.target, index), pick_side(self.mirrored, index)
        flipped = moves.flipped.numpy()[:, None, None, None]
        values = torch.from_numpy(plain.values.copy())
        # A flip swaps names; where the boxes go, the moves say: those of the mirrored target are flipped back first.
        back = torch.from_numpy(swapped.values.copy())
        back[..., 1] *= -1
        values = torch.where(torch.from_numpy(flipped), back, values)
        known = torch.from_numpy(np.where(flipped, swapped.known, plain.known))
        hidden = torch.from_numpy(np.where(flipped, swapped.hidden, plain.hidden))
        height, width = self.arrays.pixels.shape[1:3]
        values, hidden = move_boxes(values, hidden, moves.matrices, width, height)
        most = max(1, int((values[..., 0] > 0).sum(2).max())) if len(values) else 1
        order = torch.argsort(values[..., 0], dim=2, descending=True, stable=True)[..., :most, None].expand(
            -1, -1, -1, 5
        )
        return BatchTarget(*(side.gather(2, order).float().to(device) for side in (values, known, hidden)))

    def pairs(self, seed: int, count: int) -> list[tuple[Image, Image]]:
        """Each picture as the net sees it, and the same with its boxes."""
        generator = torch.Generator().manual_seed(seed)
        rows = self.order(generator)[:count]
        batch = self.draw(rows, generator, torch.device("cpu"))(slice(0, len(rows)))
        plain = batch.pixels.permute(0, 2, 3, 1).mul(255).round().to(torch.uint8).contiguous().numpy()
        drawn = plain.copy()
        height, width = plain.shape[1:3]
        for picture, boxes in zip(drawn, batch.target.values.flatten(1, 2).numpy(), strict=True):
            for there, x, y, w, h in boxes.tolist():
                if there:
                    left, top = (x + 0.5 - w / 2) * width, (y + 0.5 - h / 2) * height
                    corner = (round(left + w * width) - 1, round(top + h * height) - 1)
                    cv2.rectangle(picture, (round(left), round(top)), corner, TRUE_EDGE, 1)
        return list(zip(plain, drawn, strict=True))


def _hide(batch: Batch, hide: Tensor, draws: Tensor) -> None:
    """A bar across one thing of each picture that `hide` (N,) names, in place."""
    height, width = batch.pixels.shape[2:]
    scale = torch.tensor([width, height, width, height], dtype=torch.float32)
    for i in torch.nonzero(hide)[:, 0].tolist():
        told = batch.target.values[i].flatten(0, 1).cpu()
        known = (told[:, 0] > 0.5) & (batch.target.hidden[i].flatten(0, 1)[:, 0].cpu() == 0)
        boxes = torch.cat([told[known, 1:3] + 0.5 - told[known, 3:] / 2, told[known, 3:]], 1) * scale
        picture = batch.pixels[i].permute(1, 2, 0).cpu()  # on the CPU the picture itself, not a copy
        occlude(picture.numpy(), [(x, y, w, h) for x, y, w, h in boxes.tolist()], draws[i].numpy())
        if batch.pixels.device.type != "cpu":
            batch.pixels[i] = picture.permute(2, 0, 1).to(batch.pixels.device)


def move_boxes(values: Tensor, hidden: Tensor, matrices: Tensor, width: int, height: int) -> tuple[Tensor, Tensor]:
    """Boxes (N, K, M, 5) and which are regions nobody knows, (N, K, M, 5) bool, after homographies (N, 3, 3)."""
    count = len(values)
    size = torch.tensor([width, height], dtype=torch.float32)
    centre, sides = (values[..., 1:3] + 0.5) * size, values[..., 3:] * size
    middle = move_points(centre.reshape(count, -1, 2), matrices).view(centre.shape)
    m = matrices[:, None, None]
    depth = centre @ matrices[:, 2, :2].view(count, 1, 2, 1) + m[..., 2, 2:]  # (N, K, M, 1)
    # The homography's own slope at the centre: (M - moved centre x last row) / depth
    slope = (m[..., :2, :2] - middle[..., :, None] * m[..., 2:, :2]) / depth[..., None]  # (N, K, M, 2, 2)
    parts = slope.abs() * sides[..., None, :]
    moved = torch.where(hidden[..., :1], parts.sum(-1), parts.square().sum(-1).sqrt())
    low = (middle - moved / 2).clamp(min=0)
    high = torch.minimum(middle + moved / 2, size)
    cut = (high - low).clamp(min=0)
    share = cut.prod(-1) / moved.prod(-1).clamp(min=1e-6)
    there = (values[..., 0] > 0.5) & (share > 0)
    out = torch.cat([there[..., None].float(), (low + cut / 2) / size - 0.5, cut / size], -1) * there[..., None]
    return out, hidden | (there & (share < LEFT))[..., None]


def _quarter(which: int, side: int) -> Tensor:
    """A square turned by so many quarters, in pixels."""
    cos, sin, half = round(math.cos(which * math.pi / 2)), round(math.sin(which * math.pi / 2)), side / 2
    return torch.tensor(
        [[cos, -sin, half - cos * half + sin * half], [sin, cos, half - sin * half - cos * half], [0, 0, 1]],
        dtype=torch.float32,
    )
