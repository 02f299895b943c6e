"""Teach a small vision model to tell the state of what a camera sees.

import telltale
telltale.load("car.telltale").tell("frame.jpg")
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from os import PathLike

    from telltale.bundle.predictor import Picture, Predictor
    from telltale.frame import Image
    from telltale.tasks.mask import MaskResult

__version__ = "0.1.0"
__all__ = ["__version__", "create_heatmap", "load"]


def load(path: str | PathLike[str], *, threads: int | None = None) -> Predictor:
    """Open a bundle for use; needs onnxruntime, neither torch nor the training extras.

    path: a `NAME.telltale` folder. threads: intra-op threads; None lets onnxruntime choose.
    Raises BundleError.
    """
    from telltale.bundle.predictor import Predictor

    return Predictor.open(path, threads=threads)


def create_heatmap(
    picture: Picture,
    result: MaskResult,
    *,
    name: str | None = None,
    opacity: float = 0.75,
    outlines: bool = True,
    legend: bool = True,
) -> Image:
    """What a `mask` bundle told of a picture, drawn over it: (H, W, 3) uint8 RGB, wider by the legend.

    picture: a path, an encoded file's bytes, or (H, W, 3) uint8 RGB. result: of `load(bundle).tell(picture)`.
    name: which map; None: the highest of all. opacity: of the colour where the probability is 1.
    outlines: of the regions, dashed where unsure, with their area. legend: the scale of colours on the right.
    Raises ImageError when the picture gives no pixels, ConfigError on a name the result lacks.
    """
    import numpy as np

    from telltale.preprocess import decode
    from telltale.tasks import heatmap

    image = picture if isinstance(picture, np.ndarray) else decode(picture)
    return heatmap.create_heatmap(image, result, name=name, opacity=opacity, outlines=outlines, legend=legend)
