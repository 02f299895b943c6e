"""Recipes for the board of lamps of pages/lamps.html."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from telltale.collect import Recipe
from telltale.project import validate

PAGES = Path(__file__).resolve().parent / "collect" / "pages"

TALKING = {
    "state": "lamps.state()",
    "visibility": "lamps.visibility()",
    "camera": {"js": "lamps.camera({angle: $angle})", "vary": {"angle": [0, 360]}},
    "settle": {"settled": "lamps.settled()", "react_s": 0.3, "timeout_s": 2},
}
MUTE = {
    "camera": {"js": "aim($angle)", "vary": {"angle": [0, 360]}},
    "settle": {"quiet_ms": 50, "react_s": 0.3, "timeout_s": 2},
}


def lamps(query: str = "instant", *, mute: bool = False, **changes: Any) -> Recipe:
    """A recipe for the board of lamps; changes replace whole keys."""
    told = MUTE if mute else TALKING
    data: dict[str, Any] = {
        "url": f"lamps.html?{query}{'&mute' if mute else ''}",
        "labels": {"red": "Red lamp", "green": "Green lamp", "blue": "Blue lamp"},
        "viewport": [480, 360],
        "views": 2,
        **json.loads(json.dumps(told)),
    }
    data.update(changes)
    recipe = validate({k: v for k, v in data.items() if v is not None}, Recipe, "page.toml")
    return recipe.model_copy(update={"folder": PAGES})
