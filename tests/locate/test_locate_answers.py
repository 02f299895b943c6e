"""Boxes by Python, over REST, in a table, and in the browser: the same everywhere."""

from __future__ import annotations

import base64
import csv
import json
from pathlib import Path

import cv2
import httpx
import numpy as np
import pytest
from playwright.sync_api import Page, sync_playwright
from typer.testing import CliRunner

from telltale.bundle.predictor import Predictor
from telltale.bundle.verify import verify_bundle
from telltale.cli.app import app
from telltale.pages import vendor_ready
from telltale.preprocess import decode
from telltale.serve.schema import ToldBody
from telltale.serve.server import ServerThread
from tiny_locate import table
from widget.harness import CHROMIUM, FLAGS, HELPERS, SCRIPT, show, wait_connected, watch


def test_a_bright_spot_is_a_ball_where_it_lies(finder: Predictor) -> None:
    told = finder.tell(table()).to_json()
    assert told["hole"] == {"prob": told["hole"]["prob"], "pred": 0, "state": "off", "count": 0, "boxes": []}
    sure, unsure = told["ball"]["boxes"]
    assert (sure["centre"], sure["state"], unsure["state"]) == ([44.0, 28.0], "on", "unsure")
    assert sure["box"] == pytest.approx([37.6, 21.6, 12.8, 12.8], abs=0.02)
    assert told["ball"]["count"] == 1


def test_verify_runs_the_golden_set_of_a_bundle_that_locates(bundle: Path) -> None:
    assert verify_bundle(bundle).ok


def test_boxes_come_over_rest_with_the_picture_drawn_on(finder: Predictor) -> None:
    data = bytes(cv2.imencode(".png", cv2.cvtColor(table(), cv2.COLOR_RGB2BGR))[1].tobytes())
    with ServerThread(finder) as server, httpx.Client(base_url=server.url, trust_env=False, timeout=20) as http:
        message = http.post("/api/tell?overlay=png", content=data).json()
    ToldBody.model_validate(message)
    assert message["result"] == json.loads(json.dumps(finder.tell(table()).to_json()))
    drawn = decode(base64.b64decode(message["overlay"].partition(",")[2]))
    assert np.array_equal(drawn, finder.task.draw(table(), finder.tell(table())))


def test_the_table_of_a_folder_has_the_boxes(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    cv2.imwrite(str(tmp_path / "in" / "a.png"), table())
    done = CliRunner().invoke(
        app, ["tell", str(tmp_path / "in"), "--bundle", str(bundle), "--out", str(tmp_path / "out"), "--overlays"]
    )
    assert done.exit_code == 0, done.output
    with (tmp_path / "out" / "results.csv").open() as opened:
        (row,) = csv.DictReader(opened)
    assert (row["ball.state"], row["ball.count"]) == ("on", "1")
    assert json.loads(row["ball.boxes"])[0]["centre"] == [44.0, 28.0]
    assert (tmp_path / "out" / "overlays" / "a.png.png").is_file()


PAINT = """() => {
  const context = document.querySelector("#view").getContext("2d");
  const fill = (level, ...at) => { context.fillStyle = `rgb(${level},${level},${level})`; context.fillRect(...at); };
  fill(120, 0, 0, 128, 64);
  fill(240, 40, 24, 8, 8);
  fill(192, 96, 48, 8, 8);
}"""


@pytest.mark.browser
def test_the_browser_draws_the_boxes_over_what_it_looks_at(finder: Predictor, tmp_path: Path) -> None:
    if not vendor_ready() or not Path(CHROMIUM).exists():
        pytest.skip("needs web/vendor and Chromium")
    complaints: list[str] = []
    with ServerThread(finder) as server, sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1100, "height": 620})
        watch(page, complaints)
        page.add_init_script(HELPERS)
        page.route("**/favicon.ico", lambda route: route.fulfill(status=204))
        style = "width:512px;height:256px;border:5px solid #345;margin:40px 60px;display:block"
        canvas = f'<canvas id="view" width="128" height="64" style="{style}"></canvas>'
        show(page, server, SCRIPT + canvas + "<tell-tale autoconnect></tell-tale>", levels=None)
        wait_connected(page)
        page.evaluate(PAINT)
        answer = page.evaluate("widget().capture()")
        assert [box["state"] for box in answer["result"]["ball"]["boxes"]] == ["on", "unsure"]
        _check_drawn(page, finder)
        page.screenshot(path=str(tmp_path / "boxes.png"))
        page.evaluate("document.querySelector('#view').style.marginTop = '140px'; dispatchEvent(new Event('resize'))")
        _check_drawn(page, finder)
        browser.close()
    assert complaints == []


def _check_drawn(page: Page, finder: Predictor) -> None:
    """Every box lies where Python has it, in the canvas as it is seen: four times as large, inside its border."""
    seen = page.evaluate(
        "(() => { const r = document.querySelector('#view').getBoundingClientRect(); return [r.x, r.y]; })()"
    )
    for box in finder.tell(table()).readings["ball"].boxes:
        drawn = page.evaluate(
            """(state) => {
              const r = widget().shadowRoot.querySelector(`.boxes .box[data-state=${state}] rect.line`);
              const b = r.getBoundingClientRect();
              return [b.x, b.y, b.width, b.height];
            }""",
            box.state,
        )
        x, y, w, h = box.box
        # Chromium's box of a line has the line's width around it
        wanted = [seen[0] + 5 + 4 * x, seen[1] + 5 + 4 * y, 4 * w, 4 * h]
        assert drawn == pytest.approx(wanted, abs=4.5)
    texts = page.evaluate("[...widget().shadowRoot.querySelectorAll('.boxes text')].map((t) => t.textContent)")
    assert len(texts) == 2
    assert sum(text.endswith("?") for text in texts) == 1
