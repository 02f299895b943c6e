"""From a trained network to a bundle on disk: calibrate, convert, compare, measure, write.

Nothing is written before the parity gate has passed, and then all at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from os import PathLike

import numpy as np
import torch
from torch import Tensor, nn

import telltale
from telltale.bundle.bundle import Bundle, check_place, write_bundle
from telltale.bundle.golden import Golden
from telltale.bundle.spec import GOLDEN, INT8, MODEL, TORCHSCRIPT, BundleSpec, Data, Guarantee, Model, Variant
from telltale.errors import Interrupted
from telltale.export.deploy import Deployed, Fusable, to_onnx, to_torchscript
from telltale.export.forms import Form, Images, latencies, onnx_form, torch_form, torchscript_form
from telltale.export.judge import Options, Verdict, judge_int8, merit
from telltale.export.measure import machine_name
from telltale.export.parity import PROBABILITIES, Arrays, Comparison, compare, gate
from telltale.export.pictures import Labelled, Pictures, load, native_frame, spread, synthetic
from telltale.export.quantise import Ends, quantise
from telltale.frame import Image
from telltale.model import find_reach, load_run, stride_of
from telltale.model.rounded import ranges_of
from telltale.progress import Progress, Quiet
from telltale.project import Smooth, Unsure
from telltale.tasks import Task
from telltale.tasks.temperature import fit_temperature

GOLDEN_PICTURES = 8
QUANTISE_PICTURES = 128
MEASURES = {"mask": "Dice changes", "locate": "AP50 changes"}
"""What `Task.merit` is, where it is not the share of right answers."""

PACKAGES = ("torch", "onnx", "onnxscript", "onnxruntime", "numpy")


def export_run(
    run_dir: str | PathLike[str],
    out: str | PathLike[str],
    *,
    name: str | None = None,
    training: Sequence[Labelled] = (),
    calibration: Sequence[Labelled] = (),
    smoothing: Smooth | None = None,
    unsure: Unsure | None = None,
    which: str = "best.pt",
    options: Options | None = None,
    progress: Progress | None = None,
) -> Bundle:
    """The averaged network of a training run as a bundle at `out`; a bundle that is there is replaced.

    name: what the model is called; the run's name without.
    training, calibration: `Catalogue.examples("train")` and `("calibration")`. Without calibration pictures the
    temperature stays 1 and int8 is not kept unless asked for; without any the golden set is synthetic.
    smoothing, unsure: what the project asks for, written into the bundle. Thresholds are 0.5 until they are tuned.
    Raises TrainError (no run), ParityError (the forms disagree; nothing is written), BundleError (cannot write),
    ImageError (a picture that is gone), Interrupted (Ctrl-C; nothing is written).
    """
    options, progress = options or Options(), progress or Quiet()
    check_place(out)
    network, config = load_run(str(run_dir), which=which)
    preprocess = config.input.preprocess()
    about = BundleSpec(
        name=name or config.name,
        licence=config.licence,
        task=config.task,
        input=config.input,
        smoothing=smoothing or Smooth(),
        unsure=Guarantee(**(unsure or Unsure()).model_dump()),
        data=Data(hash=config.data_hash, images=len(training), groups=len(config.groups), split=config.split),
        allow_leak=config.leak_allowed,
        model=Model(
            backbone=config.train.backbone,
            parameters=config.fused_parameters,
            macs=config.macs,
            ranges=tuple(ranges_of(network)),
            **({"stride": stride_of(network), "reach": find_reach(network)} if config.input.fit == "tile" else {}),
        ),
        code={"trained with telltale": config.code_version} if config.code_version else {},
    )
    if config.train.quantise:
        network = network.fused()  # in floating point: rounding is each int8 form's own
    task = about.make_task()
    shipped = (calibration or training) if options.golden == "pictures" else ()
    try:
        return export_network(
            network,
            about,
            out,
            training=load(training, task, preprocess, QUANTISE_PICTURES, progress),
            calibration=load(calibration, task, preprocess, options.limit, progress),
            frame=native_frame(shipped, preprocess.width, preprocess.height),
            options=options,
            progress=progress,
        )
    except KeyboardInterrupt as error:
        raise Interrupted(f"export to {out}", next="nothing was written; run the same command again") from error


def count_steps(training: Sequence[Labelled], calibration: Sequence[Labelled], options: Options) -> int:
    """How often `export_run` tells its progress, nearly: a picture each, then the forms and the file."""
    pictures = min(len(training), QUANTISE_PICTURES) + min(len(calibration), options.limit)
    return pictures + 2 + options.torchscript + (options.int8 != "never")


def export_network(
    network: Fusable,
    about: BundleSpec,
    out: str | PathLike[str],
    *,
    training: Pictures | None,
    calibration: Pictures | None,
    frame: Image,
    options: Options,
    progress: Progress,
) -> Bundle:
    """A network in eval mode as a bundle; `about` lacks what is found out here. See `export_run`."""
    task = about.make_task()
    names = task.names
    fused = network.fused().eval()
    temperature = find_temperature(fused, calibration, len(names))
    inputs = golden_inputs(calibration or training, about, options)
    deployed = Deployed(fused, task.kind, temperature)
    reference = torch_form("torch", Deployed(network, task.kind, temperature), deployed.names).run(inputs)
    gate(compare_all([torch_form("fused torch", deployed, deployed.names)], inputs, reference, options))
    forms = make_forms(deployed, about, options, progress)
    comparisons = compare_all(forms, inputs, reference, options)
    gate(comparisons)
    expected = forms[0].run(inputs)

    small = make_int8(forms[0], training or calibration, inputs, about.model.ranges, options)
    timed = latencies([*forms, *([small] if small else [])], inputs[:1])
    variants = {form.name: _variant(form, timed, comparisons) for form in forms}
    if small is not None:
        found = compare(
            "int8",
            small.run(inputs),
            "float",
            _probabilities(task, expected, inputs),
            options.tolerance.int8,
            int8=True,
        )
        merits = _merits(task, forms[0], small, calibration)
        verdict = judge_int8(
            max(found, key=lambda each: each.delta),
            timed,
            merits,
            options,
            MEASURES.get(task.kind, "right answers change"),
        )
        if verdict.kept:
            gate(found, next="nothing was written; export without int8, or let it be dropped (auto)")
            forms.append(small)
        variants["int8"] = _variant(small, timed, found, verdict)
        progress.advance(1, "int8 kept" if verdict.kept else "int8 not kept")

    preprocess = about.input.preprocess()
    golden = Golden(inputs, expected, reference, frame, preprocess.apply(frame))
    found_out = {
        "created": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "outputs": {name: list(expected[name].shape[1:]) for name in expected},
        "temperature": {name: round(float(t), 6) for name, t in zip(names, temperature, strict=True)},
        "code": {**about.code, "telltale": telltale.__version__, **{name: version(name) for name in PACKAGES}},
        "machine": machine_name(),
        "variants": variants,
        "tolerance": options.tolerance,
    }
    files = {form.file: form.data for form in forms}
    bundle = write_bundle(out, about.model_copy(update=found_out), {**files, GOLDEN: golden.to_bytes()})
    progress.advance(1, "written")
    return bundle


def compare_all(forms: list[Form], inputs: Images, reference: Arrays, options: Options) -> list[Comparison]:
    """Every output of every float form beside torch's own."""
    return [
        comparison
        for form in forms
        for comparison in compare(form.name, form.run(inputs), "torch", reference, options.tolerance.runtime)
    ]


def find_temperature(network: nn.Module, calibration: Pictures | None, names: int) -> Tensor:
    """(K,), fitted on the calibration pictures; 1 where there are none."""
    if calibration is None:
        return torch.ones(names)
    values = torch_form("logits", _Logits(network), ["logits"]).run(calibration.images[:1])["logits"]
    if values.ndim > 2:
        return torch.ones(names)  # of maps: neighbouring pixels are no independent witnesses
    values = torch_form("logits", _Logits(network), ["logits"]).run(calibration.images)["logits"]
    return torch.from_numpy(np.asarray(fit_temperature(values, calibration.target), np.float32))


def golden_inputs(pictures: Pictures | None, about: BundleSpec, options: Options) -> Images:
    """(8, H, W, 3): the project's pictures, filled up with synthetic ones where there are fewer."""
    made = synthetic(GOLDEN_PICTURES, about.input.width, about.input.height)
    if pictures is None or options.golden == "synthetic":
        return made
    rows = spread(range(len(pictures.images)), GOLDEN_PICTURES)
    return np.concatenate([pictures.images[rows], made])[:GOLDEN_PICTURES]


def make_forms(deployed: Deployed, about: BundleSpec, options: Options, progress: Progress) -> list[Form]:
    """The float forms, ONNX first."""
    size = (about.input.height, about.input.width)
    model = to_onnx(deployed, *size, any_size=True) if about.input.fit == "tile" else to_onnx(deployed, *size)
    forms = [onnx_form("float", MODEL, model)]
    progress.advance(1, "onnx")
    if options.torchscript:
        forms.append(torchscript_form("torchscript", deployed.names, TORCHSCRIPT, to_torchscript(deployed, *size)))
        progress.advance(1, "torchscript")
    return forms


def make_int8(
    form: Form, pictures: Pictures | None, inputs: Images, ranges: Sequence[Ends | None], options: Options
) -> Form | None:
    """The float ONNX form in int8, its ranges as learned or from these pictures; None where it is not wanted."""
    if options.int8 == "never":
        return None
    images = inputs if pictures is None else pictures.images
    chosen = images[spread(range(len(images)), QUANTISE_PICTURES)]
    return onnx_form("int8", INT8, quantise(form.data, chosen, ranges))


class _Logits(nn.Module):
    """Uncalibrated logits in the place of the probabilities."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> tuple[Tensor]:
        return (self.network(image.permute(0, 3, 1, 2).float() / 255)["logits"],)


def _variant(
    form: Form, timed: dict[str, float], comparisons: list[Comparison], verdict: Verdict | None = None
) -> Variant:
    mine = [c.delta for c in comparisons if c.form == form.name and c.output in PROBABILITIES]
    return Variant(
        file=form.file,
        bytes=len(form.data),
        latency_ms=timed[form.name],
        max_delta=float(f"{max(mine):.3g}"),
        kept=verdict.kept if verdict else True,
        accuracy_delta=verdict.accuracy_delta if verdict else None,
        note=verdict.note if verdict else "",
    )


def _merits(task: Task, whole: Form, small: Form, calibration: Pictures | None) -> tuple[float, float] | None:
    """(float, int8) on the calibration split."""
    if calibration is None:
        return None
    found = [merit(task, form.run(calibration.images), calibration.target) for form in (whole, small)]
    return None if found[0] is None or found[1] is None else (found[0], found[1])


def _probabilities(task: Task, outputs: Arrays, inputs: Images) -> Arrays:
    """What the task decodes."""
    return {name: outputs[name] for name in task.output_shapes(inputs.shape[1], inputs.shape[2])}
