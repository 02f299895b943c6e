"""C inside a bundle: the folder `c/`, what it must answer, and its proof."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass

import numpy as np

from telltale.bundle.bundle import Bundle
from telltale.bundle.spec import MODEL, BundleSpec
from telltale.errors import BundleError, ParityError
from telltale.export.c.emit import KINDS, About, Label, label_rows
from telltale.export.c.generate import Generated, Images, Numbers, generate
from telltale.export.c.prove import Proof, prove, raise_if_bad
from telltale.progress import Progress, Quiet

FOLDER = "c"
FACTS = f"{FOLDER}/net.json"
EXPECTED = f"{FOLDER}/expected.npy"
"""What the reference answers to the bundle's golden inputs, as bytes."""


@dataclass(frozen=True, slots=True)
class Facts:
    """c/net.json: what is needed to prove it again."""

    name: str
    numbers: Numbers
    arena: int
    rows_arena: int
    constants: int
    macs: int
    delta: float


def export_c(
    bundle: Bundle,
    pictures: Images | None = None,
    *,
    numbers: Numbers = "int8",
    progress: Progress | None = None,
) -> tuple[Bundle, Generated, list[Proof]]:
    """Write `c/` into a bundle, proved on every machine at hand.

    pictures: (N, H, W, 3) uint8 at the input size to learn the ranges from; the golden inputs without.
    Raises ExportError, ParityError (a build disagrees, or int8 lies further from the golden set than the bundle's
    tolerance allows; nothing is written), BundleError.
    """
    progress = progress or Quiet()
    golden = bundle.golden()
    made = generate(
        bundle.read(MODEL),
        about(bundle),
        golden.inputs if pictures is None else pictures,
        inputs=golden.inputs,
        numbers=numbers,
        size=(bundle.spec.input.height, bundle.spec.input.width),
        ranges=bundle.spec.model.ranges,
        progress=progress,
    )
    allowed = bundle.spec.tolerance.int8 if numbers == "int8" else bundle.spec.tolerance.runtime
    if not made.delta <= allowed:
        raise ParityError(
            f"{bundle.path.name} in C ({numbers})",
            expected=f"answers within {allowed:g} of the golden set",
            got=f"{made.delta:.3g}",
            next="more pictures (--pictures), `telltale train --quantise` and export again, or --numbers float32",
        )
    proofs = prove(made.files, made.name, numbers, made.inputs, made.expected)
    raise_if_bad(bundle.path.name, proofs)
    facts = Facts(made.name, numbers, made.arena, made.rows_arena, made.constants, made.macs, made.delta)
    expected = io.BytesIO()
    np.save(expected, np.frombuffer(made.expected, np.uint8), allow_pickle=False)
    files = {f"{FOLDER}/{name}": data for name, data in made.files.items()}
    files[FACTS] = (json.dumps({name: getattr(facts, name) for name in Facts.__slots__}, indent=2) + "\n").encode()
    files[EXPECTED] = expected.getvalue()
    progress.advance(1, "proved")
    return bundle.update(files=files), made, proofs


def verify_c(bundle: Bundle) -> list[Proof]:
    """Build the bundle's C again and compare every byte for the golden inputs; its thresholds too.

    Raises BundleError (damaged)."""
    try:
        facts = Facts(**json.loads(bundle.read(FACTS)))
        expected = np.load(io.BytesIO(bundle.read(EXPECTED)), allow_pickle=False).tobytes()
    except (ValueError, TypeError) as error:
        raise BundleError(f"{bundle.path.name}/{FACTS}", expected="facts of a net in C", got=str(error)) from error
    names = [name for name in bundle.spec.files if name.startswith(f"{FOLDER}/") and name.endswith((".c", ".h"))]
    files = {name.removeprefix(f"{FOLDER}/"): bundle.read(name) for name in names}
    text = files[f"{facts.name}.c"].decode()
    same = label_rows(about(bundle)) in text
    said = "as the bundle's" if same else "others than the bundle's: run `telltale export --to c` again"
    return [
        Proof("thresholds", same, said),
        *prove(files, facts.name, facts.numbers, bundle.golden().inputs, expected),
    ]


def about(bundle: Bundle) -> About:
    """What the generated C says of the bundle."""
    spec: BundleSpec = bundle.spec
    names = bundle.task.names
    labels = tuple(
        Label(name, spec.thresholds[name].low, spec.thresholds[name].high) for name in names if name in spec.thresholds
    )
    return About(
        name=spec.name,
        origin=f"bundle {bundle.path.name}",
        kind=spec.task["kind"] if spec.task.get("kind") in KINDS else "",
        fit=spec.input.fit,
        labels=labels,
        average_s=spec.smoothing.average_s,
        dwell_s=spec.smoothing.dwell_s,
        min_area=spec.task.get("min_area") or 0,
        mm_per_px=spec.task.get("mm_per_px") or 0.0,
    )
