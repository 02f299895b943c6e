"""Recipes are read strictly, plans are the same every time, and pairwise covers every pair."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamps_recipe import lamps
from telltale.collect import Recipe, load_recipe
from telltale.collect.plan import choose, fill_url, make_plan, sample
from telltale.collect.recipe import Choice, Range, Value
from telltale.errors import ConfigError

CAR = Path(__file__).resolve().parents[2] / "web" / "car" / "page.toml"

MINIMAL = """
url = "page.html"
[labels]
hood = "Hood"
"""


def read(text: str, folder: Path) -> Recipe:
    path = folder / "page.toml"
    path.write_text(text)
    return load_recipe(path)


def test_four_lines_make_a_recipe(tmp_path: Path) -> None:
    recipe = read(MINIMAL, tmp_path)
    assert recipe.labels["hood"].press == "Hood"
    assert recipe.how == "all"
    assert recipe.folder == tmp_path


def test_the_recipe_of_the_car_shows_all_combinations() -> None:
    recipe = load_recipe(CAR)
    assert len(make_plan(recipe).combinations) == 32


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("vews = 3" + MINIMAL, "did you mean 'views'"),
        (MINIMAL + "[camera]\ndrg = {}", "did you mean 'drag'"),
        (MINIMAL + "[settle]\ntimeout = 3", "did you mean 'timeout_s'"),
        (MINIMAL + '[camera]\njs = "turn($azimut)"\nvary = {azimuth = [0, 1]}', r"\$azimuth.*camera has \$azimut"),
        (MINIMAL + '[camera]\njs = "a()"\nurl = "b=1"', "one of js, url and drag"),
        (MINIMAL + '[look]\nurl = "paint=$paint"', r"values for \$paint"),
        ("start = {hod = true}" + MINIMAL, "not 'hod'"),
        ("views = 0" + MINIMAL, "views: expected Input should be greater"),
        ('url = "x"', "labels: expected"),
        ("url = ", "valid TOML"),
    ],
)
def test_what_does_not_fit_is_named_with_what_would(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        read(text, tmp_path)


def test_a_recipe_that_is_not_there_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        load_recipe(tmp_path / "page.toml")


@given(st.integers(2, 9), st.integers(0, 99))
def test_pairwise_shows_every_two_labels_in_all_four_ways(n: int, seed: int) -> None:
    names = [f"l{k}" for k in range(n)]
    rows = choose(names, "pairwise", seed)
    for a, b in itertools.combinations(names, 2):
        assert {(row[a], row[b]) for row in rows} == set(itertools.product((False, True), repeat=2))
    assert len(rows) <= max(5, 2 * n)


@given(st.integers(1, 6), st.integers(1, 80), st.integers(0, 99))
def test_combinations_are_different_and_as_many_as_asked(n: int, how: int, seed: int) -> None:
    rows = choose([f"l{k}" for k in range(n)], how, seed)
    assert len(rows) == min(how, 2**n)
    assert len({tuple(row.values()) for row in rows}) == len(rows)
    assert not any(rows[0].values())


@given(st.integers(1, 60), st.integers(0, 99))
def test_views_spread_over_every_range_and_choice(count: int, seed: int) -> None:
    vary: dict[str, Range | Choice] = {"azimuth": Range(low=0, high=360), "paint": Choice(of=("red", "blue", "white"))}
    views = sample(vary, count, random.Random(seed))
    slots = sorted(int(float(view["azimuth"]) * count / 360 - 1e-9) for view in views)
    assert slots == list(range(count))
    paints = [view["paint"] for view in views]
    assert all(paints.count(p) >= count // 3 for p in ("red", "blue", "white"))


def test_a_plan_is_the_same_every_time_and_another_for_another_seed() -> None:
    recipe = lamps()
    assert make_plan(recipe) == make_plan(recipe)
    other = make_plan(recipe.model_copy(update={"seed": 1}))
    assert other.key != make_plan(recipe).key
    assert [c.group for c in other.combinations] != [c.group for c in make_plan(recipe).combinations]


def test_asking_for_more_combinations_keeps_the_plan_of_those_there_were() -> None:
    few, many = (make_plan(lamps(combinations=how)) for how in (3, "all"))
    assert few.key == many.key
    assert all(c in many.combinations for c in few.combinations)


def test_url_parameters_are_added_to_what_is_there() -> None:
    values: dict[str, Value] = {"paint": "sea green", "on": True, "angle": 4.5}
    assert fill_url("http://h/p?a=1#x", "paint=$paint&on=$on", values) == "http://h/p?a=1&paint=sea%20green&on=true#x"
    assert fill_url("http://h/p", "v=$angle", values) == "http://h/p?v=4.5"
