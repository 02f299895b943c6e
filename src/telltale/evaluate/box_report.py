"""One self-contained HTML page from an evaluation of boxes. No script, no outside address."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from telltale.evaluate.boxes import UNBOUNDED, BoxEvaluation, BoxRow
from telltale.evaluate.looking import Pair
from telltale.evaluate.page import picture
from telltale.evaluate.place_report import PlaceReport
from telltale.tasks import Threshold
from telltale.tasks.task import Json

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

LEGEND = (
    "Left the picture with what is there in orange, right with what was told: green, or amber and dashed where unsure."
)


def html(evaluation: BoxEvaluation) -> str:
    """The whole page."""
    return PlaceReport(
        evaluation,
        tiles=(
            ("near", f"centre within {evaluation.task.near_px:g} px"),
            ("ap50", "AP50"),
            ("centre_px", "centre off, px"),
            ("false_empty", "false, none there"),
        ),
        columns=COLUMNS,
        shares=SHARES,
        unbounded=UNBOUNDED,
        sorts=SORTS,
        legend=LEGEND,
        found=_found,
        rule=_rule,
        figure=_figure,
        skipped=(),
    ).html()


def _found(score: Mapping[str, Json]) -> str:
    missed = score["missed"]
    return (
        f"{score['objects']} objects in {score['positives']} pictures: "
        f"{score['objects'] - missed} found or unsure, {missed} missed."
    )


def _rule(cut: Threshold) -> str:
    return f"told from {cut.high:.3g}" + (f", unsure above {cut.low:.3g}" if cut.low < cut.high else "")


def _figure(shot: Pair[BoxRow]) -> str:
    row = shot.row
    words = f"{row.name}: highest score {row.score:.2f}"
    if row.centre_px is not None:
        words += f", centre off by {row.centre_px:.1f} px"
    return (
        f'<figure><div class="pair">{picture(shot.truth, row.file)}{picture(shot.told, row.file)}</div><figcaption>'
        f'<span class="{"good" if shot.sort == "best" else "bad"}">{escape(words)}</span><br>'
        f"<small>{escape(row.file)} · {escape(row.group)}</small></figcaption></figure>"
    )
