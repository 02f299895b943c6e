"""A backbone in one line, and what it costs."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from telltale.errors import ConfigError
from telltale.model import build, count_macs, count_parameters
from telltale.model.cost import Cost, cost_of, cost_of_plan, read_budget
from telltale.model.plan import PLANS, Layer, make_plan, read_plan
from telltale.tasks import from_spec

STATES = from_spec({"kind": "states", "names": ["a", "b"]})
MASK = from_spec({"kind": "mask", "names": ["scratch"]})

stages = st.lists(st.lists(st.integers(1, 1024), min_size=1, max_size=8), min_size=2, max_size=7)


@given(stages, st.none() | st.integers(1, 1024))
def test_a_plan_is_read_as_it_was_written(channels: list[list[int]], hidden: int | None) -> None:
    plan = make_plan(channels, hidden)
    assert read_plan(str(plan)) == plan


def test_a_stage_halves_at_its_first_layer() -> None:
    assert read_plan("8-16x2-24+20/48").layers == (
        Layer(8, 2),
        Layer(16, 2),
        Layer(16, 1),
        Layer(24, 2),
        Layer(20, 1),
    )
    assert read_plan("8-16/48").hidden == 48


@pytest.mark.parametrize("name", PLANS)
def test_a_name_and_its_plan_are_the_same_network(name: str) -> None:
    torch.manual_seed(1)
    one = build(name, STATES, 32, 48).state_dict()
    torch.manual_seed(1)
    two = build(PLANS[name], STATES, 32, 48).state_dict()
    assert one.keys() == two.keys()
    assert all(torch.equal(one[key], two[key]) for key in one)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nanno", "did you mean 'nano'"),
        ("unet", "did you mean 'unet_tiny'"),
        ("8", "a plan such as"),
        ("8-", "got ''"),
        ("8-0-16", "got '0'"),
        ("8-16x9", "1 to 8 layers"),
        ("8-16+16x8", "at most 8 layers"),
        ("1-2-3-4-5-6-7-8", "at most 7 stages"),
        ("8-99999999999999999999", "1 to 1024 channels"),
        ("8-16/", "hidden units"),
        ("8-16/2/3", "hidden units"),
        ("8-x2", "1 to 1024 channels"),
    ],
)
def test_what_is_no_plan_is_named(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        read_plan(text)


@given(st.text(max_size=12))
def test_any_text_is_a_plan_or_a_clear_error(text: str) -> None:
    try:
        plan = read_plan(text)
    except ConfigError:
        return
    assert read_plan(str(plan)) == plan


def test_hidden_units_are_as_many_as_the_plan_says() -> None:
    network = build("8-16-24/20", STATES, 32, 48)
    assert network.head.width == 20
    assert network(torch.rand(2, 3, 32, 48))["logits"].shape == (2, 2)


@pytest.mark.parametrize("plan", ["pico", "8-16x2-24/20"])
def test_the_cost_counts_what_the_fused_net_does(plan: str) -> None:
    network = build(plan, STATES, 32, 48)
    cost = cost_of(network)
    assert cost.macs == count_macs(network)
    assert cost.parameters == count_parameters(network.fused())
    assert cost == cost_of_plan(plan, STATES, 32, 48)


def test_memory_is_the_largest_pair_of_maps() -> None:
    # The picture is 32 x 48 x 3, its first map 16 x 24 x 8.
    assert cost_of_plan("8-8/8", STATES, 32, 48).ram == 32 * 48 * 3 + 16 * 24 * 8
    # A mask's head adds the maps that it needs again.
    plain, mask = cost_of_plan("8-8-8-8/8", STATES, 32, 48), cost_of_plan("8-8-8-8", MASK, 32, 48)
    assert mask.ram == plain.ram + 8 * 12 * 8 + 4 * 6 * 8


def test_costing_a_plan_leaves_random_numbers_alone() -> None:
    torch.manual_seed(3)
    want = torch.rand(4)
    torch.manual_seed(3)
    cost_of_plan("8-16", STATES, 32, 48)
    assert torch.equal(torch.rand(4), want)


def test_a_budget_knows_thousands_from_kilobytes() -> None:
    budget = read_budget("macs<3M, ram<=64K,flash<1.5MB,params<200k")
    assert budget.limits == {"macs": 3e6, "ram": 65536, "flash": 1.5 * 2**20, "parameters": 200e3}
    assert str(budget) == "macs<3M,ram<64K,flash<1.5M,parameters<200K"
    assert read_budget(str(budget)) == budget


def test_the_scarcest_limit_decides() -> None:
    budget = read_budget("macs<1M,ram<1K")
    assert budget.use(Cost(500_000, 0, 0, 1024)) == 1.0
    assert budget.use(Cost(2_000_000, 0, 0, 1024)) == 2.0
    assert budget.scaled(0.5).use(Cost(500_000, 0, 0, 0)) == 1.0


@pytest.mark.parametrize("text", ["", "macs", "macs>3M", "speed<3", "macs<0", "macs<3M,macs<4M", "macs<3M,", "macs<3T"])
def test_what_is_no_budget_is_named(text: str) -> None:
    with pytest.raises(ConfigError, match="budget"):
        read_budget(text)
