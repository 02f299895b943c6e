"""Which crops are drawn: around hard good places, and good ones that get a marked piece of another picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from mask_scenes import make_project
from telltale.dataset import Catalogue
from telltale.preprocess import MASK_UNKNOWN
from telltale.project import Augment, Train
from telltale.tasks import from_spec, stack_targets
from telltale.train.crops import Crops, MaskData
from telltale.train.paste import paste
from telltale.train.runs import run
from telltale.train.store import open_store

CPU = torch.device("cpu")
STILL = Augment.model_validate(
    {"flip": False, "turns": False}
    | dict.fromkeys(("rotate", "scale", "shift", "perspective", "brightness", "contrast", "saturation", "hue"), 0.0)
)
SIDE = 32


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> MaskData:
    project = make_project(tmp_path_factory.mktemp("places"), 12, size=120)
    with Catalogue.open(project.catalogue_path, project.images, readonly=True) as catalogue:
        examples = catalogue.examples()
    task = project.config.make_task()
    store = open_store(project.root / ".cache", examples, task, project.config.input.preprocess())
    return MaskData(store, stack_targets([task.shows(e.labels) for e in examples]), np.arange(12), np.arange(0))


def make_feed(data: MaskData, augment: Augment = STILL) -> Crops:
    return Crops(from_spec({"kind": "mask", "names": ["blot"]}), data, augment, SIDE, SIDE)


def seen_by(feed: Crops, seed: int = 0) -> tuple[Tensor, Tensor]:
    """The rows of an epoch and their crops' masks."""
    rows = feed.order(torch.Generator().manual_seed(seed))
    batch = feed.draw(rows, torch.Generator().manual_seed(seed), CPU)(slice(0, len(rows)))
    return rows, batch.target.values


def test_the_place_that_a_net_takes_for_something_is_found(data: MaskData) -> None:
    feed = make_feed(data)
    good = [row for row in range(12) if row not in feed.marked]
    row, at = good[1], (70, 41)  # x, y
    secret = data.store.picture(row)[at[1], at[0]].astype(np.float32) / 255
    around = data.store.picture(row)[at[1], at[0] + 1].astype(np.float32) / 255

    def answer(pixels: Tensor) -> Tensor:
        here = (pixels[:, 0] - float(secret[0])).abs() < 1e-4
        right = torch.roll((pixels[:, 0] - float(around[0])).abs() < 1e-4, -1, 2)
        below = torch.zeros_like(here)
        value = float(data.store.picture(row)[at[1] + 1, at[0], 0]) / 255
        below[:, :-1] = ((pixels[:, 0] - value).abs() < 1e-4)[:, 1:]
        return (here & right & below).float()[:, None]

    found = feed.find_hard(answer, CPU)
    assert (row, 70.5, 41.5) in found
    assert all(r in good for r, _, _ in found)
    assert feed.find_hard(lambda pixels: torch.zeros(len(pixels), 1, SIDE, SIDE), CPU) == []


def test_a_quarter_of_an_epoch_dwells_on_what_was_hard(data: MaskData) -> None:
    feed = make_feed(data)
    good = next(row for row in range(12) if row not in feed.marked)

    def share() -> float:
        rows = torch.cat([feed.order(torch.Generator().manual_seed(k)) for k in range(40)])
        return float((rows == good).float().mean())

    before = share()
    feed.dwell_on([(good, 100.5, 90.5)])
    assert share() > before + 0.15
    feed.dwell_on([])
    assert share() == before


def test_crops_of_a_hard_picture_show_its_hard_place(data: MaskData) -> None:
    feed = make_feed(data)
    good = next(row for row in range(12) if row not in feed.marked)
    rows = torch.full((200,), good)

    def corners() -> int:
        batch = feed.draw(rows, torch.Generator().manual_seed(3), CPU)(slice(0, 200))
        spot = torch.from_numpy(data.store.picture(good)[90:93, 100:103].copy()).permute(2, 0, 1).float() / 255
        shown = batch.pixels.unfold(2, 3, 1).unfold(3, 3, 1)
        return int(((shown - spot[None, :, None, None]).abs().amax((1, 4, 5)) < 1e-6).flatten(1).any(1).sum())

    before = corners()
    feed.dwell_on([(good, 101.5, 91.5)])
    assert corners() > 2 * before
    assert corners() > 80


def test_a_good_crop_gets_a_marked_piece_of_another(data: MaskData) -> None:
    _, plain = seen_by(make_feed(data))
    feed = make_feed(data, STILL.model_copy(update={"paste": 1.0}))
    _, pasted = seen_by(feed)
    assert float((plain.amax((1, 2, 3)) > 0).float().mean()) < 0.8
    assert float((pasted.amax((1, 2, 3)) > 0).float().mean()) > 0.95
    rows = torch.from_numpy(feed.data.train)
    batch = feed.draw(rows, torch.Generator().manual_seed(1), CPU)(slice(0, len(rows)))
    grey = batch.pixels.mean(1, keepdim=True)
    inner = -torch.nn.functional.max_pool2d(-batch.target.values, 3, 1, 1) > 0
    outer = torch.nn.functional.max_pool2d(batch.target.values, 9, 1, 4) == 0
    assert float(grey[inner].mean()) < float(grey[outer].mean()) - 0.2  # blots stay darker than where they lie


def test_a_piece_takes_the_brightness_of_where_it_lands() -> None:
    picture = np.full((40, 40, 3), 200, np.uint8)
    donor, marks = np.full((40, 40, 3), 80, np.uint8), np.zeros((1, 40, 40), np.uint8)
    donor[15:20, 10:30], marks[:, 15:20, 10:30] = 50, 255
    masks = np.zeros_like(marks)
    assert paste(picture, masks, donor, marks)
    np.testing.assert_array_equal(masks, marks)
    assert (picture[15:20, 10:30] == 170).all()
    assert (picture[13, 10:30] == 200).all()
    assert (picture[:8] == 200).all()


def test_nothing_is_pasted_of_what_has_nothing_or_covers_all() -> None:
    picture, donor = np.zeros((20, 20, 3), np.uint8), np.full((20, 20, 3), 9, np.uint8)
    masks = np.zeros((1, 20, 20), np.uint8)
    for marks in (np.zeros_like(masks), np.full_like(masks, 255), np.full_like(masks, MASK_UNKNOWN)):
        assert not paste(picture, masks, donor, marks)
    assert not picture.any()
    assert not masks.any()


def test_a_run_looks_for_hard_places_and_goes_on_the_same_after_a_stop(tmp_path: Path) -> None:
    from telltale.errors import Interrupted
    from telltale.model.checkpoint import LAST, load
    from telltale.train.loop import Loop

    settings = Train(backbone="pico", epochs=6, batch=8, threads=1, precision="32-true", learning_rate=0.005)
    project = make_project(tmp_path, 16)
    whole = run(project, name="whole", settings=settings)
    position = load(whole.run_dir / LAST).position
    assert position["searched"] == 4
    steps = Loop._step
    seen = 0

    def stopping(self: Loop, rows: Tensor) -> None:
        nonlocal seen
        seen += 1
        if seen == position["step"] * 2 // 3:
            self._stop.set()
        steps(self, rows)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Loop, "_step", stopping)
        with pytest.raises(Interrupted):
            run(project, name="parts", settings=settings)
    assert 0 < load(project.runs / "parts" / LAST).position["searched"] < 4
    parts = run(project, name="parts", resume=True)
    a, b = load(whole.run_dir / LAST), load(parts.run_dir / LAST)
    assert a.position["hard"] == b.position["hard"]
    assert all(torch.equal(a.weights[name], b.weights[name]) for name in a.weights)
