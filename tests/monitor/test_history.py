"""The history: counts add up in every span, and nothing passes its limit."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telltale.errors import ServeError
from telltale.serve.history import SPANS, History, NewTold

NOW_S = 1_790_000_000.5


def told(at_s: float = NOW_S, size: int = 1000, *, unsure: bool = False) -> NewTold:
    result = {"door": {"prob": 0.5, "state": "unsure" if unsure else "on"}}
    return NewTold(at_s, "ws", 5.0, 3.0, (64, 48), unsure, result, b"x" * size)


@given(
    st.lists(st.tuples(st.integers(0, 59), st.sampled_from(["on", "off", "unsure"]), st.integers(1, 9)), max_size=30)
)
def test_the_last_minute_is_counted_alike_in_every_span(said: list[tuple[int, str, int]]) -> None:
    history = History(None)
    for ago, state, n in said:
        second = int(NOW_S) - ago
        history.write([], {(second, "door", state): n}, {second: (n, 2.0 * n)})
    for span in SPANS:
        trend = history.trend(span, NOW_S)
        assert sum(trend["told"]) == sum(n for _, _, n in said)
        for state in ("on", "off", "unsure"):
            shown = sum(trend["states"].get("door", {}).get(state, []))
            assert shown == sum(n for _, s, n in said if s == state)
        assert all(age in (None, 2.0) for age in trend["age_ms"])
    history.close()


def test_the_oldest_pictures_go_when_there_are_too_many(tmp_path: Path) -> None:
    history = History(tmp_path / "h.db", keep_bytes=5000)
    history.write([told(NOW_S + n) for n in range(12)], {}, {})
    history.prune(NOW_S + 20)
    left = history.list_told()
    assert history.size()["bytes"] <= 5000
    assert [k.at_s for k in left] == [NOW_S + n for n in range(11, 6, -1)]


def test_what_is_too_old_goes(tmp_path: Path) -> None:
    history = History(tmp_path / "h.db", keep_days=1)
    old_s = NOW_S - 2 * 86400
    history.write([told(old_s), told()], {(int(old_s), "door", "on"): 3}, {int(old_s): (3, 3.0)})
    history.prune(NOW_S)
    assert [k.at_s for k in history.list_told()] == [NOW_S]
    with sqlite3.connect(tmp_path / "h.db") as db:
        assert db.execute("SELECT COUNT(*) FROM count").fetchone()[0] == 0
        assert db.execute("SELECT COUNT(*) FROM pace").fetchone()[0] == 0
        assert db.execute("SELECT COUNT(*) FROM picture").fetchone()[0] == 1


def test_pages_of_answers_follow_one_another() -> None:
    history = History(None)
    history.write([told(NOW_S + n, unsure=n % 2 == 0) for n in range(7)], {}, {})
    first = history.list_told(limit=3)
    second = history.list_told(limit=3, before=first[-1].id)
    assert [k.id for k in first + second] == [7, 6, 5, 4, 3, 2]
    assert [k.id for k in history.list_told(unsure=True)] == [7, 5, 3, 1]


def test_another_programs_file_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE theirs (x)")
    db.close()
    with pytest.raises(ServeError, match="--history"):
        History(path)
    (tmp_path / "text.db").write_text("no database at all, only some text that is long enough to be read")
    with pytest.raises(ServeError, match=r"text\.db"):
        History(tmp_path / "text.db")
