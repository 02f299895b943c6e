"""Where each tensor lies in the arena. Knows nothing of what an operator computes.

Two tensors may share bytes when they are never needed at the same time, and when an operator writes its result over
the input that it has done with: then the input must begin so many bytes behind the result (`Layer.ahead`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from random import Random

from telltale.export.c.layers import OVERREAD, Layer, Program, bytes_of

ALIGNMENT = 8
SHUFFLES = 200
"""Orders tried where there are too many to try all."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Offsets in bytes. by_rows: the net can be fed by rows without keeping the whole picture."""

    offsets: Mapping[str, int]
    scratch: int
    arena: int
    rows_arena: int
    by_rows: bool


@dataclass(frozen=True, slots=True)
class Block:
    """One tensor: needed from operator `born` (its maker) to operator `dies`, inclusive."""

    name: str
    size: int
    born: int
    dies: int


def blocks_of(program: Program) -> list[Block]:
    """Every tensor, the picture first."""
    end = len(program.layers)
    outputs = {output.tensor for output in program.outputs}
    found = []
    for name, tensor in program.tensors.items():
        writes = [k for k, layer in enumerate(program.layers) if layer.out == name]
        reads = [k for k, layer in enumerate(program.layers) if name in layer.sources]
        born = -1 if name == program.picture.name else min(writes)
        dies = end if name in outputs else max([*reads, *writes, born])
        found.append(Block(name, bytes_of(tensor), born, dies))
    return sorted(found, key=lambda block: block.name != program.picture.name)


def plan_memory(program: Program) -> Plan:
    """The smallest arena found; the same for the same program."""
    blocks = blocks_of(program)
    picture, inner = blocks[0], blocks[1:]
    by_rows = _by_rows(program)
    row = program.picture.shape.width * program.picture.shape.channels
    scratch = _up(max(layer.scratch + (row if by_rows and k == 0 else 0) for k, layer in enumerate(program.layers)))
    best: Plan | None = None
    for order in _orders(inner):
        offsets: dict[str, int] = {}
        for block in order:
            offsets[block.name] = _lowest(block, offsets, blocks, program.layers, scratch)
        whole = {**offsets, picture.name: _lowest(picture, offsets, blocks, program.layers, scratch)}
        rows_arena, arena = (
            _up(max(found[block.name] + block.size for block in blocks if block.name in found) + OVERREAD)
            for found in (offsets, whole)
        )
        plan = Plan(whole, scratch, arena, rows_arena if by_rows else arena, by_rows)
        if best is None or plan.arena + plan.rows_arena < best.arena + best.rows_arena:
            best = plan
    assert best is not None
    return best


def overlap_allowed(first: Block, second: Block, offsets: Mapping[str, int], layers: Sequence[Layer]) -> bool:
    """Whether two tensors that share bytes never do so wrongly."""
    if first.born > second.born:
        first, second = second, first
    if first.dies < second.born:
        return True
    if first.dies != second.born or not 0 <= second.born < len(layers):
        return False
    layer = layers[second.born]
    if layer.out != second.name or first.name not in layer.ahead or layer.sources.count(first.name) != 1:
        return False
    return offsets[first.name] - offsets[second.name] >= layer.ahead[first.name]


def _lowest(
    block: Block, placed: Mapping[str, int], blocks: Sequence[Block], layers: Sequence[Layer], floor: int
) -> int:
    """The lowest offset that agrees with all that are placed."""
    others = [other for other in blocks if other.name in placed and other.name != block.name]
    candidates = {floor}
    for other in others:
        candidates.add(_up(placed[other.name] + other.size))
        for layer in layers:
            if layer.out == other.name and block.name in layer.ahead:
                candidates.add(_up(placed[other.name] + layer.ahead[block.name]))
            if layer.out == block.name and other.name in layer.ahead:
                candidates.add((placed[other.name] - layer.ahead[other.name]) // ALIGNMENT * ALIGNMENT)
    for offset in sorted(c for c in candidates if c >= floor):
        trial = {**placed, block.name: offset}
        if all(
            offset + block.size <= placed[other.name]
            or placed[other.name] + other.size <= offset
            or overlap_allowed(block, other, trial, layers)
            for other in others
        ):
            return offset
    raise AssertionError(block)  # behind all others there is always room


def _orders(blocks: Sequence[Block]) -> list[Sequence[Block]]:
    if len(blocks) <= 5:
        return list(permutations(blocks))
    by_size = sorted(blocks, key=lambda block: -block.size)
    found: list[Sequence[Block]] = [blocks, blocks[::-1], by_size]
    random = Random(0)
    tries = max(3, SHUFFLES // max(1, len(blocks) // 16))
    for _ in range(tries):
        # Large ones nearly first: that is nearly always right.
        found.append(sorted(blocks, key=lambda block: -block.size * random.uniform(0.5, 1.5)))
    return found


def _by_rows(program: Program) -> bool:
    """Whether the first layer can take the picture row by row, and nothing else reads it."""
    readers = [k for k, layer in enumerate(program.layers) if program.picture.name in layer.sources]
    return readers == [0] and program.layers[0].by_rows is not None


def _up(offset: int) -> int:
    return -(-offset // ALIGNMENT) * ALIGNMENT
