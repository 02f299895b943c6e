"""`telltale export BUNDLE --to c`: C for a camera, from a bundle or from anybody's ONNX file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from telltale.cli.options import one_of, out
from telltale.errors import ConfigError, ExportError
from telltale.preprocess import Preprocess, decode
from telltale.progress import progress

if TYPE_CHECKING:
    from telltale.export.c.generate import Generated, Numbers
    from telltale.export.c.prove import Proof
    from telltale.export.c.read import Pixels

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
MOST = 256
"""Pictures to learn the ranges from."""

NUMBERS: tuple[Numbers, ...] = ("int8", "float32")


def export_to_c(
    source: Path, numbers: str, pictures: Path | None, folder: Path | None, mean: str | None, std: str | None
) -> None:
    """Raises ConfigError, ExportError, ParityError, BundleError."""
    from telltale.bundle.bundle import Bundle
    from telltale.export.c.into_bundle import export_c

    kind = one_of(numbers, NUMBERS, "--numbers")
    if not Bundle.is_bundle(source):
        _export_onnx(source, numbers, pictures, folder, mean, std)
        return
    if folder is not None or mean is not None or std is not None:
        raise ConfigError(
            "--folder, --mean, --std", expected="only with an .onnx file: a bundle has a place and knows its pixels"
        )
    bundle = Bundle.open(source)
    shown = None
    if pictures is not None:
        size = bundle.spec.input
        shown = read_pictures(pictures, Preprocess(size.width, size.height, size.fit), 3)
    with progress("C", 4, "steps") as step:
        bundle, made, proofs = export_c(bundle, shown, numbers=kind, progress=step)
    _tell(made, proofs)
    out.print(f"wrote {bundle.path / 'c'}; next: `telltale verify {bundle.path}`", markup=False)


def _export_onnx(
    source: Path, numbers: str, pictures: Path | None, folder: Path | None, mean: str | None, std: str | None
) -> None:
    from telltale.export.c.emit import About, identifier
    from telltale.export.c.generate import generate
    from telltale.export.c.prove import prove, raise_if_bad
    from telltale.export.c.read import input_shape

    try:
        model = source.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"--to c: {source}", expected="a bundle folder or an .onnx file", got=error.strerror or str(error)
        ) from error
    kind = one_of(numbers, NUMBERS, "--numbers")
    shape = input_shape(model)
    shown = None
    if pictures is not None:
        shown = read_pictures(pictures, Preprocess(shape.width, shape.height, "stretch"), shape.channels)
    about = About(name=identifier(source.stem), origin=source.name)
    pixels = _pixels(mean, std)
    with progress("C", 4, "steps") as step:
        made = generate(model, about, shown, numbers=kind, pixels=pixels, progress=step)
        proofs = prove(made.files, made.name, made.numbers, made.inputs, made.expected)
        step.advance(1, "proved")
    raise_if_bad(source.name, proofs)
    place = folder or source.with_name(f"{made.name}_c")
    try:
        place.mkdir(parents=True, exist_ok=True)
        for name, data in made.files.items():
            (place / name).write_bytes(data)
    except OSError as error:
        raise ConfigError(f"--folder {place}", expected="a place to write to", got=error.strerror or "") from error
    _tell(made, proofs)
    if shown is None:
        out.print("note: int8 learned its ranges from noise; give --pictures to measure a real answer", markup=False)
    out.print(f"wrote {place}", markup=False)


def _tell(made: Generated, proofs: Sequence[Proof]) -> None:
    out.print(f"  {made.describe()}", markup=False)
    for proof in proofs:
        out.print(f"  {proof.target}: {proof.detail}", markup=False)


def read_pictures(folder: Path, preprocess: Preprocess, channels: int) -> NDArray[np.uint8]:
    """(N, H, W, channels) uint8 from a folder's pictures. Raises ExportError, ImageError."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not paths:
        raise ExportError(f"--pictures {folder}", expected=f"pictures ({', '.join(SUFFIXES)})", got="none")
    step = max(1, len(paths) // MOST)
    images = np.stack([preprocess.apply(decode(path)) for path in paths[::step][:MOST]])
    if channels == 3:
        return images
    grey = images @ np.array([0.299, 0.587, 0.114])
    return np.asarray(np.round(grey)[..., None], np.uint8)


def _pixels(mean: str | None, std: str | None) -> Pixels:
    """What a byte stands for: (byte / 255 - mean) / std, for each channel."""
    from telltale.export.c.read import Pixels as Made

    means, deviations = _numbers(mean, "--mean", 0.0), _numbers(std, "--std", 1.0)
    if len(means) == 1:
        means *= len(deviations)
    if len(deviations) == 1:
        deviations *= len(means)
    if len(means) != len(deviations) or any(d == 0 for d in deviations):
        raise ConfigError(
            "--mean, --std", expected="one number, or one a channel, none of --std 0", got=f"{mean}, {std}"
        )
    scale = tuple(1 / (255 * d) for d in deviations)
    return Made(scale, tuple(-m / d for m, d in zip(means, deviations, strict=True)))


def _numbers(text: str | None, option: str, default: float) -> list[float]:
    try:
        return [default] if text is None else [float(part) for part in text.split(",")]
    except ValueError as error:
        raise ConfigError(option, expected="numbers with commas, as 0.485,0.456,0.406", got=repr(text)) from error
