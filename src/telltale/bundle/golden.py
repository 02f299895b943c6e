"""Golden pictures: what every runtime tests itself on. Knows the layout of golden.npz, no runtime.

golden.npz is an *uncompressed* zip of .npy files, so that a browser reads it with a few lines:

    inputs          (N, H, W, 3) uint8    pictures at the model's input size
    out.NAME        (N, ...) float32      what onnxruntime's float model gave for them on the CPU
    torch.NAME      (N, ...) float32      what torch gave (absent where none was at hand)
    frame           (h, w, 3) uint8       one picture at its native size
    frame_input     (H, W, 3) uint8       the same, as `preprocess` made it for the model
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from telltale.errors import BundleError
from telltale.frame import Image

OUT, TORCH = "out.", "torch."


SPARED = 0.01
"""Of an int8 model's maps this share of the values may lie further off: an edge that moves by a pixel is no harm."""


def difference(found: NDArray[np.float32], expected: NDArray[np.float32], *, int8: bool = False) -> float:
    """The largest difference of two outputs of one shape; of int8 maps (N, K, H, W) the largest but for the SPARED."""
    apart = np.abs(found - expected)
    if int8 and apart.ndim == 4 and np.isfinite(apart).all():
        return float(np.quantile(apart, 1 - SPARED))
    return float(apart.max())


@dataclass(frozen=True)
class Golden:
    """Inputs and expected outputs; see the module for shapes."""

    inputs: NDArray[np.uint8]
    outputs: Mapping[str, NDArray[np.float32]]
    torch: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    frame: Image | None = None
    frame_input: Image | None = None

    def to_bytes(self) -> bytes:
        """golden.npz."""
        arrays: dict[str, NDArray[np.uint8] | NDArray[np.float32]] = {"inputs": self.inputs}
        arrays |= {OUT + name: value for name, value in self.outputs.items()}
        arrays |= {TORCH + name: value for name, value in self.torch.items()}
        if self.frame is not None and self.frame_input is not None:
            arrays |= {"frame": self.frame, "frame_input": self.frame_input}
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
            for name, value in arrays.items():
                npy = io.BytesIO()
                np.lib.format.write_array(npy, np.ascontiguousarray(value), version=(1, 0), allow_pickle=False)
                # a fixed date: the same pictures give the same bytes
                archive.writestr(zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0)), npy.getvalue())
        return out.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes, where: str = "golden.npz") -> Golden:
        """Raises BundleError when the bytes hold no golden set."""
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as archive:
                arrays = {name: archive[name] for name in archive.files}
            inputs = arrays["inputs"]
            if inputs.dtype != np.uint8 or inputs.ndim != 4 or inputs.shape[3] != 3:
                raise ValueError(f"inputs are {inputs.dtype} {inputs.shape}")
        except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile, AttributeError) as error:
            raise BundleError(where, expected="a golden set", got=str(error), next="export again") from error
        return cls(
            inputs,
            {name.removeprefix(OUT): value for name, value in arrays.items() if name.startswith(OUT)},
            {name.removeprefix(TORCH): value for name, value in arrays.items() if name.startswith(TORCH)},
            arrays.get("frame"),
            arrays.get("frame_input"),
        )
