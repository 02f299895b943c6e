"""`telltale export --to c` and `telltale verify`, as a user types them."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from edge_nets import NETS
from export_samples import about, labelled_pictures, trained_network
from telltale.bundle.bundle import Bundle
from telltale.cli import main
from telltale.errors import ParityError
from telltale.export.c.into_bundle import EXPECTED, verify_c
from telltale.export.c.prove import raise_if_bad
from telltale.export.export import export_network
from telltale.export.judge import Options
from telltale.export.pictures import synthetic
from telltale.progress import Quiet
from telltale.tasks import Threshold


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """With its C inside, written by the command."""
    made = export_network(
        trained_network(),
        about(),
        tmp_path_factory.mktemp("c") / "strips.telltale",
        training=labelled_pictures(16, 1),
        calibration=labelled_pictures(16, 2),
        frame=synthetic(1, 80, 60)[0],
        options=Options(int8="never", torchscript=False),
        progress=Quiet(),
    )
    _run("export", str(made.path), "--to", "c")
    return Bundle.open(made.path)


def _run(*words: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(list(words))
    return end.value.code if isinstance(end.value.code, int) else 0


def test_the_bundle_has_all_that_a_compiler_needs(bundle: Bundle) -> None:
    there = {name for name in bundle.spec.files if name.startswith("c/")}
    assert {"c/strips.c", "c/strips.h", "c/telltale.h", "c/conv.c", "c/tile_neon.h", "c/net.json"} <= there
    assert 'tt_label labels[] = {\n    {"left", 0.5f, 0.5f}' in bundle.read("c/strips.c").decode()


def test_verify_builds_it_and_compares_every_byte(bundle: Bundle, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run("verify", str(bundle.path)) == 0
    said = capsys.readouterr().out
    assert "ok   C, host: 32 bytes for 8 pictures" in said
    assert "C, armv7" in said


def test_one_byte_that_differs_is_a_parity_error(bundle: Bundle) -> None:
    raw = np.load(io.BytesIO(bundle.read(EXPECTED))).copy()
    raw[5] ^= 1
    changed = io.BytesIO()
    np.save(changed, raw)
    wrong = Bundle.open(bundle.path).update(files={EXPECTED: changed.getvalue()})
    with pytest.raises(ParityError, match="1 of 32 bytes differ"):
        raise_if_bad("strips", verify_c(wrong))
    raw[5] ^= 1
    changed = io.BytesIO()
    np.save(changed, raw)
    wrong.update(files={EXPECTED: changed.getvalue()})


def test_thresholds_changed_since_are_noticed(bundle: Bundle) -> None:
    moved = Bundle.open(bundle.path).update(thresholds={"left": Threshold(0.2, 0.8), "right": Threshold(0.5, 0.5)})
    with pytest.raises(ParityError, match="export --to c"):
        raise_if_bad("strips", verify_c(moved)[:1])
    moved.update(thresholds=bundle.spec.thresholds)


def test_a_lone_model_becomes_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "net.onnx").write_bytes(NETS["chain3"])
    assert _run("export", str(tmp_path / "net.onnx"), "--to", "c", "--folder", str(tmp_path / "out")) == 0
    assert "learned its ranges from noise" in capsys.readouterr().out
    assert (tmp_path / "out" / "net.c").is_file()
    assert (tmp_path / "out" / "telltale.h").is_file()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--to", "c"], "a bundle or an .onnx file"),
        (["nothing.onnx", "--to", "c"], "nothing.onnx"),
        (["net.onnx", "--to", "c", "--numbers", "int4"], "int8, float32"),
        (["net.onnx", "--to", "c", "--mean", "a,b"], "0.485,0.456,0.406"),
        (["net.onnx", "--to", "c", "--std", "0"], "none of --std 0"),
    ],
)
def test_a_wrong_word_is_one_line(
    words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.onnx").write_bytes(NETS["chain3"])
    assert _run("export", *words) == 1
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
