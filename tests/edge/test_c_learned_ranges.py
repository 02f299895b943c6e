"""A net taught to bear int8, judged by the integers that the C computes."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import cast

import cv2
import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import nn

from mask_scenes import draw_plate, make_project
from telltale.bundle.bundle import Bundle
from telltale.dataset.catalogue import Catalogue
from telltale.errors import ExportError, TrainError
from telltale.export.c import integer
from telltale.export.c.emit import About
from telltale.export.c.generate import generate, noise
from telltale.export.c.graph import Add, Conv, Dense
from telltale.export.c.into_bundle import export_c
from telltale.export.c.quantise import quantise as quantise_c
from telltale.export.c.read import read_onnx
from telltale.export.c.scales import calibrate, with_ranges
from telltale.export.c.simplify import simplify
from telltale.export.deploy import Deployed, to_onnx
from telltale.export.export import export_run
from telltale.export.quantise import quantise
from telltale.model import Network, build, load_run
from telltale.model.backbones import Branched, PlainNet
from telltale.model.checkpoint import BEST, load, save
from telltale.model.heads import StatesHead
from telltale.model.mask_head import MaskHead
from telltale.model.rounded import find_ranges, ranges_of, rounded, roundings
from telltale.project import Project
from telltale.tasks import from_spec
from telltale.train import run
from telltale.train.quantise import quantise_run
from toy_lamps import STILL, toy
from toy_project import project_of

STATES = from_spec({"kind": "states", "names": ["left", "right", "lid"]})
MASK = from_spec({"kind": "mask", "names": ["blot"]})
SPREAD = 1000.0


def onnx_of(network: Network) -> bytes:
    deployed = Deployed(network.fused(), network.task.kind, torch.ones(len(network.task.names)))
    return to_onnx(deployed, network.height, network.width)


def integers(network: Network, pictures: NDArray[np.uint8], shown: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The probabilities that the C of this network computes, its ranges learned or from `pictures`."""
    made = generate(onnx_of(network), About("net", "test"), pictures, inputs=shown, ranges=ranges_of(network))
    return made.answers["probabilities"]


@torch.no_grad()
def unbalance(folder: Path, spread: float) -> None:
    """Make the channels of each layer of a run up to so many times louder, and who reads them as much deafer: the same
    function, but one scale a tensor fits few of its channels."""
    network, _ = load_run(folder)
    layers = [cast(Branched, layer) for layer in cast(PlainNet, network.backbone).layers]
    # Of a mask's head the second layer is read too; only the first has one reader.
    last = len(layers) - 1 if isinstance(network.head, StatesHead) else 1
    for layer, reader in list(pairwise(layers))[:last]:
        share = torch.rand(len(layer.norm.weight), generator=torch.Generator().manual_seed(1))
        louder = torch.pow(torch.tensor(spread), share)
        layer.norm.weight.mul_(louder)
        layer.norm.bias.mul_(louder)
        assert reader.same is None
        reader.three.div_(louder[None, :, None, None])
        reader.one.div_(louder[None, :, None, None])
    checkpoint = load(folder / BEST)
    checkpoint.averaged = checkpoint.weights = network.state_dict()
    save(folder / BEST, checkpoint)


def right(answers: NDArray[np.float32], labels: NDArray[np.float32]) -> float:
    return float(((answers.reshape(labels.shape) >= 0.5) == (labels >= 0.5)).mean())


def dice(answers: NDArray[np.float32], masks: NDArray[np.bool_]) -> float:
    found = answers.reshape(masks.shape) >= 0.5
    return float(2 * (found & masks).sum() / max(1, found.sum() + masks.sum()))


def plain(network: Network, shown: NDArray[np.uint8]) -> NDArray[np.float32]:
    with torch.no_grad():
        pixels = torch.from_numpy(shown).permute(0, 3, 1, 2).float() / 255
        return torch.sigmoid(network.fused()(pixels)["logits"]).numpy()


def sums_of(
    network: Network, picture: NDArray[np.uint8], instead: list[NDArray[np.float32]]
) -> list[NDArray[np.float32]]:
    """What torch computes for each sum that is rounded, (H, W, C), in the order of the graph.

    What follows a sum goes on from `instead`, so that each answers for itself alone.
    """
    found: list[NDArray[np.float32]] = []

    def keep(_module: nn.Module, _inputs: object, output: torch.Tensor) -> torch.Tensor:
        value = output[0].numpy()
        found.append(value.transpose(1, 2, 0) if value.ndim == 3 else value.reshape(1, 1, -1))
        given = torch.from_numpy(np.ascontiguousarray(instead[len(found) - 1]))
        return given.permute(2, 0, 1)[None] if value.ndim == 3 else given.reshape(output.shape)

    for one in roundings(network):
        if one is not None:
            one.register_forward_hook(keep)
    with torch.no_grad():
        network(torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255)
    return found


@pytest.mark.parametrize(("plan", "kind"), [("8-12x2-16/12", "states"), ("8-12-16-16", "mask")])
def test_rounding_in_training_is_what_the_integers_do(plan: str, kind: str) -> None:
    torch.manual_seed(0)
    small = rounded(build(plan, STATES if kind == "states" else MASK, 32, 48).eval())
    pictures = noise(32, 48, 3, 6)
    find_ranges(small, [torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 255])
    graph = simplify(read_onnx(onnx_of(small)))
    net = quantise_c(graph, with_ranges(graph, calibrate(graph, pictures), ranges_of(small)))
    stored = integer.run(net, pictures[0])
    sums = [o.out for o in graph.operators if isinstance(o, (Conv, Dense, Add))]
    rounds = [name for name, one in zip(sums, roundings(small), strict=True) if one is not None]
    real = [net.tensors[name].real(stored[name]) for name in rounds]
    for name, theirs, ours in zip(rounds, real, sums_of(small, pictures[0], real), strict=True):
        off = np.abs(theirs - ours) / net.tensors[name].scale
        # What lies near a half may fall to the other side: C rounds the bias, the padding and twice the sum.
        assert off.max() < 1.1, name
        assert (off > 0.5).mean() < 0.05, name


def test_a_fused_copy_of_a_rounded_net_rounds_nothing() -> None:
    torch.manual_seed(0)
    network = build("8-12-16/8", STATES, 24, 32).eval()
    small, pixels = rounded(network), torch.rand(2, 3, 24, 32)
    find_ranges(small, [pixels])
    with torch.no_grad():
        torch.testing.assert_close(small.fused()(pixels)["logits"], network(pixels)["logits"], atol=1e-5, rtol=1e-5)
        assert not torch.equal(small(pixels)["logits"], network(pixels)["logits"])
    assert ranges_of(small.fused()) == ()


@pytest.fixture(scope="module")
def lamps(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A run `loud` whose float answers are right and whose int8 ones are not, and `soft`, taught to bear it."""
    torch.set_num_threads(1)
    project = project_of(tmp_path_factory.mktemp("lamps"), count=240, groups=12)
    settings = {"backbone": "8-12-16/12", "epochs": 60, "learning_rate": 0.01, "ema": 0.95, "augment": STILL}
    run(project, name="loud", settings=project.config.train.model_copy(update=settings), allow_leak=True)
    unbalance(project.runs / "loud", SPREAD)
    quantise_run(project, source="loud", name="soft", allow_leak=True, changes={"epochs": 10})
    return project


def test_teaching_wins_back_most_of_what_int8_loses(lamps: Project) -> None:
    (before, _), (after, config) = load_run(lamps.runs / "loud"), load_run(lamps.runs / "soft")
    (some, _), (others, labels) = toy(60, 0), toy(200, 99)
    see = lamps.config.input.preprocess()
    pictures, shown = (
        np.stack([see.apply(cv2.resize(picture, None, fx=2, fy=2)) for picture in these]) for these in (some, others)
    )
    whole = right(plain(before, shown), labels)
    lost, won = (right(integers(network, pictures, shown), labels) for network in (before, after))
    print(f"float {whole:.3f}, int8 {lost:.3f}, int8 taught {won:.3f}")
    assert whole > 0.97
    assert whole - lost > 0.05
    assert whole - won < 0.25 * (whole - lost)
    assert config.train.quantise
    assert config.start == "loud"


def test_learned_ranges_ship_and_both_int8_forms_use_them(lamps: Project, tmp_path: Path) -> None:
    with Catalogue.open(lamps.catalogue_path, lamps.images, readonly=True) as catalogue:
        training = catalogue.examples("train")
    bundle = export_run(lamps.runs / "soft", tmp_path / "soft.telltale", training=training)
    network, _ = load_run(lamps.runs / "soft")
    ranges = ranges_of(network)
    assert Bundle.open(bundle.path).spec.model.ranges == ranges
    model = onnx.load_from_string(quantise(bundle.read("model.onnx"), noise(24, 32, 3, 4), ranges))
    constants = {i.name: numpy_helper.to_array(i) for i in model.graph.initializer}
    scales = {
        float(constants[node.input[1]])
        for node in model.graph.node
        if node.op_type == "QuantizeLinear" and constants[node.input[1]].size == 1
    }
    for ends in ranges[1:3]:  # the first convolution stays in float there
        assert ends is not None
        assert any(abs(scale - (ends[1] - ends[0]) / 255) < 1e-6 * scale for scale in scales)
    _, made, proofs = export_c(Bundle.open(bundle.path))
    assert all(proof.ok for proof in proofs)
    source = made.files[f"{made.name}.c"].decode()
    scales_in_c = [f"{np.float32((ends[1] - ends[0]) / 255):.9g}f" for ends in ranges[:4] if ends is not None]
    # One may be raised: no multiplier is 1 or more.
    assert sum(scale in source for scale in scales_in_c) >= 3


def test_a_rounded_run_goes_on_after_a_stop(lamps: Project) -> None:
    whole, _ = load_run(lamps.runs / "soft")
    for name in ("last.pt", "best.pt"):
        (lamps.runs / "soft" / name).unlink()
    run(lamps, name="soft", resume=True, allow_leak=True)
    again, _ = load_run(lamps.runs / "soft")
    for one, two in zip(whole.state_dict().values(), again.state_dict().values(), strict=True):
        assert torch.equal(one, two)


def test_a_rounded_run_is_not_rounded_again(lamps: Project) -> None:
    with pytest.raises(TrainError, match="--from loud"):
        quantise_run(lamps, source="soft", allow_leak=True)


def test_ranges_of_another_net_are_refused() -> None:
    network = build("8-12/8", STATES, 24, 32).eval()
    with pytest.raises(ExportError, match="learned ranges"):
        generate(onnx_of(network), About("net", "test"), ranges=((0.0, 1.0),))


def test_a_net_that_is_no_chain_is_not_rounded() -> None:
    with pytest.raises(TrainError, match="plain backbone"):
        rounded(build("unet_tiny", MASK, 32, 32))


def test_nothing_rounds_from_the_start(tmp_path: Path) -> None:
    project = project_of(tmp_path)
    with pytest.raises(TrainError, match="a run to begin with"):
        run(project, settings=project.config.train.model_copy(update={"quantise": True}))


def test_masks_are_taught_too(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    project = make_project(tmp_path / "plates", 60, fit="stretch")
    settings = project.config.train.model_copy(update={"backbone": "8-12-16", "epochs": 8})
    run(project, name="loud", settings=settings, allow_leak=True)
    unbalance(project.runs / "loud", 30 * SPREAD)
    done = quantise_run(project, source="loud", name="soft", allow_leak=True, changes={"epochs": 8})
    before, after = load_run(project.runs / "loud")[0], load_run(done.result.run_dir)[0]
    assert isinstance(after.head, MaskHead)
    rng = np.random.default_rng(3)
    plates = [draw_plate(rng, 64, 64, 2) for _ in range(16)]
    shown = np.stack([picture for picture, _ in plates])
    masks = np.stack([mask > 0 for _, mask in plates])[..., None]
    whole = dice(plain(before, shown).transpose(0, 2, 3, 1), masks)
    lost, won = (dice(integers(network, shown[:8], shown), masks) for network in (before, after))
    print(f"Dice: float {whole:.3f}, int8 {lost:.3f}, int8 taught {won:.3f}")
    assert whole - lost > 0.02
    assert whole - won < 0.5 * (whole - lost)
