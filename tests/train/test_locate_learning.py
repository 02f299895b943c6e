"""What training sees of boxes, and what it minimises."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from telltale.model import build
from telltale.model.heads import ANSWERS
from telltale.project import Augment
from telltale.tasks import Label, Target, stack_targets
from telltale.tasks.locate import Locate
from telltale.train.arrays import Arrays
from telltale.train.boxed import BoxedPictures, move_boxes
from telltale.train.feed import BatchTarget
from telltale.train.locate_loss import LocateLoss
from telltale.train.occlude import DRAWS, occlude

SIDE = 64
STILL = Augment(flip=False, rotate=0, scale=0, shift=0, perspective=0, brightness=0, contrast=0, saturation=0, hue=0)
TASK = Locate(("left", "right"), (("left", "right"),), max_count=4)


def target(labels: dict[str, object]) -> Target:
    return TASK.encode({name: Label(value) for name, value in labels.items()}, (SIDE, SIDE))


def as_batch(targets: Target) -> BatchTarget:
    return BatchTarget(*(torch.from_numpy(side).float() for side in (targets.values, targets.known, targets.hidden)))


def draw(box: list[int]) -> np.ndarray:
    picture = np.full((SIDE, SIDE, 3), 40, np.uint8)
    x, y, w, h = box
    picture[y : y + h, x : x + w] = 230
    return picture


def feed(settings: Augment) -> BoxedPictures:
    boxes = [[4, 6, 12, 10], [30, 20, 8, 16], [40, 40, 14, 14]]
    targets = stack_targets([target({"left": [box], "right": False}) for box in boxes])
    rows = np.arange(3)
    arrays = Arrays(np.stack([draw(box) for box in boxes]), targets, rows, rows)
    shown = stack_targets([TASK.shows({"left": Label([box]), "right": Label(False)}) for box in boxes])
    return BoxedPictures(TASK, arrays, shown, settings)


@pytest.mark.parametrize("settings", [STILL, STILL.model_copy(update={"flip": True, "shift": 0.1, "scale": 0.2})])
def test_boxes_lie_on_what_they_were_drawn_around_after_every_move(settings: Augment) -> None:
    moved = feed(settings)
    rows = torch.arange(3)
    for seed in range(6):
        batch = moved.draw(rows, torch.Generator().manual_seed(seed), torch.device("cpu"))(slice(0, 3))
        for n in range(3):
            boxes = batch.target.values[n]
            assert int((boxes[..., 0] > 0).sum()) == 1
            k, m = (int(v) for v in torch.nonzero(boxes[..., 0] > 0)[0])
            _, cx, cy, w, h = boxes[k, m].tolist()
            bright = batch.pixels[n, 0].numpy() > 0.5
            ys, xs = np.nonzero(bright)
            found = [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]
            told = [
                (cx + 0.5 - w / 2) * SIDE,
                (cy + 0.5 - h / 2) * SIDE,
                (cx + 0.5 + w / 2) * SIDE,
                (cy + 0.5 + h / 2) * SIDE,
            ]
            np.testing.assert_allclose(told, found, atol=1.01)


def test_a_bar_hides_a_part_of_the_thing_and_its_box_stays() -> None:
    """Never all of it; and the same state of the generator hides the same."""
    rows, plain = torch.arange(3), feed(STILL)
    free = plain.draw(rows, torch.Generator().manual_seed(0), torch.device("cpu"))(slice(0, 3))
    covering = feed(STILL.model_copy(update={"occlude": 1.0}))
    shares = []
    for seed in range(60):
        make = covering.draw(rows, torch.Generator().manual_seed(seed), torch.device("cpu"))
        batch = make(slice(0, 3))
        assert torch.equal(batch.target.values, free.target.values)
        parts = torch.cat([make(slice(0, 1)).pixels, make(slice(1, 3)).pixels])
        again = covering.draw(rows, torch.Generator().manual_seed(seed), torch.device("cpu"))(slice(0, 3))
        assert torch.equal(again.pixels, batch.pixels)
        for n in range(3):
            assert torch.equal(parts[n], batch.pixels[n])
            thing = free.pixels[n, 0] > 0.5
            changed = (batch.pixels[n] - free.pixels[n]).abs().amax(0) > 0.02
            shares.append(float(changed[thing].float().mean()))
            assert float(batch.pixels[n].min()) >= 0
            assert float(batch.pixels[n].max()) <= 1
    assert 0.1 < float(np.mean(shares)) < 0.5
    assert float(np.quantile(shares, 0.95)) < 0.85


def test_a_bar_finds_nothing_to_hide_in_an_empty_picture_or_a_speck() -> None:
    picture = np.full((16, 16, 3), 0.5, np.float32)
    draw_all = np.random.default_rng(0).random(DRAWS, np.float32)
    for boxes in ([], [(3.0, 3.0, 4.0, 9.0)]):
        occlude(picture, boxes, draw_all)
        assert (picture == 0.5).all()
    occlude(picture, [(3.0, 3.0, 8.0, 9.0)], draw_all)
    assert (picture != 0.5).any()


def test_a_flip_swaps_the_names_that_mirror_each_other() -> None:
    moved = feed(STILL.model_copy(update={"flip": True}))
    seen = set()
    for seed in range(8):
        batch = moved.draw(torch.arange(3), torch.Generator().manual_seed(seed), torch.device("cpu"))(slice(0, 3))
        seen |= {int(k) for k in torch.nonzero(batch.target.values[..., 0] > 0)[:, 1]}
    assert seen == {0, 1}


def test_a_box_that_is_mostly_outside_becomes_a_region_nobody_knows() -> None:
    values = torch.from_numpy(target({"left": [[20, 20, 10, 10]], "right": False}).values)[None]
    hidden = torch.zeros_like(values, dtype=torch.bool)

    def after(shift: float) -> tuple[torch.Tensor, torch.Tensor]:
        matrix = torch.eye(3)[None].clone()
        matrix[0, 0, 2] = shift
        return move_boxes(values, hidden, matrix, SIDE, SIDE)

    kept, unknown = after(-24)
    assert kept[0, 0, 0].tolist() == pytest.approx([1, 3 / 64 - 0.5, 25 / 64 - 0.5, 6 / 64, 10 / 64])
    assert not unknown.any()
    assert after(-26)[1][0, 0, 0].all()
    assert not after(-40)[0].any()


def outputs(n: int = 2) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {
        "logits": torch.randn(n, 2, 16, 16, generator=generator, requires_grad=True),
        "boxes": torch.randn(n, 4, 16, 16, generator=generator, requires_grad=True),
    }


def test_an_unlabelled_name_adds_nothing() -> None:
    known = as_batch(stack_targets([target({"left": [[8, 8, 8, 8]]}), target({"left": False})]))
    told = outputs()
    LocateLoss()(told, known).backward()  # type: ignore[no-untyped-call]
    assert told["logits"].grad is not None
    assert not told["logits"].grad[:, 1].any()
    assert told["logits"].grad[:, 0].any()


def test_nothing_is_learned_in_a_region_nobody_knows() -> None:
    label = {"boxes": [[2, 2, 8, 8]], "unknown": [[32, 32, 32, 32]]}
    told = outputs(1)
    LocateLoss()(told, as_batch(stack_targets([target({"left": label})]))).backward()  # type: ignore[no-untyped-call]
    assert told["logits"].grad is not None
    assert not told["logits"].grad[0, 0, 8:, 8:].any()
    assert told["logits"].grad[0, 0, :8, :8].all()


def test_a_batch_of_empty_pictures_has_a_loss_of_its_own_and_teaches_no_size() -> None:
    told = outputs()
    loss = LocateLoss()(told, as_batch(stack_targets([target({"left": False, "right": False})] * 2)))
    loss.backward()  # type: ignore[no-untyped-call]
    assert 0 < float(loss.detach()) < 1e4
    assert told["boxes"].grad is None or not told["boxes"].grad.any()


def test_the_loss_of_a_perfect_answer_is_near_nothing() -> None:
    wanted = stack_targets([target({"left": [[8, 9, 10, 12]], "right": False})])
    logits, boxes = torch.full((1, 2, 16, 16), -12.0), torch.zeros(1, 4, 16, 16)
    logits[0, 0, 3, 3] = 12
    shares = torch.logit(torch.tensor([13 / 4 % 1, 15 / 4 % 1, 10 / 64, 12 / 64]))
    boxes[0] = shares[:, None, None]
    good = float(LocateLoss()({"logits": logits, "boxes": boxes}, as_batch(wanted)))
    bad = float(LocateLoss()({"logits": -logits, "boxes": boxes}, as_batch(wanted)))
    assert good < 0.5  # the cells around the centre hold the clamped place
    assert bad > 10 * good


def test_a_few_pictures_are_learned_by_heart() -> None:
    torch.manual_seed(0)
    still = feed(STILL)
    network = build("8-16-24-32", TASK, SIDE, SIDE)
    loss, optimizer = LocateLoss(), torch.optim.AdamW(network.parameters(), 0.01)
    for step in range(120):
        batch = still.draw(torch.arange(3), torch.Generator().manual_seed(step), torch.device("cpu"))(slice(0, 3))
        optimizer.zero_grad()
        loss(network(batch.pixels), batch.target).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    watched = next(still.watched(torch.device("cpu")))
    with torch.no_grad():
        answers = ANSWERS["locate"](network.eval()(watched.pixels), torch.ones(2))
    told = {name: value.numpy() for name, value in answers.items()}
    score = TASK.score(TASK.tally(told, watched.truth, TASK.default_thresholds()))["heads"]["left"]
    assert score["recall"] == 1
    assert score["centre_px"] < 1.5
    assert score["iou"] > 0.7
