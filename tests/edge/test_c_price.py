"""What a search is told that a net costs, beside what the generated C says."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from telltale.errors import ExportError
from telltale.export.c.emit import About
from telltale.export.c.floats import run
from telltale.export.c.generate import generate, noise
from telltale.export.c.of_network import graph_of
from telltale.export.c.price import price
from telltale.export.c.read import read_onnx
from telltale.export.c.simplify import simplify
from telltale.export.deploy import Deployed, to_onnx
from telltale.model import build, load_run
from telltale.model.cost import CODE, cost_of, read_budget
from telltale.model.network import Network
from telltale.tasks import from_spec
from telltale.train.search import fit
from toy_project import project_of

STATES = from_spec({"kind": "states", "names": ["a", "b", "c"]})
MASK = from_spec({"kind": "mask", "names": ["scratch", "dent"]})


def onnx_of(network: Network) -> bytes:
    names = len(network.task.names)
    deployed = Deployed(network.fused(), network.task.kind, torch.ones(names))
    return to_onnx(deployed, network.height, network.width)


def header_of(network: Network) -> str:
    made = generate(onnx_of(network), About("net", "a test"), noise(network.height, network.width, 3, 2))
    return made.files["net.h"].decode()


def stated(header: str, pattern: str) -> int:
    found = re.search(pattern, header)
    assert found, header
    return int(found[1].replace(",", ""))


SHAPES = [
    ("8-12x2-16/12", 24, 40, "states"),
    ("8-16-24-32/16", 32, 64, "states"),
    ("8-8/8", 60, 80, "states"),
    ("4-4-8-8-8/8", 33, 50, "states"),
    ("8-12-16", 32, 48, "mask"),
    ("4-8-8x2-12", 48, 32, "mask"),
    ("8-12", 32, 32, "mask"),
]


@pytest.mark.parametrize(("plan", "height", "width", "kind"), SHAPES)
def test_the_price_is_what_the_generated_header_states(plan: str, height: int, width: int, kind: str) -> None:
    torch.manual_seed(0)
    network = build(plan, STATES if kind == "states" else MASK, height, width).eval()
    cost, header = price(network), header_of(network)
    assert cost.ram == stated(header, r"NET_ARENA_BYTES (\d+)")
    assert cost.constants == stated(header, r"Constants +([\d,]+) bytes")
    assert cost.macs == stated(header, r"Sums +([\d,]+) multiplications")
    assert cost.flash == cost.constants + CODE
    assert cost.macs == cost_of(network).macs


@pytest.mark.parametrize("kind", ["states", "mask"])
def test_a_drawn_graph_answers_as_the_one_that_was_read(kind: str) -> None:
    torch.manual_seed(0)
    network = build("8-12-16-16", STATES if kind == "states" else MASK, 32, 48).eval()
    drawn, read = graph_of(network), simplify(read_onnx(onnx_of(network)))
    for picture in noise(32, 48, 3, 2):
        one, two = (run(graph, picture)[graph.outputs[0].tensor] for graph in (drawn, read))
        np.testing.assert_allclose(one, two, atol=1e-5)


def test_a_net_that_is_no_chain_has_no_price() -> None:
    with pytest.raises(ExportError, match="plain backbone"):
        price(build("unet_tiny", MASK, 32, 32))


def test_the_search_s_table_states_what_the_headers_of_its_nets_do(tmp_path: Path) -> None:
    project = project_of(tmp_path)
    done = fit(project, read_budget("macs<200K,ram<6K,flash<24K"), minutes=0.05, tries=2, price=price)
    rows = list(csv.DictReader((done.folder / "frontier.csv").read_text().splitlines()))
    for row in rows:
        network, _ = load_run(project.runs / row["run"])
        header = header_of(network)
        assert int(row["ram"]) == stated(header, r"NET_ARENA_BYTES (\d+)") <= 6 * 1024
        assert int(row["constants"]) == stated(header, r"Constants +([\d,]+) bytes")
        assert int(row["macs"]) == stated(header, r"Sums +([\d,]+) multiplications")
