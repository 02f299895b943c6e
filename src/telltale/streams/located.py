"""A `locate` bundle as a detector of one thing. Knows nothing of scenes or networks."""

from __future__ import annotations

from pathlib import Path

from telltale.errors import ConfigError
from telltale.frame import Image
from telltale.streams.spot import Colour, Detector, Spot, open_detector
from telltale.tasks.locate import LocateResult


class LocateDetector:
    """The surest told box of one name; not seen where the model is unsure of all of them."""

    def __init__(self, bundle: Path, name: str | None = None) -> None:
        """name: None is right where the bundle has one alone. Raises BundleError, ConfigError."""
        from telltale.bundle.predictor import Predictor  # and onnxruntime, which no other detector needs

        self._predictor = Predictor.open(bundle, threads=1)
        task = self._predictor.task
        if task.kind != "locate":
            raise ConfigError(f"--detector {bundle}", expected="a bundle of kind locate", got=task.kind)
        if name is None and len(task.names) > 1:
            raise ConfigError("--name", expected=f"one of {', '.join(task.names)}", got="none")
        self._name = name or task.names[0]
        if self._name not in task.names:
            raise ConfigError("--name", expected=" or ".join(task.names), got=repr(name))

    def detect(self, image: Image) -> Spot | None:
        result = self._predictor.tell(image)
        assert isinstance(result, LocateResult)
        told = [box for box in result.readings[self._name].boxes if box.state == "on"]
        if not told:
            return None
        best = told[0]
        # A box counts from the picture's corner; a Spot from the middle of its first pixel.
        return Spot(best.centre[0] - 0.5, best.centre[1] - 0.5, (best.box[2] + best.box[3]) / 4, best.score)


def open_any(detector: str, colour: Colour, name: str | None = None) -> Detector:
    """A classical detector by its name, or a bundle by its folder. Raises ConfigError, BundleError."""
    if Path(detector).suffix == ".telltale" or Path(detector).is_dir():
        return LocateDetector(Path(detector), name)
    if name is not None:
        raise ConfigError("--name", expected="--detector BUNDLE with it", got=f"--detector {detector}")
    return open_detector(detector, colour)
