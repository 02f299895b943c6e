"""The widget's sums equal Python's: preparing pictures, deciding states, smoothing, reading a golden set."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from playwright.sync_api import Browser, Page

from telltale.preprocess import Preprocess
from telltale.tasks import KINDS, Threshold
from telltale.tasks.states import States
from widget.harness import ROOT

pytestmark = pytest.mark.browser

SCRIPT = (ROOT / "web" / "widget" / "tell-tale.js").read_text(encoding="utf-8")

PREPARE = """({bytes, width, height, input}) => {
  const pixels = Uint8Array.from(atob(bytes), (c) => c.charCodeAt(0));
  let text = "";
  for (const level of TellTale.preprocess(pixels, width, height, input)) text += String.fromCharCode(level);
  return btoa(text);
}"""


@pytest.fixture(scope="module")
def sums(browser: Browser) -> Any:
    """A blank page that has the widget's class and no widget."""
    page = browser.new_page()
    page.add_script_tag(content=SCRIPT)
    page.evaluate("document.querySelector('tell-tale')?.remove()")
    yield page
    page.close()


def prepare(page: Page, image: NDArray[np.uint8], width: int, height: int, fit: str) -> NDArray[np.uint8]:
    given = {
        "bytes": base64.b64encode(image.tobytes()).decode(),
        "width": image.shape[1],
        "height": image.shape[0],
        "input": {"width": width, "height": height, "fit": fit},
    }
    return np.frombuffer(base64.b64decode(page.evaluate(PREPARE, given)), np.uint8).reshape(height, width, 3)


def picture(width: int, height: int, seed: int = 0) -> NDArray[np.uint8]:
    """Noise over a slope: fine and coarse detail at once."""
    rng = np.random.default_rng(seed)
    slope = np.linspace(0, 200, width)[None, :, None] * np.linspace(0.2, 1, height)[:, None, None]
    return np.asarray(np.clip(slope + rng.integers(-60, 60, (height, width, 3)), 0, 255), np.uint8)


@pytest.mark.parametrize("fit", ["stretch", "letterbox"])
@pytest.mark.parametrize(
    ("width", "height"),
    [
        (96, 64),
        (192, 128),
        (97, 64),
        (640, 480),
        (300, 500),
        (20, 15),
        (200, 30),
        (30, 200),
        (48, 32),
        (1, 1),
        (48, 77),
    ],
)
def test_a_picture_is_prepared_as_in_python(
    sums: Page, width: int, height: int, fit: Literal["stretch", "letterbox"]
) -> None:
    image = picture(width, height)
    difference = np.abs(
        prepare(sums, image, 48, 32, fit).astype(int) - Preprocess(48, 32, fit).apply(image).astype(int)
    )
    assert difference.max() <= 1


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    width=st.integers(1, 260),
    height=st.integers(1, 260),
    to_width=st.integers(16, 120),
    to_height=st.integers(16, 120),
    fit=st.sampled_from(["stretch", "letterbox"]),
)
def test_any_size_is_prepared_as_in_python(
    sums: Page, width: int, height: int, to_width: int, to_height: int, fit: Literal["stretch", "letterbox"]
) -> None:
    image = picture(width, height, seed=width * 1000 + height)
    ours = prepare(sums, image, to_width, to_height, fit).astype(int)
    theirs = Preprocess(to_width, to_height, fit).apply(image).astype(int)
    assert np.abs(ours - theirs).max() <= 1


def test_transparency_bytes_are_passed_over(sums: Page) -> None:
    image = picture(90, 70)
    with_alpha = np.concatenate([image, np.full((70, 90, 1), 255, np.uint8)], axis=2)
    assert np.array_equal(prepare(sums, with_alpha, 48, 32, "stretch"), prepare(sums, image, 48, 32, "stretch"))


def test_states_are_decided_as_in_python(sums: Page) -> None:
    names = ["a", "b", "c"]
    thresholds = {"a": Threshold(0.3, 0.7), "b": Threshold(0.5, 0.5), "c": Threshold(0.0, 1.0)}
    edges = np.array([0, 0.2999, 0.3, 0.3001, 0.4999, 0.5, 0.5001, 0.6999, 0.7, 0.7001, 1], np.float64)
    want = [
        result.to_json()
        for result in States(tuple(names)).decode(
            {"probabilities": np.repeat(edges[:, None], 3, axis=1)},
            thresholds,
        )
    ]
    plain = {name: {"low": t.low, "high": t.high} for name, t in thresholds.items()}
    got = sums.evaluate(
        "([edges, names, limits]) => edges.map((p) => TellTale.decodeStates([p, p, p], names, limits))",
        [edges.tolist(), names, plain],
    )
    assert got == want


def test_smoothing_follows_the_golden_vectors(sums: Page) -> None:
    cases = json.loads((ROOT / "tests" / "golden" / "wire" / "smoothing.json").read_text(encoding="utf-8"))["cases"]
    assert cases
    run = """(c) => {
      const smoother = new TellTale.Smoother(c.names, c.thresholds, c.average_s, c.dwell_s);
      return c.steps.map((step) => smoother.update(step.t_s, step.probabilities));
    }"""
    for case in cases:
        for step, got in zip(case["steps"], sums.evaluate(run, case), strict=True):
            assert set(got["smoothed"]) == set(step["smoothed"]), case["title"]
            for name, want in step["smoothed"].items():
                assert got["smoothed"][name]["state"] == want["state"], (case["title"], step)
                assert got["smoothed"][name]["prob"] == pytest.approx(want["prob"], abs=1e-9)
            assert [(e["name"], e["from"], e["to"]) for e in got["events"]] == [
                (e["name"], e["from"], e["to"]) for e in step["events"]
            ], (case["title"], step)


READ = """(bytes) => {
  const arrays = TellTale.parseNpz(Uint8Array.from(atob(bytes), (c) => c.charCodeAt(0)).buffer);
  return Object.fromEntries(Object.entries(arrays).map(([n, a]) => [n, {data: Array.from(a.data), shape: a.shape}]));
}"""


def test_an_npz_file_reads_as_numpy_wrote_it(sums: Page) -> None:
    arrays: dict[str, NDArray[Any]] = {
        "inputs": picture(5, 4)[None],
        "out.probabilities": np.array([[0.25, 1e-7]], np.float32),
        "double": np.array([np.pi, -np.inf]),
        "ints": np.array([[-5], [2**40]]),
        "flags": np.array([True, False]),
        "words": np.array(["hood", "ä→"]),
        "single": np.array(7, np.int16),
        "none": np.zeros((0, 3), np.float32),
    }
    out = io.BytesIO()
    np.savez(out, **arrays)  # type: ignore[arg-type]
    got = sums.evaluate(READ, base64.b64encode(out.getvalue()).decode())
    assert set(got) == set(arrays)
    for name, array in arrays.items():
        assert got[name]["shape"] == list(array.shape)
        assert got[name]["data"] == array.reshape(-1).tolist()


def test_a_damaged_or_compressed_npz_is_named(sums: Page) -> None:
    out = io.BytesIO()
    np.savez_compressed(out, a=np.zeros(3))
    fail = f"(bytes) => {{ try {{ ({READ})(bytes); return ''; }} catch (error) {{ return error.message; }} }}"
    assert "compressed" in sums.evaluate(fail, base64.b64encode(out.getvalue()).decode())
    assert "zip" in sums.evaluate(fail, base64.b64encode(b"no zip at all, and long enough to hold one").decode())


@pytest.mark.parametrize(
    ("given", "home", "want"),
    [
        ("", "https://tell.example/widget/tell-tale.js", "wss://tell.example/ws/infer"),
        ("", "http://127.0.0.1:8123/widget/tell-tale.js", "ws://127.0.0.1:8123/ws/infer"),
        ("", None, "ws://127.0.0.1:8000/ws/infer"),
        ("cam.local:9000", None, "ws://cam.local:9000/ws/infer"),
        ("cam.local", "https://a.example/x.js", "wss://cam.local/ws/infer"),
        ("ws://cam.local:9000/own/path", None, "ws://cam.local:9000/own/path"),
        ("https://cam.local", None, "wss://cam.local/ws/infer"),
        (" [::1]:8000 ", None, "ws://[::1]:8000/ws/infer"),
    ],
)
def test_an_address_may_be_a_host_or_a_url(sums: Page, given: str, home: str | None, want: str) -> None:
    call = "([given, home]) => TellTale.socketAddress(given, home && new URL(home))"
    assert sums.evaluate(call, [given, home]) == want


@pytest.mark.parametrize("given", ["ftp://x", "a b", "ws://", "javascript:alert(1)"])
def test_an_address_that_is_none_is_refused(sums: Page, given: str) -> None:
    call = "(given) => { try { return TellTale.socketAddress(given, null); } catch (error) { return error.code; } }"
    assert sums.evaluate(call, given) == "host"


def test_every_kind_of_task_is_drawn(sums: Page) -> None:
    assert set(KINDS) <= set(sums.evaluate("Object.keys(TellTale.RENDERERS)"))


def test_the_widget_is_one_file_that_writes_no_markup() -> None:
    for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
        assert word not in SCRIPT.replace("given to eval()", ""), word
    lines = SCRIPT.splitlines()
    assert not [line for line in lines if line.startswith(("import ", "export "))]
    assert Path(ROOT / "web" / "widget" / "tell-tale.js").stat().st_size < 150_000
