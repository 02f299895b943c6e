"""A float ONNX model as a static QDQ int8 model. Knows nothing of torch or of what the model tells."""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from telltale.bundle.predictor import INPUT

BATCH = 16

Ends = tuple[float, float]
"""Least and largest value of a tensor."""


class _Pictures(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime ships no types
    """Batches for the calibrator, each once."""

    def __init__(self, images: NDArray[np.uint8]) -> None:
        self._batches: Iterator[NDArray[np.uint8]] = (images[i : i + BATCH] for i in range(0, len(images), BATCH))

    def get_next(self) -> Mapping[str, NDArray[np.uint8]] | None:
        batch = next(self._batches, None)
        return None if batch is None else {INPUT: batch}


def quantise(model: bytes, images: NDArray[np.uint8], ranges: Sequence[Ends | None] = ()) -> bytes:
    """The same contract, convolutions in int8.

    QUInt8 activations with per-channel QInt8 weights: QInt8 activations were measured slower than float on x86.
    Weights use 7 bits (`reduce_range`): with 8 the x86 kernels without VNNI saturate (onnxruntime's own note), and
    the same file would answer differently from machine to machine.

    images: (N, H, W, 3) uint8 to measure the ranges of activations on, from the training split: the calibration
    split is kept for thresholds, whose guarantee needs a model that has not seen it.
    ranges: learned ones of the model's sums, in their order, in the place of what the pictures show.
    """
    with tempfile.TemporaryDirectory() as folder, _quiet():
        source, prepared, target = (Path(folder) / name for name in ("float.onnx", "prepared.onnx", "int8.onnx"))
        source.write_bytes(model)
        quant_pre_process(source, prepared, skip_symbolic_shape=True)
        quantize_static(
            prepared,
            target,
            _Pictures(images),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
            reduce_range=True,
            calibrate_method=CalibrationMethod.MinMax,
            op_types_to_quantize=["Conv", "Relu"],
            nodes_to_exclude=_stem(onnx.load(prepared)),
            extra_options={"TensorQuantOverrides": _overrides(onnx.load(prepared), ranges)},
        )
        quantised = onnx.load(target)
        onnx.checker.check_model(quantised)
        return bytes(quantised.SerializeToString())


def _stem(model: onnx.ModelProto) -> list[str]:
    """The first convolution and what follows it up to the next one: left in float.

    To quantise the whole picture for it costs more than its three channels save (0.31 instead of 0.36 ms on one
    net), and the error of everything after it halves.
    """
    convs = [index for index, node in enumerate(model.graph.node) if node.op_type == "Conv"]
    end = convs[1] if len(convs) > 1 else len(model.graph.node)
    return [node.name for node in list(model.graph.node)[:end]]


def _overrides(model: onnx.ModelProto, ranges: Sequence[Ends | None]) -> dict[str, list[dict[str, Any]]]:
    """onnxruntime's words for learned ranges, by the name of the tensor behind each convolution and its ReLU."""
    nodes = list(model.graph.node)
    readers = {name: [node for node in nodes if name in node.input] for node in nodes for name in node.output}

    def sums(node: onnx.NodeProto) -> bool:
        joins = node.op_type == "Add" and all(name in readers for name in node.input)
        return node.op_type == "Conv" or (joins and any(n.op_type == "Conv" for n in readers[node.output[0]]))

    found: dict[str, list[dict[str, Any]]] = {}
    # The dense layers behind the convolutions stay in float here.
    for node, ends in zip([node for node in nodes if sums(node)], ranges, strict=False):
        if ends is None or node.op_type != "Conv":
            continue
        after = readers[node.output[0]]
        name = after[0].output[0] if len(after) == 1 and after[0].op_type == "Relu" else node.output[0]
        found[name] = [{"rmin": np.float32(ends[0]), "rmax": np.float32(ends[1])}]
    return found


@contextmanager
def _quiet() -> Iterator[None]:
    """onnxruntime's quantiser logs advice on the root logger and warns of its own insides."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        root.setLevel(level)
