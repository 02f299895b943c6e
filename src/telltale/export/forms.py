"""The forms a model ships in, each runnable in the same way. Knows nothing of how they are made or judged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from telltale.bundle.predictor import INPUT, open_session
from telltale.export.deploy import load_torchscript
from telltale.export.measure import median_ms
from telltale.export.parity import Arrays

Images = NDArray[np.uint8]
"""(N, H, W, 3) RGB at the model's input size."""


BATCH = 32


@dataclass(frozen=True)
class Form:
    """name: for people; file: in the bundle; data: the file's bytes; call: a batch to its outputs by name, in order."""

    name: str
    file: str
    data: bytes
    call: Callable[[Images], Arrays]

    def run(self, images: Images) -> dict[str, NDArray[np.float32]]:
        """Outputs for any number of pictures, in batches."""
        parts = [self.call(images[i : i + BATCH]) for i in range(0, len(images), BATCH)]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def onnx_form(name: str, file: str, data: bytes) -> Form:
    """Run by onnxruntime with one thread."""
    session = open_session(data, file, threads=1)
    names = [output.name for output in session.get_outputs()]

    def call(images: Images) -> Arrays:
        return dict(zip(names, session.run(names, {INPUT: images}), strict=True))

    return Form(name, file, data, call)


def torchscript_form(name: str, outputs: Sequence[str], file: str, data: bytes) -> Form:
    """Read back from its bytes and run by torch."""
    return torch_form(name, load_torchscript(data), outputs, file, data)


def torch_form(name: str, module: nn.Module, names: Sequence[str], file: str = "", data: bytes = b"") -> Form:
    """Run by torch; the module gives a tuple in the order of `names`."""

    def call(images: Images) -> Arrays:
        with torch.inference_mode():
            outputs = module(torch.from_numpy(images))
        return {name: value.numpy() for name, value in zip(names, outputs, strict=True)}

    return Form(name, file, data, call)


def latencies(forms: list[Form], image: Images) -> dict[str, float]:
    """Median milliseconds of each form for one picture, one thread. image: (1, H, W, 3)."""
    with _one_torch_thread():
        return median_ms({form.name: partial(form.call, image) for form in forms})


@contextmanager
def _one_torch_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
