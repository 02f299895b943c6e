"""One self-contained HTML page from an evaluation of masks. No script, no outside address."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from telltale.evaluate.looking import Pair
from telltale.evaluate.masks import UNBOUNDED, MaskEvaluation, MaskRow
from telltale.evaluate.page import picture
from telltale.evaluate.place_report import PlaceReport
from telltale.tasks import Threshold
from telltale.tasks.task import Json

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

TILES = (
    ("dice", "Dice of pixels"),
    ("auroc", "picture AUROC"),
    ("region_recall", "regions found"),
    ("false_regions_good", "false a good picture"),
)
SHARES = frozenset({"region_recall", "region_recall_unsure", "accuracy"})
LEGEND = (
    "Left the picture with what is there outlined in orange, right the probability from blue to yellow with what was "
    "told outlined in white, dashed where unsure."
)


def html(evaluation: MaskEvaluation) -> str:
    """The whole page."""
    return PlaceReport(
        evaluation,
        tiles=TILES,
        columns=COLUMNS,
        shares=SHARES,
        unbounded=UNBOUNDED,
        sorts=SORTS,
        legend=LEGEND,
        found=_found,
        rule=_rule,
        figure=_figure,
        skipped=evaluation.skipped,
    ).html()


def _found(score: Mapping[str, Json]) -> str:
    missed = score["regions_missed"]
    return (
        f"{score['regions']} true regions in {score['positives']} pictures: "
        f"{score['regions'] - missed} found or unsure, {missed} missed."
    )


def _rule(cut: Threshold) -> str:
    return f"told from {cut.high:.3g}" + (f", unsure from {cut.low:.3g}" if cut.low < cut.high else "")


def _figure(shot: Pair[MaskRow]) -> str:
    row = shot.row
    true, told = picture(shot.truth, f"{row.file}, what is there"), picture(shot.told, f"{row.file}, what was told")
    words = f"{row.false} false" if row.dice is None else f"Dice {row.dice:.2f}, {row.missed} of {row.regions} missed"
    return (
        f'<figure class="shot"><div class="pair">{true}{told}</div><figcaption><b>{escape(row.name)}</b> '
        f'<span class="{"good" if shot.sort == "best" else "bad"}">{escape(words)}</span><br>'
        f"<small>{escape(row.file)} · {escape(row.group)}</small></figcaption></figure>"
    )
