"""Nets for the C tests: random ones of every operator, as ONNX. Small, with weights that keep answers alive."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper


@dataclass
class Maker:
    """Adds ONNX nodes one after another; `shape` is (C, H, W) of the newest tensor."""

    rng: np.random.Generator
    shape: tuple[int, int, int]
    last: str = "x"
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)
    count: int = 0

    def name(self) -> str:
        self.count += 1
        return f"t{self.count}"

    def constant(self, value: NDArray[np.generic]) -> str:
        name = f"k{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(self, kind: str, inputs: list[str], **attributes: Any) -> str:
        out = self.name()
        self.nodes.append(helper.make_node(kind, inputs, [out], **attributes))
        self.last = out
        return out

    def conv(
        self, channels: int, kernel: int, stride: int = 1, pad: int | None = None, *, depthwise: bool = False
    ) -> str:
        into, height, width = self.shape
        pad = kernel // 2 if pad is None else pad
        group = into if depthwise else 1
        channels = into if depthwise else channels
        weight = self.rng.normal(0, 1 / np.sqrt(into // group * kernel**2), (channels, into // group, kernel, kernel))
        bias = self.rng.normal(0, 0.2, channels)
        inputs = [self.last, self.constant(weight.astype(np.float32)), self.constant(bias.astype(np.float32))]
        size = [(side + 2 * pad - kernel) // stride + 1 for side in (height, width)]
        self.shape = (channels, size[0], size[1])
        return self.node("Conv", inputs, strides=[stride] * 2, pads=[pad] * 4, kernel_shape=[kernel] * 2, group=group)

    def act(self, kind: str) -> str:
        if kind == "silu":
            before = self.last
            return self.node("Mul", [before, self.node("Sigmoid", [before])])
        if kind == "relu6":
            low, high = self.constant(np.array(0, np.float32)), self.constant(np.array(6, np.float32))
            return self.node("Clip", [self.last, low, high])
        return self.node(kind, [self.last])

    def pool(self, kind: str, kernel: int, stride: int, pad: int = 0, **more: int) -> str:
        sides = []
        for side in self.shape[1:]:
            steps = (side + 2 * pad - kernel) / stride
            sides.append(int(np.ceil(steps) if more.get("ceil_mode") else np.floor(steps)) + 1)
        self.shape = (self.shape[0], sides[0], sides[1])
        return self.node(kind, [self.last], kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[pad] * 4, **more)

    def resize(self, mode: str, factor: int = 2, how: str = "half_pixel") -> str:
        scales = self.constant(np.array([1, 1, factor, factor], np.float32))
        self.shape = (self.shape[0], self.shape[1] * factor, self.shape[2] * factor)
        more = {"nearest_mode": "floor"} if mode == "nearest" else {}
        return self.node("Resize", [self.last, "", scales], mode=mode, coordinate_transformation_mode=how, **more)

    def squeeze_excite(self) -> str:
        """x * sigmoid(conv(relu(conv(mean of x))))"""
        before, shape = self.last, self.shape
        self.node("GlobalAveragePool", [before])
        self.shape = (shape[0], 1, 1)
        self.conv(4, 1)
        self.act("Relu")
        self.conv(shape[0], 1)
        self.act("Sigmoid")
        self.shape = shape
        return self.node("Mul", [before, self.last])

    def dense(self, names: int) -> str:
        self.node("Flatten", [self.last], axis=1)
        inputs = int(np.prod(self.shape))
        weight = self.rng.normal(0, 2 / np.sqrt(inputs), (names, inputs)).astype(np.float32)
        bias = self.rng.normal(0, 0.3, names).astype(np.float32)
        self.shape = (names, 1, 1)
        return self.node("Gemm", [self.last, self.constant(weight), self.constant(bias)], transB=1)

    def model(self, size: tuple[int, int, int], flat: bool = True) -> bytes:
        out = [1, self.shape[0]] if flat else [1, *self.shape]
        graph = helper.make_graph(
            self.nodes,
            "net",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, *size])],
            [helper.make_tensor_value_info(self.last, TensorProto.FLOAT, out)],
            self.constants,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
        onnx.checker.check_model(model, full_check=True)
        return bytes(model.SerializeToString())


def chain(seed: int) -> bytes:
    """A random chain: convolutions of random kernels, strides and channels, ending in two sigmoids."""
    rng = np.random.default_rng(seed)
    size = (int(rng.choice([1, 3])), int(rng.integers(9, 26)), int(rng.integers(9, 26)))
    maker = Maker(rng, size)
    for _ in range(int(rng.integers(2, 5))):
        kernel = int(rng.choice([1, 2, 3, 5]))
        if min(maker.shape[1:]) < kernel + 2:
            break
        stride = int(rng.choice([1, 1, 2, 3]))
        depthwise = maker.last != "x" and bool(rng.integers(0, 3) == 0)
        maker.conv(int(rng.integers(1, 23)), kernel, stride, int(rng.integers(0, kernel)), depthwise=depthwise)
        maker.act(str(rng.choice(["Relu", "Relu", "silu", "relu6", "LeakyRelu", "HardSwish", "Tanh"])))
    maker.dense(2)
    maker.act("Sigmoid")
    return maker.model(size)


def residual() -> bytes:
    """Additions, squeeze and excitation, depthwise convolutions, average pooling with a ragged edge; softmax."""
    maker = Maker(np.random.default_rng(1), (3, 21, 18))
    maker.conv(12, 3, 2)
    maker.act("silu")
    before = maker.act("Identity")
    maker.conv(12, 3, depthwise=True)
    maker.act("relu6")
    maker.squeeze_excite()
    maker.conv(12, 1)
    maker.node("Add", [before, maker.last])
    maker.act("Relu")
    maker.pool("AveragePool", 2, 2, ceil_mode=1, count_include_pad=0)
    maker.conv(20, 5, depthwise=False)
    maker.act("HardSwish")
    maker.pool("MaxPool", 3, 2, 1)
    maker.dense(7)
    maker.node("Softmax", [maker.last], axis=1)
    return maker.model((3, 21, 18))


def unet() -> bytes:
    """Skips, both ways of upsampling, concatenation; a map of probabilities."""
    maker = Maker(np.random.default_rng(2), (3, 16, 24))
    maker.conv(8, 3)
    top = maker.act("Relu")
    maker.pool("MaxPool", 2, 2)
    maker.conv(12, 3)
    middle = maker.act("Relu")
    maker.pool("AveragePool", 2, 2, count_include_pad=1)
    maker.conv(9, 3)
    maker.act("Relu")
    maker.resize("nearest", how="asymmetric")
    maker.node("Concat", [maker.last, middle], axis=1)
    maker.shape = (21, *maker.shape[1:])
    maker.conv(10, 3)
    maker.act("Relu")
    maker.resize("linear")
    maker.node("Concat", [top, maker.last], axis=1)
    maker.shape = (18, *maker.shape[1:])
    maker.conv(5, 3)
    maker.act("LeakyRelu")
    maker.conv(1, 1)
    maker.act("Sigmoid")
    return maker.model((3, 16, 24), flat=False)


def shuffled() -> bytes:
    """The picture pooled before anything else, a factor for each channel, depth to space, a global mean at the end."""
    maker = Maker(np.random.default_rng(3), (3, 14, 10))
    maker.pool("MaxPool", 2, 2)
    maker.conv(16, 3)
    gain = maker.constant(np.linspace(0.5, 1.5, 16).astype(np.float32).reshape(1, 16, 1, 1))
    maker.node("Mul", [maker.last, gain])
    maker.act("Relu")
    maker.node("DepthToSpace", [maker.last], blocksize=2, mode="CRD")
    maker.shape = (4, maker.shape[1] * 2, maker.shape[2] * 2)
    maker.conv(13, 4, 3, 0)
    maker.node("GlobalAveragePool", [maker.last])
    maker.shape = (13, 1, 1)
    maker.node("Flatten", [maker.last], axis=1)
    return maker.model((3, 14, 10))


NETS: dict[str, bytes] = {
    **{f"chain{seed}": chain(seed) for seed in range(8)},
    "residual": residual(),
    "unet": unet(),
    "shuffled": shuffled(),
}
