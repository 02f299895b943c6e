"""A first page.toml, written from what a page is seen to have. Knows nothing of collecting."""

from __future__ import annotations

import json
import re
from typing import Any

from telltale.collect.browser import chromium
from telltale.collect.driver import page_address
from telltale.collect.recipe import Recipe
from telltale.errors import PageError

_PROBE = "__none__"


def starter_recipe(url: str) -> str:
    """A page.toml for this page, with a comment where somebody must decide. `load_recipe` reads it when it has labels.

    Raises PageError when the page does not load or shows no canvas, and MissingPartError without a browser.
    """
    probe = Recipe(url=url, labels={_PROBE: {"press": _PROBE}}, canvas="canvas, video, img")
    with page_address(probe) as address, chromium() as browser:
        from telltale.collect.stage import Stage

        stage = Stage(browser, probe, address)
        try:
            stage.load({})
            return write_recipe(url, stage.inspect())
        finally:
            stage.close()


def write_recipe(url: str, found: dict[str, Any]) -> str:
    """The text, from what `Stage.inspect` found. Raises PageError when nothing can be pressed."""
    canvases, controls, tellers = found["canvases"], found["controls"], found["tellers"]
    teller = next((t for t in tellers if isinstance(t["states"], dict) and t["states"]), None)
    has = set(teller["has"]) if teller else set()
    name = teller["name"] if teller else ""
    lines = [f"url = {_quote(url)}"]
    if len(canvases) > 1:
        lines.append("# canvases: " + ", ".join(f"{c['name']} {c['width']}x{c['height']}" for c in canvases))
    if canvases:
        widest = max(canvases, key=lambda c: c["width"] * c["height"])
        lines.append(f"canvas = {_quote(widest['name'])}")
    if teller:
        if "ready" in has:
            lines.append(f"ready = {_quote(name + '.ready')}")
        lines.append(f"state = {_quote(name + '.state()')}")
        if "visibility" in has:
            lines.append(f"visibility = {_quote(name + '.visibility()')}")
    else:
        lines.append(
            '# state = "..."   a JS expression that gives {label: true or false}; without it the picture decides'
        )
    lines += ["views = 20", "", "[labels]"]
    labels = _labels(controls, list(teller["states"]) if teller else [])
    if not labels:
        raise PageError(url, expected="a button to press", got="none that is shown", next="write [labels] by hand")
    lines += labels
    lines += ["", "[camera]"]
    if "camera" in has:
        lines.append(f"js = {_quote(name + '.camera({azimuth: $azimuth, elevation: $elevation})')}")
        lines.append("vary = { azimuth = [0, 360], elevation = [5, 65] }")
    else:
        lines.append('# drag = { dx = [-250, 250], dy = [-60, 60] }   or js = "...$azimuth..." with vary, or url')
    if "settled" in has:
        lines += ["", "[settle]", f"settled = {_quote(name + '.settled()')}"]
    return "\n".join(lines) + "\n"


def _labels(controls: list[dict[str, Any]], states: list[str]) -> list[str]:
    """One line a control; those that no state is named after are left as comments, if any is."""
    named = []
    for control in controls:
        text = control["text"] or control["name"]
        words = set(_slug(text).split("_"))
        match = [s for s in states if set(_slug(s).split("_")) <= words]
        label = match[0] if match else _slug(text)
        toggle = ', attribute = "aria-pressed"' if control["pressed"] is not None and not states else ""
        value = f"{{ press = {_quote(text)}{toggle} }}" if toggle else _quote(text)
        named.append((bool(match) or not states, f"{label} = {value}"))
    return [line if sure else f"# {line}" for sure, line in named]


def _slug(text: str) -> str:
    return re.sub(r"\W+", "_", text.strip().lower()).strip("_") or "label"


def _quote(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
