"""Labelled pictures from a page, and a second look at a data set somebody else made."""

from __future__ import annotations

from telltale.collect.driver import collect_page
from telltale.collect.recipe import Recipe, load_recipe
from telltale.collect.summary import Summary

__all__ = ["Recipe", "Summary", "collect_page", "load_recipe"]
