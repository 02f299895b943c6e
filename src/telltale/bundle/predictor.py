"""Run a bundle's model with onnxruntime: pictures in, answers out. Knows nothing of torch, streams or servers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from telltale.bundle.bundle import Bundle, spec_of_model
from telltale.bundle.spec import INT8, MODEL, BundleSpec
from telltale.bundle.tiling import look
from telltale.errors import BundleError, ImageError
from telltale.frame import Image
from telltale.preprocess import decode
from telltale.tasks.task import Outputs

Picture = str | PathLike[str] | bytes | Image
VariantName = Literal["auto", "float", "int8"]
FILES = {"float": MODEL, "int8": INT8}
INPUT = "image"
BATCH = 16

SMALL_MACS = 100_000_000
"""Two threads gave a net of 16 M multiply-adds nothing and one of 50 M a tenth, at up to twice the processor time."""


class Predictor:
    """A model ready to tell. Safe to use from several threads at once.

    spec, task: what it tells and how; variant: "float" or "int8", whichever was opened.
    """

    def __init__(
        self, spec: BundleSpec, session: onnxruntime.InferenceSession, variant: str, bundle: Bundle | None
    ) -> None:
        self.spec = spec
        self.task = spec.make_task()
        self.variant = variant
        self.preprocess = spec.input.preprocess()
        self._session = session
        self._bundle = bundle
        self._outputs = tuple(self.task.output_shapes(spec.input.height, spec.input.width))
        self.output_names: tuple[str, ...] = tuple(output.name for output in session.get_outputs())

    @classmethod
    def open(
        cls,
        path: str | PathLike[str],
        *,
        threads: int | None = None,
        variant: VariantName = "auto",
        verify: bool = True,
    ) -> Predictor:
        """Open a bundle folder, or a lone .onnx that telltale exported.

        threads: for one picture; None: one for a small net, else onnxruntime's choice.
        variant: "auto" takes the one measured fastest when it was exported.
        verify: check every file's hash first. Raises BundleError.
        """
        if Path(path).is_file():
            return cls._open_lone(Path(path), threads)
        bundle = Bundle.open(path, verify=verify)
        name = choose_variant(bundle.spec) if variant == "auto" else variant
        if FILES.get(name) not in bundle.spec.files:
            have = sorted(v for v, file in FILES.items() if file in bundle.spec.files)
            raise BundleError(f"{bundle.path.name}: variant", expected=" or ".join(["auto", *have]), got=repr(name))
        where = f"{bundle.path.name}/{FILES[name]}"
        session = open_session(
            bundle.read(FILES[name]), where, fit_threads(bundle.spec) if threads is None else threads
        )
        check_contract(session, bundle.spec, where)
        return cls(bundle.spec, session, name, bundle)

    @classmethod
    def _open_lone(cls, path: Path, threads: int | None) -> Predictor:
        try:
            model = path.read_bytes()
        except OSError as error:
            raise BundleError(str(path), expected="a file to read", got=str(error)) from error
        spec = spec_of_model(model, path.name)
        session = open_session(model, path.name, fit_threads(spec) if threads is None else threads)
        check_contract(session, spec, path.name)
        return cls(spec, session, "int8" if path.name.endswith(INT8) else "float", None)

    def reread(self) -> bool:
        """Take the thresholds and the smoothing of the bundle as it lies there now; True where they have changed.

        The model stays. Raises BundleError where the folder holds another model, or none that can be read.
        """
        new = Bundle.open(self.bundle.path, files=False)
        if _identity(new.spec) != _identity(self.spec):
            raise BundleError(self.bundle.path.name, expected="the model it was", got="another", next="start again")
        changed = (new.spec.thresholds, new.spec.smoothing) != (self.spec.thresholds, self.spec.smoothing)
        self.spec, self._bundle = new.spec, new
        return changed

    @property
    def bundle(self) -> Bundle:
        """The bundle it was opened from. Raises BundleError for a lone .onnx."""
        if self._bundle is None:
            raise BundleError("this model", expected="to be opened from a bundle folder", got="a lone .onnx file")
        return self._bundle

    def tell(self, picture: Picture) -> Any:
        """The task's Result for one picture: a path, an encoded file's bytes, or (H, W, 3) uint8 RGB.

        Raises ImageError when it gives no pixels.
        """
        return self.tell_many([picture])[0]

    def tell_many(self, pictures: Iterable[Picture], *, batch: int = BATCH) -> list[Any]:
        """A Result for each picture, in order. Raises ImageError at the first that gives no pixels."""
        results: list[Any] = []
        waiting: list[Image] = []
        for picture in pictures:
            image = self._open(picture)
            if not self._same_place:
                results += self.task.decode(look(self, image), self.spec.thresholds)
                continue
            waiting.append(self.preprocess.apply(image))
            if len(waiting) == batch:
                results += self._tell_prepared(waiting)
                waiting = []
        return results + (self._tell_prepared(waiting) if waiting else [])

    @property
    def _same_place(self) -> bool:
        """Whether answers do not depend on the size of the picture, so that pictures go in batches."""
        height, width = self.spec.input.height, self.spec.input.width
        return all(len(shape) == 1 for shape in self.task.output_shapes(height, width).values())

    def _tell_prepared(self, images: Sequence[Image]) -> list[Any]:
        return list(self.task.decode(self.run(np.stack(images)), self.spec.thresholds))

    def look(self, picture: Picture) -> Outputs:
        """What the task decodes for one picture, with a batch axis of 1; maps are as large as the picture.

        Raises ImageError when it gives no pixels.
        """
        return look(self, self._open(picture))

    def prepare(self, picture: Picture) -> Image:
        """(H, W, 3) uint8 as the model sees it: at its input size, or of any size with fit tile. Raises ImageError."""
        return self.preprocess.apply(self._open(picture))

    def _open(self, picture: Picture) -> Image:
        if isinstance(picture, np.ndarray):
            if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or 0 in picture.shape:
                raise ImageError(
                    "picture", expected="an (H, W, 3) uint8 RGB array", got=f"{picture.dtype} {picture.shape}"
                )
            return picture
        return decode(picture)

    def run(self, batch: NDArray[np.uint8], *, outputs: Sequence[str] | None = None) -> dict[str, NDArray[np.float32]]:
        """Outputs by name for (N, H, W, 3) uint8 RGB at the model's input size; with fit tile of any size the stride
        divides.

        outputs: which; None: those the task decodes. "cam" is the activation map (N, K, h, w) where the model has one.
        Raises ImageError when the batch does not fit, BundleError on an output the model lacks.
        """
        height, width = self.spec.input.height, self.spec.input.width
        fits = batch.ndim == 4 and batch.shape[1:] == (height, width, 3)
        if batch.ndim == 4 and self.spec.input.fit == "tile":
            stride = max(self.spec.model.stride, 1)
            fits = batch.shape[3] == 3 and min(batch.shape) > 0 and not any(side % stride for side in batch.shape[1:3])
        if batch.dtype != np.uint8 or not fits or not len(batch):
            raise ImageError(
                "batch", expected=f"(N, {height}, {width}, 3) uint8 RGB, N >= 1", got=f"{batch.dtype} {batch.shape}"
            )
        names = list(self._outputs if outputs is None else outputs)
        missing = [name for name in names if name not in self.output_names]
        if missing:
            raise BundleError("outputs", expected=f"some of {', '.join(self.output_names)}", got=", ".join(missing))
        values = self._session.run(names, {INPUT: np.ascontiguousarray(batch)})
        return dict(zip(names, values, strict=True))


def _identity(spec: BundleSpec) -> tuple[object, ...]:
    """What makes it this model and no other, whatever its thresholds."""
    return spec.name, spec.created, spec.task, spec.input, spec.outputs, spec.temperature, spec.data, spec.model


def choose_variant(spec: BundleSpec) -> str:
    """The variant in the bundle whose measured latency is lowest; float where nothing was measured."""
    there = {
        name: info.latency_ms
        for name, info in spec.variants.items()
        if info.kept and FILES.get(name) in spec.files and info.latency_ms is not None
    }
    if "float" not in there:
        return "float" if MODEL in spec.files else next((n for n, f in FILES.items() if f in spec.files), "float")
    return min(there, key=lambda name: there[name])


def fit_threads(spec: BundleSpec) -> int | None:
    """1 for a net so small that waking a second thread costs what it saves; None, onnxruntime's choice, for others."""
    return 1 if 0 < spec.model.macs < SMALL_MACS else None


def open_session(model: bytes, where: str, threads: int | None = None) -> onnxruntime.InferenceSession:
    """A CPU session. Raises BundleError when onnxruntime cannot take the model."""
    if threads is not None and threads < 1:
        raise BundleError("threads", expected="1 or more", got=str(threads))
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads or 0
    options.inter_op_num_threads = 1
    # Spinning threads steal the cores that decode the next picture: one burst of work per frame, then a pause.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises a different class for each kind of damage
        raise BundleError(
            where,
            expected="a model onnxruntime can run",
            got=" ".join(str(error).split())[:200],
            next="export it again",
        ) from error


def check_contract(session: onnxruntime.InferenceSession, spec: BundleSpec, where: str) -> None:
    """Raises BundleError unless the graph takes uint8 (N, H, W, 3) `image` and gives the task's outputs."""
    height, width = spec.input.height, spec.input.width
    inputs = {i.name: i for i in session.get_inputs()}
    image = inputs.get(INPUT)
    if set(inputs) != {INPUT} or image is None or image.type != "tensor(uint8)" or len(image.shape) != 4:
        got = ", ".join(f"{i.name} {i.type} {i.shape}" for i in inputs.values())
        raise BundleError(f"{where}: input", expected=f"image uint8 (N, {height}, {width}, 3)", got=got)
    free = spec.input.fit == "tile"
    sides = [isinstance(side, str) for side in image.shape[1:3]] if free else list(image.shape[1:3])
    if sides != ([True, True] if free else [height, width]) or image.shape[3] != 3 or isinstance(image.shape[0], int):
        wanted = "(N, H, W, 3), N, H and W free" if free else f"(N, {height}, {width}, 3), N free"
        raise BundleError(f"{where}: input", expected=wanted, got=str(image.shape))
    outputs = {o.name: o for o in session.get_outputs()}
    for name, shape in spec.make_task().output_shapes(height, width).items():
        output = outputs.get(name)
        found = [] if output is None else list(output.shape[1:])
        if free:
            shape, found = shape[:1], found[:1]
        if output is None or output.type != "tensor(float)" or found != list(shape):
            got = f"{output.type} {output.shape}" if output else f"only {', '.join(outputs)}"
            raise BundleError(f"{where}: output {name}", expected=f"float (N, {', '.join(map(str, shape))})", got=got)
