"""How a long step tells where it is."""

from __future__ import annotations

import io
import time

import pytest

from telltale.progress import Plain, clock, progress


def test_seconds_read_as_a_clock() -> None:
    assert [clock(s) for s in (0, 59.9, 60, 83.2, 3600)] == ["0:00", "0:59", "1:00", "1:23", "60:00"]


def test_plain_lines_hold_count_rate_time_left_and_note(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    out = io.StringIO()
    plain = Plain("collect", 40, "frames", out)
    now[0] += 1
    plain.advance(5)
    assert out.getvalue() == ""
    now[0] += 4
    plain.advance(5, "2 refused")
    assert out.getvalue() == "collect 10/40 frames, 2.0/s, 0:15 left, 2 refused\n"


def test_a_step_that_fails_still_says_how_far_it_came(capsys: pytest.CaptureFixture[str]) -> None:
    def read() -> None:
        with progress("read", 3, "files") as step:
            step.advance()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        read()
    assert capsys.readouterr().err.startswith("read 1/3 files")
