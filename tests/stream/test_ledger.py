"""Answers are judged against the truth of their own frame, and every frame is accounted for."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from telltale.errors import RequestError
from telltale.stream.ledger import GRACE_S, WRAP, Ledger, Sent, Spread
from telltale.stream.talk import SpotMessage, dump_verdict, parse_spot, parse_verdict
from telltale.streams.scene import Truth

TICKS = 3000.0


def ledger_of(frames: int, origin: int = 0, first: int = 0) -> Ledger:
    ledger = Ledger(TICKS)
    ledger.origin = origin
    for n in range(first, first + frames):
        ledger.sent(Sent(n, n / 30, Truth(10.0 * n, 5.0, 20)))
    return ledger


@given(origin=st.integers(0, WRAP - 1), first=st.integers(0, 10**8), offset=st.integers(-1400, 1400))
def test_a_frame_is_known_by_its_timestamp_whatever_the_origin_the_wrap_and_the_encoders_rounding(
    origin: int, first: int, offset: int
) -> None:
    ledger = ledger_of(20, origin, first)
    n = first + 13
    verdict = ledger.heard((origin + round(n * TICKS) + offset) % WRAP, (10.0 * n + 3, 9), n / 30 + 0.02)
    assert verdict is not None
    assert verdict.n == n
    assert verdict.error_px == pytest.approx(5.0)
    assert verdict.latency_ms == pytest.approx(20.0, abs=0.1)


@given(st.lists(st.sampled_from(["answer", "unseen", "drop", "lose"]), max_size=60))
def test_every_frame_is_answered_dropped_lost_or_waiting(fates: list[str]) -> None:
    ledger = ledger_of(len(fates), origin=77)
    overtaken = 0
    for n, fate in enumerate(fates):
        overtaken += fate == "drop"
        if fate in ("answer", "unseen"):
            ledger.heard(77 + 3000 * n, (0, 0) if fate == "answer" else None, n / 30, overtaken)
    for final in (False, True):
        s = ledger.summary(final=final)
        assert s.sent == len(fates) == s.answered + s.dropped + s.lost + s.waiting
        assert s.answered == fates.count("answer") + fates.count("unseen")
        assert s.unseen == fates.count("unseen")
    s = ledger.summary(final=True)
    assert s.waiting == 0
    told = max((i for i, f in enumerate(fates) if f in ("answer", "unseen")), default=-1)
    assert s.dropped == fates[: told + 1].count("drop")  # what the client had told by its last answer


def test_a_lost_frame_shifts_no_other() -> None:
    ledger = ledger_of(30, origin=WRAP - 5)
    for n in range(30):
        if n % 7 in (0, 3):
            continue  # never arrived, the first among them
        verdict = ledger.heard((WRAP - 5 + 3000 * n) % WRAP, (10.0 * n, 5), n / 30)
        assert verdict is not None
        assert verdict.error_px == 0
    assert ledger.summary(final=True).lost == 10 - 1


def test_an_answer_is_judged_once_and_not_after_its_grace() -> None:
    ledger = ledger_of(3)
    assert ledger.heard(0, (0, 5), 0.1) is not None
    assert ledger.heard(0, (0, 5), 0.1) is None
    late = int((GRACE_S + 1) * 30)
    ledger.sent(Sent(late, late / 30, Truth(0, 0, 1)))
    assert ledger.heard(3000, (0, 5), late / 30) is None
    assert ledger.summary().lost == 2


def test_before_the_origin_is_known_nothing_is_judged() -> None:
    ledger = Ledger(TICKS)
    ledger.sent(Sent(0, 0, Truth(0, 0, 1)))
    assert ledger.heard(0, (0, 0), 0.1) is None


def test_a_hidden_ball_counts_no_error() -> None:
    ledger = Ledger(TICKS)
    ledger.origin = 0
    ledger.sent(Sent(0, 0, Truth(0, 0, 20, visible=0.2)))
    verdict = ledger.heard(0, None, 0.01)
    assert verdict is not None
    assert verdict.error_px is None
    assert ledger.summary().unseen == 0


@given(st.lists(st.floats(0, 120), min_size=1, max_size=200), st.sampled_from([0.05, 0.5, 0.95, 1.0]))
def test_a_spread_agrees_with_numpy_to_a_step(values: list[float], share: float) -> None:
    spread = Spread(0.01, 100)
    for value in values:
        spread.add(value)
    assert spread.mean == pytest.approx(np.mean(values))
    assert spread.max == max(values)
    exact = float(np.quantile(values, share, method="inverted_cdf"))
    if exact < 100:
        assert exact - 1e-9 <= spread.quantile(share) <= exact + 0.01 + 1e-9
    else:
        assert spread.quantile(share) >= 100


def test_nothing_measured_is_not_a_number() -> None:
    spread = Spread(1, 10)
    assert math.isnan(spread.mean)
    assert math.isnan(spread.quantile(0.5))
    assert json.loads(json.dumps(Ledger(TICKS).summary().to_json(), allow_nan=False))["mean_px"] is None


@given(
    rtp=st.integers(0, WRAP - 1),
    place=st.none() | st.tuples(st.floats(-1e4, 1e4), st.floats(-1e4, 1e4)),
    score=st.floats(0, 1),
    dropped=st.integers(0, 10**9),
)
def test_a_spot_survives_the_channel(rtp: int, place: tuple[float, float] | None, score: float, dropped: int) -> None:
    message = SpotMessage(rtp, place, score, dropped)
    assert parse_spot(message.dump()) == message


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", "null", "{" * 5000, '{"type":"spot"}', '{"type":"spot","rtp":-1}', '{"type":"spot","rtp":true}',
     '{"type":"spot","rtp":1,"x":1}', '{"type":"spot","rtp":1,"x":NaN,"y":1}', '{"type":"spot","rtp":1,"x":"1","y":1}',
     b"\xff\xfe"],
)  # fmt: skip
def test_noise_on_the_channel_is_a_named_error(text: str | bytes) -> None:
    with pytest.raises(RequestError):
        parse_spot(text)


def test_a_verdict_survives_the_channel() -> None:
    ledger = ledger_of(5)
    verdict = ledger.heard(3000 * 4, (41.25, 5), 0.15)
    assert verdict is not None
    heard = parse_verdict(dump_verdict(verdict))
    assert heard is not None
    assert (heard.n, heard.error_px, heard.truth) == (4, 1.25, verdict.truth)
    assert parse_verdict('{"type":"scene"}') is None
    with pytest.raises(RequestError):
        parse_verdict('{"type":"verdict","rtp":1}')
