"""From an ONNX model and pictures to C: read, simplify, quantise, plan, write. Touches no disk."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import onnxruntime
from numpy.typing import NDArray

import telltale
from telltale.errors import ExportError, ParityError
from telltale.export.c import floats, integer
from telltale.export.c.emit import About, Golden, emit
from telltale.export.c.float_layers import float_program
from telltale.export.c.graph import Graph
from telltale.export.c.integer import IntegerNet
from telltale.export.c.layers import Program, program_of
from telltale.export.c.pattern import pattern
from telltale.export.c.plan import Plan, plan_memory
from telltale.export.c.quantise import quantise
from telltale.export.c.read import Pixels, read_onnx
from telltale.export.c.scales import calibrate, with_ranges
from telltale.export.c.simplify import simplify
from telltale.export.c.toolchain import runtime_files
from telltale.progress import Progress, Quiet

Numbers = Literal["int8", "float32"]
Images = NDArray[np.uint8]

SEEDS = (1, 2, 3)
"""Of the test pictures compiled in: noise, coarse blocks, fine blocks."""

READ_TOLERANCE = 1e-3
"""How far the graph as read may lie from onnxruntime, in parts of the largest answer."""

CHECKED = 4
"""Pictures on which the graph as read is compared with onnxruntime."""

STORED = {"u8": np.uint8, "i8": np.int8, "i16": np.int16, "f32": np.float32}


@dataclass(frozen=True, slots=True)
class Generated:
    """Everything of one net in C.

    name: of its files and its C names. files: by name, with the runtime. inputs: (N, H, W, C) uint8; expected: the
    bytes of all outputs for each, one after the other. delta: how far the outputs lie from the float model at most.
    arena, rows_arena, constants: bytes.
    """

    name: str
    numbers: Numbers
    files: Mapping[str, bytes]
    inputs: Images
    expected: bytes
    answers: Mapping[str, NDArray[np.float32]]
    delta: float
    arena: int
    rows_arena: int
    constants: int
    macs: int
    parameters: int

    def describe(self) -> str:
        """One line for a terminal."""
        rows = f" ({self.rows_arena:,} fed by rows)" if self.rows_arena < self.arena else ""
        return (
            f"{self.numbers}: arena {self.arena:,} bytes{rows}, constants {self.constants:,} bytes, "
            f"{self.macs:,} MACs; answers differ from the float model by {self.delta:.3g} at most"
        )


def noise(height: int, width: int, channels: int, count: int = 8) -> Images:
    """Pictures where nobody has any: (count, height, width, channels), the same each time."""
    return np.stack([pattern(seed, height, width, channels) for seed in range(1, count + 1)])


def generate(
    model: bytes,
    about: About,
    pictures: Images | None = None,
    *,
    inputs: Images | None = None,
    numbers: Numbers = "int8",
    pixels: Pixels | None = None,
    outputs: Sequence[str] | None = None,
    size: tuple[int, int] | None = None,
    ranges: Sequence[tuple[float, float] | None] = (),
    progress: Progress | None = None,
) -> Generated:
    """C for a model.

    pictures: (N, H, W, C) uint8 at the model's input size, from which int8 learns its ranges; noise without.
    inputs: on which the answers are kept as expected; the first pictures without.
    size: (height, width) where the model leaves them open.
    ranges: of each sum, where training learned them (`telltale train --quantise`).
    pixels: what a byte stands for where the model takes floats; byte / 255 without.
    Raises ExportError (what C cannot do, pictures that do not fit), ParityError (the graph as read is not the model).
    """
    progress = progress or Quiet()
    graph = simplify(read_onnx(model, outputs=outputs, pixels=pixels, size=size))
    shape = graph.picture.shape
    whole = (shape.height, shape.width, shape.channels)
    given = noise(*whole) if pictures is None else pictures
    shown = given[:CHECKED] if inputs is None else inputs
    for some in (given, shown):
        if some.ndim != 4 or some.shape[1:] != whole or not len(some):
            raise ExportError("pictures", expected=f"some of {shape}", got=str(some.shape))
    check_reading(model, graph, shown[:CHECKED])
    progress.advance(1, "read")
    tests = [pattern(seed, *whole) for seed in SEEDS]
    if numbers == "int8":
        seen = calibrate(graph, given)
        net = quantise(graph, with_ranges(graph, seen, ranges) if ranges else seen)
        program = program_of(net)
        golden = [Golden(seed, zlib.crc32(_raw(net, picture))) for seed, picture in zip(SEEDS, tests, strict=True)]
        expected, answers = _integer_answers(net, shown)
    else:
        program = float_program(graph)
        golden = [_float_golden(graph, seed, picture) for seed, picture in zip(SEEDS, tests, strict=True)]
        expected, answers = _float_answers(graph, shown)
    progress.advance(1, numbers)
    plan = plan_memory(program)
    written = _written(program, plan, about, golden)
    real = _float_answers(graph, shown)[1]
    progress.advance(1, "written")
    return replace(
        written,
        numbers=numbers,
        inputs=shown,
        expected=expected,
        answers=answers,
        delta=max(float(np.abs(answers[name] - real[name]).max()) for name in real),
        macs=graph.macs,
        parameters=graph.parameters,
    )


def _written(program: Program, plan: Plan, about: About, golden: Sequence[Golden]) -> Generated:
    files = emit(program, plan, about, golden, telltale.__version__)
    texts = {f"{files.name}.h": files.header.encode(), f"{files.name}.c": files.source.encode()}
    clash = set(texts) & set(runtime_files())
    if clash:
        raise ExportError("the net's name", expected="one that is no file of the runtime", got=", ".join(sorted(clash)))
    empty = np.zeros((0, 1, 1, 1), np.uint8)
    return Generated(
        files.name,
        "int8",
        {**runtime_files(), **texts},
        empty,
        b"",
        {},
        0.0,
        files.arena,
        files.rows_arena,
        files.constants,
        0,
        0,
    )


def check_reading(model: bytes, graph: Graph, pictures: Images) -> None:
    """That the graph computes what onnxruntime does. Raises ParityError."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    given = session.get_inputs()[0]
    names = [output.name for output in graph.outputs]
    for picture in pictures:
        feed: NDArray[np.uint8] | NDArray[np.float32] = picture[None]
        if given.type != "tensor(uint8)":
            real = picture * graph.picture.scale + graph.picture.shift
            feed = real.astype(np.float32).transpose(2, 0, 1)[None]
        found = floats.run(graph, picture)
        for output, value in zip(graph.outputs, session.run(names, {given.name: feed}), strict=True):
            expected = as_stored(np.asarray(value)[0])
            delta = float(np.abs(found[output.tensor].reshape(expected.shape) - expected).max())
            allowed = READ_TOLERANCE * max(float(np.abs(expected).max()), 1e-6)
            if not delta <= allowed:
                raise ParityError(
                    f"output {output.name} as read",
                    expected=f"onnxruntime's within {allowed:.2g}",
                    got=f"{delta:.2g} apart",
                )


def as_stored(value: NDArray[np.float32]) -> NDArray[np.float32]:
    """An output as ONNX has it, (K,) or (C, H, W), in the order of C: channels last."""
    return value.transpose(1, 2, 0) if value.ndim == 3 else value


def _raw(net: IntegerNet, picture: Images) -> bytes:
    values = integer.run(net, picture)
    return b"".join(values[o.tensor].astype(STORED[net.tensors[o.tensor].kind]).tobytes() for o in net.outputs)


def _integer_answers(net: IntegerNet, pictures: Images) -> tuple[bytes, dict[str, NDArray[np.float32]]]:
    raw, answers = b"", []
    for picture in pictures:
        values = integer.run(net, picture)
        raw += b"".join(values[o.tensor].astype(STORED[net.tensors[o.tensor].kind]).tobytes() for o in net.outputs)
        answers.append({o.name: net.tensors[o.tensor].real(values[o.tensor]) for o in net.outputs})
    return raw, {o.name: np.stack([answer[o.name] for answer in answers]) for o in net.outputs}


def _float_answers(graph: Graph, pictures: Images) -> tuple[bytes, dict[str, NDArray[np.float32]]]:
    raw, answers = b"", []
    for picture in pictures:
        values = floats.run(graph, picture)
        raw += b"".join(values[o.tensor].tobytes() for o in graph.outputs)
        answers.append({o.name: values[o.tensor] for o in graph.outputs})
    return raw, {o.name: np.stack([answer[o.name] for answer in answers]) for o in graph.outputs}


def _float_golden(graph: Graph, seed: int, picture: Images) -> Golden:
    first = floats.run(graph, picture)[graph.outputs[0].tensor]
    return Golden(seed, 0, float(first.mean()), float(np.abs(first).max()))
