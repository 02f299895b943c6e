"""The table of every picture's probabilities, labels and answers."""

from __future__ import annotations

import csv
import io

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telltale.errors import BundleError
from telltale.evaluate.table import Table, read_table
from telltale.tasks import Target, Threshold

THRESHOLDS = {"hood": Threshold(0.3, 0.7), "a.prob": Threshold(0.5, 0.5)}


def table_of(rng: np.random.Generator, count: int) -> Table:
    names = ("hood", "a.prob")
    values = (rng.random((count, 2)) < 0.5).astype(np.float32)
    known = rng.random((count, 2)) < 0.8
    return Table(
        names,
        np.arange(count),
        tuple(f'päth "{i}", x.jpg' for i in range(count)),
        tuple(f"{i:064x}" for i in range(count)),
        tuple(f"group {i % 3}" for i in range(count)),
        tuple(("test", "train", "")[i % 3] for i in range(count)),
        rng.random((count, 2)).astype(np.float32),
        Target(values * known, known, known & (rng.random((count, 2)) < 0.2)),
    )


@given(count=st.integers(0, 30), seed=st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_a_table_comes_back_from_parquet_bit_by_bit(count: int, seed: int) -> None:
    table = table_of(np.random.default_rng(seed), count)
    back = read_table(table.to_parquet(THRESHOLDS))
    assert back.names == table.names
    assert (back.files, back.groups, back.splits, back.sha256) == (
        table.files,
        table.groups,
        table.splits,
        table.sha256,
    )
    np.testing.assert_array_equal(back.probabilities, table.probabilities)
    np.testing.assert_array_equal(back.target.values, table.target.values)
    np.testing.assert_array_equal(back.target.known, table.target.known)
    np.testing.assert_array_equal(back.target.hidden, table.target.hidden)


def test_csv_and_parquet_say_the_same() -> None:
    table = table_of(np.random.default_rng(0), 12)
    rows = list(csv.DictReader(io.StringIO(table.to_csv(THRESHOLDS).decode())))
    arrow = pq.read_table(io.BytesIO(table.to_parquet(THRESHOLDS))).to_pylist()
    assert len(rows) == len(arrow) == 12
    for text, row in zip(rows, arrow, strict=True):
        assert text["file"] == row["file"]
        assert np.float32(text["hood.prob"]) == np.float32(row["hood.prob"])
        assert text["hood.label"] == ("" if row["hood.label"] is None else str(int(row["hood.label"])))
        assert text["hood.answer"] == row["hood.answer"]


def test_answers_follow_the_thresholds() -> None:
    table = table_of(np.random.default_rng(0), 3)
    object.__setattr__(table, "probabilities", np.array([[0.3, 0.5], [0.31, 0.49], [0.7, 1.0]], np.float32))
    low, high = np.float32(0.3), np.float32(0.7)
    answers = table.answers({"hood": Threshold(float(low), float(high)), "a.prob": Threshold()})
    assert answers.tolist() == [["off", "on"], ["unsure", "off"], ["on", "on"]]


def test_a_split_is_its_rows() -> None:
    table = table_of(np.random.default_rng(0), 9)
    assert table.split("test").image_ids.tolist() == [0, 3, 6]


@pytest.mark.parametrize("data", [b"", b"PAR1", b"no table" * 10])
def test_a_damaged_table_is_a_named_error(data: bytes) -> None:
    with pytest.raises(BundleError, match=r"table\.parquet"):
        read_table(data)


def test_a_foreign_parquet_file_is_a_named_error() -> None:
    import pyarrow as pa

    out = io.BytesIO()
    pq.write_table(pa.table({"x": [1]}), out)
    with pytest.raises(BundleError, match="table"):
        read_table(out.getvalue())
