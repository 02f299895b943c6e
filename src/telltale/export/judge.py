"""Whether the int8 model is worth shipping: faster here, and as right. Pure numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from telltale.bundle.spec import Tolerance
from telltale.export.parity import Comparison
from telltale.tasks import Outputs, Target, Task

Int8 = Literal["auto", "always", "never"]


@dataclass(frozen=True, slots=True)
class Options:
    """How to export.

    int8: "auto" keeps it where it is faster by the share `faster`, loses at most `budget` of `Task.merit` (right
    answers; Dice of masks) on the calibration split, and stays within the tolerance; "always" keeps it, and the export
    fails where it is not within the tolerance; "never" makes none.
    golden: "pictures" ships eight of the project's pictures as golden inputs, "synthetic" none of them.
    limit: at most this many calibration pictures are looked at.
    """

    int8: Int8 = "auto"
    torchscript: bool = True
    golden: Literal["pictures", "synthetic"] = "pictures"
    budget: float = 0.005
    faster: float = 0.05
    limit: int = 4000
    tolerance: Tolerance = field(default_factory=Tolerance)


@dataclass(frozen=True, slots=True)
class Verdict:
    """kept, and why in a few words; accuracy_delta: as in `Variant`."""

    kept: bool
    note: str
    accuracy_delta: float | None


def judge_int8(
    golden: Comparison,
    latency_ms: Mapping[str, float],
    accuracy: tuple[float, float] | None,
    options: Options,
    measure: str = "right answers change",
) -> Verdict:
    """golden: int8 against float on the golden set; accuracy: `merit` of (float, int8) on the calibration
    split; measure: what that is, in words."""
    delta = None if accuracy is None else accuracy[1] - accuracy[0]
    speed = latency_ms["float"] / latency_ms["int8"]
    if options.int8 == "always":
        return Verdict(True, f"asked for; {speed:.2f} times the speed", delta)
    against = []
    if speed < 1 + options.faster:
        against.append(f"{speed:.2f} times the speed here, {1 + options.faster:g} needed")
    if delta is None:
        against.append("no labelled calibration pictures to judge it by")
    elif delta < -options.budget:
        against.append(f"{measure} by {delta:+.4f}, {-options.budget:+g} allowed")
    if not golden.ok:
        against.append(f"differs by {golden.delta:.2g} on the golden set, {golden.allowed:g} allowed")
    if against:
        return Verdict(False, "; ".join(against), delta)
    return Verdict(True, f"{speed:.2f} times the speed, {measure} by {delta:+.4f}", delta)


def merit(task: Task, outputs: Outputs, target: Target) -> float | None:
    """`Task.merit` of a model's outputs at thresholds of 0.5; None where nothing is known."""
    return task.merit(task.score(task.tally(outputs, target, task.default_thresholds())))
