"""Measure a bundle on labelled pictures, choose its thresholds, write the report."""

from __future__ import annotations

from telltale.evaluate.evaluation import Evaluation
from telltale.evaluate.run import evaluate, keep, rescore, write_report
from telltale.evaluate.table import Table, read_table
from telltale.evaluate.thresholds import (
    parse_setting,
    set_thresholds,
    tune,
    tune_for_cost,
    tune_for_target,
    tune_on,
)

__all__ = [
    "Evaluation",
    "Table",
    "evaluate",
    "keep",
    "parse_setting",
    "read_table",
    "rescore",
    "set_thresholds",
    "tune",
    "tune_for_cost",
    "tune_for_target",
    "tune_on",
    "write_report",
]
