"""What training of boxes minimises: focal loss of centres, place and size at them. Knows nothing of pictures.

Centres: the focal loss of CornerNet (Law and Deng 2018) against a hill of 1 at each centre's cell that falls off as a
Gaussian, wider for larger things (TTFNet, Liu et al. 2020), so that a cell beside it is not taught to be as wrong as
one far away. A batch's loss is divided by its objects, or by its pictures where these are more: a picture without
anything is no special case, and a batch of them does not shout.

Place and size, at each centre's cell and, with less weight, at those around it, from which a peak that is off by one
cell would be read: L1 of the place in the cell; 1 - intersection over union of two boxes about one middle.
Cells in a region nobody knows teach nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from telltale.train.feed import BatchTarget

FOCUS, NEAR = 2.0, 4.0
"""Powers of the focal loss: of the error, and of the distance from a centre."""

SPREAD, NARROWEST = 0.1, 0.6
"""The Gaussian's deviation: this share of the side, at least so many cells."""

AROUND = 0.3
"""Weight of the cells around a centre's for place and size."""

PLACE, SIZE = 1.0, 1.0


@dataclass(frozen=True, slots=True)
class Objects:
    """B boxes of a batch: picture and name they are of, (B,), and centre and sides in cells, (B, 2)."""

    picture: Tensor
    name: Tensor
    centre: Tensor
    sides: Tensor


class LocateLoss:
    """Focal loss + place + size, summed over names; see `BatchTarget` for the boxes."""

    def __init__(self) -> None:
        self._local = threading.local()  # shares of a batch are learned in threads of their own

    def __call__(self, outputs: Mapping[str, Tensor], target: BatchTarget) -> Tensor:
        logits, boxes = outputs["logits"].float(), outputs["boxes"].float()
        objects = find_objects(target, logits.shape[2:])
        hills, known = draw_hills(objects, target, logits.shape)
        names = logits.shape[1]
        count = torch.bincount(objects.name, minlength=names).float()  # (K,)
        pictures = (known.amax((2, 3)) > 0).float().sum(0)  # (K,)
        share = torch.maximum(count, pictures).clamp(min=1)
        loss = (_focal(logits, hills) * known).sum((0, 2, 3)) / share
        if len(objects.name):
            at = _at_centres(boxes, objects)  # (B,)
            loss = loss + torch.zeros_like(loss).index_add(0, objects.name, at) / count.clamp(min=1)
        told = (pictures > 0).float()
        self._local.last = (outputs, (loss * told).detach(), told)
        return (loss * told).sum() / told.sum().clamp(min=1)

    def each(self, outputs: Mapping[str, Tensor], target: BatchTarget) -> tuple[Tensor, Tensor]:
        """(K,) the loss of each name in this batch, and 1 for each that anything is known of."""
        if getattr(self._local, "last", (None,))[0] is not outputs:
            self(outputs, target)
        _, loss, count = self._local.last
        return loss, count

    def likelihood(self, outputs: Mapping[str, Tensor], target: BatchTarget) -> tuple[Tensor, Tensor]:
        """What `each` gives."""
        return self.each(outputs, target)

    def criterion(self, likelihood: float, merit: float | None) -> float:
        """Average precision: the loss is decided by the many cells that no peak comes near."""
        return likelihood if merit is None else 1 - merit


def find_objects(target: BatchTarget, cells: tuple[int, ...]) -> Objects:
    """The boxes somebody gave. cells: rows and columns of the maps."""
    there = (target.values[..., 0] > 0.5) & (target.known[..., 0] > 0) & (target.hidden[..., 0] == 0)  # (N, K, M)
    picture, name, row = torch.nonzero(there, as_tuple=True)
    values = target.values[picture, name, row]  # (B, 5)
    size = torch.tensor([cells[1], cells[0]], dtype=values.dtype, device=values.device)
    centre = (values[:, 1:3] + 0.5) * size
    return Objects(picture, name, torch.minimum(centre.clamp(min=0), size - 1e-3), values[:, 3:] * size)


def draw_hills(objects: Objects, target: BatchTarget, shape: torch.Size) -> tuple[Tensor, Tensor]:
    """(N, K, h, w) hills of 1 at each centre's cell, and 1 where the cell teaches."""
    count, names, rows, columns = shape
    device = target.values.device
    y = torch.arange(rows, device=device)
    x = torch.arange(columns, device=device)
    known = (target.known[..., 0].amax(2) > 0).float()[:, :, None, None].expand(shape).clone()
    _forget_unknown(known, target, x, y)
    hills = torch.zeros(count * names, rows, columns, device=device)
    if len(objects.name):
        cell = objects.centre.floor()
        spread = (SPREAD * objects.sides).clamp(min=NARROWEST)
        across = torch.exp(-((x[None] - cell[:, :1]) ** 2) / (2 * spread[:, :1] ** 2))  # (B, w)
        down = torch.exp(-((y[None] - cell[:, 1:]) ** 2) / (2 * spread[:, 1:] ** 2))  # (B, h)
        hill = down[:, :, None] * across[:, None, :]
        at = (objects.picture * names + objects.name)[:, None, None].expand_as(hill)
        hills.scatter_reduce_(0, at, hill, "amax")
    hills = hills.view(shape)
    return hills, torch.where(hills == 1, (known.amax((2, 3), keepdim=True) > 0).float(), known)


def _forget_unknown(known: Tensor, target: BatchTarget, x: Tensor, y: Tensor) -> None:
    """0 for cells whose middle lies in a region nobody knows, in place."""
    regions = (target.values[..., 0] > 0.5) & (target.hidden[..., 0] > 0) & (target.known[..., 0] > 0)
    rows, columns = known.shape[2:]
    for n, k, row in torch.nonzero(regions).tolist():
        _, cx, cy, w, h = target.values[n, k, row].tolist()
        inside_x = ((x + 0.5) / columns - 0.5 - cx).abs() <= w / 2
        inside_y = ((y + 0.5) / rows - 0.5 - cy).abs() <= h / 2
        known[n, k][inside_y[:, None] & inside_x[None]] = 0


def _focal(logits: Tensor, hills: Tensor) -> Tensor:
    """(N, K, h, w)."""
    p = torch.sigmoid(logits)
    here = (1 - p) ** FOCUS * functional.softplus(-logits)
    away = (1 - hills) ** NEAR * p**FOCUS * functional.softplus(logits)
    return torch.where(hills == 1, here, away)


def _at_centres(boxes: Tensor, objects: Objects) -> Tensor:
    """(B,) the error of place and size at each centre's cell and those around it."""
    rows, columns = boxes.shape[2:]
    steps = torch.tensor([(dx, dy) for dy in (-1, 0, 1) for dx in (-1, 0, 1)], device=boxes.device)  # (9, 2)
    cell = objects.centre.floor().long()[:, None] + steps  # (B, 9, 2)
    inside = ((cell >= 0) & (cell < torch.tensor([columns, rows], device=boxes.device))).all(2)
    weight = torch.where((steps == 0).all(1), 1.0, AROUND) * inside
    x, y = cell[..., 0].clamp(0, columns - 1), cell[..., 1].clamp(0, rows - 1)
    told = torch.sigmoid(boxes[objects.picture[:, None], :, y, x])  # (B, 9, 4)
    place = (objects.centre[:, None] - cell).clamp(0, 1)
    off = (told[..., :2] - place).abs().sum(2)
    size = torch.tensor([columns, rows], dtype=told.dtype, device=told.device)
    sides, true = told[..., 2:] * size, objects.sides[:, None]
    both = torch.minimum(sides, true).prod(2)
    overlap = both / (sides.prod(2) + true.prod(2) - both).clamp(min=1e-6)
    error = PLACE * off + SIZE * (1 - overlap)
    return (error * weight).sum(1) / weight.sum(1)
