"""A bundle's answers: they depend on the pixels, come without torch, and refuse what does not fit."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest

import telltale
from telltale.bundle.bundle import Bundle, write_bundle
from telltale.bundle.predictor import Predictor, fit_threads
from telltale.bundle.spec import Model, Variant
from telltale.errors import BundleError, ImageError
from tiny_bundle import make_tiny_bundle, tiny_model, tiny_pictures, tiny_spec


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_bundle(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def predictor(path: Path) -> Predictor:
    return Predictor.open(path, threads=1)


def half_lit() -> np.ndarray:
    picture = np.zeros((60, 80, 3), np.uint8)
    picture[:, :40] = 250
    return picture


def test_the_lit_half_is_on_and_the_dark_half_off(predictor: Predictor) -> None:
    told = predictor.tell(half_lit()).to_json()
    assert told["left"]["state"] == "on"
    assert told["right"]["state"] == "off"
    assert told["left"]["prob"] > 0.9 > 0.1 > told["right"]["prob"]


def test_a_path_bytes_and_an_array_give_the_same_answer(predictor: Predictor, tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    cv2.imwrite(str(file), half_lit()[:, :, ::-1])
    answers = [predictor.tell(p) for p in (file, str(file), file.read_bytes(), half_lit())]
    assert all(a == answers[0] for a in answers)


def test_many_pictures_answer_as_each_alone(predictor: Predictor) -> None:
    pictures = list(tiny_pictures(37, 32, 24))
    many = predictor.tell_many(iter(pictures), batch=8)
    assert len(many) == 37
    for one, picture in zip(many, pictures, strict=True):
        alone = predictor.tell(picture).to_json()
        for name, reading in one.to_json().items():
            assert reading["prob"] == pytest.approx(alone[name]["prob"], abs=1e-5)
    assert predictor.tell_many([]) == []


def test_the_golden_set_agrees(predictor: Predictor) -> None:
    golden = predictor.bundle.golden()
    outputs = predictor.run(golden.inputs, outputs=("probabilities", "cam"))
    for name, expected in golden.outputs.items():
        np.testing.assert_allclose(outputs[name], expected, atol=1e-5)
    assert golden.frame is not None
    assert golden.frame_input is not None
    assert np.array_equal(predictor.prepare(golden.frame), golden.frame_input)


def test_only_what_the_task_decodes_is_fetched(predictor: Predictor) -> None:
    assert set(predictor.run(tiny_pictures(1, 32, 24))) == {"probabilities"}


def test_threads_share_one_predictor(predictor: Predictor) -> None:
    pictures = list(tiny_pictures(40, 32, 24))
    alone = [predictor.tell(p) for p in pictures]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(predictor.tell, pictures)) == alone


@pytest.mark.parametrize(
    "picture",
    [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)],
)
def test_an_array_that_is_no_picture_is_refused(predictor: Predictor, picture: np.ndarray) -> None:
    with pytest.raises(ImageError, match="uint8 RGB"):
        predictor.tell(picture)


def test_a_batch_of_another_size_is_refused(predictor: Predictor) -> None:
    for batch in (
        np.zeros((1, 25, 32, 3), np.uint8),
        np.zeros((24, 32, 3), np.uint8),
        np.zeros((0, 24, 32, 3), np.uint8),
    ):
        with pytest.raises(ImageError, match="24, 32, 3"):
            predictor.run(batch)
    with pytest.raises(BundleError, match="nose"):
        predictor.run(tiny_pictures(1, 32, 24), outputs=("nose",))


def test_a_lone_model_explains_itself(path: Path, predictor: Predictor, tmp_path: Path) -> None:
    lone = tmp_path / "anything.onnx"
    lone.write_bytes((path / "model.onnx").read_bytes())
    alone = Predictor.open(lone)
    assert alone.tell(half_lit()) == predictor.tell(half_lit())
    assert alone.spec.thresholds == predictor.spec.thresholds
    with pytest.raises(BundleError, match=r"lone \.onnx"):
        _ = alone.bundle


def test_a_lone_foreign_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(b"not a model at all")
    (tmp_path / "b.onnx").write_bytes(tiny_model(("a",), 32, 24))
    for name in ("a.onnx", "b.onnx"):
        with pytest.raises(BundleError, match=name):
            Predictor.open(tmp_path / name)


def test_a_graph_that_breaks_the_contract_is_refused(tmp_path: Path) -> None:
    models = {
        "size": tiny_model(("left", "right"), 40, 24),
        "names": tiny_model(("left", "right", "top"), 32, 24),
    }
    for word, model in models.items():
        write_bundle(tmp_path / f"{word}.telltale", tiny_spec(), {"model.onnx": model})
        with pytest.raises(BundleError, match=r"model\.onnx: (in|out)put"):
            Predictor.open(tmp_path / f"{word}.telltale")


def test_a_variant_the_bundle_lacks_is_refused(path: Path) -> None:
    with pytest.raises(BundleError, match="auto or float"):
        Predictor.open(path, variant="int8")
    with pytest.raises(BundleError, match="threads"):
        Predictor.open(path, threads=0)


def test_a_bundle_loads_where_torch_and_onnx_cannot_be_imported(path: Path) -> None:
    code = (
        "import sys\n"
        "for name in ('torch', 'onnx', 'onnxscript', 'lightning_fabric'): sys.modules[name] = None\n"
        "import numpy, telltale\n"
        "model = telltale.load(sys.argv[1])\n"
        "print(model.tell(numpy.full((50, 70, 3), 255, numpy.uint8)).to_json())\n"
        "model.bundle.update(licence='MIT')\n"
    )
    copy = Bundle.open(path)
    out = subprocess.run([sys.executable, "-c", code, str(copy.path)], capture_output=True, text=True)
    assert out.returncode == 0, out.stderr
    assert out.stdout.count("'on'") == 2


def test_load_is_the_short_way_in(path: Path) -> None:
    assert telltale.load(path, threads=1).tell(half_lit()).to_json()["left"]["pred"] == 1


def test_a_small_net_gets_one_thread_and_a_large_or_unknown_one_the_runtimes_choice() -> None:
    spec = tiny_spec()
    assert fit_threads(spec) == 1
    for macs in (0, 300_000_000):
        assert fit_threads(spec.model_copy(update={"model": Model(macs=macs)})) is None


def test_auto_takes_the_variant_that_was_measured_fastest(tmp_path: Path) -> None:
    spec, model = tiny_spec(), tiny_model(("left", "right"), 32, 24)
    for int8_ms, kept, chosen in (
        (0.5, True, "int8"),
        (2.0, True, "float"),
        (0.5, False, "float"),
        (None, True, "float"),
    ):
        variants = {
            "float": Variant(file="model.onnx", latency_ms=1.0),
            "int8": Variant(file="model.int8.onnx", latency_ms=int8_ms, kept=kept),
        }
        files = {"model.onnx": model, **({"model.int8.onnx": model} if kept else {})}
        bundle = write_bundle(tmp_path / "x.telltale", spec.model_copy(update={"variants": variants}), files)
        assert Predictor.open(bundle.path).variant == chosen
