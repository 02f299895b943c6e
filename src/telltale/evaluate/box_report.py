"""One self-contained HTML page from an evaluation of boxes. No script, no outside address."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path

from telltale.evaluate.bootstrap import LEVEL, Measure
from telltale.evaluate.boxes import UNBOUNDED, BoxEvaluation, BoxRow
from telltale.evaluate.charts import dot_range
from telltale.evaluate.evaluation import share
from telltale.evaluate.looking import Pair

STYLE = Path(__file__).with_name("report.css")

COLUMNS = (
    ("near", "centre right", "of the objects, those told with their centre within near_px of the true one"),
    (
        "recall",
        "found",
        "of the objects, those that a told box finds: its centre lies in the true box, or near its middle",
    ),
    ("recall_unsure", "or unsure", "of the objects, those that at least an unsure box finds"),
    ("precision", "of the told, right", "of the told boxes, those that find an object"),
    ("ap50", "AP50", "average precision over all scores; a box is right where it overlaps by a half"),
    ("ap", "AP50-95", "the mean of average precisions at overlaps of 0.5 to 0.95 in steps of 0.05"),
    ("centre_px", "centre off", "mean distance of told from true centres, in pixels of the picture"),
    ("centre_median_px", "median", "half of the told centres are nearer than this, in pixels"),
    ("centre_p95_px", "95 % within", "95 % of the told centres are nearer than this, in pixels"),
    ("iou", "overlap", "mean intersection over union of told and true boxes"),
    ("false_empty", "false, none there", "of the pictures without any, those in which something is told"),
    ("auroc", "picture AUROC", "chance that a picture that has some ranks above one that has none"),
)
SHARES = frozenset({"near", "recall", "recall_unsure", "precision", "false_empty"})

SORTS = (
    ("missed", "Missed", "Pictures with an object that no box finds, not even an unsure one."),
    ("worst", "Worst placed", "The told centre furthest from the true one."),
    ("best", "Best placed", "The told centre nearest to the true one."),
    ("false", "False alarms", "Pictures without any, in which something was told; the surest first."),
)


def html(evaluation: BoxEvaluation) -> str:
    """The whole page."""
    body = "".join(_sections(evaluation))
    style = STYLE.read_text(encoding="utf-8")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape(evaluation.title)}: evaluation</title><style>{style}</style></head>"
        f"<body><main>{body}</main></body></html>"
    )


def _sections(evaluation: BoxEvaluation) -> Iterator[str]:
    yield _head(evaluation)
    yield _numbers(evaluation)
    yield _names(evaluation)
    for sort, title, note in SORTS:
        shots = [shot for shot in evaluation.shots if shot.sort == sort]
        if shots:
            yield _shots(title, note, shots)
    yield _about(evaluation)


def _head(evaluation: BoxEvaluation) -> str:
    overall = evaluation.overall
    facts = [
        ("near", f"centre within {evaluation.task.near_px:g} px"),
        ("ap50", "AP50"),
        ("centre_px", "centre off, px"),
        ("false_empty", "false, none there"),
    ]
    tiles = "".join(
        f'<div class="tile"><b>{_value(key, overall[key].value)}</b><span>{escape(what)}</span>'
        f"<small>{_range(key, overall[key])}</small></div>"
        for key, what in facts
    )
    warnings = "".join(f"<li>{escape(text)}</li>" for text in evaluation.warnings)
    return (
        f'<header><p class="kicker">{escape(evaluation.title)} · evaluation</p><h1>{escape(evaluation.headline)}</h1>'
        f'<p class="lead">Measured on {evaluation.pictures:,} pictures of {evaluation.groups:,} groups.</p>'
        f'<div class="tiles">{tiles}</div>'
        + (f'<ul class="warnings">{warnings}</ul>' if warnings else "")
        + "</header>"
    )


def _numbers(evaluation: BoxEvaluation) -> str:
    head = "".join(f'<th title="{escape(why, quote=True)}">{escape(word)}</th>' for _, word, why in COLUMNS)
    rows = [_row(name, evaluation.heads[name]) for name in evaluation.task.names]
    if len(rows) > 1:
        rows.append(_row("all", evaluation.overall, "total"))
    notes = "".join(f"<dt>{escape(word)}</dt><dd>{escape(why)}</dd>" for _, word, why in COLUMNS)
    return (
        f'<section><h2>Numbers</h2><div class="scroll"><table class="numbers"><thead><tr><th></th>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
        f"<details><summary>What the columns mean</summary><dl>{notes}</dl>"
        f"<p>Below each number is its {100 * LEVEL:g} % interval: whole groups are resampled, for pictures of one "
        "group err together.</p></details></section>"
    )


def _row(name: str, measures: Mapping[str, Measure], kind: str = "") -> str:
    cells = []
    for key, word, _ in COLUMNS:
        measure = measures[key]
        chart = "" if key in UNBOUNDED else dot_range(f"{name}: {word}", measure, 0.5 if key == "auroc" else 0.0, 1.0)
        cells.append(f"<td>{_value(key, measure.value)}<small>{_range(key, measure)}</small>{chart}</td>")
    return f'<tr class="{kind}"><th>{escape(name)}</th>{"".join(cells)}</tr>'


def _names(evaluation: BoxEvaluation) -> str:
    cards = []
    for name in evaluation.task.names:
        score, cut = evaluation.score["heads"][name], evaluation.thresholds[name]
        told = score["confusion_told"]
        rule = f"told from {cut.high:.3g}" + (f", unsure above {cut.low:.3g}" if cut.low < cut.high else "")
        rows = "".join(
            f"<tr><th>{'has some' if truth == 'on' else 'has none'}</th>"
            + "".join(f"<td>{told[truth][answer]}</td>" for answer in ("off", "on", "unsure"))
            + "</tr>"
            for truth in ("off", "on")
        )
        note = evaluation.notes.get(name, "")
        missed = score["missed"]
        cards.append(
            f"<article><h3>{escape(name)}</h3><p>{score['objects']} objects in {score['positives']} pictures: "
            f'{score["objects"] - missed} found or unsure, {missed} missed. <span class="dim">{rule}.</span></p>'
            f'<table class="confusion"><thead><tr><th>picture</th><th>told off</th><th>told on</th><th>unsure</th></tr>'
            f"</thead><tbody>{rows}</tbody></table>"
            + (f'<p class="guarantee">{escape(note)}</p>' if note else "")
            + "</article>"
        )
    return f"<section><h2>Name by name</h2>{''.join(cards)}</section>"


def _shots(title: str, note: str, shots: list[Pair[BoxRow]]) -> str:
    cards = "".join(_shot(shot) for shot in shots)
    return (
        f'<section><h2>{title}</h2><p class="note">{escape(note)} Left the picture with what is there in orange, right '
        f'with what was told: green, or amber and dashed where unsure.</p><div class="shots">{cards}</div></section>'
    )


def _shot(shot: Pair[BoxRow]) -> str:
    row = shot.row
    pictures = "".join(
        f'<img alt="{escape(row.file, quote=True)}" src="data:image/jpeg;base64,{base64.b64encode(data).decode()}">'
        for data in (shot.truth, shot.told)
    )
    words = f"{row.name}: highest score {row.score:.2f}"
    if row.centre_px is not None:
        words += f", centre off by {row.centre_px:.1f} px"
    return (
        f'<figure><div class="pair">{pictures}</div><figcaption>'
        f'<span class="{"good" if shot.sort == "best" else "bad"}">{escape(words)}</span><br>'
        f"<small>{escape(row.file)} · {escape(row.group)}</small></figcaption></figure>"
    )


def _about(evaluation: BoxEvaluation) -> str:
    facts = "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in evaluation.facts.items())
    return (
        f"<section><h2>About</h2><dl>{facts}</dl>"
        '<p class="note">Every picture\'s numbers are in evaluation/table.csv.</p></section>'
    )


def _value(key: str, value: float | None) -> str:
    if value is None:
        return "–"
    if key in SHARES:
        return share(value)
    return f"{value:.2f}" if key in UNBOUNDED else f"{value:.3f}"


def _range(key: str, measure: Measure) -> str:
    if measure.low is None or measure.high is None:
        return ""
    return f"{_value(key, measure.low).removesuffix(' %')} – {_value(key, measure.high)}"
