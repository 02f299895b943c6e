"""Which net of a budget is best."""

from __future__ import annotations

import csv
from pathlib import Path
from xml.etree import ElementTree

import pytest

from telltale.errors import TrainError
from telltale.model import load_run
from telltale.model.cost import Cost, cost_of_plan, read_budget
from telltale.project import Input
from telltale.tasks import Task, from_spec
from telltale.train.propose import Candidate, propose
from telltale.train.search import Tried, beats, fit, frontier, rank
from toy_project import project_of


def tried(merit: float, macs: int, ram: int = 10) -> Tried:
    return Tried(Candidate(f"{macs}-8", 32, 24, Cost(macs, 0, 0, ram), 0.5), "r", merit, 1 - merit, 1.0)


@pytest.mark.parametrize("text", ["macs<1M", "macs<3M,ram<64K,flash<128K"])
def test_every_proposal_fits_and_costs_what_it_says(task: Task, text: str) -> None:
    budget = read_budget(text)
    found = propose(task, Input(width=160, height=120), budget, 12)
    assert 8 <= len(found) <= 12
    assert len(set(found)) == len(found)
    for one in found:
        assert one.use == budget.use(one.cost) <= 1
    one = found[0]
    assert one.cost == cost_of_plan(one.plan, task, one.height, one.width)
    # Widths, depths and sizes all differ, and some leave much of the budget unused.
    assert len({(c.width, c.height) for c in found}) > 1
    assert len({c.plan.count("-") for c in found}) > 1
    assert min(c.use for c in found) < 0.5 < max(c.use for c in found)


def test_masks_are_proposed_with_sides_their_stages_divide() -> None:
    mask = from_spec({"kind": "mask", "names": ["scratch"]})
    found = propose(mask, Input(width=96, height=96, fit="tile"), read_budget("macs<5M"), 6)
    assert {(c.width, c.height) for c in found} == {(96, 96)}


def test_a_budget_that_nothing_fits_is_said(task: Task) -> None:
    with pytest.raises(TrainError, match="nothing fits macs<10"):
        propose(task, Input(width=64, height=64), read_budget("macs<10"), 4)


def test_the_frontier_is_what_nothing_beats() -> None:
    good, cheap, bad = tried(0.9, 100), tried(0.8, 50), tried(0.7, 60)
    assert beats(cheap, bad)
    assert not beats(good, cheap)
    assert not beats(cheap, good)
    assert not beats(good, good)
    assert frontier([good, bad, cheap]) == [cheap, good]
    lean = tried(0.7, 60, ram=5)
    assert frontier([good, cheap, lean]) == [cheap, lean, good]
    assert rank([bad, cheap, good]) == [good, cheap, bad]


def test_a_search_leaves_a_table_a_picture_and_runs_that_load(tmp_path: Path) -> None:
    project = project_of(tmp_path)
    done = fit(project, read_budget("macs<200K"), minutes=0.15, tries=4)
    assert done.folder == project.runs / "fit-1"
    assert len(done.tried) == 4
    rows = list(csv.DictReader((done.folder / "frontier.csv").read_text().splitlines()))
    assert [row["plan"] for row in rows] == [one.candidate.plan for one in done.tried]
    assert sum(int(row["frontier"]) for row in rows) == len(done.frontier) >= 1
    ElementTree.fromstring((done.folder / "frontier.svg").read_text())
    for one in done.tried:
        network, config = load_run(project.runs / one.run)
        assert config.macs == one.candidate.cost.macs <= 200_000
        assert (config.input.width, config.input.height) == (network.width, network.height)
    # Half went on from where they stood, and the better one of these was trained longest.
    assert sorted(one.run[-2:] for one in done.tried) == [".1", ".1", ".2", ".2"]
    assert done.best.merit == max(one.merit for one in done.tried)
    assert len(list(project.runs.glob("fit-1-*"))) == 4


def test_a_search_without_groups_to_judge_by_is_refused(tmp_path: Path) -> None:
    project = project_of(tmp_path, groups=2)
    with pytest.raises(TrainError, match="nothing to judge by"):
        fit(project, read_budget("macs<200K"), minutes=0.05, tries=2)
