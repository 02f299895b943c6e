"""Accuracy over multiply-adds as an SVG. Knows nothing of networks."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape

WIDTH, HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 560, 320, 64, 44, 190, 48


WATCHED = "accuracy on watched groups"


def draw_frontier(
    points: Sequence[tuple[float, float, str]], best: Sequence[bool], title: str, *, what: str = WATCHED
) -> str:
    """points: (multiply-adds, accuracy 0 to 1, what it is) each; best: which lie on the frontier, drawn as a line.

    what: the accuracy's name, for the axis.
    """
    xs = [math.log10(max(x, 1)) for x, _, _ in points]
    low_x, high_x = min(xs, default=0) - 0.1, max(xs, default=1) + 0.1
    ys = [y for _, y, _ in points]
    high_y = 1.0
    low_y = min(min(ys, default=0.0) - 0.02, 0.98)
    low_y = max(0.0, math.floor(low_y * 50) / 50)

    def at(x: float, y: float) -> tuple[float, float]:
        across = (math.log10(max(x, 1)) - low_x) / (high_x - low_x)
        return LEFT + across * WIDTH, TOP + (high_y - y) / (high_y - low_y) * HEIGHT

    parts = [f'<text x="{LEFT}" y="24" font-size="15" font-weight="600" fill="#111">Nets for {escape(title)}</text>']
    for k in range(5):
        value = low_y + (high_y - low_y) * k / 4
        y = TOP + HEIGHT * (1 - k / 4)
        parts.append(f'<line x1="{LEFT}" y1="{y:.1f}" x2="{LEFT + WIDTH}" y2="{y:.1f}" stroke="#e2e2e2"/>')
        text = f"{value:.1%}"
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end" fill="#555">{text}</text>')
    for tick in _ticks(low_x, high_x):
        x = at(tick, low_y)[0]
        parts.append(f'<line x1="{x:.1f}" y1="{TOP}" x2="{x:.1f}" y2="{TOP + HEIGHT}" stroke="#eee"/>')
        text = f"{tick / 1e6:g} M"
        parts.append(f'<text x="{x:.1f}" y="{TOP + HEIGHT + 18}" text-anchor="middle" fill="#555">{text}</text>')
    middle, below = LEFT + WIDTH / 2, TOP + HEIGHT + 38
    named = "multiply-adds a picture (logarithmic)"
    parts.append(f'<text x="{middle}" y="{below}" text-anchor="middle" fill="#333">{named}</text>')
    side = f'x="16" y="{TOP + HEIGHT / 2}" transform="rotate(-90 16 {TOP + HEIGHT / 2})"'
    parts.append(f'<text {side} text-anchor="middle" fill="#333">{escape(what)}</text>')
    parts += _marks(points, best, at)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + WIDTH + RIGHT} {TOP + HEIGHT + BOTTOM}"'
        f' width="{LEFT + WIDTH + RIGHT}" font-family="system-ui, sans-serif" font-size="11">\n'
        '<rect width="100%" height="100%" fill="#fff"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _marks(
    points: Sequence[tuple[float, float, str]], best: Sequence[bool], at: Callable[[float, float], tuple[float, float]]
) -> list[str]:
    parts = []
    front = sorted(point for point, on in zip(points, best, strict=True) if on)
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in (at(p[0], p[1]) for p in front))
    parts.append(f'<polyline points="{line}" fill="none" stroke="#2563eb" stroke-width="1.5"/>')
    taken: list[float] = []
    for (macs, merit, what), on in sorted(zip(points, best, strict=True), key=lambda pair: (pair[0][1], pair[0][0])):
        x, y = at(macs, merit)
        fill = "#2563eb" if on else "#b8b8b8"
        tip = escape(f"{what}: {merit:.2%}, {macs / 1e6:.2f} M")
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{4.5 if on else 3.5}" fill="{fill}">')
        parts.append(f"<title>{tip}</title></circle>")
        if on:
            # Names stand in a column of their own, from the lowest up, so that none covers another.
            row = min(y, taken[-1] - 14) if taken else y
            taken.append(row)
            edge = LEFT + WIDTH
            parts.append(f'<path d="M{x + 5:.1f} {y:.1f}L{edge:.1f} {row:.1f}" stroke="#bfd0f7" fill="none"/>')
            parts.append(f'<text x="{edge + 6}" y="{row + 4:.1f}" fill="#1e3a8a">{escape(what)}</text>')
    return parts


def _ticks(low: float, high: float) -> list[float]:
    return [
        mark * 10.0**power
        for power in range(math.floor(low), math.ceil(high) + 1)
        for mark in (1, 2, 5)
        if low <= math.log10(mark * 10.0**power) <= high
    ]
