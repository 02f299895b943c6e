"""bundle.json says what it was told, and refuses what it cannot hold."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telltale.bundle.card import model_card
from telltale.bundle.onnx_metadata import read_metadata, replace_metadata
from telltale.bundle.spec import BundleSpec, Data, FileInfo, Guarantee, Model, Tolerance, Variant
from telltale.errors import BundleError
from telltale.project import Input, Smooth
from telltale.tasks import Threshold
from telltale.tasks.states import States
from tiny_bundle import tiny_model, tiny_spec

WORDS = st.text(min_size=1, max_size=12)
NAMES = WORDS.filter(str.strip)
SHARES = st.floats(0, 1)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | NUMBERS | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FILES = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,10}(/[A-Za-z0-9_][a-z.]{0,5})?", fullmatch=True)


@st.composite
def thresholds(draw: st.DrawFn) -> Threshold:
    low, high = sorted((draw(SHARES), draw(SHARES)))
    return Threshold(low, high)


@st.composite
def specs(draw: st.DrawFn) -> BundleSpec:
    names = draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))
    return BundleSpec(
        name=draw(WORDS),
        created=draw(WORDS),
        licence=draw(WORDS),
        task=States(tuple(names)).to_spec(),
        input=Input(
            width=draw(st.integers(16, 2048)),
            height=draw(st.integers(16, 2048)),
            fit=draw(st.sampled_from(["stretch", "letterbox"])),
        ),
        thresholds={name: draw(thresholds()) for name in names},
        temperature={name: draw(st.floats(0.01, 100)) for name in names},
        smoothing=Smooth(average_s=draw(st.floats(0, 9)), dwell_s=draw(st.floats(0, 9))),
        unsure=Guarantee(error=0.05, confidence=0.9, notes={name: draw(WORDS) for name in names}),
        metrics=draw(st.dictionaries(WORDS, JSON, max_size=3)),
        data=Data(hash=draw(WORDS), images=draw(st.integers(0, 10**9)), groups=1, split={"train": 0.7}),
        allow_leak=draw(st.booleans()),
        model=Model(backbone=draw(WORDS), parameters=draw(st.integers(0, 10**9)), macs=0),
        code=draw(st.dictionaries(WORDS, WORDS, max_size=3)),
        variants={
            "int8": Variant(file="model.int8.onnx", kept=draw(st.booleans()), latency_ms=draw(NUMBERS | st.none()))
        },
        tolerance=Tolerance(runtime=draw(st.floats(1e-6, 0.5))),
        files={
            name: FileInfo(sha256="0" * 64, bytes=1)
            for name in draw(st.lists(FILES, max_size=3))
            if name != "bundle.json"
        },
    )


@settings(max_examples=40, deadline=None)
@given(specs())
def test_json_round_trips(spec: BundleSpec) -> None:
    again = BundleSpec.from_json(spec.to_json())
    assert again == spec
    assert again.to_json() == spec.to_json()
    assert model_card(spec).startswith("---\n")


@settings(max_examples=40, deadline=None)
@given(specs())
def test_what_a_lone_model_carries_is_a_spec_too(spec: BundleSpec) -> None:
    lone = BundleSpec.from_json(spec.essentials())
    assert (lone.task, lone.thresholds, lone.temperature, lone.input) == (
        spec.task,
        spec.thresholds,
        spec.temperature,
        spec.input,
    )
    assert lone.files == {}


@given(JSON)
def test_any_json_is_a_spec_or_one_clear_error(data: Any) -> None:
    with pytest.raises(BundleError):
        BundleSpec.from_json(json.dumps(data))


@settings(deadline=None)
@given(st.sampled_from(list(BundleSpec.model_fields)), JSON)
def test_any_value_in_any_field_is_a_spec_or_one_clear_error(field: str, value: Any) -> None:
    data = {**json.loads(tiny_spec().to_json()), field: value}
    spec = None
    with contextlib.suppress(BundleError):
        spec = BundleSpec.from_json(json.dumps(data))
    assert spec is None or BundleSpec.from_json(spec.to_json()) == spec


@given(st.binary(max_size=200))
def test_any_bytes_are_a_spec_or_one_clear_error(data: bytes) -> None:
    with pytest.raises(BundleError):
        BundleSpec.from_json(data)


def test_a_field_of_a_later_telltale_survives_an_edit() -> None:
    data = {**json.loads(tiny_spec().to_json()), "colour": "red"}
    assert json.loads(BundleSpec.from_json(json.dumps(data)).to_json())["colour"] == "red"


@pytest.mark.parametrize(
    "changes",
    [
        {"task": {"kind": "smell", "names": ["a"]}},
        {"task": {"kind": "states", "names": []}},
        {"thresholds": {"left": {"low": 0.9, "high": 0.1}}},
        {"thresholds": {"nose": {"low": 0.1, "high": 0.9}}},
        {"temperature": {"left": 0}},
        {"input": {"width": 0, "height": 8}},
        {"input": {"width": 64, "height": 64, "fit": "squash"}},
        {"files": {"a": {"sha256": "xyz", "bytes": 1}}},
    ],
)
def test_a_field_that_does_not_fit_is_named(changes: dict[str, Any]) -> None:
    field = next(iter(changes))
    with pytest.raises(BundleError, match=field):
        BundleSpec.from_json(json.dumps({**json.loads(tiny_spec().to_json()), **changes}))


def test_nan_is_refused_in_both_directions() -> None:
    with pytest.raises(BundleError, match="NaN"):
        BundleSpec.from_json(tiny_spec().to_json().replace('"metrics": {}', '"metrics": {"f1": NaN}'))
    with pytest.raises(BundleError, match="JSON"):
        tiny_spec().model_copy(update={"metrics": {"f1": float("nan")}}).to_json()


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(WORDS, st.text(max_size=300), max_size=4), st.dictionaries(WORDS, WORDS, max_size=4))
def test_metadata_is_replaced_and_the_rest_of_the_model_stays(first: dict[str, str], second: dict[str, str]) -> None:
    import onnx

    model = tiny_model(("a",), 32, 24)
    edited = replace_metadata(replace_metadata(model, first), second)
    assert read_metadata(edited) == {**first, **second}
    parsed = onnx.load_from_string(edited)
    assert {p.key: p.value for p in parsed.metadata_props} == {**first, **second}
    del parsed.metadata_props[:]
    assert parsed == onnx.load_from_string(model)


@settings(deadline=None)
@given(st.integers(0, 2000), st.integers(0, 255))
def test_a_damaged_model_never_crashes_the_metadata_reader(position: int, value: int) -> None:
    model = bytearray(tiny_model(("a",), 32, 24))
    model[position % len(model)] = value
    for data in (bytes(model), bytes(model[: position % len(model)])):
        found: dict[str, str] = {}
        with contextlib.suppress(ValueError):
            found = read_metadata(data)
        assert all(isinstance(part, str) for pair in found.items() for part in pair)


def test_the_card_tells_numbers_thresholds_and_leaks() -> None:
    spec = tiny_spec().model_copy(
        update={
            "licence": "House rules",
            "allow_leak": True,
            "metrics": {
                "headline": "It told 91 % of the answers.",
                "heads": {"left": {"coverage": {"value": 0.91, "low": 0.9, "high": 0.92}, "f1": {"value": None}}},
                "overall": {"accuracy": {"value": 0.98765, "low": 0.97, "high": 0.99}, "pictures": 40, "f1": None},
            },
            "unsure": Guarantee(error=0.01, confidence=0.9, notes={"left": "told 91 %"}),
        }
    )
    card = model_card(spec)
    assert "| accuracy | 0.9877 | 0.9700 to 0.9900 |" in card
    assert "| left | 0.300 | 0.700 | 1.000 | told 91 % |" in card
    assert 'license_name: "House rules"' in card
    assert "--allow-leak" in card
    assert "It told 91 % of the answers." in card
    assert "| left | 0.9100 |  |  |  |  |  |" in card
    assert "value: 0.9877" in card.split("---")[1]


def test_a_name_with_a_bar_or_a_line_break_stays_one_cell() -> None:
    card = model_card(tiny_spec(("a|b", "c\nd")))
    assert "| a\\|b | 0.300 |" in card
    assert "| c d | 0.300 |" in card
