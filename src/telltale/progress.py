"""How a long step tells where it is: a bar on a terminal, plain lines elsewhere. Knows nothing of the step."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, TextIO

PLAIN_EVERY_S = 5.0


class Progress(Protocol):
    """One running step."""

    def advance(self, count: int = 1, note: str = "") -> None:
        """`count` more units are done; `note` is shown beside them (a loss, a skip count)."""
        ...


class Quiet:
    """Says nothing: the default of every library call."""

    def advance(self, count: int = 1, note: str = "") -> None:
        pass


class Plain:
    """A line every few seconds and one at the end: `collect 120/800 frames, 8.1/s, 1:24 left, note`."""

    def __init__(self, title: str, total: int | None, unit: str, out: TextIO) -> None:
        self._title, self._total, self._unit, self._out = title, total, unit, out
        self._start_s = self._said_s = time.monotonic()
        self._done = 0
        self._note = ""

    def advance(self, count: int = 1, note: str = "") -> None:
        self._done += count
        self._note = note or self._note
        if time.monotonic() - self._said_s >= PLAIN_EVERY_S:
            self.say()

    def say(self) -> None:
        self._said_s = time.monotonic()
        elapsed_s = self._said_s - self._start_s
        rate = self._done / elapsed_s if elapsed_s > 0 else 0.0
        parts = [f"{self._title} {self._done}{f'/{self._total}' if self._total else ''} {self._unit}", f"{rate:.1f}/s"]
        if self._total and 0 < self._done < self._total and rate > 0:
            parts.append(f"{clock((self._total - self._done) / rate)} left")
        else:
            parts.append(f"{clock(elapsed_s)} taken")
        print(", ".join(parts + ([self._note] if self._note else [])), file=self._out, flush=True)


def clock(seconds: float) -> str:
    """83.2 -> '1:23'."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02d}"


@contextmanager
def progress(title: str, total: int | None, unit: str = "images") -> Iterator[Progress]:
    """Show a step on stderr with its rate and time left."""
    if sys.stderr.isatty():
        with _rich_bar(title, total, unit) as bar:
            yield bar
        return
    plain = Plain(title, total, unit, sys.stderr)
    try:
        yield plain
    finally:
        plain.say()


@contextmanager
def _rich_bar(title: str, total: int | None, unit: str) -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Rich

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit + " {task.fields[rate]}"),
        TimeElapsedColumn(),
        TextColumn("eta"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Rich(*columns, console=Console(stderr=True)) as rich:
        task = rich.add_task(title, total=total, rate="", note="")
        start_s = time.monotonic()

        class Bar:
            def advance(self, count: int = 1, note: str = "") -> None:
                rich.advance(task, count)
                rate = rich.tasks[task].completed / max(time.monotonic() - start_s, 1e-9)
                rich.update(task, rate=f"{rate:.1f}/s")
                if note:
                    rich.update(task, note=note)

        yield Bar()
