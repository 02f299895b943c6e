"""One self-contained HTML page from an evaluation of masks. No script, no outside address."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path

from telltale.evaluate.bootstrap import LEVEL, Measure
from telltale.evaluate.charts import dot_range
from telltale.evaluate.evaluation import share
from telltale.evaluate.looking import Pair
from telltale.evaluate.masks import UNBOUNDED, MaskEvaluation, MaskRow

STYLE = Path(__file__).with_name("report.css")

COLUMNS = (
    ("dice", "Dice", "of pixels, all pictures together: twice what is both told and there, of what is either"),
    ("iou", "IoU", "of pixels, all pictures together: what is both told and there, of what is either"),
    ("dice_picture", "Dice a picture", "the mean of the pictures that have any"),
    ("pixel_auroc", "pixel AUROC", "chance that a pixel that is on ranks above one that is not"),
    ("auroc", "picture AUROC", "chance that a picture that has some ranks above one that has none"),
    ("aupro", "AUPRO", "mean overlap of each true region, over false-positive rates of pixels up to 0.3"),
    ("region_recall", "regions found", "of the true regions, those that a told region touches"),
    ("region_recall_unsure", "or unsure", "of the true regions, those that at least an unsure region touches"),
    ("false_regions_good", "false a good picture", "told regions in pictures without any"),
    ("f1_0px", "F1 at 0 px", "of pixels that must lie exactly right"),
    ("f1_2px", "F1 at 2 px", "of pixels that may be off by two"),
)

SORTS = (
    (
        "missed",
        "Missed",
        "Pictures with a true region that nothing touches, not even an unsure one; largest first.",
    ),
    ("worst", "Worst found", "Pictures in which something was found, the least overlap first."),
    ("best", "Best found", "The most overlap first."),
    ("false", "False alarms", "Pictures without any, in which something was told; the largest first."),
)


def html(evaluation: MaskEvaluation) -> str:
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


def _sections(evaluation: MaskEvaluation) -> Iterator[str]:
    yield _head(evaluation)
    yield _numbers(evaluation)
    yield _names(evaluation)
    for sort, title, note in SORTS:
        shots = [shot for shot in evaluation.shots if shot.sort == sort]
        if shots:
            yield _shots(title, note, shots)
    yield _about(evaluation)


def _head(evaluation: MaskEvaluation) -> str:
    overall = evaluation.overall
    facts = [
        ("dice", "Dice of pixels"),
        ("auroc", "picture AUROC"),
        ("region_recall", "regions found"),
        ("false_regions_good", "false a good picture"),
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


def _numbers(evaluation: MaskEvaluation) -> str:
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
        chart = "" if key in UNBOUNDED else dot_range(f"{name}: {word}", measure, 0.5 if "auroc" in key else 0.0, 1.0)
        cells.append(f"<td>{_value(key, measure.value)}<small>{_range(key, measure)}</small>{chart}</td>")
    return f'<tr class="{kind}"><th>{escape(name)}</th>{"".join(cells)}</tr>'


def _names(evaluation: MaskEvaluation) -> str:
    cards = []
    for name in evaluation.task.names:
        score, cut = evaluation.score["heads"][name], evaluation.thresholds[name]
        told = score["confusion_told"]
        found, missed = score["regions"] - score["regions_missed"], score["regions_missed"]
        rule = (
            f"told from {cut.high:.3g}, unsure from {cut.low:.3g}"
            if cut.low < cut.high
            else f"told from {cut.high:.3g}"
        )
        rows = "".join(
            f"<tr><th>{'has some' if truth == 'on' else 'has none'}</th>"
            + "".join(f"<td>{told[truth][answer]}</td>" for answer in ("off", "on", "unsure"))
            + "</tr>"
            for truth in ("off", "on")
        )
        note = evaluation.notes.get(name, "")
        cards.append(
            f"<article><h3>{escape(name)}</h3><p>{score['regions']} true regions in {score['positives']} pictures: "
            f'{found} found or unsure, {missed} missed. <span class="dim">{rule}.</span></p>'
            f'<table class="confusion"><thead><tr><th>picture</th><th>told off</th><th>told on</th><th>unsure</th></tr>'
            f"</thead><tbody>{rows}</tbody></table>"
            + (f'<p class="guarantee">{escape(note)}</p>' if note else "")
            + "</article>"
        )
    return f"<section><h2>Name by name</h2>{''.join(cards)}</section>"


def _shots(title: str, note: str, shots: list[Pair[MaskRow]]) -> str:
    cards = "".join(_shot(shot) for shot in shots)
    return (
        f'<section><h2>{title}</h2><p class="note">{escape(note)} Left the picture with what is there outlined in '
        "orange, right the probability from blue to yellow with what was told outlined in white, dashed where unsure."
        f'</p><div class="shots">{cards}</div></section>'
    )


def _shot(shot: Pair[MaskRow]) -> str:
    row = shot.row
    images = "".join(
        f'<img alt="{escape(alt, quote=True)}" src="data:image/jpeg;base64,{base64.b64encode(data).decode()}">'
        for data, alt in ((shot.truth, f"{row.file}, what is there"), (shot.told, f"{row.file}, what was told"))
    )
    words = f"{row.false} false" if row.dice is None else f"Dice {row.dice:.2f}, {row.missed} of {row.regions} missed"
    return (
        f'<figure class="shot"><div class="pair">{images}</div><figcaption><b>{escape(row.name)}</b> '
        f'<span class="{"good" if shot.sort == "best" else "bad"}">{escape(words)}</span><br>'
        f"<small>{escape(row.file)} · {escape(row.group)}</small></figcaption></figure>"
    )


def _about(evaluation: MaskEvaluation) -> str:
    facts = "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in evaluation.facts.items())
    skipped = "".join(f"<li>{escape(s.why)}</li>" for s in evaluation.skipped[:50])
    return (
        f"<section><h2>About</h2><dl>{facts}</dl>"
        + (
            f"<details><summary>{len(evaluation.skipped)} not read</summary><ul>{skipped}</ul></details>"
            if skipped
            else ""
        )
        + '<p class="note">Every picture\'s numbers are in evaluation/table.csv.</p></section>'
    )


def _value(key: str, value: float | None) -> str:
    if value is None:
        return "–"
    if key in ("region_recall", "region_recall_unsure", "accuracy"):
        return share(value)
    return f"{value:.2f}" if key in UNBOUNDED else f"{value:.3f}"


def _range(key: str, measure: Measure) -> str:
    if measure.low is None or measure.high is None:
        return ""
    return f"{_value(key, measure.low).removesuffix(' %')} – {_value(key, measure.high)}"
