"""The whole way, quickly: a page, labels, a net, a bundle, and the widget telling on that page."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from telltale import pages
from telltale.bundle.predictor import Predictor
from telltale.bundle.verify import verify_bundle
from telltale.cli import main
from telltale.cli.demo import QUICK
from telltale.collect.browser import chromium
from telltale.dataset.catalogue import Catalogue
from telltale.project import Project
from telltale.serve.server import ServerThread

pytestmark = [pytest.mark.browser, pytest.mark.slow]

TELL = "document.querySelector('tell-tale')"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not pages.vendor_ready():
        pytest.skip("the npm files are not here: tools/setup.sh web")
    folder = tmp_path_factory.mktemp("demo")
    main_ends_well("demo", str(folder), "--quick", "--no-serve")
    return folder


def main_ends_well(*arguments: str) -> None:
    with pytest.raises(SystemExit) as end:
        main(list(arguments))
    assert end.value.code in (0, None)


def test_the_demo_leaves_verified_pictures_a_run_and_a_measured_bundle(made: Path) -> None:
    project = Project.open(made)
    assert QUICK.combinations is not None
    with Catalogue.open(project.catalogue_path, project.images, readonly=True) as catalogue:
        examples = catalogue.examples()
        assert not catalogue.verify()
    assert len(examples) == QUICK.combinations * QUICK.views
    for example in examples:
        on = {name for name, label in example.labels.items() if label.value}
        assert example.group == ("+".join(n for n in project.config.make_task().names if n in on) or "none")
        assert all(label.visible is not None for label in example.labels.values())
        assert {"azimuth", "elevation", "paint"} <= set(example.meta)
    assert {e.split for e in examples} == {"train", "calibration", "test"}
    bundle = made / "car.telltale"
    assert verify_bundle(bundle).ok
    report = (bundle / "report.html").read_text()
    assert "http://" not in report.replace("http://www.w3.org", "")
    assert "https://" not in report
    told = json.loads((made / "demo.json").read_text())
    assert set(told["seconds"]) == {"collect", "train", "export", "evaluate"}


def test_the_demo_run_again_goes_on_and_collects_nothing_twice(made: Path) -> None:
    main_ends_well("demo", str(made), "--quick", "--no-serve")
    told = json.loads((made / "demo.json").read_text())
    assert told["collect"]["saved"] == 0
    assert told["collect"]["already"] == len(list((made / "images").rglob("*.*")))


@pytest.mark.parametrize("mode", ["ws", "local"])
def test_the_widget_tells_on_the_car_page(made: Path, mode: str) -> None:
    predictor = Predictor.open(made / "car.telltale", threads=1)
    with ServerThread(predictor) as server, chromium() as browser:
        page = browser.new_page(viewport={"width": 1100, "height": 700})
        page.set_default_timeout(60_000)
        page.goto(f"{server.url}/car/?widget={mode}&width=320&height=240&open=hood")
        page.wait_for_function(f"typeof {TELL}?.connect === 'function'")
        page.evaluate(
            f"() => {{ window.told = []; {TELL}.addEventListener('tell-tale-result', e => told.push(e.detail)); "
            f"{TELL}.connect(); }}"
        )
        page.wait_for_function(f"{TELL}.shadowRoot.textContent.includes('onnected') || {TELL}.report?.medianMs")
        page.evaluate(f"{TELL}.capture()")
        page.wait_for_function("told.length > 0")
        result = page.evaluate("told[0].result ?? told[0]")
    assert set(result) == set(predictor.task.names)
    assert all(0 <= reading["prob"] <= 1 for reading in result.values())
