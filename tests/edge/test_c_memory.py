"""The memory plan: no two tensors that are needed at once share a byte, except where an operator may overwrite."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_nets import NETS, chain
from telltale.export.c.float_layers import float_program
from telltale.export.c.generate import noise
from telltale.export.c.graph import Shape, Window
from telltale.export.c.integer import Tensor
from telltale.export.c.layers import OVERREAD, Program, bytes_of, program_of, rows_ahead, taken_ahead
from telltale.export.c.plan import plan_memory
from telltale.export.c.quantise import quantise
from telltale.export.c.read import read_onnx
from telltale.export.c.scales import calibrate
from telltale.export.c.simplify import simplify


def programs(model: bytes) -> list[Program]:
    graph = simplify(read_onnx(model))
    shape = graph.picture.shape
    pictures = noise(shape.height, shape.width, shape.channels, 2)
    return [program_of(quantise(graph, calibrate(graph, pictures))), float_program(graph)]


def check(program: Program) -> None:
    """Replay the program on which bytes belong to whom: whoever reads finds what was written for it."""
    plan = plan_memory(program)
    sizes = {name: bytes_of(tensor) for name, tensor in program.tensors.items()}
    owner = np.full(plan.arena, -1)
    index = {name: k for k, name in enumerate(program.tensors)}
    picture = program.picture.name

    def span(name: str) -> slice:
        return slice(plan.offsets[name], plan.offsets[name] + sizes[name])

    owner[span(picture)] = index[picture]
    for layer in program.layers:
        assert layer.scratch <= plan.scratch
        for source in layer.sources:
            assert (owner[span(source)] == index[source]).all(), f"{layer.function} reads {source}"
            out, begin = span(layer.out), plan.offsets[source]
            if out.start < begin + sizes[source] and begin < out.stop:
                assert source in layer.ahead, f"{layer.function} writes over {source}"
                assert begin - out.start >= layer.ahead[source]
        if layer.function not in ("tt_place", "tt_nearest", "tt_bilinear", "tt_place_f32"):
            owner[span(layer.out)] = index[layer.out]
            continue
        others = owner[
            span(layer.out)
        ]  # pieces of a concatenation: nobody else's bytes may be touched who is read later
        others[:] = index[layer.out]
    for output in program.outputs:
        assert (owner[span(output.tensor)] == index[output.tensor]).all()
    assert min(plan.offsets.values()) >= plan.scratch
    inner = [span(name).stop for name in program.tensors if name != picture or not plan.by_rows]
    assert max(inner) + OVERREAD <= plan.rows_arena + 7
    assert max(span(name).stop for name in program.tensors) + OVERREAD <= plan.arena


@pytest.mark.parametrize("name", NETS)
def test_whoever_reads_finds_what_was_written_for_it(name: str) -> None:
    for program in programs(NETS[name]):
        check(program)


@settings(max_examples=15, deadline=None)
@given(st.integers(100, 100_000))
def test_so_it_is_for_any_chain(seed: int) -> None:
    for program in programs(chain(seed)):
        check(program)


sides = st.integers(1, 12)


@given(
    height=sides,
    width=sides,
    channels=st.tuples(sides, sides),
    kernel=st.integers(1, 5),
    stride=st.integers(1, 3),
    pad=st.integers(0, 4),
)
def test_writing_over_the_input_spoils_no_row_that_is_still_needed(
    height: int, width: int, channels: tuple[int, int], kernel: int, stride: int, pad: int
) -> None:
    rows, columns = ((side + 2 * pad - kernel) // stride + 1 for side in (height, width))
    if min(rows, columns) < 1 or pad >= kernel:
        return
    source = Tensor(Shape(height, width, channels[0]), "i8", 1.0, 0)
    out = Tensor(Shape(rows, columns, channels[1]), "i8", 1.0, 0)
    window = Window((kernel, kernel), (stride, stride), (pad, pad))
    for kept, ahead in ((False, rows_ahead(source, out, window)), (True, taken_ahead(source, out, window))):
        base = 10_000
        begin = base + ahead  # of the source; the result begins at base
        intact = dict.fromkeys(range(height), True)
        taken = 0
        for y in range(rows):
            first, last = y * stride - pad, min(y * stride - pad + kernel, height)
            if kept:
                assert all(intact[k] for k in range(max(taken, first, 0), max(last, 0)))
                taken = max(taken, last)
            end = base + (y + 1) * columns * channels[1]
            for k in range(height):
                row = begin + k * width * channels[0]
                if base < row + width * channels[0] and row < end:
                    intact[k] = False
            if not kept:
                assert all(intact[k] for k in range(max(first, 0), max(last, 0))), "while the row is computed"
