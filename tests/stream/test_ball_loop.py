"""The bouncing ball from server to client and back: every frame's answer is about that very frame."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from pathlib import Path

import av
import numpy as np
import pytest

from stream.conftest import Loop, Network, run_loop
from telltale.stream.ledger import Verdict
from telltale.stream.signalling import End
from telltale.streams.scene import Kind


def accounted(loop: Loop) -> bool:
    s = loop.session.summary
    return s.sent == s.answered + s.dropped + s.lost


def test_the_ball_is_found_in_every_frame_and_the_errors_are_known() -> None:
    loop = run_loop("plain", frames=60)
    s = loop.session.summary
    assert accounted(loop)
    assert loop.session.end is End.DONE
    assert s.answered >= 0.5 * s.sent > 20
    assert s.mean_px < 0.5
    assert s.p50_ms < 200
    numbers = [v.n for v in loop.verdicts]
    assert numbers == sorted(numbers)
    for v in loop.verdicts:
        assert v.x is not None
        assert v.error_px == pytest.approx(np.hypot(v.x - v.truth.x, (v.y or 0) - v.truth.y))


def test_a_textured_background_is_within_two_pixels() -> None:
    loop = run_loop("textured", frames=40)
    assert accounted(loop)
    assert loop.session.summary.mean_px < 2


def test_h264_carries_the_frames_identity_as_vp8_does() -> None:
    loop = run_loop("plain", frames=40, codec="H264")
    assert accounted(loop)
    assert loop.session.summary.answered > 10
    assert loop.session.summary.mean_px < 1


def test_frame_identity_survives_loss_and_jitter(network: Network) -> None:
    seen = []

    def spoil(verdict: Verdict) -> None:
        seen.append(verdict)
        if len(seen) == 10:
            network.loss, network.jitter_s = 0.10, 0.05

    loop = run_loop("plain", frames=180, on_verdict=spoil)
    s = loop.session.summary
    assert accounted(loop)
    assert s.answered > 0.3 * s.sent
    # the ball flies some 5 px a frame: answers a frame off would show as errors of that size
    assert s.mean_px < 1
    assert max(v.n for v in loop.verdicts) > 150, "it goes on to the end"


def test_a_network_that_was_gone_for_a_second_is_recovered_from_and_what_was_lost_is_told(network: Network) -> None:
    gone: list[float] = []

    def spoil(verdict: Verdict) -> None:
        now = time.monotonic()
        if not gone and verdict.n > 20:
            gone.append(now)
            network.loss = 1.0
            asyncio.get_running_loop().call_later(1.0, lambda: setattr(network, "loss", 0.0))

    loop = run_loop("plain", frames=150, on_verdict=spoil)
    s = loop.session.summary
    assert gone
    assert accounted(loop)
    assert s.lost + s.dropped > 15
    assert loop.watched.connections == 1
    assert max(v.n for v in loop.verdicts) > 120
    assert s.mean_px < 1


def test_without_its_first_frames_the_others_keep_their_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    from telltale.streams.arrival import FrameBuffer

    real, count = FrameBuffer.add, [0]

    def deaf_at_first(self: FrameBuffer, packet: object) -> object:
        count[0] += 1
        return (False, None) if count[0] <= 12 else real(self, packet)  # type: ignore[arg-type]

    monkeypatch.setattr(FrameBuffer, "add", deaf_at_first)
    loop = run_loop("plain", frames=75)
    assert accounted(loop)
    assert min(v.n for v in loop.verdicts) >= 10
    assert loop.session.summary.mean_px < 0.5


@pytest.mark.parametrize("kind", ["occlusion"])
def test_a_recording_shows_what_the_client_saw(tmp_path: Path, kind: Kind) -> None:
    film = tmp_path / "out.mp4"
    loop = run_loop(kind, frames=40, watch=lambda s: dataclasses.replace(s, record=film))
    with av.open(str(film)) as container:
        pictures = [f.to_ndarray(format="rgb24") for f in container.decode(video=0)]
    assert len(pictures) == loop.watched.received
    assert pictures[0].shape == (480, 640, 3)
    middle = pictures[len(pictures) // 2].astype(int)
    green = (middle[..., 1] - middle[..., 0] > 60) & (middle[..., 1] - middle[..., 2] > 40)
    assert green.sum() > 50, "the ring of the truth"
    assert middle[-26:].mean() < middle[:-26].mean(), "the band of words"
