"""The frame of a report and the pieces every report has, as HTML. Knows nothing of kinds of task.

No script, no outside address: pictures are data URIs. Light and dark by the reader's setting.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from pathlib import Path

from telltale.evaluate.bootstrap import LEVEL, Measure
from telltale.evaluate.predict import Skipped

STYLE = Path(__file__).with_name("report.css")

MOST_SKIPPED = 50
"""Pictures that could not be read, of which the reason is listed."""

Column = tuple[str, str, str]
"""A metric, the word over its column, and what it means."""


def page(title: str, sections: Iterable[str]) -> str:
    """The whole page."""
    style = STYLE.read_text(encoding="utf-8")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape(title)}: evaluation</title><style>{style}</style></head>"
        f"<body><main>{''.join(sections)}</main></body></html>"
    )


def header(title: str, headline: str, lead: str, tiles: Iterable[tuple[str, str, str]], warnings: Iterable[str]) -> str:
    """lead: HTML. tiles: a number, what it is, and its interval."""
    boxes = "".join(
        f'<div class="tile"><b>{value}</b><span>{escape(what)}</span><small>{interval}</small></div>'
        for value, what, interval in tiles
    )
    listed = "".join(f"<li>{escape(text)}</li>" for text in warnings)
    return (
        f'<header><p class="kicker">{escape(title)} · evaluation</p><h1>{escape(headline)}</h1>'
        f'<p class="lead">{lead}</p>'
        f'<div class="tiles">{boxes}</div>' + (f'<ul class="warnings">{listed}</ul>' if listed else "") + "</header>"
    )


def numbers(columns: Sequence[Column], rows: Iterable[str], method: str = "", more: str = "") -> str:
    """The table of metrics. rows: of `number_row`; method: what else is to be said of intervals; more: HTML below."""
    head = "".join(f'<th title="{escape(why, quote=True)}">{escape(word)}</th>' for _, word, why in columns)
    notes = "".join(f"<dt>{escape(word)}</dt><dd>{escape(why.replace('`', ''))}</dd>" for _, word, why in columns)
    return (
        f'<section><h2>Numbers</h2><div class="scroll"><table class="numbers"><thead><tr><th></th>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
        f"<details><summary>What the columns mean</summary><dl>{notes}</dl>"
        f"<p>Below each number is its {100 * LEVEL:g} % interval: whole groups are resampled, for pictures of one "
        f"group err together{method}.</p></details>{more}</section>"
    )


def number_row(name: str, cells: Iterable[tuple[str, str, str]], kind: str = "") -> str:
    """cells: a number, its interval and its chart."""
    drawn = "".join(f"<td>{text}<small>{interval}</small>{chart}</td>" for text, interval, chart in cells)
    return f'<tr class="{kind}"><th>{escape(name)}</th>{drawn}</tr>'


def interval(measure: Measure, say: Callable[[float | None], str]) -> str:
    """'98.7 – 99.8 %', or nothing. say: as the number itself is written."""
    if measure.low is None or measure.high is None:
        return ""
    return f"{say(measure.low).removesuffix(' %')} – {say(measure.high)}"


def gallery(title: str, note: str, figures: Iterable[str]) -> str:
    """note: HTML."""
    return f'<section><h2>{title}</h2><p class="note">{note}</p><div class="shots">{"".join(figures)}</div></section>'


def picture(data: bytes, alt: str) -> str:
    """A JPEG inside the page."""
    return f'<img alt="{escape(alt, quote=True)}" src="data:image/jpeg;base64,{base64.b64encode(data).decode()}">'


def about(facts: Mapping[str, str], skipped: Sequence[Skipped], where: str) -> str:
    """where: which file holds the single pictures."""
    said = "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in facts.items())
    listed = "".join(f"<li>{escape(s.why)}</li>" for s in skipped[:MOST_SKIPPED])
    return (
        f"<section><h2>About</h2><dl>{said}</dl>"
        + (f"<details><summary>{len(skipped)} not read</summary><ul>{listed}</ul></details>" if listed else "")
        + f'<p class="note">{where}</p></section>'
    )
