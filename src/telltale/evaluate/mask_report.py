"""One self-contained HTML page from an evaluation of masks. No script, no outside address."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from telltale.evaluate.charts import dot_range
from telltale.evaluate.evaluation import share
from telltale.evaluate.looking import Pair
from telltale.evaluate.mask_kinds import FEW_LEARNED, Kind
from telltale.evaluate.mask_rows import MaskRow
from telltale.evaluate.masks import UNBOUNDED, MaskEvaluation
from telltale.evaluate.page import interval, picture
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
        more=_kinds(evaluation.kinds) if evaluation.kinds else "",
    ).html()


def _kinds(kinds: Sequence[Kind]) -> str:
    """The table of kinds of defect."""
    several = len({each.name for each in kinds}) > 1
    titles = ("", "groups trained on", "tested: groups", "pictures", "told", "unsure", "regions found", "Dice")
    head = "".join(f"<th>{title}</th>" for title in titles)
    rows = []
    for each in kinds:
        said = f"{each.name}: {each.kind or 'no class'}" if several else each.kind or "no class"
        chart = dot_range(f"{said}: regions found", each.found, 0.0, 1.0)
        few = ' class="bad"' if each.learned < FEW_LEARNED else ""
        rows.append(
            f"<tr><th>{escape(said)}</th><td{few}>{each.learned}</td><td>{each.groups}</td><td>{each.pictures}</td>"
            f"<td>{each.told}</td><td>{each.unsure}</td>"
            f"<td>{_share(each.found.value)}<small>{interval(each.found, _share)}</small>{chart}</td>"
            f"<td>{each.dice:.2f}</td></tr>"
        )
    return (
        '<section><h2>Kind by kind</h2><p class="note">What each picture came under, and of how many groups it was '
        'learned. From a few, a net learns those parts rather than the kind.</p><div class="scroll">'
        f'<table class="numbers"><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div></section>'
    )


def _share(value: float | None) -> str:
    return "–" if value is None else share(value)


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
