"""Look at calibration pictures, bound what is missed, keep the cuts. Knows nothing of what is counted or of reports.

What was counted stays in the bundle, of each of its variants, so that the cuts can be chosen anew without the pictures.
The cuts themselves are each kind's own choice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from telltale.bundle.bundle import Bundle
from telltale.bundle.predictor import Predictor, VariantName
from telltale.bundle.spec import Guarantee
from telltale.dataset import Example
from telltale.errors import BundleError, Interrupted
from telltale.evaluate.looking import Seen, look_at
from telltale.evaluate.predict import Skipped
from telltale.progress import Progress, Quiet
from telltale.project import Unsure
from telltale.tasks import Threshold
from telltale.tasks.binomial import needed, upper_bound
from telltale.tasks.calibrate import percent
from telltale.tasks.task import Json


class Chosen(Protocol):
    """One name's thresholds, and in words what they promise."""

    @property
    def threshold(self) -> Threshold: ...

    @property
    def note(self) -> str: ...

    def to_json(self) -> dict[str, Json]:
        """As bundle.json holds it under `metrics.calibration`."""
        ...


def count_calibration(
    bundle: Bundle,
    examples: Sequence[Example],
    variant: VariantName,
    progress: Progress | None,
    count: Callable[[Seen], None],
) -> None:
    """Give each picture that can be read to `count`. Raises BundleError when none can, Interrupted."""
    skipped: list[Skipped] = []
    try:
        predictor = Predictor.open(bundle.path, variant=variant)
        for seen in look_at(predictor, examples, progress or Quiet()):
            if isinstance(seen, Skipped):
                skipped.append(seen)
            else:
                count(seen)
    except KeyboardInterrupt as error:
        raise Interrupted("thresholds", got="Ctrl-C", next="nothing was changed; run it again") from error
    if skipped and len(skipped) == len(examples):
        raise BundleError(
            f"{bundle.path.name}: calibration", expected="pictures that can be read", got=f"none: {skipped[0].why}"
        )


def counts_file(file: str, variant: str) -> str:
    """Where a variant's counts lie; `file` is where those of the float model do."""
    stem, dot, ending = file.rpartition(".")
    return f"{stem}-{variant}{dot}{ending}" if variant == "int8" else file


def read_counts(bundle: Bundle, file: str) -> bytes:
    """What the cuts were chosen from. Raises BundleError where there is none."""
    if file not in bundle.spec.files:
        raise BundleError(
            f"{bundle.path.name}: {file}", expected="what its cuts were chosen from", got="none", next="export again"
        )
    return bundle.read(file)


def keep_cuts(
    bundle: Bundle, found: Sequence[Mapping[str, Chosen]], unsure: Unsure | Guarantee, counts: Mapping[str, bytes]
) -> Bundle:
    """Write cuts that hold for every variant, what they promise and what they were chosen from, all at once.

    found: each variant's cuts, the float model's last: the notes are its. A browser may run the float model where the
    server runs int8, and one set of cuts must serve both: of each name the lowest low and the highest high.
    counts: file in the bundle to content. Raises BundleError.
    """
    last = found[-1]
    of = {name: [cuts[name].threshold for cuts in found] for name in last}
    return bundle.update(
        files=counts,
        thresholds={name: Threshold(min(c.low for c in of[name]), max(c.high for c in of[name])) for name in of},
        unsure=Guarantee(
            error=unsure.error,
            confidence=unsure.confidence,
            notes={name: cut.note for name, cut in last.items()},
        ),
        metrics={**bundle.spec.metrics, "calibration": {name: cut.to_json() for name, cut in last.items()}},
    )


def least_promise(groups: int, error: float) -> float:
    """`error`, or the least share of missed places that so few groups can vouch for."""
    return max(error, 1 / (groups + 1))


def control_risk(groups: Sequence[NDArray[np.float64]], error: float) -> float:
    """The highest cut with n/(n+1) R + 1/(n+1) <= error, R the mean share of a group's places under the cut."""
    n = len(groups)
    candidates = np.unique(np.concatenate(groups))  # a place is missed where the cut is above its own
    best = 0.0
    for cut in candidates:
        risk = float(np.mean([(cuts < cut).mean() for cuts in groups]))
        if (n * risk + 1) / (n + 1) > error + 1e-12:
            break
        best = float(cut)
    return best


def vouch_missed(what: str, groups: Sequence[NDArray[np.float64]], missed: int, error: float, promised: float) -> str:
    """The promise of `control_risk` in words, without a space at the end. what: the word for a name's places."""
    places = sum(len(cuts) for cuts in groups)
    note = (
        f"Guaranteed in expectation: at most {percent(promised)} of the {what} of new groups like these lie under the "
        f"lower cut (conformal risk control over {len(groups)} groups with {places} {what}, {missed} of them missed)."
    )
    if promised > error:
        note += f" {percent(error)} was asked; that takes {int(np.ceil(1 / error)) - 1} groups."
    return note


def vouch_alarms(empty: Sequence[float], error: float, confidence: float) -> float | None:
    """The lowest cut that testing from above reaches before the bound of false alarms passes `error`; None: none."""
    count = len(empty)
    if count < needed(0, error, confidence):
        return None
    scores = np.sort(np.asarray(empty, np.float64))[::-1]
    allowed = 0
    while allowed + 1 < count and upper_bound(allowed + 1, count, confidence) <= error:
        allowed += 1
    # With `allowed` alarms the bound holds: the cut lies just above the next highest score.
    cut = float(np.nextafter(np.float32(scores[allowed]), np.float32(2)))
    return cut if cut <= 1 else None


def say_alarms(count: int, vouched: float | None, error: float, confidence: float) -> str:
    """What `vouch_alarms` promises, or why it does not, in words. count: of pictures without any."""
    if vouched is not None:
        return (
            f"Guaranteed with {percent(confidence)} confidence: something is told in at most {percent(error)} of the "
            f"pictures without any, taken as drawn one by one ({count} of them)."
        )
    enough = needed(0, error, confidence)
    if count < enough:
        return (
            "How often something is told where there is none is not vouched for: that takes "
            f"{enough} pictures without any, and there are {count}."
        )
    return f"No cut keeps false alarms under {percent(error)} on these pictures: none is vouched for."
