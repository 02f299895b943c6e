"""A trained network as ONNX and TorchScript that take pictures and give probabilities. Knows nothing of files."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Protocol

import onnx
import torch
from onnx import ModelProto
from torch import Tensor, nn

from telltale.bundle.predictor import INPUT
from telltale.export.simplify import fold_pixel_scaling
from telltale.model.heads import ANSWERS, SHIPS

OPSET = 18
"""Runs in onnxruntime 1.14 and later, onnxruntime-web included."""


class Fusable(Protocol):
    """What export needs of a network, in eval mode.

    (N, 3, H, W) float32 in 0..1 -> the outputs of the task's head; `fused()` gives the same function in its deployed
    form.
    """

    def __call__(self, x: Tensor) -> dict[str, Tensor]: ...

    def fused(self) -> nn.Module: ...


class Deployed(nn.Module):
    """(N, H, W, 3) uint8 RGB -> what the kind of task ships, a tuple in the order of `names`.

    For `states`: probabilities (N, K) in 0..1 and cam (N, K, h, w); for `mask`: probabilities (N, K, H, W).
    probability = sigmoid(logit / temperature), per name (Guo et al. 2017).
    """

    temperature: Tensor

    def __init__(self, network: Fusable | nn.Module, kind: str, temperature: Tensor) -> None:
        super().__init__()
        self.network = network
        self.kind, self.names = kind, SHIPS[kind]
        self.register_buffer("temperature", temperature.float())

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        outputs = self.network(image.permute(0, 3, 1, 2).float() / 255)
        answers = ANSWERS[self.kind](outputs, self.temperature)
        return tuple(answers[name] for name in self.names)


def to_onnx(deployed: Deployed, height: int, width: int, *, any_size: bool = False) -> bytes:
    """The model file: input `image` uint8 (N, H, W, 3), what the kind ships as outputs, N free.

    any_size: H and W are free too, for a net without a place of its own: its graph names no size.
    """
    example = torch.zeros(2, height, width, 3, dtype=torch.uint8)
    with _quiet():
        program = torch.onnx.export(
            deployed.eval(),
            (example,),
            dynamo=True,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=list(deployed.names),
            dynamic_shapes=({0: torch.export.Dim("N", min=1, max=65536)},),
            external_data=False,
            optimize=True,
            verbose=False,
        )
    assert program is not None
    model = fold_pixel_scaling(_strip(program.model_proto))
    if any_size:
        _free_sides(model)
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())


def _free_sides(model: ModelProto) -> None:
    """Height and width of the input and of every map become names; onnx's checker then finds what names a size."""
    for tensor, sides in ((model.graph.input[0], (1, 2)), *((output, (2, 3)) for output in model.graph.output)):
        for side, name in zip(sides, ("H", "W"), strict=True):
            tensor.type.tensor_type.shape.dim[side].dim_param = name


def to_torchscript(deployed: Deployed, height: int, width: int) -> bytes:
    """A file for `torch.jit.load`: the same input, and the outputs as a tuple in the same order."""
    example = torch.zeros(2, height, width, 3, dtype=torch.uint8)
    buffer = io.BytesIO()
    with _quiet(), torch.no_grad():
        torch.jit.save(torch.jit.trace(deployed.eval(), (example,)), buffer)  # type: ignore[no-untyped-call]
    return buffer.getvalue()


def load_torchscript(data: bytes) -> nn.Module:
    """A module that runs the file's bytes on the CPU."""
    with _quiet():
        module = torch.jit.load(io.BytesIO(data), map_location="cpu")  # type: ignore[no-untyped-call]
    assert isinstance(module, nn.Module)
    return module.eval()


def _strip(model: ModelProto) -> ModelProto:
    """Without the exporter's notes: they triple a small file and name the paths of the machine it was made on."""
    model.doc_string = ""
    del model.metadata_props[:]
    graph = model.graph
    graph.doc_string = ""
    graph.name = "telltale"
    del graph.metadata_props[:]
    del graph.value_info[:]
    for part in (*graph.node, *graph.input, *graph.output, *graph.initializer):
        part.doc_string = ""
        del part.metadata_props[:]
    return model


@contextmanager
def _quiet() -> Iterator[None]:
    """torch 2.13 prints its steps and warns of its own insides: pytree in torch.onnx, the future of torch.jit."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)
