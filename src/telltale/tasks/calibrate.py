"""Thresholds with a guarantee, from labelled probabilities of the calibration split. Knows nothing of models or files.

By learn-then-test (Angelopoulos, Bates, Candes, Jordan and Lei 2021, arXiv 2110.01052):
the pictures are put in order of doubt and the told set grows one picture at a time; each set is tested
with an exact binomial tail for "more than `error` of these answers are wrong", and growing stops at the
first set that fails (fixed-sequence testing, which spends the whole risk once). So with probability
`confidence` over the draw of the calibration pictures, at most `error` of the told answers are wrong.

What has to hold for that:

- *Frames*: the calibration pictures are drawn independently from what the model will see. Frames of one
  group (one car, one video) are not independent; with `unit="group"` counts are divided by a design
  effect (Kish 1965; Rao and Scott 1992) so that the bound speaks of new groups. The correlation inside a
  group has to be estimated, so that bound is approximate, and said to be.
- The error among the told does not fall as more doubtful answers are let in. Without it the first set
  tested, whose size is fixed but whose edge is not, could be lucky.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from telltale.errors import ConfigError
from telltale.tasks.alike import alikeness
from telltale.tasks.binomial import binomial_cdf, needed, upper_bound
from telltale.tasks.task import Bools, Numbers, Target, Threshold

Unit = Literal["frame", "group"]

LADDER = 600
"""At most this many sets are tested; the sequence is as fine as single pictures up to here."""


@dataclass(frozen=True, slots=True)
class Tuned:
    """One name's thresholds and what the calibration pictures say of them.

    known, told, wrong: calibration pictures with a label, answered, and answered wrongly.
    told_on, wrong_on: the part of them answered `on`.
    coverage: told / known, 0 without labels.
    bound: exact upper bound of the error among the told, one-sided at the confidence asked, pictures independent.
    group_bound: the same with the pictures of a group counted as alike; None without groups.
    guaranteed: whether learn-then-test vouches for the level. `note` says in words what is guaranteed for what.
    """

    threshold: Threshold
    known: int
    told: int
    wrong: int
    told_on: int
    wrong_on: int
    coverage: float
    bound: float
    guaranteed: bool
    note: str
    groups: int | None = None
    design_effect: float | None = None
    group_bound: float | None = None

    def to_json(self) -> dict[str, object]:
        """As bundle.json holds it."""
        return {
            "low": self.threshold.low,
            "high": self.threshold.high,
            "known": self.known,
            "told": self.told,
            "wrong": self.wrong,
            "coverage": self.coverage,
            "bound": self.bound,
            "guaranteed": self.guaranteed,
            "groups": self.groups,
            "group_bound": self.group_bound,
            "note": self.note,
        }


def tune_thresholds(
    probabilities: ArrayLike,
    target: Target,
    *,
    names: Sequence[str],
    error: float,
    confidence: float,
    groups: Sequence[str] | None = None,
    unit: Unit = "frame",
) -> dict[str, Tuned]:
    """Thresholds of each name such that at most `error` of the told answers are wrong, with this confidence.

    probabilities: (N, K) in 0..1, after temperature. target: with a leading batch axis; hidden labels count,
    for the model should be unsure of what cannot be seen. groups: (N,) the group of each picture; with them
    the group-aware bound is told beside the frame-level one, and `unit="group"` makes it the one that decides.

    Two families of thresholds are tried. *Together*: low and high equally far from the ends, errors of both
    sides counted in one; it needs the least data. *Apart*, where there is plenty: each side its own sequence,
    each answer under the level on its own; it finds a head whose middle is not at 0.5. Where both run, each
    has half of the risk, and the one that tells more is taken.

    Where nothing can be guaranteed, the widest thresholds whose errors are under the level both on these
    pictures and by the model's own word are chosen, and the note begins with "Not guaranteed".
    Raises ConfigError for a level or a confidence outside 0..1, or a group unit without groups.
    """
    scores = np.asarray(probabilities, np.float64)
    _check(scores, target, names, error, confidence, groups, unit)
    clusters = None if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1].reshape(-1)
    likeness = None if clusters is None else alikeness(scores, target, clusters)
    out: dict[str, Tuned] = {}
    for k, name in enumerate(names):
        here = target.known[:, k]
        head = _Head(
            scores[here, k],
            target.values[here, k] >= 0.5,
            None if clusters is None else clusters[here],
            0.0 if likeness is None else float(likeness[k]),
        )
        out[name] = _tune_head(head, error, confidence, unit)
    return out


@dataclass(frozen=True, slots=True)
class _Head:
    """The labelled pictures of one name: p (n,), truth (n,) bool, clusters (n,) int or None."""

    p: Numbers
    truth: Bools
    clusters: NDArray[np.int64] | None
    likeness: float

    def design_effect(self, told: Bools) -> float:
        """How many pictures of these weigh as much as one independent picture (Kish 1965)."""
        if self.clusters is None or not told.any():
            return 1.0
        sizes = np.bincount(self.clusters[told]).astype(np.float64)
        return max(1.0, 1.0 + (float((sizes**2).sum() / sizes.sum()) - 1.0) * self.likeness)


@dataclass(frozen=True, slots=True)
class _Side:
    """A nested family of told sets: those whose doubt is at most u. doubt, wrong: (n,)."""

    doubt: Numbers
    wrong: Bools


def _tune_head(head: _Head, error: float, confidence: float, unit: Unit) -> Tuned:
    count = len(head.p)
    if not count:
        note = (
            "Not guaranteed: no calibration picture has this label, so nothing could be checked; "
            f"the model is taken at its word, and told where it claims at most {percent(error)} doubt."
        )
        return measure_threshold(head.p, head.truth, Threshold(error, 1.0 - error), confidence, note=note)
    risk = 1.0 - confidence
    on = head.p >= 0.5
    together = _Side(np.minimum(head.p, 1.0 - head.p), on != head.truth)
    plenty = count >= 4 * needed(0, error, 1.0 - risk / 4)
    found: list[Threshold] = []
    u = _climb(head, together, error, risk / 2 if plenty else risk, unit)
    if u is not None:
        found.append(Threshold(min(u, 0.5), max(1.0 - u, 0.5)))
    if plenty:
        high = _climb(head, _Side(1.0 - head.p, ~head.truth), error, risk / 4, unit)
        low = _climb(head, _Side(head.p, head.truth), error, risk / 4, unit)
        if high is not None or low is not None:
            found.append(_join(low, high))
    best = max(found, key=lambda t: int(told_by(head.p, t).sum()), default=None)
    guaranteed = best is not None
    if best is None:
        best = _by_its_word(head, together, error)
    note = _note(head, best, error, confidence, unit, guaranteed)
    plain = measure_threshold(head.p, head.truth, best, confidence, note=note, guaranteed=guaranteed)
    return plain if head.clusters is None else _with_groups(plain, head, confidence)


def _join(low: float | None, high_doubt: float | None) -> Threshold:
    """Two sides as one pair. Where they overlap, any cut between is in both families; the one nearest 0.5 is taken."""
    bottom = 0.0 if low is None else min(low, 1.0)
    top = 1.0 if high_doubt is None else max(1.0 - high_doubt, 0.0)
    if bottom >= top:
        bottom = top = min(max(0.5, top), bottom)
    return Threshold(bottom, top)


def _climb(head: _Head, side: _Side, error: float, risk: float, unit: Unit) -> float | None:
    """The largest doubt whose told set passed, all before it having passed; None if the first one failed.

    The first set and the steps follow from the number of pictures and the order of their doubts, never from
    labels, so the sequence is fixed as far as the tests are concerned.
    """
    order = np.argsort(side.doubt, kind="stable")
    doubt, wrong = side.doubt[order], np.cumsum(side.wrong[order])
    count = len(doubt)
    first = _first(count, error, 1.0 - risk)
    if unit == "group":
        first = max(1, min(first, count))
    if first > count:
        return None
    best: float | None = None
    for size in np.unique(np.linspace(first, count, min(LADDER, count - first + 1)).astype(np.int64)):
        edge = 1.0 if size == count else math.sqrt(doubt[size - 1] * doubt[size])
        u = _floor_4(edge) if size < count else float(doubt[-1])
        told = int(np.searchsorted(doubt, u, "right"))
        if not told:
            continue
        mistakes = int(wrong[told - 1])
        if unit == "frame":
            if told < needed(0, error, 1.0 - risk):
                continue  # ties: too small a set to say anything, whatever its labels
            passed = told >= needed(mistakes, error, 1.0 - risk)
        else:
            effect = head.design_effect(side.doubt <= u)
            if told / effect < needed(0, error, 1.0 - risk):
                continue
            passed = binomial_cdf(mistakes / effect, told / effect, error) <= risk
        if not passed:
            break
        best = u
    return best


def _first(count: int, error: float, confidence: float) -> int:
    """How many answers the first tested set holds: room for up to two errors where half of the pictures allow it.

    Starting with no room, one unlucky label ends the sequence; starting late, a weaker model never passes.
    """
    sizes = [needed(wrong, error, confidence) for wrong in (0, 1, 2)]
    return max([size for size in sizes if size <= count / 2], default=sizes[0])


def _floor_4(u: float) -> float:
    """Down to four digits, so that thresholds can be read."""
    if u <= 0.0:
        return 0.0
    scale = 10.0 ** (3 - math.floor(math.log10(u)))
    return math.floor(u * scale) / scale if math.isfinite(scale) else 0.0


def _by_its_word(head: _Head, side: _Side, error: float) -> Threshold:
    """The widest pair whose errors stay under the level here and by the model's own probabilities; else never tell."""
    order = np.argsort(side.doubt, kind="stable")
    doubt = side.doubt[order]
    sizes = np.arange(1, len(doubt) + 1)
    fits = (np.cumsum(side.wrong[order]) <= error * sizes) & (np.cumsum(doubt) <= error * sizes)
    fits &= np.append(doubt[1:] > doubt[:-1], True)  # a set ends where doubts differ
    if not fits.any():
        return Threshold(0.0, 1.0)
    u = float(doubt[np.flatnonzero(fits)[-1]])
    return Threshold(u, 1.0 - u)


def told_by(p: Numbers, threshold: Threshold) -> Bools:
    """(n,) where a probability is answered rather than unsure."""
    return (p >= threshold.high) | (p <= threshold.low)


def measure_threshold(
    p: Numbers, truth: Bools, threshold: Threshold, confidence: float, *, note: str, guaranteed: bool = False
) -> Tuned:
    """Count what a threshold does to labelled probabilities, p (n,), truth (n,) bool."""
    told = told_by(p, threshold)
    on = p >= threshold.high
    wrong = told & (on != truth)
    return Tuned(
        threshold=threshold,
        known=len(p),
        told=int(told.sum()),
        wrong=int(wrong.sum()),
        told_on=int(on.sum()),
        wrong_on=int((wrong & on).sum()),
        coverage=float(told.mean()) if len(p) else 0.0,
        bound=upper_bound(int(wrong.sum()), int(told.sum()), confidence),
        guaranteed=guaranteed,
        note=note,
    )


# --- groups ----------------------------------------------------------------------------------------------------------


def _with_groups(tuned: Tuned, head: _Head, confidence: float) -> Tuned:
    assert head.clusters is not None
    groups = len(np.unique(head.clusters))
    effect = head.design_effect(told_by(head.p, tuned.threshold))
    bound = upper_bound(tuned.wrong / effect, tuned.told / effect, confidence)
    note = tuned.note
    if tuned.told and bound > 1.05 * tuned.bound:
        note += (
            f" For new groups, pictures of one group counted as alike ({groups} groups), "
            f"the bound is {percent(bound)} rather than {percent(tuned.bound)}."
        )
    return replace(tuned, note=note, groups=groups, design_effect=effect, group_bound=bound)


# --- words -----------------------------------------------------------------------------------------------------------


def percent(share: float) -> str:
    """0.0123 -> '1.2 %', 0.01 -> '1 %', 0.0004 -> '0.04 %'."""
    if share <= 0.0:
        return "0 %"
    return f"{100 * share:.{2 if 100 * share < 0.1 else 1}f}".rstrip("0").rstrip(".") + " %"


def _note(head: _Head, threshold: Threshold, error: float, confidence: float, unit: Unit, guaranteed: bool) -> str:
    told = told_by(head.p, threshold)
    wrong = int((told & ((head.p >= threshold.high) != head.truth)).sum())
    seen = f"{wrong} wrong of {int(told.sum())} told, of {len(head.p)} calibration pictures"
    asked = f"at most {percent(error)} of the told answers wrong, with {percent(confidence)} confidence"
    whom = (
        "pictures drawn as the calibration pictures were, each on its own"
        if unit == "frame"
        else "pictures of new groups like the calibration groups (approximate: by a design effect)"
    )
    if guaranteed:
        return f"Guaranteed: {asked}, for {whom}; {seen}.{_one_sided(head, threshold, error)}"
    least = needed(0, error, confidence)
    if len(head.p) < least:
        why = f"{len(head.p)} calibration pictures are too few, {least} told without an error are the least"
    elif unit == "group" and len(head.p) / head.design_effect(np.ones(len(head.p), np.bool_)) < least:
        why = f"the pictures of a group are too alike and the groups too few to count as the {least} it takes"
    elif not told.any():
        why = "even the surest answers are wrong too often"
    else:
        why = "too many of the surest answers are wrong to show it"
    doubts = "errors here and the model's own doubt"
    level = (
        f"; told where {doubts} stay under {percent(error)}"
        if told.any()
        else f"; nothing is told, for {doubts} do not stay under {percent(error)}"
    )
    return f"Not guaranteed ({asked}): {why}{level}; {seen}.{_one_sided(head, threshold, error)}"


def _one_sided(head: _Head, threshold: Threshold, error: float) -> str:
    """A warning where the rarer answer is far worse than the level of both together."""
    words = []
    for word, told, wrong in (
        ("on", head.p >= threshold.high, ~head.truth),
        ("off", (head.p <= threshold.low) & (head.p < threshold.high), head.truth),
    ):
        count, bad = int(told.sum()), int((told & wrong).sum())
        if bad >= 2 and bad > 3 * error * count:
            words.append(f" Beware: of the {count} answers `{word}`, {bad} were wrong.")
    return "".join(words)


def _check(
    scores: Numbers,
    target: Target,
    names: Sequence[str],
    error: float,
    confidence: float,
    groups: Sequence[str] | None,
    unit: Unit,
) -> None:
    assert scores.ndim == 2, scores.shape
    assert scores.shape == target.values.shape == target.known.shape, (scores.shape, target.values.shape)
    assert scores.shape[1] == len(names), (scores.shape, names)
    assert groups is None or len(groups) == len(scores), (len(groups or ()), len(scores))
    if not 0.0 < error < 0.5:
        raise ConfigError("unsure.error", expected="more than 0 and less than 0.5", got=f"{error:g}")
    if not 0.5 < confidence < 1.0:
        raise ConfigError("unsure.confidence", expected="more than 0.5 and less than 1", got=f"{confidence:g}")
    if unit == "group" and groups is None:
        raise ConfigError("unsure by group", expected="a group for each picture", got="none", next="use unit='frame'")
