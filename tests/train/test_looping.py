"""The loop: what it learns, where it stops, and that nothing is lost."""

from __future__ import annotations

import csv
import math
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from telltale.errors import Interrupted, TrainError
from telltale.model.checkpoint import BEST, LAST, load
from telltale.project import Augment, Train
from telltale.tasks import Task, from_spec
from telltale.train.arrays import Arrays
from telltale.train.augment import to_float
from telltale.train.loop import Loop
from telltale.train.optimizers import parameter_groups
from telltale.train.schedule import Schedule, average
from toy_lamps import STILL, full, toy, toy_arrays, toy_loop, toy_settings


def accuracy(loop: Loop, seed: int = 9) -> list[float]:
    """Of each name, on fresh pictures."""
    pixels, labels = toy(200, seed)
    with torch.no_grad():
        told = loop.averaged(to_float(torch.from_numpy(pixels)))["logits"].numpy() > 0
    shares: list[float] = (told == (labels > 0.5)).mean(0).tolist()
    return shares


def test_it_learns_a_toy_world(task: Task, tmp_path: Path) -> None:
    loop = toy_loop(task, tmp_path / "run", toy_settings(epochs=8), toy_arrays(256, 32))
    history = loop.run()
    assert min(accuracy(loop)) > 0.95
    assert history[-1]["train/loss"] < history[0]["train/loss"]
    assert history[-1]["watch/f1"] > 0.95
    assert {"left/watch_f1", "lid/watch_accuracy", "right/train_loss", "right/watch_loss"} <= set(history[-1])


@pytest.mark.parametrize("swapped", [True, False])
def test_a_flip_teaches_the_truth_only_when_it_swaps_the_names(swapped: bool, tmp_path: Path) -> None:
    """Only the left lamp is ever lit in training; flips show the right one, and must call it right."""
    spec = {"kind": "states", "names": ["left", "right", "lid"], "mirror": [["left", "right"]] if swapped else []}
    pixels, labels = toy(256, same_lamps=True)
    arrays = Arrays(pixels, full(labels), np.arange(256), np.arange(0))
    settings = toy_settings(epochs=8, augment=STILL.model_copy(update={"flip": True}))
    loop = toy_loop(from_spec(spec), tmp_path / "run", settings, arrays)
    loop.run()
    pixels, labels = toy(200, seed=9)
    only_right = pixels[(labels[:, 1] == 1) & (labels[:, 0] == 0)]
    with torch.no_grad():
        told = loop.averaged(to_float(torch.from_numpy(only_right)))["logits"].numpy() > 0
    left, right, _ = told.mean(0)
    assert (right > 0.95) == swapped
    assert (left < 0.05) == swapped


def test_every_epoch_is_in_the_csv_and_the_picture(task: Task, tmp_path: Path) -> None:
    loop = toy_loop(task, tmp_path / "run", toy_settings(epochs=3))
    loop.run()
    with (tmp_path / "run" / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert float(rows[2]["lid/watch_f1"]) == pytest.approx(loop.history[2]["lid/watch_f1"], rel=1e-5)
    assert list((tmp_path / "run" / "tb").glob("events*"))
    assert "polyline" in (tmp_path / "run" / "curves.svg").read_text()


def test_best_is_the_epoch_with_the_lowest_watched_loss(task: Task, tmp_path: Path) -> None:
    loop = toy_loop(task, tmp_path / "run", toy_settings(epochs=4))
    history = loop.run()
    best = load(tmp_path / "run" / BEST)
    lowest = min(range(4), key=lambda k: history[k]["watch/loss"])
    assert best.position["epoch"] == lowest + 1 == loop.position.best_epoch


def test_it_stops_when_the_watched_loss_gets_no_better(task: Task, tmp_path: Path) -> None:
    pixels, labels = toy(96)
    labels[:16] = 1 - labels[:16]  # the watched labels are all wrong: learning makes them worse
    arrays = Arrays(pixels, full(labels), np.arange(16, 96), np.arange(16))
    loop = toy_loop(task, tmp_path / "run", toy_settings(epochs=60, patience=3), arrays)
    assert len(loop.run()) < 30


def test_minutes_end_a_run_and_its_schedule(task: Task, tmp_path: Path) -> None:
    loop = toy_loop(task, tmp_path / "run", toy_settings(epochs=100_000, minutes=0.02))
    start_s = time.monotonic()
    history = loop.run()
    assert time.monotonic() - start_s < 15
    assert loop.schedule.done(loop.position.step, loop.position.elapsed_s) == 1
    assert history[-1]["rate"] < 0.01
    again = toy_loop(task, tmp_path / "run", toy_settings(epochs=100_000, minutes=0.02))
    again.resume(load(tmp_path / "run" / LAST), tmp_path / "run" / LAST)
    steps = again.position.step
    again.run()
    assert again.position.step == steps


def test_a_loss_that_is_no_number_says_what_to_do(task: Task, tmp_path: Path) -> None:
    loop = toy_loop(task, tmp_path / "run", toy_settings())
    with torch.no_grad():
        next(iter(loop.network.parameters())).fill_(math.nan)
    with pytest.raises(TrainError, match="learning_rate"):
        loop.run()


MOVING = Augment(flip=True)


def weights(path: Path) -> dict[str, torch.Tensor]:
    state = load(path)
    return {f"{kind}/{key}": v for kind in ("weights", "averaged") for key, v in getattr(state, kind).items()}


def assert_equal(one: Path, other: Path) -> None:
    first, second = weights(one), weights(other)
    assert first.keys() == second.keys()
    for key in first:
        assert torch.equal(first[key], second[key]), key


@pytest.mark.parametrize(
    ("precision", "threads"), [("32-true", 1), ("bf16-mixed", 1), ("32-true", 2), ("bf16-mixed", 2)]
)
def test_ctrl_c_saves_and_the_run_goes_on_to_the_same_weights(
    precision: str, threads: int, task: Task, tmp_path: Path
) -> None:
    settings = toy_settings(epochs=3, augment=MOVING, precision=precision, threads=threads, batch=16 * threads)
    arrays = toy_arrays(16 + 80 * threads)
    toy_loop(task, tmp_path / "whole", settings, arrays).run()
    loop = toy_loop(task, tmp_path / "cut", settings, arrays)
    assert len(loop.shares) == threads

    class PressAfterSeven:
        seen = 0

        def advance(self, count: int = 1, note: str = "") -> None:
            self.seen += count
            if self.seen == 7 and count:
                signal.raise_signal(signal.SIGINT)

    loop.progress = PressAfterSeven()
    with pytest.raises(Interrupted, match="stopped after 7 steps, 47%"):
        loop.run()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    again = toy_loop(task, tmp_path / "cut", settings, arrays)
    again.resume(load(tmp_path / "cut" / LAST), tmp_path / "cut" / LAST)
    assert again.position.batch == 2
    again.run()
    assert_equal(tmp_path / "whole" / LAST, tmp_path / "cut" / LAST)
    assert_equal(tmp_path / "whole" / BEST, tmp_path / "cut" / BEST)
    assert (tmp_path / "whole" / "log.csv").read_text().count("\n") == 4
    assert [row["train/loss"] for row in again.history] == [
        row["train/loss"] for row in load(tmp_path / "whole" / LAST).history
    ]


CHILD = """
import sys, torch
from pathlib import Path
sys.path[:0] = sys.argv[2:]
from telltale.project import Augment
from telltale.tasks import from_spec
from toy_lamps import toy_loop, toy_settings
torch.set_num_threads(1)
task = from_spec({"kind": "states", "names": ["left", "right", "lid"], "mirror": [["left", "right"]]})
loop = toy_loop(task, Path(sys.argv[1]), toy_settings(epochs=4, augment=Augment(flip=True), save_every_s=0))
class Say:
    def advance(self, count=1, note=""):
        print(loop.position.step, flush=True)
loop.progress = Say()
loop.run()
"""


def test_a_run_killed_in_mid_epoch_reaches_the_weights_of_an_unbroken_one(task: Task, tmp_path: Path) -> None:
    settings = toy_settings(epochs=4, augment=MOVING, save_every_s=0)
    tests = Path(__file__).resolve().parent.parent
    argv = [sys.executable, "-c", CHILD, str(tmp_path / "killed"), str(tests), str(tests.parent / "src")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=environment) as killed:
        toy_loop(task, tmp_path / "whole", settings).run()
        assert killed.stdout is not None
        for line in killed.stdout:
            if int(line) == 8:  # of 5 steps an epoch
                killed.kill()
                break
    assert killed.returncode == -signal.SIGKILL
    last = tmp_path / "killed" / LAST
    again = toy_loop(task, tmp_path / "killed", settings)
    again.resume(load(last), last)
    assert 5 < again.position.step < 10
    assert again.position.batch != 0
    again.run()
    assert_equal(tmp_path / "whole" / LAST, last)
    assert_equal(tmp_path / "whole" / BEST, tmp_path / "killed" / BEST)


def test_a_loop_in_a_thread_leaves_signals_alone(task: Task, tmp_path: Path) -> None:
    done: list[int] = []
    loop = toy_loop(task, tmp_path / "run", toy_settings(epochs=1))
    thread = threading.Thread(target=lambda: done.append(len(loop.run())))
    thread.start()
    thread.join()
    assert done == [1]


def test_a_checkpoint_of_another_network_is_refused(task: Task, tmp_path: Path) -> None:
    toy_loop(task, tmp_path / "run", toy_settings(epochs=1)).run()
    pixels, labels = toy(32)
    arrays = Arrays(pixels, full(labels[:, :2]), np.arange(32), np.arange(0))
    two = from_spec({"kind": "states", "names": ["left", "right"]})
    other = toy_loop(two, tmp_path / "other", toy_settings(), arrays)
    with pytest.raises(TrainError, match="damaged"):
        other.resume(load(tmp_path / "run" / LAST), tmp_path / "run" / LAST)


@given(st.floats(0, 1), st.floats(0, 0.9))
def test_the_rate_warms_up_and_falls_to_nothing(done: float, warmup: float) -> None:
    schedule = Schedule(Train(warmup=warmup), 100)
    assert 0 <= schedule.rate(done) <= schedule.settings.learning_rate
    assert schedule.rate(1.0) < 1e-9
    assert schedule.rate(warmup) == pytest.approx(schedule.settings.learning_rate)


def test_time_and_steps_both_move_the_schedule() -> None:
    schedule = Schedule(Train(minutes=2), 1000)
    assert schedule.done(500, 0) == 0.5
    assert schedule.done(0, 90) == 0.75
    assert schedule.done(500, 500) == 1


def test_biases_and_normalisations_do_not_decay(task: Task) -> None:
    from telltale.model import build

    network = build("pico", task, 24, 32)
    kernels, others = parameter_groups(network, 0.1)
    assert kernels["weight_decay"] == 0.1
    assert others["weight_decay"] == 0
    together = [*_parameters(kernels), *_parameters(others)]
    assert len(together) == len(list(network.parameters()))
    assert all(p.dim() <= 1 for p in _parameters(others))


def _parameters(group: dict[str, object]) -> list[torch.Tensor]:
    found = group["params"]
    assert isinstance(found, list)
    return found


def test_the_average_follows_quickly_at_first_and_slowly_later() -> None:
    old, new = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    with torch.no_grad():
        old.weight.zero_()
        new.weight.fill_(1)
    average(old, new, 0.99, 0)
    assert torch.allclose(old.weight, torch.tensor(0.9))
    with torch.no_grad():
        old.weight.zero_()
    average(old, new, 0.99, 100_000)
    assert torch.allclose(old.weight, torch.tensor(0.01), atol=1e-6)
