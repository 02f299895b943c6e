"""`telltale train`: a model from scratch, on this machine."""

from __future__ import annotations

from telltale.train.runs import RunResult, run

__all__ = ["RunResult", "run"]
