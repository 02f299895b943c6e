"""Check a bundle on this machine: its files, and its answers on the golden set. Changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike

import numpy as np

from telltale.bundle.bundle import Bundle, spec_of_model
from telltale.bundle.golden import Golden, difference
from telltale.bundle.predictor import FILES, Predictor, VariantName
from telltale.bundle.spec import GOLDEN
from telltale.errors import BundleError


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at. what: a file's or variant's name; detail: numbers, or what is wrong."""

    what: str
    ok: bool
    detail: str


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """Every check, in order."""

    name: str
    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        return all(check.ok for check in self.checks)

    def lines(self) -> list[str]:
        """One line a check, for a terminal."""
        return [f"{'ok  ' if check.ok else 'BAD '} {check.what}: {check.detail}" for check in self.checks]

    def raise_if_bad(self) -> None:
        """Raises BundleError naming everything that is wrong."""
        bad = [f"{check.what}: {check.detail}" for check in self.checks if not check.ok]
        if bad:
            raise BundleError(f"{self.name} is damaged or does not run as it should here", got="; ".join(bad))


def verify_bundle(path: str | PathLike[str], *, threads: int | None = None) -> VerifyReport:
    """Size and hash of each file; that each model's metadata tells the same as bundle.json; that decode and resize
    give the golden input; that every variant answers the golden set within the tolerance on this machine.

    Raises BundleError when bundle.json itself cannot be read; all else is told in the report.
    """
    bundle = Bundle.open(path, verify=False, files=False)
    checks = [_check_file(bundle, name) for name in sorted(bundle.spec.files)]
    whole = {check.what for check in checks if check.ok}
    checks += [_check_metadata(bundle, name) for name in sorted(whole) if name.endswith(".onnx")]
    if GOLDEN not in whole:
        return VerifyReport(bundle.path.name, (*checks, Check("golden set", False, "none to test the models on")))
    golden = bundle.golden()
    variants: list[VariantName] = ["float", "int8"]
    for variant in variants:
        if FILES[variant] in whole:
            checks += _check_variant(bundle, golden, variant, threads)
    return VerifyReport(bundle.path.name, tuple(checks))


def _check_file(bundle: Bundle, name: str) -> Check:
    try:
        return Check(name, True, f"{len(bundle.read(name))} bytes, hash right")
    except BundleError as error:
        return Check(name, False, str(error))


def _check_metadata(bundle: Bundle, name: str) -> Check:
    try:
        inside = spec_of_model(bundle.read(name), name)
    except BundleError as error:
        return Check(f"{name} metadata", False, str(error))
    same = inside.essentials() == bundle.spec.essentials()
    return Check(f"{name} metadata", same, "as bundle.json" if same else "differs from bundle.json")


def _check_variant(bundle: Bundle, golden: Golden, variant: VariantName, threads: int | None) -> list[Check]:
    tolerance = bundle.spec.tolerance.int8 if variant == "int8" else bundle.spec.tolerance.runtime
    what = f"{variant} on the golden set"
    try:
        predictor = Predictor.open(bundle.path, threads=threads, variant=variant, verify=False)
        outputs = predictor.run(golden.inputs)
        checks = [_check_resize(predictor, golden)] if variant == "float" else []
    except BundleError as error:
        return [Check(what, False, str(error))]
    for name, found in outputs.items():
        expected = golden.outputs.get(name)
        if expected is None or expected.shape != found.shape:
            checks.append(Check(what, False, f"the golden set lacks {name} {found.shape}"))
            continue
        delta = difference(found, expected, int8=variant == "int8")
        ok = bool(delta <= tolerance)  # False for NaN
        checks.append(Check(what, ok, f"{name} differ by {delta:.2g} at most, {tolerance:g} allowed"))
    return checks


def _check_resize(predictor: Predictor, golden: Golden) -> Check:
    if golden.frame is None or golden.frame_input is None:
        return Check("resize", True, "no golden frame to test on")
    found = predictor.prepare(golden.frame)
    if found.shape != golden.frame_input.shape:
        return Check("resize", False, f"gives {found.shape}, not {golden.frame_input.shape}")
    delta = int(np.abs(found.astype(np.int16) - golden.frame_input).max())
    # other builds of OpenCV round a level apart
    return Check("resize", delta <= 1, f"pixels differ by {delta} at most, 1 allowed")
