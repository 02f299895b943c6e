"""The report of a kind that tells places in a picture: boxes, masks. Knows nothing of how they are counted."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from html import escape
from typing import Any, Generic

from telltale.evaluate.bootstrap import Measure
from telltale.evaluate.charts import dot_range
from telltale.evaluate.evaluation import share
from telltale.evaluate.looking import Pair, R
from telltale.evaluate.measured import Measured
from telltale.evaluate.page import Column, about, gallery, header, interval, number_row, numbers, page
from telltale.evaluate.predict import Skipped
from telltale.tasks import Threshold
from telltale.tasks.task import Json


@dataclass(frozen=True, slots=True)
class PlaceReport(Generic[R]):
    """What a kind's report says. tiles: metric and word, at the top. columns: of the table of numbers.

    shares: metrics read as per cent; unbounded: those that may exceed 1. sorts: sort, title and note of the pictures;
    legend: what the two pictures of a pair show. found: (a name's score) -> what was found and missed. rule: (cuts) ->
    when something is told. figure: (pair) -> HTML. skipped: pictures to be listed as not read.
    more: sections of the kind's own, HTML, behind the names.
    """

    evaluation: Measured[Any, R]
    tiles: Sequence[tuple[str, str]]
    columns: Sequence[Column]
    shares: Collection[str]
    unbounded: Collection[str]
    sorts: Sequence[tuple[str, str, str]]
    legend: str
    found: Callable[[Mapping[str, Json]], str]
    rule: Callable[[Threshold], str]
    figure: Callable[[Pair[R]], str]
    skipped: Sequence[Skipped]
    more: str = ""

    def html(self) -> str:
        """The whole page."""
        return page(self.evaluation.title, self._sections())

    def _sections(self) -> Iterator[str]:
        evaluation = self.evaluation
        tiles = [
            (self._value(key, evaluation.overall[key].value), what, self._interval(key, evaluation.overall[key]))
            for key, what in self.tiles
        ]
        lead = f"Measured on {evaluation.pictures:,} pictures of {evaluation.groups:,} groups."
        yield header(evaluation.title, evaluation.headline, lead, tiles, evaluation.warnings)
        rows = [self._row(name, evaluation.heads[name]) for name in evaluation.task.names]
        if len(rows) > 1:
            rows.append(self._row("all", evaluation.overall, "total"))
        yield numbers(self.columns, rows)
        cards = "".join(self._card(name) for name in evaluation.task.names)
        yield f"<section><h2>Name by name</h2>{cards}</section>{self.more}"
        for sort, title, note in self.sorts:
            shots = [shot for shot in evaluation.shots if shot.sort == sort]
            if shots:
                yield gallery(title, f"{escape(note)} {self.legend}", map(self.figure, shots))
        yield about(evaluation.facts, self.skipped, "Every picture's numbers are in evaluation/table.csv.")

    def _row(self, name: str, measures: Mapping[str, Measure], kind: str = "") -> str:
        cells = []
        for key, word, _ in self.columns:
            measure = measures[key]
            low = 0.5 if "auroc" in key else 0.0
            chart = "" if key in self.unbounded else dot_range(f"{name}: {word}", measure, low, 1.0)
            cells.append((self._value(key, measure.value), self._interval(key, measure), chart))
        return number_row(name, cells, kind)

    def _card(self, name: str) -> str:
        score, note = self.evaluation.score["heads"][name], self.evaluation.notes.get(name, "")
        told = score["confusion_told"]
        rows = "".join(
            f"<tr><th>{'has some' if truth == 'on' else 'has none'}</th>"
            + "".join(f"<td>{told[truth][answer]}</td>" for answer in ("off", "on", "unsure"))
            + "</tr>"
            for truth in ("off", "on")
        )
        return (
            f"<article><h3>{escape(name)}</h3><p>{self.found(score)} "
            f'<span class="dim">{self.rule(self.evaluation.thresholds[name])}.</span></p>'
            f'<table class="confusion"><thead><tr><th>picture</th><th>told off</th><th>told on</th><th>unsure</th></tr>'
            f"</thead><tbody>{rows}</tbody></table>"
            + (f'<p class="guarantee">{escape(note)}</p>' if note else "")
            + "</article>"
        )

    def _value(self, key: str, value: float | None) -> str:
        if value is None:
            return "–"
        if key in self.shares:
            return share(value)
        return f"{value:.2f}" if key in self.unbounded else f"{value:.3f}"

    def _interval(self, key: str, measure: Measure) -> str:
        return interval(measure, partial(self._value, key))
