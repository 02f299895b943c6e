# ruff: noqa: E501 - sentences and table rows
"""The masks' part of docs/numbers.md."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Load = Callable[[str], dict[str, Any] | None]

TITLES = {
    "magtile": "magnetic tiles, split by tile",
    "mixed": "the same, with 1000 painted pictures among those trained on",
    "painted": "the same, trained on good tiles and painted defects only",
    "crackforest": "cracks in asphalt",
}
MEASURES = {
    "dice": "Dice",
    "iou": "IoU",
    "auroc": "AUROC of pictures",
    "pixel_auroc": "AUROC of pixels",
    "aupro": "AUPRO",
    "region_recall": "regions found",
    "false_regions_good": "false regions a good picture",
    "f1_0px": "F1 at 0 px",
    "f1_2px": "F1 at 2 px",
}


def rows(load: Load) -> list[str]:
    """Lines of the table of what was asked."""
    out = []
    for name, title in TITLES.items():
        found = load(f"mask_{name}")
        if found is None:
            continue
        out.append(f"| {title}; {_spent(found)} | {_asked_and_reached(found)} |")
    for name, found in _folds(load):
        out.append(
            f"| {TITLES[name]}, each of {found['folds']} folds the test once; {_spent_folds(found)} | {_asked_and_reached(found)} |"
        )
    speed = load("mask_speed")
    if speed is not None:
        targets, training, telling = speed["targets"], speed["training_256"], speed["telling"]
        nets = [name for name in training if name != "plain"]
        trained = ", ".join(f"`{name}` {training[name]['times_plain']:g}" for name in nets)
        told = ", ".join(f"`{name}` {telling['times_unet_tiny'][f'{name} float']:g}" for name in nets)
        int8 = ", ".join(f"`{name}` {telling['int8_times_float'][name]:g}" for name in nets)
        out.append(
            f"| pictures of 256x256 trained on a second / the plain U-Net's ({training['plain']['pictures_per_s']:g}) | {targets['train_times_plain']} | {trained} |"
        )
        out.append(
            f"| telling 512x512: times as fast as `unet_tiny` in float | {targets['tell_times_unet_tiny']} | {told} |"
        )
        out.append(f"| the same: int8 times as fast as float | {targets['int8_times_float']} | {int8} |")
    return out


def section(load: Load) -> list[str]:
    """Every measure of each data set, and the plain recipes beside them."""
    out: list[str] = []
    for name, title in TITLES.items():
        found = load(f"mask_{name}")
        if found is None:
            continue
        pictures, groups = found["pictures"], found["groups"]
        out += [
            "",
            f"### {title[0].upper()}{title[1:]}",
            "",
            f"{pictures['test']} test pictures of {groups['test']} groups; {pictures['train']} trained on, {pictures['calibration']} calibrated on; {_spent(found)}; "
            f"`{found['telltale']['backbone']}`, {found['telltale']['epochs']} epochs. 95 % intervals, groups resampled.",
            "",
        ]
        columns = {"telltale": found["telltale"], **{f"plain, {k}": v for k, v in found.get("plain", {}).items()}}
        out += ["| | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
        out += [
            f"| {title} | " + " | ".join(_interval(column[key]) for column in columns.values()) + " |"
            for key, title in MEASURES.items()
        ]
    for name, found in _folds(load):
        out += [
            "",
            f"### {TITLES[name][0].upper()}{TITLES[name][1:]}: every group a test once",
            "",
            f"{found['groups']} groups in {found['folds']} folds, each told by a net that saw nothing of it; {_spent_folds(found)}. Scores of different nets are ranked "
            "against each other in the second column. 95 % intervals, groups resampled.",
            "",
            "| | all | " + " | ".join(f"fold {n + 1}" for n in range(found["folds"])) + " |",
            "|---" * (found["folds"] + 2) + "|",
        ]
        out += [
            f"| {title} | {_interval(found['telltale'][key])} | "
            + " | ".join(_value(each[key]) for each in found["each"])
            + " |"
            for key, title in MEASURES.items()
        ]
    return ["", "## Masks", *out] if out else []


def _asked_and_reached(found: dict[str, Any]) -> str:
    """The two cells of the table of what was asked."""
    asked = ", ".join(f"{MEASURES[key]} {value:g}" for key, value in found["targets"].items())
    return f"{asked} | " + ", ".join(f"{MEASURES[key]} {_interval(found['telltale'][key])}" for key in found["targets"])


def _folds(load: Load) -> list[tuple[str, dict[str, Any]]]:
    return [(name, found) for name in TITLES if (found := load(f"mask_folds_{name}")) is not None]


def _spent_folds(found: dict[str, Any]) -> str:
    return f"{sum(found['training_s']) * found['threads'] / 60 / found['folds']:.0f} core minutes for each"


def _value(measure: dict[str, Any]) -> str:
    return "-" if measure.get("value") is None else f"{measure['value']:.2f}"


def _spent(found: dict[str, Any]) -> str:
    """What was given, and what of it was used."""
    given = f"{found['minutes']:g} minutes of two cores"
    used = found.get("training_s", 120 * found["minutes"] / found["threads"]) * found["threads"] / 60
    return f"{used:.0f} of the {2 * found['minutes']:g} core minutes in {given}"


def _interval(measure: dict[str, Any]) -> str:
    if measure.get("value") is None:
        return "-"
    if measure.get("low") is None:
        return f"{measure['value']:.2f}"
    return f"{measure['value']:.2f} ({measure['low']:.2f} to {measure['high']:.2f})"
