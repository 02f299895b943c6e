"""Several independent yes/no states (multi-label). Knows nothing of models, files or streams."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from telltale.errors import CatalogueError, ConfigError
from telltale.frame import Image
from telltale.preprocess import Preprocess
from telltale.tasks.counting import BINS, auroc, logit_bins
from telltale.tasks.counting import mean as _mean
from telltale.tasks.counting import ratio as _ratio
from telltale.tasks.naming import order_mirrored, read_names, read_pairs, refuse_repeated, refuse_unknown
from telltale.tasks.task import Floats, Json, Label, Outputs, Target, Threshold, Thresholds

ECE_BINS = 15
"""Equal-width bins of the probability for the expected calibration error (Guo et al. 2017)."""

ON_WORDS = frozenset({"on", "open", "true", "yes", "1"})
OFF_WORDS = frozenset({"off", "closed", "close", "false", "no", "0"})

MIN_VISIBLE = 0.0003

State = Literal["on", "off", "unsure"]
Counts = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Reading:
    """One name's answer: its probability of being on, and the state told."""

    prob: float
    state: State

    def to_json(self) -> dict[str, Json]:
        """`pred` is the likelier side, told or not."""
        return {"prob": round(self.prob, 6), "pred": int(self.prob >= 0.5), "state": self.state}


@dataclass(frozen=True, slots=True)
class StatesResult:
    """A reading for each name, in the task's order."""

    readings: Mapping[str, Reading]

    def to_json(self) -> dict[str, Json]:
        return {name: reading.to_json() for name, reading in self.readings.items()}


@dataclass(frozen=True, slots=True)
class StatesTally:
    """Counts over K names; every field adds up over batches.

    histogram: (K, 2, BINS) known labels by truth and bin of the logit; the upper half is p >= 0.5.
    reliability: (K, 2, ECE_BINS) known labels by truth and bin of the probability.
    claimed: (K, ECE_BINS) float64 sum of the probabilities in each of these.
    told: (K, 2, 3) known labels by truth and answer (off, on, unsure).
    hidden: (K, 2, 3) the part of `told` whose label was too hidden to be seen.
    pictures: pictures with every name known; exact: those told wholly right;
    exact_argmax: those whose likelier sides are all right.
    """

    histogram: Counts
    reliability: Counts
    claimed: NDArray[np.float64]
    told: Counts
    hidden: Counts
    pictures: int
    exact: int
    exact_argmax: int

    def __add__(self, other: StatesTally) -> StatesTally:
        return StatesTally(
            self.histogram + other.histogram,
            self.reliability + other.reliability,
            self.claimed + other.claimed,
            self.told + other.told,
            self.hidden + other.hidden,
            self.pictures + other.pictures,
            self.exact + other.exact,
            self.exact_argmax + other.exact_argmax,
        )


@dataclass(frozen=True, slots=True)
class States:
    """K independent states.

    names: what to tell, in output order.
    mirror_pairs: names that swap when the picture is flipped left to right.
    min_visible: a label of which less than this share of the picture is visible counts as hidden.
    """

    kind: ClassVar[str] = "states"
    names: tuple[str, ...]
    mirror_pairs: tuple[tuple[str, str], ...] = ()
    min_visible: float = MIN_VISIBLE

    def __post_init__(self) -> None:
        refuse_repeated(self.names)
        paired = [name for pair in self.mirror_pairs for name in pair]
        unknown = sorted(set(paired) - set(self.names))
        if unknown or len(set(paired)) != len(paired):
            raise ConfigError(
                "task.mirror", expected="pairs of names, each name once", got=repr([list(p) for p in self.mirror_pairs])
            )

    @classmethod
    def from_spec(cls, spec: Mapping[str, Json]) -> States:
        """Raises ConfigError on a key it does not know."""
        refuse_unknown(spec, ("kind", "names", "mirror", "min_visible"))
        names, pairs, visible = read_names(spec), read_pairs(spec), spec.get("min_visible", MIN_VISIBLE)
        if isinstance(visible, bool) or not isinstance(visible, int | float) or not 0 <= visible <= 1:
            raise ConfigError("task.min_visible", expected="a share of the picture, 0 to 1", got=repr(visible))
        return cls(names, pairs, float(visible))

    def to_spec(self) -> dict[str, Json]:
        return {
            "kind": self.kind,
            "names": list(self.names),
            "mirror": [list(pair) for pair in self.mirror_pairs],
            "min_visible": self.min_visible,
        }

    def output_shapes(self, height: int, width: int) -> dict[str, tuple[int, ...]]:
        return {"probabilities": (len(self.names),)}

    def default_thresholds(self) -> dict[str, Threshold]:
        return {name: Threshold() for name in self.names}

    def shows(self, labels: Mapping[str, Label]) -> Target:
        """Takes bools, 0/1 and the words on/off, open/closed, yes/no; names the task lacks are passed over."""
        values = np.zeros(len(self.names), np.float32)
        known = np.zeros(len(self.names), np.bool_)
        hidden = np.zeros(len(self.names), np.bool_)
        for k, name in enumerate(self.names):
            label = labels.get(name)
            if label is None or label.value is None:
                continue
            values[k] = parse_state(name, label.value)
            known[k] = True
            hidden[k] = label.visible is not None and label.visible < self.min_visible
        return Target(values, known, hidden)

    def encode(self, labels: Mapping[str, Label], size: tuple[int, int] = (1, 1)) -> Target:
        """What `shows` says: a state has no place in the picture."""
        return self.shows(labels)

    def mirror_order(self) -> NDArray[np.int64]:
        """(K,) the index each output takes its value from in a flipped picture."""
        return order_mirrored(self.names, self.mirror_pairs)

    def mirror(self, target: Target) -> Target:
        order = self.mirror_order()
        return Target(target.values[..., order], target.known[..., order], target.hidden[..., order])

    def lay(self, target: Target, preprocess: Preprocess, size: tuple[int, int]) -> Target:
        """As it is: a state has no place in the picture."""
        return target

    def place(self, outputs: Outputs, preprocess: Preprocess, size: tuple[int, int]) -> Outputs:
        """As they are: a state has no place in the picture."""
        return outputs

    def decode(self, outputs: Outputs, thresholds: Thresholds) -> list[StatesResult]:
        probabilities = outputs["probabilities"]  # (N, K)
        states = self._answers(probabilities, thresholds)
        words: tuple[State, State, State] = ("off", "on", "unsure")
        return [
            StatesResult({name: Reading(float(row[k]), words[answers[k]]) for k, name in enumerate(self.names)})
            for row, answers in zip(probabilities, states, strict=True)
        ]

    def _answers(self, probabilities: Floats, thresholds: Thresholds) -> Counts:
        """(N, K) 0 off, 1 on, 2 unsure. Where low == high, p == high is on."""
        low = np.array([thresholds[name].low for name in self.names])
        high = np.array([thresholds[name].high for name in self.names])
        return np.where(probabilities >= high, 1, np.where(probabilities <= low, 0, 2)).astype(np.int64)

    def tally(self, outputs: Outputs, target: Target, thresholds: Thresholds) -> StatesTally:
        probabilities = outputs["probabilities"]
        count, k = probabilities.shape
        answers = self._answers(probabilities, thresholds)
        truth = (target.values >= 0.5).astype(np.int64)
        bins = logit_bins(probabilities)
        equal = np.minimum((probabilities.astype(np.float64) * ECE_BINS).astype(np.int64), ECE_BINS - 1)
        histogram = np.zeros((k, 2, BINS), np.int64)
        reliability = np.zeros((k, 2, ECE_BINS), np.int64)
        claimed = np.zeros((k, ECE_BINS))
        told = np.zeros((k, 2, 3), np.int64)
        hidden = np.zeros((k, 2, 3), np.int64)
        column = np.broadcast_to(np.arange(k), (count, k))
        here = target.known
        np.add.at(histogram, (column[here], truth[here], bins[here]), 1)
        np.add.at(reliability, (column[here], truth[here], equal[here]), 1)
        np.add.at(claimed, (column[here], equal[here]), probabilities[here])
        np.add.at(told, (column[here], truth[here], answers[here]), 1)
        gone = here & target.hidden
        np.add.at(hidden, (column[gone], truth[gone], answers[gone]), 1)
        whole = here.all(axis=1)
        return StatesTally(
            histogram,
            reliability,
            claimed,
            told,
            hidden,
            int(whole.sum()),
            int((whole & (answers == truth).all(axis=1)).sum()),
            int((whole & ((probabilities >= 0.5) == (truth == 1)).all(axis=1)).sum()),
        )

    def score(self, tally: StatesTally) -> dict[str, Json]:
        """Metrics of each head and overall. A ratio without cases is None.

        accuracy, precision, recall, f1 take the likelier side of every known label (p >= 0.5);
        told_accuracy and coverage count `unsure` as not told. AUROC is the area by the trapezoid rule
        over the bins of the logit (Fawcett 2006); ECE uses 15 equal-width bins (Guo et al. 2017).
        """
        heads = {name: _score_head(tally, k) for k, name in enumerate(self.names)}
        told = tally.told.sum(axis=0)
        return {
            "heads": heads,
            "overall": {
                **_score_told(told),
                "accuracy": _mean([h["accuracy"] for h in heads.values()]),
                "f1": _mean([h["f1"] for h in heads.values()]),
                "auroc": _mean([h["auroc"] for h in heads.values()]),
                "ece": _mean([h["ece"] for h in heads.values()]),
                "pictures": tally.pictures,
                "exact_match": _ratio(tally.exact_argmax, tally.pictures),
                "exact_match_told": _ratio(tally.exact, tally.pictures),
            },
        }

    def merit(self, score: Mapping[str, Json]) -> float | None:
        """The mean accuracy of the names."""
        value: float | None = score["overall"]["accuracy"]
        return value

    def draw(self, image: Image, result: StatesResult) -> Image:
        """A strip on the left: a dot (green on, grey off, amber unsure), the name and its probability."""
        out = image.copy()
        height = out.shape[0]
        scale = max(0.35, height / 900)
        step = max(12, round(height / 18))
        colours = {"on": (46, 160, 67), "off": (140, 140, 140), "unsure": (230, 159, 0)}
        for row, (name, reading) in enumerate(result.readings.items()):
            y = step * (row + 1)
            text = f"{name} {reading.state} {reading.prob:.2f}"
            cv2.putText(out, text, (step + 4, y), cv2.FONT_HERSHEY_SIMPLEX, scale, (0, 0, 0), 3, cv2.LINE_AA)
            cv2.putText(out, text, (step + 4, y), cv2.FONT_HERSHEY_SIMPLEX, scale, (255, 255, 255), 1, cv2.LINE_AA)
            cv2.circle(out, (step // 2 + 2, y - step // 4), step // 3, colours[reading.state], -1, cv2.LINE_AA)
        return out


def parse_state(name: str, value: Json) -> float:
    """1.0 or 0.0. Raises CatalogueError on anything that is neither."""
    word = str(value).strip().lower() if not isinstance(value, float) else f"{value:g}"
    if word in ON_WORDS:
        return 1.0
    if word in OFF_WORDS:
        return 0.0
    raise CatalogueError(f"label {name!r}", expected="true/false, 1/0, on/off, open/closed or yes/no", got=repr(value))


def _score_told(told: Counts) -> dict[str, Json]:
    """told: (2, 3) by truth and answer."""
    right = int(told[0, 0] + told[1, 1])
    answered = int(told[:, :2].sum())
    return {
        "known": int(told.sum()),
        "told": answered,
        "coverage": _ratio(answered, told.sum()),
        "told_accuracy": _ratio(right, answered),
    }


def _score_head(tally: StatesTally, k: int) -> dict[str, Json]:
    negatives, positives = tally.histogram[k]  # (BINS,) each
    half = BINS // 2
    tp, fn = int(positives[half:].sum()), int(positives[:half].sum())
    fp, tn = int(negatives[half:].sum()), int(negatives[:half].sum())
    seen = tally.told[k] - tally.hidden[k]
    return {
        **_score_told(tally.told[k]),
        "positives": tp + fn,
        "confusion": {"tp": tp, "fp": fp, "tn": tn, "fn": fn},
        "confusion_told": {
            truth: dict(zip(("off", "on", "unsure"), (int(c) for c in tally.told[k][t]), strict=True))
            for t, truth in enumerate(("off", "on"))
        },
        "accuracy": _ratio(tp + tn, tp + tn + fp + fn),
        "precision": _ratio(tp, tp + fp),
        "recall": _ratio(tp, tp + fn),
        "f1": _ratio(2 * tp, 2 * tp + fp + fn),
        "auroc": auroc(positives, negatives),
        "ece": _ece(tally.reliability[k], tally.claimed[k]),
        "visible": _score_told(seen),
        "hidden": int(tally.hidden[k].sum()),
        "hidden_told": _score_told(tally.hidden[k]),
    }


def _ece(reliability: Counts, claimed: NDArray[np.float64]) -> float | None:
    total = reliability.sum()
    return float(np.abs(reliability[1] - claimed).sum() / total) if total else None
