"""What a network costs as generated C, to the byte, without generating it. Touches no disk and runs no picture.

Where tensors lie depends on their sizes, and on no numbers; so any ranges do that an operator can give.
"""

from __future__ import annotations

from telltale.export.c.emit import constants_of
from telltale.export.c.graph import AveragePool, Conv, Dense, GlobalAverage, Graph, Resize, Shuffle
from telltale.export.c.layers import program_of
from telltale.export.c.of_network import graph_of
from telltale.export.c.plan import plan_memory
from telltale.export.c.quantise import quantise
from telltale.export.c.scales import Seen
from telltale.model.cost import Cost
from telltale.model.network import Network


def price(network: Network) -> Cost:
    """The multiplications, constants and arena that the header of the int8 net will state.

    Raises ExportError where the network is no chain of plain layers.
    """
    graph = graph_of(network)
    program = program_of(quantise(graph, _some_ranges(graph)))
    return Cost(graph.macs, graph.parameters, constants_of(program), plan_memory(program).arena)


def _some_ranges(graph: Graph) -> dict[str, Seen]:
    """What only moves numbers holds what its source held."""
    seen = {graph.picture.name: Seen(-1.0, 1.0)}
    for operator in graph.operators:
        moves = isinstance(operator, (AveragePool, GlobalAverage, Resize, Shuffle))
        rectified = isinstance(operator, (Conv, Dense)) and operator.clamp.low == 0
        seen[operator.out] = seen[operator.sources[0]] if moves else Seen(0.0 if rectified else -1.0, 1.0)
    return seen
