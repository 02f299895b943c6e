"""The training loop. Knows nothing of projects, catalogues or where pictures come from.

Every random choice is drawn from a generator seeded by the run's seed and the step or epoch it is for, so a
run that went on from a checkpoint makes the same choices as one that was never stopped.
"""

from __future__ import annotations

import copy
import math
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from telltale.errors import Interrupted, TrainError
from telltale.model.checkpoint import BEST, LAST, Checkpoint, restore, save
from telltale.model.heads import ANSWERS
from telltale.model.network import Network
from telltale.progress import Progress, Quiet
from telltale.project import Train
from telltale.tasks import Task
from telltale.train.distil import blend
from telltale.train.feed import Dwells, Feed, MakeBatch, Points
from telltale.train.journal import Journal, Row
from telltale.train.losses import Loss, hint_loss, make_loss
from telltale.train.optimizers import make_optimizer
from telltale.train.schedule import Schedule, average
from telltale.train.shares import Shares, count_shares

SEARCHES = (0.2, 0.4, 0.6, 0.8)
"""Shares of a run after which hard places are looked for."""


@dataclass
class Position:
    """Where a run stands. step counts from 0 over the whole run, batch within the epoch.

    loss_sum, loss_count: (K,) of the running epoch. best: the lowest watched loss so far; stale: epochs since.
    searched: how often hard places were looked for; hard: those found last.
    """

    step: int = 0
    epoch: int = 0
    batch: int = 0
    elapsed_s: float = 0.0
    best: float = math.inf
    best_epoch: int = 0
    stale: int = 0
    loss_sum: list[float] = field(default_factory=list)
    loss_count: list[float] = field(default_factory=list)
    searched: int = 0
    hard: Points = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Part:
    """A share of a batch that is drawn and not yet made. weight: its part of the batch, all adding up to 1."""

    make: MakeBatch
    share: slice
    weight: float


@dataclass(frozen=True, slots=True)
class Learned:
    """What came of a share: its weighted loss, and each name's summed loss and count, (K,)."""

    loss: Tensor
    each: Tensor
    count: Tensor


class Loop:
    """One run over what a feed gives: `Loop(...).run()`, or `resume(checkpoint)` first to go on.

    how_to_go_on: said when Ctrl-C stops it.
    """

    def __init__(
        self,
        network: Network,
        task: Task,
        feed: Feed,
        settings: Train,
        config: dict[str, Any],
        run_dir: Path,
        fabric: Fabric,
        *,
        progress: Progress = Quiet(),  # noqa: B008 - Quiet has no state
        how_to_go_on: str = "run it again with resume",
    ) -> None:
        self.task, self.feed, self.settings, self.config, self.dir = task, feed, settings, config, run_dir
        self.fabric, self.progress, self.how_to_go_on = fabric, progress, how_to_go_on
        self.network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.averaged = copy.deepcopy(self.network).to(fabric.device).eval()
        optimizer = make_optimizer(self.network, settings)
        self.model, self.optimizer = fabric.setup(self.network, optimizer)
        self.loss: Loss = make_loss(task, feed.labels, settings)
        # In one process: as many pictures a step as asked; in many: each takes its share.
        self.batch = max(1, settings.batch // fabric.world_size)
        rows = len(feed) // fabric.world_size
        self.batches = max(1, rows // self.batch)
        alone = fabric.device.type == "cpu" and fabric.world_size == 1
        threads = settings.threads or torch.get_num_threads()
        self.shares = Shares(self.network, count_shares(threads, self.batch) if alone else 1, threads)
        self.schedule = Schedule(settings, settings.rounds * self.batches)
        self.position = Position()
        self.history: list[Row] = []
        self._saved_s = time.monotonic()
        self._stop = threading.Event()

    def resume(self, checkpoint: Checkpoint, path: Path) -> None:
        """Stand where the checkpoint stood. Raises TrainError when it does not fit this network."""
        restore(self.network, checkpoint.weights, path)
        restore(self.averaged, checkpoint.averaged, path)
        try:
            self.optimizer.load_state_dict(checkpoint.optimizer)
            self.position = Position(**checkpoint.position)
        except (ValueError, TypeError, KeyError) as error:
            raise TrainError(f"{path} does not fit this run", got=str(error), next="train under a new name") from error
        if isinstance(self.feed, Dwells):
            self.feed.dwell_on(self.position.hard)
        self.history = list(checkpoint.history)
        torch.set_rng_state(checkpoint.random)

    def run(self) -> list[Row]:
        """Train to the end; returns the history, one row an epoch.

        Raises Interrupted after Ctrl-C, with everything saved, and TrainError when the loss is no number.
        """
        journal = Journal(self.dir, self.history) if self.fabric.is_global_zero else None
        self.progress.advance(self.position.step)
        try:
            with self._graceful_stop():
                while not self._over():
                    self._epoch(journal)
        finally:
            self.shares.close()
            if journal:
                journal.close()
        self._save(LAST)
        return self.history

    def _over(self) -> bool:
        at = self.position
        tired = 0 < self.settings.patience <= at.stale
        return at.epoch >= self.settings.rounds or tired or self._agreed(self._done() >= 1)

    def _done(self) -> float:
        return self.schedule.done(self.position.step, self.position.elapsed_s)

    def _agreed(self, value: bool) -> bool:
        """Rank 0's answer everywhere: clocks differ, and a process that stops alone leaves the others waiting."""
        if self.fabric.world_size == 1:
            return value
        return bool(self.fabric.broadcast(value))

    def _epoch(self, journal: Journal | None) -> None:
        at = self.position
        order = self._order(at.epoch)
        self.model.train()
        while at.batch < self.batches:
            start_s = time.monotonic()
            rows = order[at.batch * self.batch : (at.batch + 1) * self.batch]
            self._step(rows)
            at.batch += 1
            at.elapsed_s += time.monotonic() - start_s
            if self._agreed(self._stop.is_set()):
                self._save(LAST)
                raise Interrupted(
                    f"stopped after {at.step} steps, {self._done():.0%} of the run; all saved", next=self.how_to_go_on
                )
            if self._agreed(self._done() >= 1):
                break
            if time.monotonic() - self._saved_s >= self.settings.save_every_s:
                self._save(LAST)
        start_s = time.monotonic()
        self._close_epoch(journal)
        at.elapsed_s += time.monotonic() - start_s

    def _order(self, epoch: int) -> Tensor:
        """This process's row numbers of an epoch, shuffled by the seed and the epoch."""
        generator = torch.Generator().manual_seed(_mix(self.settings.seed, epoch, 1))
        order = self.feed.order(generator)
        return order[self.fabric.global_rank :: self.fabric.world_size]

    def _step(self, rows: Tensor) -> None:
        at = self.position
        done = self._done()
        for group in self.optimizer.param_groups:
            group["lr"] = self.schedule.rate(done)
        self.optimizer.zero_grad(set_to_none=True)
        learned = self.shares.run(self._learn, self._parts(rows))
        self.fabric.clip_gradients(self.model, self.optimizer, max_norm=5.0, error_if_nonfinite=False)
        self.optimizer.step()
        average(self.averaged, self.network, self.settings.ema, at.step)
        at.step += 1
        self._add_up(sum_of([one.each for one in learned]), sum_of([one.count for one in learned]))
        loss = sum_of([one.loss for one in learned])
        self.progress.advance(1, f"loss {float(loss):.3f}" if at.step % 10 == 0 else "")

    def _learn(self, network: nn.Module, part: Part) -> Learned:
        """Forward and backward of one share."""
        batch = part.make(part.share)
        alone = len(self.shares) == 1
        if alone:
            outputs = self.model(batch.pixels)
        else:
            # Fabric's own wrapper knows of one backward pass at a time.
            with self.fabric.autocast():
                outputs = network(batch.pixels)
        loss = self.loss(outputs, batch.target)
        if batch.lesson is not None:
            loss = blend(loss, outputs["logits"], batch.lesson, self.settings.distil)
        if batch.hints is not None and self.settings.hint_weight:
            loss = loss + self.settings.hint_weight * hint_loss(outputs["hints"], batch.hints)
        loss = loss * part.weight
        if alone:
            self.fabric.backward(loss)
        else:
            loss.backward()  # type: ignore[no-untyped-call]
        with torch.no_grad():
            each, count = self.loss.each(outputs, batch.target)
        return Learned(loss.detach(), each, count)

    def _add_up(self, each: Tensor, count: Tensor) -> None:
        at = self.position
        if not bool(torch.isfinite(each).all()):
            raise TrainError(
                f"the loss is no number at step {at.step}",
                expected="a finite loss",
                got=str(each.tolist()),
                next=f"lower train.learning_rate (now {self.settings.learning_rate:g})"
                + (" or set train.precision = '32-true'" if self.fabric._precision.precision != "32-true" else ""),
            )
        before = at.loss_sum or [0.0] * len(each)
        at.loss_sum = [a + b for a, b in zip(before, each.tolist(), strict=True)]
        at.loss_count = [a + b for a, b in zip(at.loss_count or [0.0] * len(count), count.tolist(), strict=True)]

    def _parts(self, rows: Tensor) -> list[Part]:
        """A batch in shares, to be moved by random moves that depend on the step alone."""
        seed = _mix(self.settings.seed, self.position.step, 2 + self.fabric.global_rank)
        make = self.feed.draw(rows, torch.Generator().manual_seed(seed), self.fabric.device)
        count = len(rows)
        return [Part(make, share, (share.stop - share.start) / count) for share in self.shares.rows(count)]

    def _close_epoch(self, journal: Journal | None) -> None:
        """Watch, write the journal, keep the best, and begin the next epoch."""
        at = self.position
        row: Row = {"epoch": at.epoch + 1, "step": at.step, "elapsed_s": at.elapsed_s}
        row["rate"] = self.optimizer.param_groups[0]["lr"]
        row["train/loss"] = sum(at.loss_sum) / max(1.0, sum(at.loss_count))
        for name, total, count in zip(self.task.names, at.loss_sum, at.loss_count, strict=True):
            row[f"{name}/train_loss"] = total / max(1.0, count)
        if self.feed.watching:
            row |= self.watch()
        if self.fabric.world_size > 1:
            # Running statistics differ from process to process: the first one's, which are kept, decide.
            row = self.fabric.broadcast(row)
        self.history.append(row)
        at.epoch, at.batch, at.loss_sum, at.loss_count = at.epoch + 1, 0, [], []
        self._search()
        # Without watched groups the newest is the best.
        loss = row.pop("watch/criterion", -at.epoch)
        better = loss < at.best
        if better:
            at.best, at.best_epoch = loss, at.epoch
        at.stale = 0 if better else at.stale + 1
        if journal:
            journal.write(self.history)
            if better:
                self._save(BEST)
        if "watch/loss" in row:
            self.progress.advance(0, f"watched loss {row['watch/loss']:.3f}, F1 {row.get('watch/f1', 0):.3f}")

    @torch.no_grad()
    def watch(self) -> Row:
        """Loss, accuracy and F1 of the averaged weights on the watched groups, for each head and overall."""
        nll, counted = torch.zeros(len(self.task.names)), torch.zeros(len(self.task.names))
        tally: Any = None
        thresholds = self.task.default_thresholds()
        even = torch.ones(len(self.task.names), device=self.fabric.device)  # temperature is fitted later
        for part in self.feed.watched(self.fabric.device):
            with self.fabric.autocast():
                outputs = self.averaged(part.pixels)
            each, count = self.loss.likelihood(outputs, part.target)
            nll, counted = nll + each.cpu(), counted + count.cpu()
            answers = ANSWERS[self.task.kind]({name: v.float() for name, v in outputs.items()}, even)
            more = self.task.tally({n: v.cpu().numpy() for n, v in answers.items()}, part.truth, thresholds)
            tally = more if tally is None else tally + more
        row: Row = {"watch/loss": float(nll.sum() / counted.sum().clamp(min=1))}
        score = self.task.score(tally)
        merit = self.task.merit(score)
        row["watch/criterion"] = self.loss.criterion(row["watch/loss"], merit)
        if merit is not None:
            row["watch/merit"] = merit
        row |= {
            f"watch/{key}": score["overall"][key] for key in ("accuracy", "f1") if score["overall"][key] is not None
        }
        for k, (name, head) in enumerate(score["heads"].items()):
            row[f"{name}/watch_loss"] = float(nll[k] / counted[k].clamp(min=1))
            row |= {f"{name}/watch_{key}": head[key] for key in ("accuracy", "f1") if head[key] is not None}
        return row

    @torch.no_grad()
    def _search(self) -> None:
        """Look for good places that the averaged weights take for something, at a few points of the run."""
        at = self.position
        due = sum(self._done() >= share for share in SEARCHES)
        if self._agreed(due <= at.searched) or not isinstance(self.feed, Dwells):
            return
        at.searched = due
        even = torch.ones(len(self.task.names), device=self.fabric.device)

        def answer(pixels: Tensor) -> Tensor:
            with self.fabric.autocast():
                outputs = self.averaged(pixels)
            return ANSWERS[self.task.kind]({name: v.float() for name, v in outputs.items()}, even)["probabilities"]

        at.hard = self.feed.find_hard(answer, self.fabric.device)
        if self.fabric.world_size > 1:
            at.hard = self.fabric.broadcast(at.hard)
        self.feed.dwell_on(at.hard)

    def _save(self, name: str) -> None:
        self._saved_s = time.monotonic()
        if not self.fabric.is_global_zero:
            return
        save(
            self.dir / name,
            Checkpoint(
                config=self.config,
                weights=_on_cpu(self.network.state_dict()),
                averaged=_on_cpu(self.averaged.state_dict()),
                optimizer=self.optimizer.state_dict() if name == LAST else {},
                position=asdict(self.position),
                random=torch.get_rng_state(),
                history=self.history,
            ),
        )

    @contextmanager
    def _graceful_stop(self) -> Iterator[None]:
        """Ctrl-C and SIGTERM end the run after the step; a second one ends it at once."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before: dict[signal.Signals, Any] = {}

        def stop(number: int, _frame: FrameType | None) -> None:
            self._stop.set()
            signal.signal(number, before[signal.Signals(number)])

        for number in (signal.SIGINT, signal.SIGTERM):
            before[number] = signal.signal(number, stop)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def sum_of(tensors: Sequence[Tensor]) -> Tensor:
    """Their sum, in order."""
    return torch.stack(list(tensors)).sum(0)


def _mix(seed: int, index: int, stream: int) -> int:
    """A 63-bit seed for one index of one stream of one run (splitmix64's finisher, Steele et al. 2014)."""
    mask = (1 << 64) - 1
    z = (seed * 0x9E3779B97F4A7C15 + index * 0xD1B54A32D192ED03 + stream * 0x8CB92BA72F3D8DD7) & mask
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & mask
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & mask
    return (z ^ (z >> 31)) >> 1


def _on_cpu(state: dict[str, Any]) -> dict[str, Any]:
    return {name: tensor.detach().cpu() for name, tensor in state.items()}
