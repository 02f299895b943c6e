"""`telltale export`, `evaluate`, `thresholds`, `verify`: from a run to a bundle, and what it is worth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from telltale.cli.options import ProjectOption, one_of, out
from telltale.dataset.catalogue import Catalogue
from telltale.errors import CatalogueError, ConfigError, TrainError
from telltale.progress import progress
from telltale.project import Project, Unsure, validate

if TYPE_CHECKING:
    from telltale.bundle.bundle import Bundle
    from telltale.evaluate import Judged

BundleArgument = Annotated[Path, typer.Argument(help="A NAME.telltale folder.")]


def export(
    run: Annotated[
        str | None, typer.Argument(help="The run's name; the newest without. With --to c: a bundle or an .onnx file.")
    ] = None,
    project: ProjectOption = Path("."),
    to: Annotated[
        Path | None, typer.Option("--to", help="Where to; PROJECT/NAME.telltale without. c: C for a camera.")
    ] = None,
    int8: Annotated[str, typer.Option(help="auto keeps it where it is faster and as right; always; never.")] = "auto",
    golden: Annotated[
        str, typer.Option(help="What the golden set shows: pictures of the catalogue, or synthetic ones.")
    ] = "pictures",
    zipped: Annotated[bool, typer.Option("--zip", help="Write NAME.telltale.zip beside it too.")] = False,
    numbers: Annotated[str, typer.Option(help="With --to c: int8 or float32.")] = "int8",
    pictures: Annotated[
        Path | None, typer.Option(help="With --to c: a folder of pictures from which int8 learns its ranges.")
    ] = None,
    folder: Annotated[Path | None, typer.Option(help="With --to c and an .onnx file: where to.")] = None,
    mean: Annotated[
        str | None, typer.Option(help="With --to c and a float .onnx file: subtracted from pixels in 0..1.")
    ] = None,
    std: Annotated[
        str | None, typer.Option(help="With --to c and a float .onnx file: what they are divided by.")
    ] = None,
) -> None:
    """Turn a run into a bundle: ONNX, TorchScript, int8, proved to agree; thresholds tuned on the calibration split.

    With --to c: turn a bundle, or anybody's ONNX file, into C99 for a camera.
    """
    if to == Path("c"):
        from telltale.cli.to_c import export_to_c

        if run is None:
            raise ConfigError("--to c", expected="a bundle or an .onnx file to export", got="none")
        export_to_c(Path(run), numbers, pictures, folder, mean, std)
        return
    opened = Project.open(project)
    bundle = export_and_tune(opened, find_run(opened, run), to, int8, golden)
    for name, variant in bundle.spec.variants.items():
        speed = "" if variant.latency_ms is None else f", {variant.latency_ms:.2f} ms a picture"
        kept = "" if variant.kept else f" (not kept: {variant.note})"
        out.print(f"  {name}: {variant.bytes / 1000:,.0f} kB{speed}{kept}", markup=False)
    _say_what_int8_loses(bundle, find_run(opened, run).name)
    for name, note in bundle.spec.unsure.notes.items():
        out.print(f"  {name}: {note}", markup=False)
    if zipped:
        from telltale.bundle.archive import zip_bundle

        out.print(f"wrote {zip_bundle(bundle, bundle.path.with_name(bundle.path.name + '.zip'))}", markup=False)
    out.print(f"wrote {bundle.path}; next: `telltale evaluate {bundle.path}`", markup=False)


def _say_what_int8_loses(bundle: Bundle, run: str) -> None:
    """The command that wins it back, where it is more than export allows."""
    from telltale.export.judge import Options

    small = bundle.spec.variants.get("int8")
    lost = 0.0 if small is None else -(small.accuracy_delta or 0.0)
    if lost > Options().budget and not bundle.spec.model.ranges:
        how = f"`telltale train --quantise --from {run}`, then export again"
        out.print(f"note: int8 loses {100 * lost:.1f} points; to teach the net to bear it: {how}", markup=False)


def export_and_tune(
    project: Project, run_dir: Path, to: Path | None = None, int8: str = "auto", golden: str = "pictures"
) -> Bundle:
    """The bundle of a run, its thresholds tuned after quantisation. Raises ParityError, BundleError, ConfigError."""
    from telltale.evaluate import tune_bundle, variants_of
    from telltale.export.export import count_steps, export_run
    from telltale.export.judge import Options

    with Catalogue.open(project.catalogue_path, project.images, readonly=True) as catalogue:
        training, calibration = catalogue.examples("train"), catalogue.examples("calibration")
    options = Options(
        int8=one_of(int8, ("auto", "always", "never"), "--int8"),
        golden=one_of(golden, ("pictures", "synthetic"), "--golden"),
    )
    with progress("export", count_steps(training, calibration, options), "steps") as step:
        bundle = export_run(
            run_dir,
            to or project.root / f"{project.config.name}.telltale",
            name=project.config.name,
            training=[e for e in training if e.labels],
            calibration=[e for e in calibration if e.labels],
            smoothing=project.config.smooth,
            unsure=project.config.unsure,
            options=options,
            progress=step,
        )
    if not calibration:
        out.print("note: no calibration split: every threshold is 0.5 and nothing is guaranteed")
        return bundle
    with progress("thresholds", len(calibration) * len(variants_of(bundle))) as step:
        return tune_bundle(bundle, calibration, project.config.unsure, progress=step)


def find_run(project: Project, name: str | None) -> Path:
    """The folder of a run; the newest without a name. Raises TrainError."""
    runs = sorted(project.runs.glob("*/best.pt"), key=lambda path: path.stat().st_mtime)
    found = [path.parent for path in runs if name in (None, path.parent.name)]
    if not found:
        there = ", ".join(path.parent.name for path in runs) or "none"
        raise TrainError(f"run {name or ''}".strip(), expected="a trained run", got=there, next="`telltale train`")
    return found[-1]


def evaluate(
    bundle: BundleArgument,
    project: ProjectOption = Path("."),
    split: Annotated[str, typer.Option(help="Which split to measure on.")] = "test",
    variant: Annotated[str, typer.Option(help="auto, float or int8.")] = "auto",
    to: Annotated[Path | None, typer.Option("--out", help="Write the report here too.")] = None,
) -> None:
    """Measure a bundle on pictures it has never seen: report.html, a table of every answer, metrics with intervals."""
    from telltale.bundle.bundle import Bundle

    opened = Project.open(project)
    evaluation, measured = evaluate_and_keep(Bundle.open(bundle), opened, split, variant)
    _print_evaluation(evaluation)
    if to is not None:
        from telltale.evaluate import write_judged

        out.print(f"wrote {write_judged(evaluation, to)}", markup=False)
    out.print(f"report: {measured.path / 'report.html'}", markup=False)


def evaluate_and_keep(
    bundle: Bundle, project: Project, split: str = "test", variant: str = "auto"
) -> tuple[Judged, Bundle]:
    """The evaluation, and the bundle that now holds it. Raises CatalogueError when the split is empty."""
    from telltale.evaluate import keep_judged, measure_bundle

    with Catalogue.open(project.catalogue_path, project.images, readonly=True) as catalogue:
        examples, trained = catalogue.examples(split), catalogue.examples("train")
    if not examples:
        raise CatalogueError(f"split {split!r}", expected="pictures", got="none", next="train, calibration or test?")
    with progress("evaluate", len(examples)) as step:
        evaluation = measure_bundle(
            bundle,
            examples,
            trained,
            variant=one_of(variant, ("auto", "float", "int8"), "--variant"),
            progress=step,
        )
    return evaluation, keep_judged(bundle, evaluation)


def _print_evaluation(evaluation: Judged) -> None:
    from rich.table import Table

    titles, rows = evaluation.table()
    table = Table("", *titles, box=None, header_style="dim")
    for row in rows:
        table.add_row(*row)
    out.print(table)
    for warning in evaluation.warnings:
        out.print(f"note: {warning}", markup=False)
    out.print(evaluation.headline, style="bold", markup=False)


def thresholds(
    bundle: BundleArgument,
    settings: Annotated[list[str] | None, typer.Option("--set", help="NAME=LOW:HIGH; repeat it.")] = None,
    error: Annotated[
        float | None, typer.Option(help="Choose anew: told answers wrong, or regions missed, at most this often.")
    ] = None,
    confidence: Annotated[float | None, typer.Option(help="With --error: how sure that must be.")] = None,
    alarms: Annotated[
        float | None,
        typer.Option(help="Choose anew, masks and boxes: told in at most this share of pictures without any."),
    ] = None,
    by_group: Annotated[bool, typer.Option("--by-group", help="With --error: vouch for new groups.")] = False,
    cost: Annotated[
        str | None, typer.Option(help="Choose anew: costs of a false on, a false off and an unsure, as FP:FN:UNSURE.")
    ] = None,
    precision: Annotated[float | None, typer.Option(help="Choose anew: one cut that reaches this precision.")] = None,
    recall: Annotated[float | None, typer.Option(help="Choose anew: one cut that reaches this recall.")] = None,
) -> None:
    """Show a bundle's thresholds, set them by hand, or choose them anew; what was evaluated is scored again."""
    from telltale.bundle.bundle import Bundle
    from telltale.evaluate import parse_setting, retune_bundle, set_thresholds, tune_for_cost, tune_for_target

    opened = Bundle.open(bundle)
    level = error if error is not None or alarms is None else opened.spec.unsure.error
    ways = [settings, level, cost, precision if precision is not None else recall]
    if sum(way is not None for way in ways) > 1:
        raise ConfigError(
            "telltale thresholds", expected="one of --set, --error/--alarms, --cost, --precision/--recall"
        )
    changed = opened
    if settings:
        changed = set_thresholds(opened, dict(parse_setting(text) for text in settings))
    elif level is not None:
        given = {"error": level, "confidence": confidence or opened.spec.unsure.confidence, "alarms": alarms}
        unsure = validate(given, Unsure, "options")
        changed = retune_bundle(opened, unsure, unit="group" if by_group else "frame")
    elif cost is not None:
        fp, fn, none = _costs(cost)
        changed = tune_for_cost(opened, cost_fp=fp, cost_fn=fn, cost_unsure=none)
    elif precision is not None or recall is not None:
        changed = tune_for_target(opened, precision=precision, recall=recall)
    for name, threshold in changed.spec.thresholds.items():
        note = changed.spec.unsure.notes.get(name, "")
        out.print(f"{name}: off up to {threshold.low:.4g}, on from {threshold.high:.4g}. {note}", markup=False)
    if changed is not opened:
        _score_again(changed)


def _costs(text: str) -> tuple[float, float, float]:
    try:
        fp, fn, none = (float(part) for part in text.split(":"))
    except ValueError as error:
        raise ConfigError("--cost", expected="FP:FN:UNSURE, e.g. 10:5:1", got=repr(text)) from error
    return fp, fn, none


def _score_again(bundle: Bundle) -> None:
    from telltale.evaluate import StatesJudged, keep, rescore
    from telltale.evaluate.run import TABLE

    if TABLE not in bundle.spec.files:
        out.print("not measured with these yet: run `telltale evaluate`")
        return
    evaluation = rescore(bundle)
    keep(bundle, evaluation)
    _print_evaluation(StatesJudged(evaluation))


def verify(bundle: BundleArgument) -> None:
    """Check a bundle on this machine: its files, its answers on the golden set, and its C under an emulator."""
    from telltale.bundle.verify import verify_bundle

    report = verify_bundle(bundle)
    for line in report.lines():
        out.print(line, markup=False)
    report.raise_if_bad()
    verify_code(bundle)


def verify_code(path: Path) -> None:
    """Build a bundle's C for this machine and for ARMv7 and compare every byte. Raises ParityError, BundleError."""
    from telltale.bundle.bundle import Bundle

    bundle = Bundle.open(path)
    if not any(name.startswith("c/") for name in bundle.spec.files):
        return  # without importing what builds it
    from telltale.export.c.into_bundle import verify_c
    from telltale.export.c.prove import raise_if_bad

    proofs = verify_c(bundle)
    for proof in proofs:
        word = "skip" if proof.skipped else "ok  " if proof.ok else "BAD "
        out.print(f"{word} C, {proof.target}: {proof.detail}", markup=False)
    raise_if_bad(bundle.path.name, proofs)
