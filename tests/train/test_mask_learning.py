"""The loss of masks, and the crops it is taken over."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mask_scenes import make_project
from telltale.dataset import Catalogue
from telltale.preprocess import MASK_UNKNOWN
from telltale.project import Augment
from telltale.tasks import stack_targets
from telltale.train.crops import EDGE_WEIGHT, Crops, MaskData, to_target, weigh
from telltale.train.feed import BatchTarget
from telltale.train.mask_loss import MaskLoss
from telltale.train.store import open_store

CPU = torch.device("cpu")
STILL = Augment.model_validate(
    {"flip": False, "turns": False}
    | dict.fromkeys(("rotate", "scale", "shift", "perspective", "brightness", "contrast", "saturation", "hue"), 0.0)
)


def target(masks: np.ndarray) -> BatchTarget:
    return to_target(masks, np.ones_like(masks), CPU)


def blot(count: int = 2, size: int = 16) -> np.ndarray:
    masks = np.zeros((count, 1, size, size), np.uint8)
    masks[0, 0, 4:8, 4:8] = 255
    return masks


def test_the_right_answer_costs_least() -> None:
    masks, loss = blot(), MaskLoss()
    right = torch.from_numpy(np.where(masks > 0, 9.0, -9.0)).float()
    costs = [float(loss({"logits": sign * right}, target(masks))) for sign in (1, 0, -1)]
    assert costs[0] < 0.02
    assert costs == sorted(costs)


def test_pixels_nobody_knows_add_no_loss_and_no_gradient() -> None:
    masks = blot()
    masks[:, :, :, 12:] = MASK_UNKNOWN
    logits = torch.randn(2, 1, 16, 16, requires_grad=True)
    MaskLoss()({"logits": logits}, target(masks)).backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    assert (logits.grad[..., 12:] == 0).all()
    assert (logits.grad[..., :12] != 0).all()


def test_good_pictures_alone_are_no_error_and_teach_nothing_there() -> None:
    masks = np.zeros((3, 2, 8, 8), np.uint8)
    logits = torch.zeros(3, 2, 8, 8, requires_grad=True)
    loss = MaskLoss()({"logits": logits}, target(masks))
    loss.backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    assert (logits.grad > 0).all()
    nothing = MaskLoss()({"logits": logits}, target(np.full_like(masks, MASK_UNKNOWN)))
    assert float(nothing.detach()) == 0


def test_a_small_thing_moves_the_net_as_a_large_one_does() -> None:
    small, large = np.zeros((1, 1, 64, 64), np.uint8), np.zeros((1, 1, 64, 64), np.uint8)
    small[..., 30:33, 30:33], large[..., 10:40, 10:40] = 255, 255
    pulls = []
    for masks in (small, large):
        logits = torch.full((1, 1, 64, 64), -3.0, requires_grad=True)
        MaskLoss()({"logits": logits}, target(masks)).backward()  # type: ignore[no-untyped-call]
        assert logits.grad is not None
        pulls.append(float(-logits.grad[torch.from_numpy(masks > 0)].sum()))
    assert pulls[0] > 0.1 * pulls[1]  # though it has a hundredth of the pixels


def test_each_name_has_its_own_loss() -> None:
    masks = np.concatenate([blot(), np.full((2, 1, 16, 16), MASK_UNKNOWN, np.uint8)], axis=1)
    loss, outputs = MaskLoss(), {"logits": torch.zeros(2, 2, 16, 16)}
    each, count = loss.each(outputs, target(masks))
    assert count.tolist() == [1, 0]
    assert each[1] == 0
    assert float(loss(outputs, target(masks))) == pytest.approx(float(each[0]))


def test_pixels_near_an_edge_weigh_more() -> None:
    mask = np.zeros((20, 20), np.uint8)
    mask[5:15, 5:15] = 255
    weights = weigh(mask)
    assert weights[10, 10] == weights[0, 0] == 1
    assert weights[5, 10] == weights[4, 10] == EDGE_WEIGHT


# --- crops


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> MaskData:
    project = make_project(tmp_path_factory.mktemp("crops"), 12, size=120)
    with Catalogue.open(project.catalogue_path, project.images, readonly=True) as catalogue:
        examples = catalogue.examples()
    task = project.config.make_task()
    store = open_store(project.root / ".cache", examples, task, project.config.input.preprocess())
    labels = stack_targets([task.shows(e.labels) for e in examples])
    return MaskData(store, labels, np.arange(10), np.arange(10, 12))


def crops(data: MaskData, augment: Augment, side: int = 64) -> Crops:
    from telltale.tasks import from_spec

    return Crops(from_spec({"kind": "mask", "names": ["blot"]}), data, augment, side, side)


def test_a_crop_that_is_not_moved_is_a_part_of_its_picture(data: MaskData) -> None:
    feed = crops(data, STILL)
    rows = torch.arange(10)
    batch = feed.draw(rows, torch.Generator().manual_seed(0), CPU)(slice(0, 10))
    for i in range(10):
        crop = (batch.pixels[i].permute(1, 2, 0) * 255).round().to(torch.uint8).numpy()
        picture, marks = data.store.picture(i), data.store.masks(i)[0]
        places = [
            (y, x)
            for y in range(picture.shape[0] - 63)
            for x in range(picture.shape[1] - 63)
            if np.array_equal(picture[y : y + 64, x : x + 64], crop)
        ]
        assert len(places) == 1
        y, x = places[0]
        np.testing.assert_array_equal(batch.target.values[i, 0].numpy() > 0, marks[y : y + 64, x : x + 64] > 127)


def test_half_of_the_crops_show_something_where_half_of_the_pictures_are_good(data: MaskData) -> None:
    feed = crops(data, STILL)
    rows = torch.cat([feed.order(torch.Generator().manual_seed(k)) for k in range(5)])
    batch = feed.draw(rows, torch.Generator().manual_seed(0), CPU)(slice(0, len(rows)))
    marked = (batch.target.values.sum((1, 2, 3)) > 0).float().mean()
    assert 0.4 < float(marked) < 0.85


@given(seed=st.integers(0, 2**31))
@settings(max_examples=10, deadline=None)
def test_masks_move_with_their_pictures(data: MaskData, seed: int) -> None:
    """Blots are dark: wherever a moved crop's mask is on, away from its edge, the picture is dark there."""
    feed = crops(data, Augment.model_validate({"brightness": 0, "contrast": 0, "saturation": 0, "hue": 0}))
    rows = torch.from_numpy(feed.marked)
    batch = feed.draw(rows, torch.Generator().manual_seed(seed), CPU)(slice(0, len(rows)))
    grey = batch.pixels.mean(1, keepdim=True)
    on = -torch.nn.functional.max_pool2d(-batch.target.values, 5, 1, 2) > 0
    off = (torch.nn.functional.max_pool2d(batch.target.values, 7, 1, 3) == 0) & (batch.target.known > 0)
    assert float(grey[off].mean()) > 0.5
    if on.any():
        assert float(grey[on].mean()) < 0.35


def test_a_share_of_a_batch_is_what_the_whole_batch_has_there(data: MaskData) -> None:
    feed = crops(data, Augment())
    rows = torch.arange(8)
    make = feed.draw(rows, torch.Generator().manual_seed(5), CPU)
    whole, part = make(slice(0, 8)), make(slice(3, 6))
    assert torch.equal(whole.pixels[3:6], part.pixels)
    assert torch.equal(whole.target.values[3:6], part.target.values)


def test_watched_tiles_cover_every_pixel_once(data: MaskData) -> None:
    feed = crops(data, STILL)
    known = sum(int((part.target.known > 0).sum()) for part in feed.watched(CPU))
    assert known == sum(w * h for w, h in (data.store.sizes[int(row)] for row in data.watch))


def test_a_damaged_store_is_built_anew(tmp_path: Path) -> None:
    project = make_project(tmp_path, 9)
    with Catalogue.open(project.catalogue_path, project.images, readonly=True) as catalogue:
        examples = catalogue.examples()
    task, preprocess = project.config.make_task(), project.config.input.preprocess()
    first = np.array(open_store(tmp_path / "c", examples, task, preprocess).data)
    (path,) = (tmp_path / "c").glob("*.u8")
    path.write_bytes(b"\0" * len(first))
    np.testing.assert_array_equal(open_store(tmp_path / "c", examples, task, preprocess).data, first)
