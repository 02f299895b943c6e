"""What is said of each kind of defect."""

from __future__ import annotations

from typing import Any

import pytest

from telltale.evaluate.mask_kinds import measure_kinds, warn_of_few
from telltale.evaluate.mask_rows import MaskRow


def row(group: str, kind: str, **more: Any) -> MaskRow:
    """One picture with two regions, both found."""
    settled: dict[str, Any] = {
        **{"file": "a.png", "image_id": 1, "name": "defect", "truth": True, "state": "on", "score": 0.9, "dice": 0.5},
        **{"right_px": 50, "told_px": 100, "true_px": 100, "regions": 2, "unsure": 0, "missed": 0, "false": 0},
    }
    return MaskRow(group=group, kind=kind, **{**settled, **more})


def test_a_kind_that_is_never_found_is_not_hidden_by_one_that_always_is() -> None:
    rows = [row(f"a{n}", "blowhole") for n in range(8)]
    rows += [row(f"b{n}", "fray", state="off", right_px=0, told_px=0, missed=2) for n in range(2)]
    rows += [row("c", "free", truth=False, regions=0)]
    blowhole, fray = measure_kinds(rows, ())
    assert (blowhole.kind, blowhole.groups, blowhole.told, blowhole.found.value) == ("blowhole", 8, 8, 1.0)
    assert (fray.kind, fray.pictures, fray.told, fray.missed, fray.dice) == ("fray", 2, 0, 4, 0.0)
    assert fray.found.value == 0.0
    assert blowhole.dice == pytest.approx(0.5)


def test_pictures_of_one_group_count_once_in_the_interval() -> None:
    """Ten exposures of one part say no more than one: two parts leave everything open."""
    rows = [row("a", "blowhole") for _ in range(10)]
    rows += [row("b", "blowhole", unsure=1, missed=1) for _ in range(10)]
    rows += [row("c", "fray")]
    blowhole, fray = measure_kinds(rows, ())
    assert blowhole.found.value == 0.5
    assert blowhole.found.low == 0.0
    assert blowhole.found.high is not None
    assert blowhole.found.high > 0.9
    assert (fray.found.low, fray.found.high) == (None, None)


def test_one_kind_alone_says_nothing_new() -> None:
    assert measure_kinds([row("a", ""), row("b", "")], ()) == ()


def test_kinds_learned_from_few_groups_are_named() -> None:
    said = list(warn_of_few(measure_kinds([row("a", "blowhole"), row("b", "")], ())))
    assert said[0].startswith("without a class: learned from 0 groups")
    assert "blowhole: learned from 0 groups" in said[1]
