"""Measure a bundle on labelled pictures, choose its thresholds, write the report."""

from __future__ import annotations

from telltale.evaluate.evaluation import Evaluation
from telltale.evaluate.judged import Judged
from telltale.evaluate.kinds import (
    StatesJudged,
    keep_judged,
    measure_bundle,
    retune_bundle,
    tune_bundle,
    variants_of,
    write_judged,
)
from telltale.evaluate.run import evaluate, keep, rescore, write_report
from telltale.evaluate.table import Table, read_table
from telltale.evaluate.thresholds import (
    parse_setting,
    set_thresholds,
    tune_for_cost,
    tune_for_target,
)

__all__ = [
    "Evaluation",
    "Judged",
    "StatesJudged",
    "Table",
    "evaluate",
    "keep",
    "keep_judged",
    "measure_bundle",
    "parse_setting",
    "read_table",
    "rescore",
    "retune_bundle",
    "set_thresholds",
    "tune_bundle",
    "tune_for_cost",
    "tune_for_target",
    "variants_of",
    "write_judged",
    "write_report",
]
