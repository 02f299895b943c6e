"""Choose or set a bundle's thresholds. Knows nothing of reports.

Chosen on calibration pictures with the model as it ships (int8 where int8 ships). Their table stays in the bundle, so
that another level, cost or target needs no picture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from telltale.bundle.bundle import Bundle
from telltale.bundle.predictor import Predictor, VariantName
from telltale.dataset import Example
from telltale.errors import BundleError, ConfigError, Interrupted
from telltale.evaluate.cuts import keep_cuts
from telltale.evaluate.predict import predict
from telltale.evaluate.run import FOLDER
from telltale.evaluate.table import Table, read_table
from telltale.progress import Progress
from telltale.project import Unsure
from telltale.tasks import Threshold
from telltale.tasks.calibrate import Tuned, Unit, tune_thresholds
from telltale.tasks.decide import thresholds_for_cost, thresholds_for_target

CALIBRATION = f"{FOLDER}/calibration.parquet"


def count_states(
    bundle: Bundle, examples: Sequence[Example], variant: VariantName, progress: Progress | None = None
) -> bytes:
    """The table of probabilities that thresholds are chosen on; pictures that cannot be read are left out.

    Raises BundleError, Interrupted.
    """
    try:
        predictor = Predictor.open(bundle.path, variant=variant)
        table, skipped = predict(predictor, examples, progress=progress)
    except KeyboardInterrupt as error:
        raise Interrupted("thresholds", got="Ctrl-C", next="nothing was changed; run it again") from error
    if skipped and not len(table):
        raise BundleError(
            f"{bundle.path.name}: calibration", expected="pictures that can be read", got=f"none: {skipped[0].why}"
        )
    return table.to_parquet()


def choose_states(bundle: Bundle, counts: bytes, unsure: Unsure, unit: Unit = "frame") -> dict[str, Tuned]:
    """Each name's thresholds. unit: "frame" vouches for pictures drawn as these were, "group" for new groups like
    these. Raises BundleError, ConfigError.
    """
    if unsure.alarms is not None:
        raise ConfigError("alarms", expected="a bundle of masks or boxes", got="one of states", next="set error alone")
    table = _named(bundle, read_table(counts))
    return tune_thresholds(
        table.probabilities,
        table.target,
        names=table.names,
        error=unsure.error,
        confidence=unsure.confidence,
        groups=table.groups,
        unit=unit,
    )


def tune_for_cost(bundle: Bundle, *, cost_fp: float, cost_fn: float, cost_unsure: float) -> Bundle:
    """Thresholds of the least cost on the calibration table; costs in any one unit."""
    table = calibration_table(bundle)
    tuned = thresholds_for_cost(
        table.probabilities,
        table.target,
        names=table.names,
        cost_fp=cost_fp,
        cost_fn=cost_fn,
        cost_unsure=cost_unsure,
    )
    return keep_cuts(bundle, [tuned], bundle.spec.unsure, {})


def tune_for_target(
    bundle: Bundle,
    *,
    precision: float | None = None,
    recall: float | None = None,
    confidence: float | None = None,
) -> Bundle:
    """One cut for each name that reaches a precision or a recall on the calibration table."""
    table = calibration_table(bundle)
    tuned = thresholds_for_target(
        table.probabilities,
        table.target,
        names=table.names,
        precision=precision,
        recall=recall,
        confidence=confidence,
    )
    return keep_cuts(bundle, [tuned], bundle.spec.unsure, {})


def set_thresholds(bundle: Bundle, wanted: Mapping[str, tuple[float, float]]) -> Bundle:
    """Set thresholds by hand; names left out keep theirs. Raises ConfigError on an unknown name or low > high."""
    names = bundle.task.names
    new: dict[str, Threshold] = {}
    for name, (low, high) in wanted.items():
        if name not in names:
            raise ConfigError(f"threshold of {name!r}", expected=" or ".join(names), got=repr(name))
        try:
            new[name] = Threshold(float(low), float(high))
        except ValueError as error:
            raise ConfigError(f"threshold of {name}", expected="0 <= low <= high <= 1", got=f"{low}:{high}") from error
    notes = dict(bundle.spec.unsure.notes)
    notes |= {name: f"Set by hand to {t.low:g}:{t.high:g}: nothing is guaranteed." for name, t in new.items()}
    return bundle.update(
        thresholds={**bundle.spec.thresholds, **new}, unsure=bundle.spec.unsure.model_copy(update={"notes": notes})
    )


def parse_setting(text: str) -> tuple[str, tuple[float, float]]:
    """`hood=0.4:0.6` or `hood=0.5` as name and (low, high). Raises ConfigError."""
    name, equals, values = text.rpartition("=")
    low, colon, high = values.partition(":")
    try:
        if not (name and equals):
            raise ValueError(text)
        return name.strip(), (float(low), float(high if colon else low))
    except ValueError as error:
        raise ConfigError("--set", expected="NAME=LOW:HIGH, e.g. hood=0.4:0.6", got=repr(text)) from error


def calibration_table(bundle: Bundle) -> Table:
    """The float model's table that thresholds were chosen on. Raises BundleError when there is none."""
    if bundle.task.kind != "states":
        raise BundleError(
            f"{bundle.path.name}: thresholds by cost, precision or recall",
            expected="a bundle of states",
            got=f"one of kind {bundle.task.kind}",
            next="`telltale thresholds --error`, or --set",
        )
    if CALIBRATION not in bundle.spec.files:
        raise BundleError(
            f"{bundle.path.name}: {CALIBRATION}",
            expected="the calibration table",
            got="none",
            next="choose thresholds on a calibration split first: run `telltale export` or `telltale evaluate`",
        )
    return _named(bundle, read_table(bundle.read(CALIBRATION)))


def _named(bundle: Bundle, table: Table) -> Table:
    """The table itself. Raises BundleError where it is of other names."""
    if table.names != bundle.task.names:
        raise BundleError(
            f"{bundle.path.name}: {CALIBRATION}", expected=", ".join(bundle.task.names), got=", ".join(table.names)
        )
    return table
