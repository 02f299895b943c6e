"""No server at all: the bundle inside the page answers as Python does, or says that it does not."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page

from telltale.bundle.bundle import Bundle
from telltale.bundle.predictor import Predictor
from telltale.pages import PageServer
from telltale.serve.server import ServerThread
from tiny_bundle import make_tiny_bundle, tiny_pictures
from widget.harness import CANVAS, NAMES, ROOT, SCRIPT, PlainServer, show, wait_connected

pytestmark = pytest.mark.browser

LOCAL = '<tell-tale mode="local" bundle="/tiny.telltale" autoconnect></tell-tale>'
PLAIN_SCRIPT = '<script type="module" src="/widget/tell-tale.js"></script>'


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as somebody would put it on a static host: widget/, vendor/, the bundle."""
    root = tmp_path_factory.mktemp("site")
    (root / "widget").symlink_to(ROOT / "web" / "widget")
    (root / "vendor").symlink_to((ROOT / "web" / "vendor").resolve())
    make_tiny_bundle(root, NAMES, 48, 32)
    return root


@pytest.fixture
def own(site: Path, tmp_path: Path) -> Path:
    """The same with a bundle of its own, to damage."""
    for name in ("widget", "vendor"):
        (tmp_path / name).symlink_to((site / name).resolve())
    shutil.copytree(site / "tiny.telltale", tmp_path / "tiny.telltale")
    return tmp_path


def pixels_of(page: Page) -> np.ndarray:
    """The canvas as the browser holds it, (H, W, 3) uint8."""
    width, height, data = page.evaluate("""() => {
      const {width, height} = document.querySelector("canvas");
      const {data} = document.querySelector("canvas").getContext("2d").getImageData(0, 0, width, height);
      let text = "";
      for (let i = 0; i < data.length; i += 8192) text += String.fromCharCode(...data.subarray(i, i + 8192));
      return [width, height, btoa(text)];
    }""")
    return np.frombuffer(base64.b64decode(data), np.uint8).reshape(height, width, 4)[:, :, :3]


def test_golden_answers_are_equal_with_threads_chosen_by_measurement(page: Page, server: ServerThread) -> None:
    show(page, server, SCRIPT + CANVAS + LOCAL.replace("/tiny.telltale", "/bundle"))
    assert page.evaluate("crossOriginIsolated")
    wait_connected(page)
    report = page.evaluate("widget().report")
    assert report["maxDiff"] <= 1e-3
    assert report["worker"]
    assert report["hashed"]
    assert report["preprocess"] <= 1
    cores = page.evaluate("navigator.hardwareConcurrency")
    assert [t["threads"] for t in report["tried"]] == ([1, min(cores, 4)] if cores > 1 else [1])
    fastest = min(report["tried"], key=lambda t: t["medianMs"])
    assert report["threads"] in (1, fastest["threads"])
    assert page.evaluate("widget().capture().then(states)") == ["on", "off", "unsure"]
    page.locator("tell-tale summary", has_text="Settings").click()
    assert "self-test: largest difference" in page.locator("tell-tale .about").inner_text()


def test_without_isolation_one_thread_does_it(page: Page, site: Path) -> None:
    with PlainServer(site, body=CANVAS + LOCAL + PLAIN_SCRIPT) as host:
        page.goto(host.url())
        assert not page.evaluate("crossOriginIsolated")
        wait_connected(page)
        report = page.evaluate("widget().report")
        assert report["maxDiff"] <= 1e-3
        assert report["threads"] == 1
        assert report["worker"]
        page.evaluate("paint([255, 0, 128])")
        assert page.evaluate("widget().capture().then(states)") == ["on", "off", "unsure"]


def test_native_frames_are_answered_as_python_answers_them(page: Page, site: Path, tmp_path: Path) -> None:
    predictor = Predictor.open(site / "tiny.telltale", threads=1, variant="float")
    with PageServer(site) as host:
        page.goto(host.url("widget/page.css"))
        page.add_script_tag(url="/widget/tell-tale.js")
        page.evaluate("""() => {
          document.body.replaceChildren(document.createElement("canvas"));
          const element = document.createElement("tell-tale");
          for (const [name, value] of Object.entries({mode: "local", bundle: "/tiny.telltale", threads: "1"})) {
            element.setAttribute(name, value);
          }
          document.body.append(element);
          element.connect();
        }""")
        wait_connected(page)
        for seed, (width, height) in enumerate([(640, 360), (97, 131), (48, 32), (31, 300), (20, 20)]):
            frame = tiny_pictures(1, width, height, len(NAMES), seed)[0]
            path = tmp_path / "frame.png"
            Image.fromarray(frame).save(path)
            page.evaluate(
                """async (url) => {
              const picture = await createImageBitmap(await (await fetch(url)).blob());
              const canvas = document.createElement("canvas");
              document.querySelector("canvas").replaceWith(canvas);
              [canvas.width, canvas.height] = [picture.width, picture.height];
              canvas.getContext("2d", {willReadFrequently: true}).drawImage(picture, 0, 0);
            }""",
                f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}",
            )
            assert np.array_equal(pixels_of(page), frame)
            answer = page.evaluate("widget().capture()")
            want = predictor.tell(frame).to_json()
            assert answer["size"] == [width, height]
            for name in NAMES:
                assert answer["result"][name]["prob"] == pytest.approx(want[name]["prob"], abs=1e-3)
                assert answer["result"][name]["state"] == want[name]["state"]


def test_continuous_local_answers_are_smoothed_into_events(page: Page, server: ServerThread) -> None:
    widget = '<tell-tale mode="local" threads="1" rate="10" autoconnect></tell-tale>'
    show(page, server, SCRIPT + CANVAS + widget, levels=(0, 0, 0))
    wait_connected(page)
    page.evaluate("once('tell-tale-result')")
    page.evaluate("paint([0, 0, 255]); globalThis.change = once('tell-tale-event'); void 0")
    change = page.evaluate("change")
    assert (change["name"], change["from"], change["to"]) == ("right", "off", "on")
    assert page.evaluate("once('tell-tale-result').then((answer) => answer.smoothed.right.state)") == "on"


POLICY = (
    "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; require-trusted-types-for 'script'"
)


@pytest.mark.parametrize(
    ("policy", "worker"),
    [
        (POLICY + "; worker-src blob:; trusted-types tell-tale", True),
        (POLICY + "; worker-src 'none'; trusted-types 'none'", False),
    ],
)
def test_a_strict_policy_is_lived_with(
    page: Page, site: Path, complaints: list[str], policy: str, worker: bool
) -> None:
    with PlainServer(site, body=CANVAS + LOCAL + PLAIN_SCRIPT, policy=policy) as host:
        page.goto(host.url())
        wait_connected(page)
        assert page.evaluate("widget().report.worker") is worker
        page.evaluate("paint([255, 0, 128])")
        assert page.evaluate("widget().capture().then(states)") == ["on", "off", "unsure"]
    if worker:
        assert [c for c in complaints if "trusted" in c.lower()] == []
    complaints.clear()  # the browser itself tells of each thing the policy refused


def damage_model(bundle: Path) -> None:
    data = bytearray((bundle / "model.onnx").read_bytes())
    data[-20] ^= 1
    (bundle / "model.onnx").write_bytes(data)


def cut_golden(bundle: Path) -> None:
    path = bundle / "golden.npz"
    path.write_bytes(path.read_bytes()[:-100])


def remove_spec(bundle: Path) -> None:
    (bundle / "bundle.json").unlink()


def age_spec(bundle: Path) -> None:
    path = bundle / "bundle.json"
    path.write_text(path.read_text().replace('"format": 1', '"format": 2'))


def spoil_spec(bundle: Path) -> None:
    (bundle / "bundle.json").write_text("{ no json")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (damage_model, "model.onnx: expected SHA-256"),
        (cut_golden, "golden.npz: expected"),
        (remove_spec, "got HTTP 404"),
        (age_spec, "expected format 1"),
        (spoil_spec, "JSON"),
    ],
)
def test_a_damaged_bundle_is_named(
    page: Page, own: Path, complaints: list[str], spoil: Callable[[Path], None], said: str
) -> None:
    spoil(own / "tiny.telltale")
    with PlainServer(own, body=CANVAS + LOCAL + PLAIN_SCRIPT) as host:
        page.goto(host.url())
        page.wait_for_selector("tell-tale .error:not([hidden])")
        assert said in page.locator("tell-tale [role=alert]").inner_text()
        assert page.evaluate("widget().state") == "disconnected"
    complaints.clear()


def test_a_browser_that_disagrees_with_the_golden_set_is_refused(page: Page, own: Path) -> None:
    bundle = Bundle.open(own / "tiny.telltale")
    golden = bundle.golden()
    outputs = {name: value + np.float32(0.01) for name, value in golden.outputs.items()}
    wrong = type(golden)(golden.inputs, outputs, {}, golden.frame, golden.frame_input)
    bundle.update(files={"golden.npz": wrong.to_bytes()})
    with PlainServer(own, body=CANVAS + LOCAL + PLAIN_SCRIPT) as host:
        page.goto(host.url())
        page.wait_for_selector("tell-tale .error:not([hidden])")
        assert "got 1.0e-2" in page.locator("tell-tale [role=alert]").inner_text()
        assert page.evaluate("widget().state") == "disconnected"
        page.evaluate("widget().setAttribute('tolerance', '0.02'); widget().connect()")
        wait_connected(page)


def test_no_onnxruntime_where_it_should_lie_is_said(page: Page, site: Path, complaints: list[str]) -> None:
    local = LOCAL.replace("autoconnect", 'autoconnect ort="/nowhere/ort.mjs"')
    with PlainServer(site, body=CANVAS + local + PLAIN_SCRIPT) as host:
        page.goto(host.url())
        page.wait_for_selector("tell-tale .error:not([hidden])")
        assert "onnxruntime-web from" in page.locator("tell-tale [role=alert]").inner_text()
    complaints.clear()


def test_disconnecting_ends_the_worker(page: Page, server: ServerThread) -> None:
    show(page, server, SCRIPT + CANVAS + '<tell-tale mode="local" threads="1" autoconnect></tell-tale>')
    wait_connected(page)
    assert len(page.workers) == 1
    page.evaluate("widget().remove()")
    page.wait_for_timeout(300)
    assert page.workers == []
