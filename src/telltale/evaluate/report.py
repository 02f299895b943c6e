"""One self-contained HTML page from an evaluation. Knows nothing of models or bundles.

Charts are inline SVG.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape

import numpy as np

from telltale.evaluate.bootstrap import Measure
from telltale.evaluate.charts import answer_bar, dot_range, reliability_chart, risk_chart, spread_chart
from telltale.evaluate.curves import reliability, risk_coverage, spread
from telltale.evaluate.evaluation import NEVER, Combo, Evaluation, between, share
from telltale.evaluate.gallery import Shot
from telltale.evaluate.page import about, gallery, header, interval, number_row, numbers, page, picture

COMBOS = 40
CAPTIONS = (
    (
        "How sure it was",
        "Pictures by the probability they got: on above the line, off below, the wrong side orange. "
        "The band between the thresholds is unsure.",
    ),
    (
        "Whether its numbers can be believed",
        "What came true of what it claimed, with 95 % intervals. On the dashed line probabilities mean what they say.",
    ),
    (
        "Error against coverage",
        "The error if only the surest share were told, and its 90 % bound. The ring is where the thresholds stand.",
    ),
)

COLUMNS = (
    ("told_accuracy", "right of told", "of the told answers, how many were right"),
    ("coverage", "told", "of all answers, how many were told rather than unsure"),
    ("accuracy", "accuracy", "right at 0.5, unsure or not"),
    ("precision", "precision", "of the answers `on` at 0.5, how many were right"),
    ("recall", "recall", "of what was on, how much was found at 0.5"),
    ("f1", "F1", "harmonic mean of precision and recall"),
    ("auroc", "AUROC", "chance that a picture that is on ranks above one that is off"),
    ("ece", "ECE", "expected calibration error: how far probabilities are from what came true"),
)


def html(evaluation: Evaluation) -> str:
    """The whole page."""
    return page(evaluation.title, _sections(evaluation))


def _sections(evaluation: Evaluation) -> Iterator[str]:
    yield _head(evaluation)
    yield _answers(evaluation)
    yield _numbers(evaluation)
    yield _names(evaluation)
    mistakes = [shot for shot in evaluation.gallery if shot.kind == "mistake"]
    looks = [shot for shot in evaluation.gallery if shot.kind == "look"]
    if mistakes:
        yield _shots(
            "The worst mistakes",
            "The likelier side was wrong, the surest first. A mistake the model is very sure of may be a wrong label: "
            "look before you blame either.",
            mistakes,
        )
    if looks:
        yield _shots("Where it looked", "Answers it was right and sure about.", looks)
    yield _combinations(evaluation)
    where = "Every picture's probabilities, labels and answers are in table.csv and table.parquet."
    yield about(evaluation.facts, evaluation.skipped, where)


def _head(evaluation: Evaluation) -> str:
    pictures, groups = len(evaluation.scored), evaluation.groups
    overall = evaluation.overall
    facts = [
        ("coverage", "of answers told"),
        ("told_accuracy", "of those right"),
        ("accuracy", "right at 0.5"),
        ("exact_match_told", "pictures told wholly right"),
    ]
    lead = (
        f"Measured on {_count(pictures, 'picture')} of {_count(groups, 'group')}, "
        f"{_count(len(evaluation.task.names), 'answer')} each. “Unsure” is not told and not counted as wrong."
    )
    tiles = [(share(overall[key].value), what, interval(overall[key], share)) for key, what in facts]
    return header(evaluation.title, evaluation.headline, lead, tiles, evaluation.warnings)


def _answers(evaluation: Evaluation) -> str:
    rows = []
    for name in evaluation.task.names:
        told = evaluation.score["heads"][name]["confusion_told"]
        right = told["off"]["off"] + told["on"]["on"]
        wrong = told["off"]["on"] + told["on"]["off"]
        unsure = told["off"]["unsure"] + told["on"]["unsure"]
        rows.append(
            f'<div class="row"><a href="#{_anchor(name, evaluation)}">{escape(name)}</a>'
            f'{answer_bar(name, right, unsure, wrong)}<span class="counts"><i class="k right"></i>{right} '
            f'<i class="k unsure"></i>{unsure} <i class="k wrong"></i>{wrong}</span></div>'
        )
    legend = (
        '<p class="legend"><i class="k right"></i>right <i class="k unsure"></i>unsure <i class="k wrong"></i>wrong</p>'
    )
    return f'<section><h2>Answers</h2>{legend}<div class="rows">{"".join(rows)}</div></section>'


def _numbers(evaluation: Evaluation) -> str:
    rows = [_number_row(name, evaluation.heads[name]) for name in evaluation.task.names]
    rows.append(_number_row("all", evaluation.overall, "total"))
    parts = "".join(
        f"<tr><th>{escape(part.name)}</th><td>{part.pictures}</td><td>{part.groups}</td>"
        + "".join(
            f"<td>{share(part.overall[key].value)}<small>{interval(part.overall[key], share)}</small></td>"
            for key in ("told_accuracy", "coverage", "accuracy", "exact_match_told")
        )
        + "</tr>"
        for part in evaluation.parts
    )
    unseen = (
        '<h3>Combinations it never saw in training</h3><div class="scroll"><table><thead><tr><th></th><th>pictures</th>'
        "<th>groups</th><th>right of told</th><th>told</th><th>accuracy</th><th>wholly right</th></tr></thead>"
        f"<tbody>{parts}</tbody></table></div>"
        if any(part.name == NEVER for part in evaluation.parts)
        else ""
    )
    method = "; shares use the exact binomial interval at the effective number of pictures"
    return numbers(COLUMNS, rows, method, unseen)


def _number_row(name: str, measures: Mapping[str, Measure], kind: str = "") -> str:
    cells = []
    for key, word, _ in COLUMNS:
        measure = measures.get(key, Measure(None))
        say = share if key not in ("auroc", "ece") else _plain
        low, high = (0.0, 0.2) if key == "ece" else (0.5, 1.0) if key != "coverage" else (0.0, 1.0)
        cells.append(
            (say(measure.value), interval(measure, say), dot_range(f"{name}: {word}", measure, low, high)),
        )
    return number_row(name, cells, kind)


def _names(evaluation: Evaluation) -> str:
    cards = "".join(_card(evaluation, k, name) for k, name in enumerate(evaluation.task.names))
    return f"<section><h2>Name by name</h2>{cards}</section>"


def _card(evaluation: Evaluation, k: int, name: str) -> str:
    scored, threshold = evaluation.scored, evaluation.thresholds[name]
    known = scored.target.known[:, k]
    p = scored.probabilities[known, k].astype(np.float64)
    truth = scored.target.values[known, k] >= 0.5
    score, measures = evaluation.score["heads"][name], evaluation.heads[name]
    right = measures["told_accuracy"]
    note = evaluation.guarantees.get(name, "")
    level = evaluation.level
    sentence = (
        f"Told {share(measures['coverage'].value)}, of which {share(right.value)} right{between(right)}."
        if right.value is not None
        else "Nothing was told."
    )
    charts = (
        spread_chart(name, *spread(p, truth), threshold),
        reliability_chart(name, reliability(p, truth)),
        risk_chart(
            name,
            risk_coverage(p, truth),
            score["coverage"],
            None if right.value is None else 1.0 - right.value,
            level,
        ),
    )
    figures = "".join(
        f"<figure><h4>{title}</h4>{chart}<figcaption>{caption}</figcaption></figure>"
        for (title, caption), chart in zip(CAPTIONS, charts, strict=True)
    )
    rule = (
        f"on from {threshold.high:g}, off up to {threshold.low:g}"
        if threshold.low < threshold.high
        else f"on from {threshold.high:g}, else off"
    )
    return (
        f'<article id="{_anchor(name, evaluation)}"><h3>{escape(name)}</h3><p>{escape(sentence)} '
        f'<span class="dim">{rule}.</span></p><div class="charts">{figures}</div>'
        f'<div class="beside">{_confusion(score)}{_visibility(score)}</div>'
        + (f'<p class="guarantee">{escape(note)}</p>' if note else "")
        + "</article>"
    )


def _confusion(score: dict[str, dict[str, dict[str, int]]]) -> str:
    told = score["confusion_told"]

    def row(truth: str) -> str:
        cells = []
        for answer in ("off", "on", "unsure"):
            kind = "unsure" if answer == "unsure" else "right" if answer == truth else "wrong"
            count = told[truth][answer]
            cells.append(f'<td class="{kind if count else "zero"}">{count}</td>')
        return f"<tr><th>is {truth}</th>{''.join(cells)}</tr>"

    return (
        '<table class="confusion"><thead><tr><th></th><th>told off</th><th>told on</th><th>unsure</th></tr></thead>'
        f"<tbody>{row('off')}{row('on')}</tbody></table>"
    )


def _visibility(score: dict[str, object]) -> str:
    """Told answers by whether the label could be seen; nothing where nobody measured."""
    if not score["hidden"]:
        return ""
    rows = []
    for word, key in (("could be seen", "visible"), ("was hidden", "hidden_told")):
        part = score[key]
        assert isinstance(part, dict)
        rows.append(
            f"<tr><th>{word}</th><td>{part['known']}</td><td>{share(part['coverage'])}</td>"
            f"<td>{share(part['told_accuracy'])}</td></tr>"
        )
    return (
        '<table class="seen"><thead><tr><th></th><th>labels</th><th>told</th><th>of those right</th></tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table>"
    )


def _shots(title: str, note: str, shots: list[Shot]) -> str:
    heated = any(shot.heat for shot in shots)
    legend = (
        ' In the second picture <b class="for-on">orange</b> is what spoke for on, <b class="for-off">blue</b> for off '
        "(class activation of the last feature map)."
        if heated
        else ""
    )
    return gallery(title, f"{escape(note)}{legend}", map(_shot, shots))


def _shot(shot: Shot) -> str:
    said = "on" if shot.prob >= 0.5 else "off"
    sure = shot.prob if shot.prob >= 0.5 else 1.0 - shot.prob
    right = (shot.prob >= 0.5) == shot.truth
    truth = "on" if shot.truth else "off"
    words = f"{said}, {share(sure)} sure" + ("" if right else f"; is {truth}") + (", hidden" if shot.hidden else "")
    images = "".join(
        picture(data, alt)
        for data, alt in ((shot.image, shot.file), (shot.heat, f"where it looked in {shot.file}"))
        if data
    )
    return (
        f'<figure class="shot"><div class="pair">{images}</div><figcaption><b>{escape(shot.name)}</b> '
        f'<span class="{"good" if right else "bad"}">{escape(words)}</span><br>'
        f'<small title="{escape(shot.file, quote=True)}">{escape(_short(shot.file))} · {escape(_short(shot.group))}'
        "</small></figcaption></figure>"
    )


def _short(name: str) -> str:
    """The ends of a long name: the catalogue calls files by their hash."""
    return name if len(name) <= 30 else f"{name[:12]}…{name[-10:]}"


def _combinations(evaluation: Evaluation) -> str:
    if len(evaluation.combos) < 2:
        return ""

    def row(combo: Combo) -> str:
        what = ", ".join(combo.on) or "all off"
        seen = "" if combo.trained is None else "<td>yes</td>" if combo.trained else '<td class="new">never</td>'
        right = combo.told - combo.wrong
        return (
            f"<tr><th>{escape(what)}</th>{seen}<td>{combo.pictures}</td>"
            f"<td>{answer_bar(what, right, combo.answers - combo.told, combo.wrong)}</td>"
            f"<td>{share(right / combo.told if combo.told else None)}</td></tr>"
        )

    rows = "".join(row(combo) for combo in evaluation.combos[:COMBOS])
    known = evaluation.combos[0].trained is not None
    more = len(evaluation.combos) - COMBOS
    tail = f'<p class="note">and {more} more, no worse than these</p>' if more > 0 else ""
    return (
        '<section><h2>By combination</h2><div class="scroll"><table class="combos"><thead><tr><th>what was on</th>'
        + ("<th>trained</th>" if known else "")
        + "<th>pictures</th><th>answers</th><th>right of told</th></tr></thead>"
        f"<tbody>{rows}</tbody></table></div>{tail}</section>"
    )


def _plain(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}".replace(",", "\u202f")


def _anchor(name: str, evaluation: Evaluation) -> str:
    return f"name-{evaluation.task.names.index(name)}"
