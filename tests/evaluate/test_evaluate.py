"""From a bundle and pictures to metrics, thresholds and a report, on a real model and real files."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from evaluation_scenes import Scene
from telltale.bundle.bundle import Bundle
from telltale.bundle.predictor import Predictor
from telltale.dataset import Example
from telltale.errors import BundleError, CatalogueError, ConfigError, Interrupted
from telltale.evaluate import (
    evaluate,
    keep,
    parse_setting,
    rescore,
    retune_bundle,
    set_thresholds,
    tune_bundle,
    tune_for_cost,
    tune_for_target,
    write_report,
)
from telltale.evaluate.evaluation import share
from telltale.evaluate.predict import predict
from telltale.evaluate.report import html
from telltale.project import Unsure
from telltale.tasks import Label

FAST = 40
"""Resamplings: enough to run the code, too few to publish."""


def test_every_number_comes_from_the_bundle_as_it_ships(scene: Scene) -> None:
    evaluation = evaluate(scene.bundle, scene.test, replicates=FAST)
    predictor = Predictor.open(scene.bundle.path)
    right = told = 0
    for example in scene.test:
        for name, reading in predictor.tell(example.path).readings.items():
            told += reading.state != "unsure"
            right += reading.state == ("on" if example.labels[name].value else "off")
    overall = evaluation.score["overall"]
    assert (overall["told"], overall["known"]) == (told, 2 * len(scene.test))
    assert overall["told_accuracy"] == right / told
    assert 0.7 < right / told < 1.0, "a scene without mistakes tests nothing"
    assert evaluation.headline.startswith("It told ")


def test_the_table_holds_every_picture_and_scores_only_the_test_split(scene: Scene) -> None:
    evaluation = evaluate(scene.bundle, scene.test, also=[*scene.train, *scene.calibration], replicates=FAST)
    assert len(evaluation.table) == len(scene.test) + len(scene.train) + len(scene.calibration)
    assert set(evaluation.table.splits) == {"train", "calibration", "test"}
    assert len(evaluation.scored) == len(scene.test)


def test_combinations_never_trained_stand_apart(scene: Scene) -> None:
    both_on = [e for e in scene.train if all(label.value for label in e.labels.values())]
    evaluation = evaluate(scene.bundle, scene.test, trained=both_on, replicates=FAST)
    assert [part.name for part in evaluation.parts] == ["combinations also trained on", "combinations never trained"]
    assert sum(part.pictures for part in evaluation.parts) == len(scene.test)
    assert {combo.on for combo in evaluation.combos if combo.trained} == {("left", "right")}


def test_a_group_on_both_sides_is_said_first(scene: Scene) -> None:
    leaking = [replace(scene.train[0], group=scene.test[0].group)]
    evaluation = evaluate(scene.bundle, scene.test, trained=leaking, replicates=FAST)
    assert "too good" in evaluation.warnings[0]


# --- thresholds


def test_tuned_thresholds_and_what_they_promise_stand_in_the_bundle(scene: Scene) -> None:
    tuned = tune_bundle(scene.bundle, scene.calibration, Unsure(error=0.1))
    again = Bundle.open(scene.bundle.path)
    assert again.spec.thresholds == tuned.spec.thresholds != scene.bundle.spec.thresholds
    assert again.spec.unsure.error == 0.1
    assert set(again.spec.unsure.notes) == {"left", "right"}
    assert all(note.startswith(("Guaranteed", "Not guaranteed")) for note in again.spec.unsure.notes.values())
    assert again.spec.metrics["calibration"]["left"]["known"] == len(scene.calibration)


def test_thresholds_are_tuned_again_without_pictures(scene: Scene) -> None:
    first = tune_bundle(scene.bundle, scene.calibration, Unsure(error=0.1))
    for example in scene.calibration:
        example.path.unlink()
    second = retune_bundle(retune_bundle(first, Unsure(error=0.3)), Unsure(error=0.1))
    assert second.spec.thresholds == first.spec.thresholds


def test_states_know_no_false_alarms(scene: Scene) -> None:
    with pytest.raises(ConfigError, match="masks or boxes"):
        tune_bundle(scene.bundle, scene.calibration, Unsure(alarms=0.1))


def test_a_cost_and_a_target_choose_thresholds(scene: Scene) -> None:
    bundle = tune_bundle(scene.bundle, scene.calibration, Unsure(error=0.1))
    dear = tune_for_cost(bundle, cost_fp=100, cost_fn=1, cost_unsure=50)
    cheap = tune_for_cost(dear, cost_fp=1, cost_fn=100, cost_unsure=50)
    assert dear.spec.thresholds["left"].high > cheap.spec.thresholds["left"].high
    found = tune_for_target(cheap, recall=0.99)
    assert found.spec.thresholds["left"].low == found.spec.thresholds["left"].high
    assert "recall" in found.spec.unsure.notes["left"]


def test_a_threshold_set_by_hand_is_scored_without_pictures(scene: Scene) -> None:
    bundle = keep(scene.bundle, evaluate(scene.bundle, scene.test, trained=scene.train, replicates=FAST))
    for example in scene.test:
        example.path.unlink()
    edited = set_thresholds(bundle, dict([parse_setting("left=0.4:0.6")]))
    evaluation = rescore(edited, replicates=FAST)
    counted = evaluation.scored.probabilities[:, 0]
    unsure = int(((counted > 0.4) & (counted < 0.6)).sum())
    told = evaluation.score["heads"]["left"]["confusion_told"]
    assert told["on"]["unsure"] + told["off"]["unsure"] == unsure
    assert "by hand" in edited.spec.unsure.notes["left"]
    assert edited.spec.thresholds["right"] == bundle.spec.thresholds["right"]
    assert [part.pictures for part in evaluation.parts]
    assert len(evaluation.gallery) > 0
    written = keep(edited, evaluation)
    assert Bundle.open(written.path).spec.metrics["headline"] == evaluation.headline


def test_rescoring_unchanged_thresholds_changes_no_number(scene: Scene) -> None:
    evaluation = evaluate(scene.bundle, scene.test, trained=scene.train, also=scene.calibration, replicates=FAST)
    bundle = keep(scene.bundle, evaluation)
    assert rescore(bundle, replicates=FAST).to_json() == evaluation.to_json()


@pytest.mark.parametrize("text", ["hood", "hood=", "hood=a:b", "=0.4:0.6", "hood=0.4:0.6:0.7"])
def test_a_setting_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="NAME=LOW:HIGH"):
        parse_setting(text)


def test_a_setting_for_an_unknown_name_or_upside_down_is_refused(scene: Scene) -> None:
    with pytest.raises(ConfigError, match="left or right"):
        set_thresholds(scene.bundle, {"hood": (0.4, 0.6)})
    for low, high in ((0.6, 0.4), (-0.1, 0.5), (0.5, float("nan"))):
        with pytest.raises(ConfigError, match="low <= high"):
            set_thresholds(scene.bundle, {"left": (low, high)})


def test_rescoring_without_an_evaluation_says_what_to_run(scene: Scene) -> None:
    with pytest.raises(BundleError, match="telltale evaluate"):
        rescore(scene.bundle)
    with pytest.raises(BundleError, match="calibration"):
        tune_for_cost(scene.bundle, cost_fp=1, cost_fn=1, cost_unsure=1)


def test_a_promise_that_the_test_pictures_break_is_said_first(scene: Scene) -> None:
    """Calibrated on clear pictures, tested on wrong labels: the promise does not carry over."""
    clear = [
        replace(e, labels={n: Label(p >= 0.5) for n, p in probabilities.items()})
        for e, probabilities in _told(scene, [*scene.calibration, *scene.test])
    ]
    bundle = tune_bundle(scene.bundle, clear, Unsure(error=0.05))
    assert bundle.spec.unsure.notes["left"].startswith("Guaranteed")
    flipped = [replace(e, labels={n: Label(not label.value) for n, label in e.labels.items()}) for e in clear]
    evaluation = evaluate(bundle, flipped, replicates=FAST)
    assert "at most 5 % was promised" in evaluation.warnings[0]


def _told(scene: Scene, examples: list[Example]) -> list[tuple[Example, dict[str, float]]]:
    predictor = Predictor.open(scene.bundle.path)
    return [(e, {n: r.prob for n, r in predictor.tell(e.path).readings.items()}) for e in examples]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.99432, "99.4 %"),
        (0.92, "92.0 %"),
        (1.0, "100 %"),
        (0.0, "0 %"),
        (0.99971, "99.97 %"),
        (0.999999, "> 99.99 %"),
        (0.0003, "0.03 %"),
        (1e-9, "< 0.01 %"),
        (None, "–"),
    ],
)
def test_what_is_not_wholly_right_never_reads_as_all(value: float | None, words: str) -> None:
    assert share(value) == words


# --- bad input


def test_an_empty_test_split_is_a_clear_error(scene: Scene) -> None:
    with pytest.raises(CatalogueError, match="labelled test pictures"):
        evaluate(scene.bundle, [])


def test_pictures_without_a_label_of_the_task_are_a_clear_error(scene: Scene) -> None:
    bare = [replace(example, labels={"other": Label(True)}) for example in scene.test[:3]]
    with pytest.raises(CatalogueError, match="left, right"):
        evaluate(scene.bundle, bare)


def test_a_missing_or_damaged_picture_is_skipped_counted_and_named(scene: Scene) -> None:
    scene.test[0].path.unlink()
    scene.test[5].path.write_bytes(scene.test[5].path.read_bytes()[:60])
    scene.test[9].path.write_bytes(b"")
    evaluation = evaluate(scene.bundle, scene.test, replicates=FAST)
    assert len(evaluation.scored) == len(scene.test) - 3
    assert {skip.file for skip in evaluation.skipped} == {scene.test[i].path.name for i in (0, 5, 9)}
    assert any("3 pictures could not be read" in warning for warning in evaluation.warnings)
    assert "3 not read" in html(evaluation)


def test_only_missing_pictures_are_a_clear_error(scene: Scene) -> None:
    for example in scene.test:
        example.path.unlink()
    with pytest.raises(CatalogueError, match="could be read"):
        evaluate(scene.bundle, scene.test)
    with pytest.raises(BundleError, match="can be read"):
        tune_bundle(scene.bundle, scene.test, Unsure())


def test_one_class_and_one_group_are_said(scene: Scene) -> None:
    same = [replace(e, group="one", labels={"left": Label(True), "right": e.labels["right"]}) for e in scene.test]
    evaluation = evaluate(scene.bundle, same, replicates=FAST)
    text = " ".join(evaluation.warnings)
    assert "one group" in text
    assert "left is always on" in text
    assert evaluation.heads["left"]["auroc"].value is None
    assert evaluation.heads["left"]["accuracy"].low is not None, "pictures are resampled instead"
    assert "–" in html(evaluation)


def test_an_empty_calibration_split_promises_nothing(scene: Scene) -> None:
    tuned = tune_bundle(scene.bundle, [], Unsure(error=0.01))
    assert tuned.spec.thresholds["left"].low == 0.01
    assert "nothing could be checked" in tuned.spec.unsure.notes["left"]


class _Stops:
    def advance(self, count: int = 1, note: str = "") -> None:
        raise KeyboardInterrupt


def test_control_c_changes_nothing_and_says_how_to_go_on(scene: Scene) -> None:
    before = (scene.bundle.path / "bundle.json").read_bytes()
    with pytest.raises(Interrupted, match="run it again"):
        evaluate(scene.bundle, scene.test, progress=_Stops())
    with pytest.raises(Interrupted, match="nothing was changed"):
        tune_bundle(scene.bundle, scene.calibration, Unsure(), progress=_Stops())
    assert (scene.bundle.path / "bundle.json").read_bytes() == before


def test_progress_counts_every_picture(scene: Scene) -> None:
    class Counts:
        done = 0

        def advance(self, count: int = 1, note: str = "") -> None:
            self.done += count

    counts = Counts()
    scene.test[3].path.unlink()
    predict(Predictor.open(scene.bundle.path), scene.test, progress=counts)
    assert counts.done == len(scene.test)


# --- the report


class _Page(HTMLParser):
    """Checks that tags nest, and collects what the page points at."""

    VOID = frozenset({"meta", "img", "br", "line", "rect", "circle", "path"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value or "" for key, value in attrs if key in ("src", "href")]
        if tag not in self.VOID or tag == "circle" or tag == "rect":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value or "" for key, value in attrs if key in ("src", "href")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open, tag
        assert self.open.pop() == tag


def read_page(text: str) -> _Page:
    page = _Page()
    page.feed(text)
    assert not page.open, page.open
    return page


def test_the_report_is_one_page_that_needs_nothing_else(scene: Scene, tmp_path: Path) -> None:
    evaluation = evaluate(scene.bundle, scene.test, trained=scene.train, replicates=FAST)
    report = write_report(evaluation, tmp_path / "out")
    text = report.read_text()
    page = read_page(text)
    assert "script" not in page.tags
    assert all(link.startswith(("data:image/jpeg;base64,", "#")) for link in page.links)
    assert not re.search(r"url\(|@import|https?://", text)
    assert evaluation.headline.replace("&", "&amp;") in text
    assert {"table.csv", "table.parquet", "metrics.json", "report.html"} == {p.name for p in report.parent.iterdir()}
    assert json.loads((report.parent / "metrics.json").read_text())["pictures"] == len(scene.test)


def test_names_and_groups_cannot_break_the_page(make_scene: Callable[..., Scene]) -> None:
    nasty = ('<b>"x"</b>', "a & b", "line's")
    scene = make_scene(names=nasty)
    test = [replace(e, group="<script>alert(1)</script>") for e in scene.test]
    page = read_page(html(evaluate(scene.bundle, test, replicates=FAST)))
    assert "script" not in page.tags
    assert "b" in page.tags


def test_the_report_of_a_model_that_tells_nothing_says_so(scene: Scene) -> None:
    bundle = set_thresholds(scene.bundle, {"left": (0.0, 1.0), "right": (0.0, 1.0)})
    evaluation = evaluate(bundle, scene.test, replicates=FAST)
    assert evaluation.headline == "It answered “unsure” to everything."
    read_page(html(evaluation))


def test_worst_mistakes_are_the_surest_wrong_answers(scene: Scene) -> None:
    evaluation = evaluate(scene.bundle, scene.test, replicates=FAST)
    shots = [shot for shot in evaluation.gallery if shot.kind == "mistake" and shot.name == "left"]
    scored = evaluation.scored
    truth = scored.target.values[:, 0]
    wrong = (scored.probabilities[:, 0] >= 0.5) != (truth >= 0.5)
    worst = np.abs(scored.probabilities[:, 0] - truth)[wrong].max()
    assert abs(shots[0].prob - float(shots[0].truth)) == pytest.approx(float(worst))
    assert all(shot.image.startswith(b"\xff\xd8") and shot.heat.startswith(b"\xff\xd8") for shot in shots)
    assert len({shot.group for shot in shots}) == len(shots), "mistakes of different groups first"
