"""Errors say what was expected, what came and what to do next."""

from __future__ import annotations

import inspect

from telltale import errors
from telltale.errors import BundleError, TelltaleError


def test_an_error_is_one_line_of_three_parts() -> None:
    error = BundleError("model.onnx", expected="sha256 ab", got="sha256 cd", next="export it again")
    assert str(error) == "model.onnx: expected sha256 ab, got sha256 cd; export it again"
    assert error.to_json()["code"] == "bundle"


def test_parts_that_are_not_there_leave_no_punctuation() -> None:
    assert str(TelltaleError("it broke")) == "it broke"
    assert str(TelltaleError("it broke", next="mend it")) == "it broke; mend it"
    assert str(TelltaleError("width", got="0")) == "width: got 0"


def test_every_error_has_its_own_code_and_stands_in_the_tree() -> None:
    classes = [c for _, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, TelltaleError)]
    codes = [c.code for c in classes]
    assert len(set(codes)) == len(codes)
    assert errors.__doc__ is not None
    for cls in classes:
        assert cls.__name__ in errors.__doc__
