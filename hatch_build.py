"""Puts the web pages, their npm files and the C runtime into the wheel; an editable install has them anyway."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FOLDERS = ("car", "monitor", "widget", "vendor")


class PagesHook(BuildHookInterface):
    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            return
        web = Path(self.root) / "web"
        if not (web / "vendor" / "versions.json").is_file():
            raise FileNotFoundError(f"{web / 'vendor'} is missing: run tools/setup.sh web first")
        for folder in FOLDERS:
            build_data["force_include"][str(web / folder)] = f"telltale/_web/{folder}"
        edge = Path(self.root) / "edge"
        for path in sorted([*edge.glob("*.c"), *edge.glob("*.h")]):
            build_data["force_include"][str(path)] = f"telltale/_edge/{path.name}"
