"""What the runtime refuses, each with its status, under the sanitizers: nothing crashes."""

from __future__ import annotations

import re
from functools import cache

import pytest

from edge_machines import machine
from edge_nets import NETS
from edge_programs import program
from telltale.errors import ExportError
from telltale.export.c.emit import About
from telltale.export.c.generate import Generated, generate, noise
from telltale.export.c.read import input_shape
from telltale.export.c.toolchain import Built

MAIN = """
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "chain1.h"

static tt_session session;

int main(int argc, char **argv) {
    tt_net net = chain1_net;
    size_t room = net.arena_bytes, rows_room = net.rows_arena_bytes;
    uint8_t *arena = malloc(room + 16), *picture = calloc(CHAIN1_INPUT_BYTES, 1);
    float values[CHAIN1_OUTPUTS];
    tt_status status = TT_OK;
    if (!arena || !picture || argc != 2) return 3;
    switch (atoi(argv[1])) {
%s
    }
    puts(tt_status_name(status));
    free(arena);
    free(picture);
    return 0;
}
"""


@cache
def net() -> Generated:
    shape = input_shape(NETS["chain1"])
    return generate(NETS["chain1"], About("chain1", "a test"), noise(shape.height, shape.width, shape.channels, 3))


FAULTS: dict[str, tuple[str, str]] = {
    "an arena of one byte less": ("status = tt_open(&session, &net, arena, room - 1);", "TT_ERROR_ARENA"),
    "an arena for rows of one byte less": (
        "status = tt_open_rows(&session, &net, arena, rows_room - 1);",
        "TT_ERROR_ARENA",
    ),
    "a selftest in an arena of one byte less": (
        "status = telltale_selftest(&net, arena, rows_room - 1);",
        "TT_ERROR_ARENA",
    ),
    "an arena at an odd address": ("status = tt_open(&session, &net, arena + 1, room);", "TT_ERROR_ALIGNMENT"),
    "no arena": ("status = tt_open(&session, &net, NULL, room);", "TT_ERROR_ARGUMENT"),
    "no net": ("status = tt_open(&session, NULL, arena, room);", "TT_ERROR_ARGUMENT"),
    "a net for another version": (
        "net.version++; status = tt_open(&session, &net, arena, room);",
        "TT_ERROR_VERSION",
    ),
    "one bit of a weight": (
        "int8_t *w = malloc(net.weight_count + 8); memcpy(w, net.weights, net.weight_count);"
        " w[net.weight_count / 2] ^= 1;"
        " net.weights = w; status = tt_open(&session, &net, arena, room); free(w);",
        "TT_ERROR_CHECKSUM",
    ),
    "one bit of a scale": (
        "int32_t *s = malloc(net.scale_count * 4); memcpy(s, net.scales, net.scale_count * 4); s[3] ^= 1;"
        " net.scales = s; status = tt_open(&session, &net, arena, room); free(s);",
        "TT_ERROR_CHECKSUM",
    ),
    "a table that points outside": (
        "tt_tensor t[64]; memcpy(t, net.tensors, net.tensor_count * sizeof *t); t[1].offset = 0xfffffff0u;"
        " net.tensors = t; status = tt_open(&session, &net, arena, room);",
        "TT_ERROR_NET",
    ),
    "a layer of no tensor": (
        "tt_layer l[64]; memcpy(l, net.layers, net.layer_count * sizeof *l); l[0].out = net.tensor_count;"
        " net.layers = l; status = tt_open(&session, &net, arena, room);",
        "TT_ERROR_NET",
    ),
    "a result that was not compiled in": (
        "tt_golden g[3]; memcpy(g, net.golden, sizeof g); g[1].crc ^= 1; net.golden = g;"
        " status = telltale_selftest(&net, arena, room);",
        "TT_ERROR_SELFTEST",
    ),
    "reading before an answer": (
        "tt_open(&session, &net, arena, room); status = tt_read(&session, 0, values, CHAIN1_OUTPUTS);",
        "TT_ERROR_ORDER",
    ),
    "reading after the first rows": (
        "tt_open(&session, &net, arena, room); tt_run(&session); tt_feed(&session, picture);"
        " status = tt_read(&session, 0, values, CHAIN1_OUTPUTS);",
        "TT_ERROR_ORDER",
    ),
    "too little room for the answer": (
        "tt_open(&session, &net, arena, room); tt_run(&session);"
        " status = tt_read(&session, 0, values, CHAIN1_OUTPUTS - 1);",
        "TT_ERROR_SMALL",
    ),
    "an output that is not there": (
        "tt_open(&session, &net, arena, room); tt_run(&session); status = tt_read(&session, 1, values, 9);",
        "TT_ERROR_ARGUMENT",
    ),
    "running a net that is fed by rows": (
        "tt_open_rows(&session, &net, arena, rows_room); status = tt_run(&session);",
        "TT_ERROR_ORDER",
    ),
    "a session that failed to open": (
        "net.version = 0; tt_open(&session, &net, arena, room); status = tt_feed(&session, picture);",
        "TT_ERROR_ARGUMENT",
    ),
    "nothing": (
        "tt_open(&session, &net, arena, room); memcpy(tt_input(&session), picture, CHAIN1_INPUT_BYTES);"
        " tt_run(&session); status = tt_read(&session, 0, values, CHAIN1_OUTPUTS);",
        "TT_OK",
    ),
}


RESTART = """
    float again[CHAIN1_OUTPUTS];
    for (size_t i = 0; i < CHAIN1_INPUT_BYTES; i++) picture[i] = (uint8_t)(i * 7);
    tt_open(&session, &net, arena, room);
    memcpy(tt_input(&session), picture, CHAIN1_INPUT_BYTES);
    tt_run(&session);
    tt_read(&session, 0, values, CHAIN1_OUTPUTS);
    tt_open_rows(&session, &net, arena, rows_room);
    for (int y = 0; y < 5; y++) tt_feed(&session, picture + 3);
    tt_restart(&session);
    for (int y = 0; y < CHAIN1_HEIGHT; y++) tt_feed(&session, picture + y * CHAIN1_WIDTH * CHAIN1_CHANNELS);
    status = tt_read(&session, 0, again, CHAIN1_OUTPUTS);
    if (memcmp(values, again, sizeof values) != 0) status = TT_ERROR_SELFTEST;
"""
FAULTS["a picture half fed, forgotten on restart"] = (RESTART, "TT_OK")

STATUSES = """
    for (int s = -1; s <= TT_STATUS_COUNT; s++)
        printf("%s: %s\\n", tt_status_name((tt_status)s), tt_status_string((tt_status)s));
"""


@cache
def faulty() -> Built:
    """One program for all: its argument says which."""
    cases = [*(lines for lines, _ in FAULTS.values()), STATUSES]
    return program(net(), MAIN.replace("%s", "\n".join(f"case {k}: {{ {c} break; }}" for k, c in enumerate(cases)), 1))


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_a_status(fault: str) -> None:
    which = str(list(FAULTS).index(fault))
    assert faulty().run(which).decode().strip() == FAULTS[fault][1]


def test_every_status_has_a_name_and_a_meaning() -> None:
    said = faulty().run(str(len(FAULTS))).decode().splitlines()[:-1]
    assert said[0] == said[-1] == "TT_STATUS: no such status"
    assert all(re.fullmatch(r"TT_[A-Z_0-9]+: [a-z].{5,}", line) for line in said[1:-1])
    assert len(set(said)) == len(said) - 1


def test_a_weight_changed_in_the_generated_file_is_refused() -> None:
    text = net().files["chain1.c"].decode()
    at = text.index("}} weights") if "}} weights" in text else text.index("weights = {{")
    first = re.search(r"\n    (-?\d+),", text[at:])
    assert first is not None
    value = int(first[1])
    changed = text[:at] + text[at:].replace(f"\n    {value},", f"\n    {value - 1 if value > 0 else value + 1},", 1)
    with pytest.raises(ExportError, match="TT_ERROR_CHECKSUM"):
        machine("host-sanitized").build(net(), changed).run("selftest")
