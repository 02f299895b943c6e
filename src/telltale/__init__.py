"""Teach a small vision model to tell the state of what a camera sees.

import telltale
telltale.load("car.telltale").tell("frame.jpg")
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from os import PathLike

    from telltale.bundle.predictor import Predictor

__version__ = "0.1.0"
__all__ = ["__version__", "load"]


def load(path: str | PathLike[str], *, threads: int | None = None) -> Predictor:
    """Open a bundle for use; needs onnxruntime, neither torch nor the training extras.

    path: a `NAME.telltale` folder. threads: intra-op threads; None lets onnxruntime choose.
    Raises BundleError.
    """
    from telltale.bundle.predictor import Predictor

    return Predictor.open(path, threads=threads)
