"""Labelled pictures from a page, and a second look at a data set somebody else made."""

from __future__ import annotations

from telltale.collect.audit import AuditReport, Contradiction, audit_folder
from telltale.collect.driver import collect_page
from telltale.collect.recipe import Recipe, load_recipe
from telltale.collect.starter import starter_recipe
from telltale.collect.summary import Summary

__all__ = [
    "AuditReport",
    "Contradiction",
    "Recipe",
    "Summary",
    "audit_folder",
    "collect_page",
    "load_recipe",
    "starter_recipe",
]
