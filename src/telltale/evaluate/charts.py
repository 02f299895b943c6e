"""Charts as SVG text. Knows nothing of bundles; colours come from the page's style sheet.

Every chart has a viewBox and no size of its own, so that it fills what holds it, and a title that a screen reader
says. Classes: `right` `wrong` `unsure` (answers), `ink` `dim` `grid` (lines and words).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

from telltale.evaluate.bootstrap import Measure
from telltale.evaluate.curves import Bin, Risk
from telltale.tasks import Threshold

WIDTH, HEIGHT = 320.0, 220.0
LEFT, RIGHT, TOP, BOTTOM = 48.0, 10.0, 12.0, 36.0


class Plane:
    """A box with axes: numbers in, SVG coordinates out."""

    def __init__(self, x: tuple[float, float], y: tuple[float, float]) -> None:
        self.x_range, self.y_range = x, y

    def x(self, value: float) -> float:
        low, high = self.x_range
        return round(LEFT + (value - low) / (high - low) * (WIDTH - LEFT - RIGHT), 2)

    def y(self, value: float) -> float:
        low, high = self.y_range
        return round(HEIGHT - BOTTOM - (value - low) / (high - low) * (HEIGHT - TOP - BOTTOM), 2)

    def path(self, xs: Sequence[float], ys: Sequence[float]) -> str:
        return "M" + " L".join(f"{self.x(x)} {self.y(y)}" for x, y in zip(xs, ys, strict=True))

    def axes(self, x_name: str, y_name: str, x_ticks: Mapping[float, str], y_ticks: Mapping[float, str]) -> str:
        out = []
        for value, text in y_ticks.items():
            y = self.y(value)
            out.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>')
            out.append(f'<text class="tick" x="{LEFT - 5}" y="{y + 3.5}" text-anchor="end">{escape(text)}</text>')
        for value, text in x_ticks.items():
            anchor = "end" if value == max(x_ticks) else "middle"
            y = HEIGHT - BOTTOM + 13
            out.append(f'<text class="tick" x="{self.x(value)}" y="{y}" text-anchor="{anchor}">{escape(text)}</text>')
        middle = (LEFT + WIDTH - RIGHT) / 2
        out.append(f'<text class="axis" x="{middle}" y="{HEIGHT - 5}" text-anchor="middle">{escape(x_name)}</text>')
        upright = (TOP + HEIGHT - BOTTOM) / 2
        out.append(
            f'<text class="axis" text-anchor="middle" transform="translate(9 {upright}) rotate(-90)">'
            f"{escape(y_name)}</text>"
        )
        return "".join(out)


def svg(title: str, body: str, width: float = WIDTH, height: float = HEIGHT, kind: str = "chart") -> str:
    stretch = ' preserveAspectRatio="none"' if kind == "bar" else ""
    return (
        f'<svg class="{kind}" viewBox="0 0 {width:g} {height:g}"{stretch} role="img" '
        f'aria-label="{escape(title, quote=True)}">'
        f"<title>{escape(title)}</title>{body}</svg>"
    )


def answer_bar(title: str, right: int, unsure: int, wrong: int) -> str:
    """One bar of all answers: right, unsure, wrong; what is there at all is at least a sliver."""
    total = right + unsure + wrong
    if not total:
        return svg(f"{title}: no labels", '<rect class="none" width="600" height="22" rx="4"/>', 600, 22, "bar")
    counts = [("right", right), ("unsure", unsure), ("wrong", wrong)]
    widths = [max(600 * n / total, 4.0) if n else 0.0 for _, n in counts]
    widths = [w * 600 / sum(widths) for w in widths]
    x, out = 0.0, []
    for (kind, _), width in zip(counts, widths, strict=True):
        if width:
            out.append(f'<rect class="{kind}" x="{x:.2f}" width="{max(width - 1.5, 1):.2f}" height="22"/>')
        x += width
    return svg(f"{title}: {right} right, {unsure} unsure, {wrong} wrong", "".join(out), 600, 22, "bar")


def dot_range(title: str, measure: Measure, low: float, high: float) -> str:
    """A value as a dot with its interval as a line, between two ends."""
    if measure.value is None:
        return ""

    def at(value: float) -> float:
        return 6 + min(max((value - low) / (high - low), 0.0), 1.0) * 88

    line = ""
    if measure.low is not None and measure.high is not None:
        line = f'<line class="whisker" x1="{at(measure.low):.1f}" x2="{at(measure.high):.1f}" y1="7" y2="7"/>'
    dot = f'<circle class="dot" cx="{at(measure.value):.1f}" cy="7" r="3.4"/>'
    rail = '<line class="grid" x1="6" x2="94" y1="7" y2="7"/>'
    return svg(title, rail + line + dot, 100, 14, "range")


def reliability_chart(name: str, bins: Sequence[Bin]) -> str:
    plane = Plane((0, 1), (0, 1))
    ticks = {0.0: "0", 0.5: "0.5", 1.0: "1"}
    out = [plane.axes("what it claimed", "what came true", ticks, ticks)]
    out.append(f'<path class="dim dashed" d="{plane.path([0, 1], [0, 1])}"/>')
    most = max((b.count for b in bins), default=1)
    for b in bins:
        x = plane.x(b.claimed)
        out.append(
            f'<line class="whisker" x1="{x}" x2="{x}" y1="{plane.y(b.true_low)}" y2="{plane.y(b.true_high)}"/>'
            f'<circle class="dot" cx="{x}" cy="{plane.y(b.true)}" r="{3 + 5 * (b.count / most) ** 0.5:.1f}">'
            f"<title>{b.count} pictures between {b.low:.1f} and {b.high:.1f}: "
            f"claimed {b.claimed:.3f}, true {b.true:.3f}</title></circle>"
        )
    return svg(f"Reliability of {name}: claimed probability against the share that came true", "".join(out))


def risk_chart(name: str, risk: Risk, coverage: float | None, error: float | None, level: float | None) -> str:
    """Error against coverage; where the thresholds stand; the level asked for as a dashed line."""
    shown = np.concatenate([risk.error[risk.coverage > 0.2], [error or 0.0, level or 0.0]])
    top = _nice(max(float(shown.max(initial=0.0)) * 1.25, 0.02))
    plane = Plane((0, 1), (0, top))
    out = [
        plane.axes(
            "share told",
            "error",
            {0.0: "0", 0.5: "50 %", 1.0: "100 %"},
            {0.0: "0", top / 2: f"{50 * top:g} %", top: f"{100 * top:g} %"},
        )
    ]
    if len(risk.coverage):
        xs = [float(c) for c in risk.coverage]
        upper = [float(min(b, top)) for b in risk.bound]
        lower = [float(min(e, top)) for e in risk.error]
        area = plane.path(xs + xs[::-1], upper + lower[::-1])
        out.append(f'<path class="band" d="{area}Z"/>')
        out.append(f'<path class="line" d="{plane.path(xs, lower)}"/>')
    if level is not None:
        y = plane.y(level)
        out.append(f'<line class="dim dashed" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>')
        out.append(f'<text class="tick" x="{LEFT + 4}" y="{y - 4}">asked: {100 * level:g} %</text>')
    if coverage is not None and error is not None:
        out.append(f'<circle class="here" cx="{plane.x(coverage)}" cy="{plane.y(min(error, top))}" r="5"/>')
    return svg(f"Error of {name} against the share that is told, surest answers first", "".join(out))


def spread_chart(name: str, on: NDArray[np.int64], off: NDArray[np.int64], threshold: Threshold) -> str:
    """Pictures that are on upwards, off downwards, by probability, on a square-root scale; the unsure band shaded."""
    most = float(np.sqrt(max(int(on.max(initial=0)), int(off.max(initial=0)), 1)))
    plane = Plane((0, 1), (-1.05, 1.05))
    low, high = plane.x(threshold.low), plane.x(threshold.high)
    out = []
    if high > low:
        out.append(
            f'<rect class="unsure-band" x="{low}" width="{high - low:.2f}" y="{TOP}" height="{HEIGHT - TOP - BOTTOM}"/>'
        )
    out.append(plane.axes("probability of on", "off · pictures · on", {0.0: "0", 0.5: "0.5", 1.0: "1"}, {0.0: ""}))
    width = (WIDTH - LEFT - RIGHT) / len(on)
    zero = plane.y(0)
    for i in range(len(on)):
        x = LEFT + i * width
        middle = (i + 0.5) / len(on)
        for count, side, good in ((int(on[i]), 1, middle >= 0.5), (int(off[i]), -1, middle < 0.5)):
            if count:
                tall = max(abs(plane.y(side * count**0.5 / most) - zero), 1.5)
                y = zero - tall if side > 0 else zero
                out.append(
                    f'<rect class="{"right" if good else "wrong"}" x="{x:.2f}" y="{y:.2f}" width="{width - 0.8:.2f}" '
                    f'height="{tall:.2f}"><title>{count} {"on" if side > 0 else "off"}</title></rect>'
                )
    for x in sorted({low, high}):
        out.append(f'<line class="cut" x1="{x}" x2="{x}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>')
    return svg(f"Probabilities of {name}: pictures that are on above the line, off below", "".join(out))


def _nice(value: float) -> float:
    """The next of 1, 2, 4, 5 or 10 times a power of ten, at most 1."""
    power = 10.0 ** np.floor(np.log10(value))
    return float(min(next(m * power for m in (1, 2, 4, 5, 10) if m * power >= value * 0.999), 1.0))
