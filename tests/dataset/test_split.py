"""Splits: by group, the same everywhere, and nothing seen on both sides."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from small_pictures import fill, png
from telltale.dataset import Catalogue
from telltale.dataset.catalogue import NewImage, Said
from telltale.dataset.split import apply_split, plan_split, shown
from telltale.errors import CatalogueError
from telltale.project import Split

GROUPS = st.dictionaries(st.text(min_size=1, max_size=8), st.integers(1, 30), min_size=3, max_size=60)


def pictures(plan: dict[str, str], groups: dict[str, int]) -> Counter[str]:
    count: Counter[str] = Counter()
    for group, split in plan.items():
        count[split] += groups[group]
    return count


@given(GROUPS, st.integers(0, 5), st.randoms())
@settings(max_examples=20, deadline=None)
def test_the_order_of_groups_does_not_matter(groups: dict[str, int], seed: int, random: object) -> None:
    items = list(groups.items())
    random.shuffle(items)  # type: ignore[attr-defined]
    shares = Split(train=0.7, calibration=0.15, test=0.15, seed=seed)
    assert plan_split(dict(items), shares) == plan_split(groups, shares)


@given(GROUPS)
@settings(max_examples=50, deadline=None)
def test_every_group_gets_one_split_and_every_split_a_group(groups: dict[str, int]) -> None:
    plan = plan_split(groups, Split(train=0.7, calibration=0.15, test=0.15))
    assert set(plan) == set(groups)
    assert set(plan.values()) == {"train", "calibration", "test"}


@pytest.mark.parametrize("seed", range(5))
def test_shares_count_pictures_not_groups(seed: int) -> None:
    groups = {f"g{n}": 1 + (n * 7) % 13 for n in range(200)}
    plan = plan_split(groups, Split(train=0.6, calibration=0.15, test=0.25, seed=seed))
    count, total = pictures(plan, groups), sum(groups.values())
    assert abs(count["train"] / total - 0.6) < 0.02
    assert abs(count["calibration"] / total - 0.15) < 0.02
    assert abs(count["test"] / total - 0.25) < 0.02


def test_thirty_two_equal_groups_are_shared_as_told() -> None:
    plan = plan_split({f"combo {n}": 5 for n in range(32)}, Split(train=0.5, calibration=0.25, test=0.25))
    assert Counter(plan.values()) == {"train": 16, "calibration": 8, "test": 8}


def test_only_the_proportion_of_shares_counts() -> None:
    groups = {f"g{n}": 3 for n in range(40)}
    whole = plan_split(groups, Split(train=0.8, calibration=0.1, test=0.1))
    assert plan_split(groups, Split(train=0.4, calibration=0.05, test=0.05)) == whole


def test_another_seed_gives_another_split() -> None:
    groups = {f"g{n}": 1 for n in range(50)}
    assert plan_split(groups, Split(seed=1)) != plan_split(groups, Split(seed=2))


def test_groups_added_later_move_few_others() -> None:
    old = {f"g{n}": 4 for n in range(100)}
    new = {**old, **{f"new{n}": 4 for n in range(5)}}
    before, after = plan_split(old, Split()), plan_split(new, Split())
    assert sum(before[group] != after[group] for group in old) <= 5


def test_a_share_of_zero_gets_nothing() -> None:
    plan = plan_split({f"g{n}": 1 for n in range(20)}, Split(train=0.8, calibration=0.0, test=0.2))
    assert set(plan.values()) == {"train", "test"}
    assert set(plan_split({"a": 1}, Split(train=1.0, calibration=0.0, test=0.0)).values()) == {"train"}


def test_one_giant_group_leaves_the_others_a_split_each() -> None:
    plan = plan_split({"giant": 1000, "a": 1, "b": 1}, Split())
    assert set(plan.values()) == {"train", "calibration", "test"}


@pytest.mark.parametrize("groups", [{}, {"a": 5}, {"a": 5, "b": 5}])
def test_too_few_groups_are_named(groups: dict[str, int]) -> None:
    with pytest.raises(CatalogueError, match=f"at least 3 groups for train, calibration, test, got {len(groups)}"):
        plan_split(groups, Split())


def test_every_value_comes_into_every_split_where_that_can_be() -> None:
    groups = {f"{n:05b}": 5 for n in range(32)}
    shows = {
        group: {(name, json.dumps(bit == "1")) for name, bit in zip("abcde", group, strict=True)} for group in groups
    }
    blind = 0
    for seed in range(20):
        shares = Split(train=0.7, calibration=0.15, test=0.15, seed=seed)
        plan = plan_split(groups, shares, shows)
        for split in ("train", "calibration", "test"):
            seen = {pair for group, its in plan.items() if its == split for pair in shows[group]}
            assert len(seen) == 10, (seed, split)
        without = plan_split(groups, shares)
        blind += any(
            len({pair for group, its in without.items() if its == split for pair in shows[group]}) < 10
            for split in ("calibration", "test")
        )
    assert blind > 3  # so the test can fail


def test_a_value_shown_by_one_group_alone_is_no_obstacle() -> None:
    groups = {f"g{n}": 1 for n in range(10)}
    assert set(plan_split(groups, Split(), {"g3": {("a", "true")}}).values()) == {"train", "calibration", "test"}


def test_apply_split_writes_the_plan(catalogue: Catalogue) -> None:
    fill(catalogue, 40)
    plan = apply_split(catalogue, Split())
    assert catalogue.splits() == plan
    assert shown(catalogue.examples("test")).keys() == {g for g, split in plan.items() if split == "test"}


def test_each_class_of_defect_comes_into_every_split_and_is_shared_evenly() -> None:
    """Six kinds, each in eight tiles of five pictures, and forty good tiles."""
    groups = {f"{kind}-{tile}": 5 for kind in "abcdef" for tile in range(8)} | {f"good-{tile}": 5 for tile in range(40)}
    rare = {group: {group[0]: 5} for group in groups if not group.startswith("good")}
    shows = {group: {("d", "true" if group in rare else "false")} for group in groups}
    shows = {group: pairs | {("meta.class", group[0])} if group in rare else pairs for group, pairs in shows.items()}
    plan = plan_split(groups, Split(train=0.6, calibration=0.2, test=0.2), shows, rare)
    for kind in "abcdef":
        count = Counter(split for group, split in plan.items() if group.startswith(f"{kind}-"))
        assert set(count) == {"train", "calibration", "test"}, kind
    defects = Counter(plan[group] for group in rare)
    assert 0.5 < defects["train"] / len(rare) < 0.7


def test_masks_are_split_by_the_class_they_came_under(catalogue: Catalogue) -> None:
    """Two classes of one name, each in five groups: both are in every split, whatever the groups are called."""
    kinds = {}
    for n in range(30):
        mask = np.zeros((8, 8), np.uint8)
        mask[n % 8, n // 8] = 255
        kind = ("good", "pit", "scratch")[n % 3]
        label = Said(False if kind == "good" else catalogue.keep_mask(mask))
        kinds[f"g{n // 6}{kind}"] = kind
        new = NewImage(png(n), ".png", f"g{n // 6}{kind}", "x", meta={"class": kind}, labels={"defect": label}, who="a")
        catalogue.add_many([new])
    plan = apply_split(catalogue, Split(train=0.6, calibration=0.2, test=0.2))
    assert {(kinds[group], split) for group, split in plan.items()} >= {
        (kind, split) for kind in ("pit", "scratch") for split in ("train", "calibration", "test")
    }
