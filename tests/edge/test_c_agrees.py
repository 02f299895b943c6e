"""The generated C gives the integer reference's bytes: scalar, SSE, AVX2, NEON, whole and by rows."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from edge_machines import MACHINES, machine
from edge_nets import NETS
from telltale.export.c import integer
from telltale.export.c.emit import About
from telltale.export.c.generate import STORED, Generated, Numbers, generate, noise
from telltale.export.c.layers import bytes_of, program_of
from telltale.export.c.prove import FLOAT_TOLERANCE
from telltale.export.c.quantise import quantise
from telltale.export.c.read import input_shape, read_onnx
from telltale.export.c.scales import calibrate
from telltale.export.c.simplify import simplify


@cache
def made(name: str, numbers: Numbers = "int8") -> Generated:
    shape = input_shape(NETS[name])
    pictures = noise(shape.height, shape.width, shape.channels, 6)
    return generate(NETS[name], About(name, "a test"), pictures, inputs=pictures[2:5], numbers=numbers)


@pytest.mark.parametrize("where", MACHINES)
@pytest.mark.parametrize("name", NETS)
def test_every_machine_gives_the_references_bytes(name: str, where: str) -> None:
    net = made(name)
    built = machine(where).build(net)
    built.run("selftest")
    assert built.run(given=net.inputs.tobytes()) == net.expected
    assert built.run("rows", given=net.inputs.tobytes()) == net.expected


@pytest.mark.parametrize("name", ["residual", "unet", "shuffled", "chain3"])
def test_every_operator_writes_the_references_bytes(name: str) -> None:
    net = made(name)
    shape = input_shape(NETS[name])
    graph = simplify(read_onnx(NETS[name]))
    quantised = quantise(graph, calibrate(graph, noise(shape.height, shape.width, shape.channels, 6)))
    program = program_of(quantised)
    values = integer.run(quantised, net.inputs[0])
    said = machine("host-scalar").build(net).run("trace", given=net.inputs[:1].tobytes())
    at = 0
    for k, layer in enumerate(program.layers):
        tensor = quantised.tensors[layer.out]
        wrote = np.frombuffer(said[at : at + bytes_of(tensor)], STORED[tensor.kind])
        at += bytes_of(tensor)
        if all(later.out != layer.out for later in program.layers[k + 1 :]):  # a concatenation is whole at its last
            assert (wrote == values[layer.out].reshape(-1)).all(), layer.function
    assert at == len(said)


@pytest.mark.parametrize("where", ["host", "host-scalar", "host-sanitized", "armv7"])
@pytest.mark.parametrize("name", ["chain1", "residual", "unet", "shuffled"])
def test_float_nets_answer_as_the_float_model(name: str, where: str) -> None:
    net = made(name, "float32")
    built = machine(where).build(net)
    built.run("selftest")
    expected = np.frombuffer(net.expected, np.float32)
    for way in ((), ("rows",)):
        found = np.frombuffer(built.run(*way, given=net.inputs.tobytes()), np.float32)
        assert np.abs(found - expected).max() <= FLOAT_TOLERANCE * np.abs(expected).max()


@pytest.mark.parametrize("name", NETS)
def test_int8_stays_near_the_float_model(name: str) -> None:
    net = made(name)
    answers = next(iter(made(name, "float32").answers.values()))
    assert net.delta <= 0.1 * max(float(np.abs(answers).max()), 0.1)


def test_the_test_picture_is_the_same_in_c() -> None:
    net = made("chain0")
    source = """
#include <stdio.h>
#include "telltale.h"
extern const tt_net chain0_net;
int main(void) {
    uint8_t row[7 * 3];
    for (uint32_t seed = 0; seed < 4; seed++)
        for (uint32_t y = 0; y < 20; y++) {
            tt_pattern(seed, y, 7, 3, row);
            fwrite(row, 1, sizeof row, stdout);
        }
    return 0;
}
"""
    from edge_programs import program
    from telltale.export.c.pattern import pattern

    said = program(net, source).run()
    assert said == b"".join(pattern(seed, 20, 7, 3).tobytes() for seed in range(4))
