"""A run's numbers on disk: log.csv, TensorBoard and a picture of the curves. Knows nothing of how they came about."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch.utils.tensorboard.writer import SummaryWriter

Row = dict[str, float]
"""One epoch: `epoch`, `step`, `rate`, `images_per_s`, `train/loss`, `watch/loss`, `watch/f1`, `hood/watch_f1`..."""


class Journal:
    """Writes after every epoch; what an interrupted run wrote past its last checkpoint is replaced on resume."""

    def __init__(self, run_dir: Path, history: Sequence[Row]) -> None:
        self._dir = run_dir
        self._board = _board(run_dir / "tb", purge=int(history[-1]["step"]) + 1 if history else 0)

    def write(self, history: Sequence[Row]) -> None:
        """history: all epochs so far; the last one is new."""
        _replace(self._dir / "log.csv", as_csv(history))
        _replace(self._dir / "curves.svg", draw_curves(history))
        row = history[-1]
        for name, value in row.items():
            if name not in ("epoch", "step"):
                self._board.add_scalar(name, value, int(row["step"]))
        self._board.flush()

    def close(self) -> None:
        self._board.close()


def _board(folder: Path, purge: int) -> SummaryWriter:
    # tensorboard speaks through a C++ logger and probes for TensorFlow when it is imported.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch.utils.tensorboard.writer import SummaryWriter

        return SummaryWriter(str(folder), purge_step=purge or None)


def as_csv(history: Sequence[Row]) -> str:
    """Every number of every epoch; a column that an epoch lacks stays empty."""
    columns = list(dict.fromkeys(name for row in history for name in row))
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, lineterminator="\n")
    writer.writeheader()
    for row in history:
        writer.writerow({name: f"{value:.6g}" for name, value in row.items()})
    return out.getvalue()


def _replace(path: Path, text: str) -> None:
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


WIDTH, HEIGHT, LEFT, TOP = 340, 200, 44, 34
COLOURS = ("#2563eb", "#d97706", "#059669", "#dc2626", "#7c3aed", "#0891b2", "#be185d", "#65a30d")


def draw_curves(history: Sequence[Row]) -> str:
    """An SVG of two panels: loss of training and watching, and the watched F1 of each head."""
    losses = {"training": _column(history, "train/loss"), "watched": _column(history, "watch/loss")}
    suffix = "/watch_f1"
    heads = sorted({name for row in history for name in row if name.endswith(suffix)})
    scores = {name.removesuffix(suffix): _column(history, name) for name in heads}
    top = max((value for _, value in losses["training"] + losses["watched"]), default=1.0)
    last = max((row["epoch"] for row in history), default=1.0)
    panels = [_panel("Loss", losses, 0, last, 0.0, top or 1.0)]
    if scores:
        panels.append(_panel("F1 on watched groups", scores, 1, last, 0.0, 1.0))
    total = len(panels) * (WIDTH + LEFT + 110)
    body = "\n".join(panels)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {total} {HEIGHT + TOP + 40}" width="{total}"'
        ' font-family="system-ui, sans-serif" font-size="11">\n'
        f'<rect width="100%" height="100%" fill="#fff"/>\n{body}\n</svg>\n'
    )


def _column(history: Sequence[Row], name: str) -> list[tuple[float, float]]:
    return [(row["epoch"], row[name]) for row in history if name in row]


def _panel(
    title: str, lines: dict[str, list[tuple[float, float]]], place: int, last: float, low: float, high: float
) -> str:
    left = place * (WIDTH + LEFT + 110) + LEFT

    def at(x: float, y: float) -> str:
        across = x / last if last else 0.0
        up = (min(max(y, low), high) - low) / (high - low)
        return f"{left + across * WIDTH:.1f},{TOP + (1 - up) * HEIGHT:.1f}"

    parts = [f'<text x="{left}" y="{TOP - 14}" font-size="13" font-weight="600" fill="#111">{title}</text>']
    for k in range(5):
        value = low + (high - low) * k / 4
        x, y = at(0, value).split(",")
        parts.append(f'<line x1="{x}" y1="{y}" x2="{left + WIDTH}" y2="{y}" stroke="#ddd"/>')
        parts.append(f'<text x="{left - 6}" y="{float(y) + 4:.1f}" text-anchor="end" fill="#555">{value:.2g}</text>')
    below = TOP + HEIGHT + 16
    parts.append(f'<text x="{left}" y="{below}" fill="#555">0</text>')
    parts.append(f'<text x="{left + WIDTH}" y="{below}" text-anchor="end" fill="#555">epoch {last:g}</text>')
    for k, (name, points) in enumerate(lines.items()):
        colour = COLOURS[k % len(COLOURS)]
        path = " ".join(at(x, y) for x, y in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.8"/>')
        y_key = TOP + 8 + 16 * k
        parts.append(f'<rect x="{left + WIDTH + 10}" y="{y_key - 8}" width="9" height="9" fill="{colour}"/>')
        parts.append(f'<text x="{left + WIDTH + 24}" y="{y_key}" fill="#222">{_escape(name)}</text>')
    return "\n".join(parts)


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
