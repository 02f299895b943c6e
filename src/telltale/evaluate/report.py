"""One self-contained HTML page from an evaluation. Knows nothing of models or bundles.

No script, no outside address: charts are inline SVG, pictures data URIs. Light and dark by the reader's setting.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from html import escape
from pathlib import Path

import numpy as np

from telltale.evaluate.bootstrap import LEVEL, Measure
from telltale.evaluate.charts import answer_bar, dot_range, reliability_chart, risk_chart, spread_chart
from telltale.evaluate.curves import reliability, risk_coverage, spread
from telltale.evaluate.evaluation import NEVER, Combo, Evaluation, between, share
from telltale.evaluate.gallery import Shot

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
STYLE = Path(__file__).with_name("report.css")

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
    body = "".join(_sections(evaluation))
    style = STYLE.read_text(encoding="utf-8")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{escape(evaluation.title)}: evaluation</title><style>{style}</style></head>"
        f"<body><main>{body}</main></body></html>"
    )


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
    yield _about(evaluation)


def _head(evaluation: Evaluation) -> str:
    pictures, groups = len(evaluation.scored), evaluation.groups
    whole = evaluation.overall["exact_match_told"]
    facts = [
        (share(evaluation.overall["coverage"].value), "of answers told", _range(evaluation.overall["coverage"])),
        (
            share(evaluation.overall["told_accuracy"].value),
            "of those right",
            _range(evaluation.overall["told_accuracy"]),
        ),
        (share(evaluation.overall["accuracy"].value), "right at 0.5", _range(evaluation.overall["accuracy"])),
        (share(whole.value), "pictures told wholly right", _range(whole)),
    ]
    tiles = "".join(
        f'<div class="tile"><b>{value}</b><span>{escape(what)}</span><small>{interval}</small></div>'
        for value, what, interval in facts
    )
    warnings = "".join(f"<li>{escape(text)}</li>" for text in evaluation.warnings)
    return (
        f'<header><p class="kicker">{escape(evaluation.title)} · evaluation</p><h1>{escape(evaluation.headline)}</h1>'
        f'<p class="lead">Measured on {_count(pictures, "picture")} of {_count(groups, "group")}, '
        f"{_count(len(evaluation.task.names), 'answer')} each. “Unsure” is not told and not counted as wrong.</p>"
        f'<div class="tiles">{tiles}</div>'
        + (f'<ul class="warnings">{warnings}</ul>' if warnings else "")
        + "</header>"
    )


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
    head = "".join(f'<th title="{escape(why, quote=True)}">{escape(word)}</th>' for _, word, why in COLUMNS)
    rows = [_number_row(name, dict(evaluation.heads[name]), evaluation) for name in evaluation.task.names]
    rows.append(_number_row("all", dict(evaluation.overall), evaluation, "total"))
    parts = "".join(
        f"<tr><th>{escape(part.name)}</th><td>{part.pictures}</td><td>{part.groups}</td>"
        + "".join(
            f"<td>{share(part.overall[key].value)}<small>{_range(part.overall[key])}</small></td>"
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
    notes = "".join(f"<dt>{escape(word)}</dt><dd>{escape(why.replace('`', ''))}</dd>" for _, word, why in COLUMNS)
    return (
        f'<section><h2>Numbers</h2><div class="scroll"><table class="numbers"><thead><tr><th></th>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
        f"<details><summary>What the columns mean</summary><dl>{notes}</dl>"
        f"<p>Below each number is its {100 * LEVEL:g} % interval: whole groups are resampled, for pictures of one "
        "group err together; shares use the exact binomial interval at the effective number of pictures.</p></details>"
        f"{unseen}</section>"
    )


def _number_row(name: str, measures: dict[str, Measure], evaluation: Evaluation, kind: str = "") -> str:
    cells = []
    for key, word, _ in COLUMNS:
        measure = measures.get(key, Measure(None))
        text = share(measure.value) if key not in ("auroc", "ece") else _plain(measure.value)
        low, high = (0.0, 0.2) if key == "ece" else (0.5, 1.0) if key != "coverage" else (0.0, 1.0)
        chart = dot_range(f"{name}: {word}", measure, low, high)
        interval = _range(measure) if key not in ("auroc", "ece") else _plain_range(measure)
        cells.append(f"<td>{text}<small>{interval}</small>{chart}</td>")
    return f'<tr class="{kind}"><th>{escape(name)}</th>{"".join(cells)}</tr>'


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
    cards = "".join(_shot(shot) for shot in shots)
    return (
        f'<section><h2>{title}</h2><p class="note">{escape(note)}{legend}</p><div class="shots">{cards}</div></section>'
    )


def _shot(shot: Shot) -> str:
    said = "on" if shot.prob >= 0.5 else "off"
    sure = shot.prob if shot.prob >= 0.5 else 1.0 - shot.prob
    right = (shot.prob >= 0.5) == shot.truth
    truth = "on" if shot.truth else "off"
    words = f"{said}, {share(sure)} sure" + ("" if right else f"; is {truth}") + (", hidden" if shot.hidden else "")
    images = "".join(
        f'<img alt="{escape(alt, quote=True)}" src="data:image/jpeg;base64,{base64.b64encode(data).decode()}">'
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


def _about(evaluation: Evaluation) -> str:
    facts = "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in evaluation.facts.items())
    skipped = "".join(f"<li>{escape(s.why)}</li>" for s in evaluation.skipped[:50])
    return (
        f"<section><h2>About</h2><dl>{facts}</dl>"
        + (
            f"<details><summary>{len(evaluation.skipped)} not read</summary><ul>{skipped}</ul></details>"
            if skipped
            else ""
        )
        + '<p class="note">Every picture\'s probabilities, labels and answers are in table.csv and table.parquet.</p>'
        "</section>"
    )


def _range(measure: Measure) -> str:
    if measure.low is None or measure.high is None:
        return ""
    return f"{share(measure.low).removesuffix(' %')} – {share(measure.high)}"


def _plain(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _plain_range(measure: Measure) -> str:
    return "" if measure.low is None else f"{_plain(measure.low)} – {_plain(measure.high)}"


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}{'' if number == 1 else 's'}".replace(",", "\u202f")


def _anchor(name: str, evaluation: Evaluation) -> str:
    return f"name-{evaluation.task.names.index(name)}"
