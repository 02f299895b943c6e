"""One page in a browser: load it, move its camera, press its controls, take its picture.

Knows nothing of combinations, of what a picture should show or of where it is kept. What happens inside the page is
page.js; every trouble it tells, and every way a page can go away, becomes one PageError here.
"""

from __future__ import annotations

import base64
import functools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib import resources
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Dialog, Error, Page
from playwright.sync_api import TimeoutError as Late

from telltale.collect.plan import Values, View, fill_url
from telltale.collect.recipe import NAME, Recipe
from telltale.collect.seen import Picture, Seen, SettleError
from telltale.errors import CatalogueError, PageError
from telltale.tasks.states import parse_state

LOAD_TIMEOUT_S = 90.0
DRAG_STEPS = 10

TOGETHER_S = 0.5
"""Views are taken in one go for so long: between two of them the browser need not compose its window."""


class Stage:
    """A page that is driven. Not shared between threads; `close()` it.

    trusted: whether it is known to stand at its start; `load()` does not say so, the one who looks does.
    """

    def __init__(self, browser: Browser, recipe: Recipe, url: str) -> None:
        self._browser, self._recipe, self._base = browser, recipe, url
        self._context: BrowserContext | None = None
        self._page: Page
        self._gone = ""
        self._dialog = ""
        self._dragged: list[tuple[float, float]] = []
        self.size = (0, 0)
        self.trusted = False

    def load(self, values: Values) -> None:
        """The page anew, with no memory of an earlier visit. Raises PageError."""
        self.close()
        recipe = self._recipe
        width, height = recipe.viewport
        url = fill_url(fill_url(self._base, recipe.look.url, values), recipe.camera.url, values)
        with self._explained("load"):
            self._context = self._browser.new_context(
                viewport={"width": width, "height": height}, reduced_motion="reduce", service_workers="block"
            )
            self._context.set_default_timeout(LOAD_TIMEOUT_S * 1000)
            self._context.add_init_script(_script(recipe.speed))
            self._page = page = self._context.new_page()
            self._gone = self._dialog = ""
            page.on("close", lambda _: self._leave("it was closed"))
            page.on("crash", lambda _: self._leave("it crashed"))
            page.on("dialog", self._dismiss)
            try:
                answer = page.goto(url, wait_until="load", timeout=LOAD_TIMEOUT_S * 1000)
            except Error as error:
                if self._gone:
                    raise
                raise PageError(url, expected="a page", got=_first_line(error), next="check `url`") from error
            if answer is not None and answer.status >= 400:
                raise PageError(url, expected="a page", got=f"HTTP status {answer.status}", next="check `url`")
            if recipe.speed != 1:
                tools = self._context.new_cdp_session(page)
                tools.send("Animation.enable")
                tools.send("Animation.setPlaybackRate", {"playbackRate": recipe.speed})
            self._wait_ready()
            if recipe.prepare:
                self._install("prepare", recipe.prepare)
                page.evaluate("() => __telltale.expressions.prepare({})")
            self._install_all()
            self.size = tuple(self._call("bind", self._settings())["size"])
        self._dragged.clear()

    def _wait_ready(self) -> None:
        """`ready` may be defined a little later than the page is loaded, and may be a promise."""
        if not self._recipe.ready:
            return
        body = _function(self._recipe.ready, ())
        try:
            self._page.wait_for_function(f"async () => {{ try {{ return Boolean(await ({body})({{}})) }} catch {{}} }}")
        except Late as error:
            raise PageError(
                "ready",
                expected=f"`{self._recipe.ready}` to become true within {LOAD_TIMEOUT_S:g} s",
                got="it did not",
                next="check the expression in the browser's console",
            ) from error

    def _install_all(self) -> None:
        recipe = self._recipe
        self._install("settled", recipe.settle.settled)
        self._install("state", recipe.state)
        self._install("visibility", recipe.visibility)
        self._install("reset", recipe.camera.reset)
        self._install("camera", recipe.camera.js, tuple(recipe.camera.vary))
        self._install("look", recipe.look.js, tuple(recipe.look.vary))
        for name, control in recipe.labels.items():
            self._install(f"state:{name}", control.state)

    def _install(self, name: str, expression: str | None, names: tuple[str, ...] = ()) -> None:
        if expression is None:
            return
        for body in (_function(expression, names), _function(expression, names, statements=True)):
            try:
                self._page.evaluate(f"() => {{ __telltale.expressions[{json.dumps(name)}] = {body}; }}")
                return
            except Error as error:
                if "SyntaxError" not in error.message:
                    raise
                reason = _first_line(error)
        raise PageError(
            name, expected="a JavaScript expression", got=f"{expression!r}: {reason}", next="mend page.toml"
        )

    def _settings(self) -> dict[str, object]:
        recipe = self._recipe
        return {
            "canvas": recipe.canvas,
            "hide": list(recipe.hide),
            "labels": list(recipe.labels),
            "controls": {name: c.model_dump() for name, c in recipe.labels.items() if c.reported},
            "settled": recipe.settle.settled or "",
            "frames": recipe.settle.frames,
            "quiet_ms": recipe.settle.quiet_ms,
            "timeout_ms": recipe.settle.timeout_s * 1000,
            "react_ms": recipe.settle.react_s * 1000,
            "noise": recipe.settle.noise,
            "change": recipe.settle.change,
            "mime": f"image/{recipe.format}",
            "quality": recipe.quality / 100,
        }

    def keep(self, name: str, view: View | None = None) -> None:
        """Remember the settled picture under this name, seen from `view` (or as it stands)."""
        self._call("look_at", {"keep": name, "view": view and view.to_json()})

    def compare(self, name: str, view: View | None = None) -> Seen:
        """The settled picture against the one kept."""
        return self._seen(self._call("compare", {"keep": name, "view": view and view.to_json()}))

    def states(self) -> dict[str, bool]:
        """What the page tells of its labels, now."""
        return self._told(self._call("states", {})["states"])

    def press(self, control: str, name: str, was: Mapping[str, bool]) -> Seen:
        """Click a control as a person would; the settled picture after it against the one kept under `name`."""
        point = self._call("control", {"press": control})
        with self._explained(f"press {control!r}"):
            self._page.mouse.click(point["x"], point["y"])
        return self._seen(self._call("pressed", {"keep": name, "was": dict(was)}))

    def drag(self, dx: float, dy: float) -> bool:
        """Drag over the canvas where nothing lies on it. False when there is no such way."""
        start = self._call("path", {"dx": dx, "dy": dy})["start"]
        if start is None:
            return False
        with self._explained("drag"):
            mouse = self._page.mouse
            mouse.move(start["x"], start["y"])
            mouse.down()
            mouse.move(start["x"] + dx, start["y"] + dy, steps=DRAG_STEPS)
            mouse.up()
        self._dragged.append((dx, dy))
        return True

    def undo_drags(self) -> None:
        """The camera back to where it was after loading: by `camera.reset`, else by dragging the same way back."""
        if not self._dragged:
            return
        if self._recipe.camera.reset:
            with self._explained("camera.reset"):
                self._page.evaluate("() => __telltale.expressions.reset({})")
        else:
            for dx, dy in reversed(self._dragged.copy()):
                self.drag(-dx, -dy)
        self._dragged.clear()

    def shoot(self, views: Sequence[View]) -> list[Picture]:
        """Move, settle and capture, one view after the other in one round trip: the first views, at least one.

        As many as can be taken in about TOGETHER_S, so that whoever asks may stop between two calls.
        """
        given = {"views": [view.to_json() for view in views], "for_ms": TOGETHER_S * 1000}
        return [self._picture(got) for got in self._call("shoot", given)["taken"]]

    def _picture(self, got: Mapping[str, Any]) -> Picture:
        visible = got["visible"]
        if visible is not None:
            try:
                visible = {name: round(visible[name]) for name in self._recipe.labels if visible.get(name) is not None}
            except (TypeError, ValueError, AttributeError) as error:
                raise PageError("visibility", expected="an object of label to pixels", got=repr(visible)) from error
        width, height = got["size"]
        return Picture(base64.b64decode(got["data"]), width, height, self._told(got["states"]), visible)

    def inspect(self) -> dict[str, Any]:
        """Canvases, controls and talking objects of the page."""
        found: dict[str, Any] = self._call("inspect", {})
        return found

    def close(self) -> None:
        if self._context is not None:
            context, self._context = self._context, None
            with suppress(Error):  # it may be gone already
                context.close()

    def _seen(self, got: Mapping[str, Any]) -> Seen:
        return Seen(got["changed"], tuple(got["cells"]), self._told(got["states"]))

    def _told(self, states: Mapping[str, Any]) -> dict[str, bool]:
        return {name: self._parse(name, value) for name, value in states.items()}

    def _parse(self, name: str, value: Any) -> bool:
        word = str(value).strip()
        if word in (self._recipe.on, self._recipe.off):
            return word == self._recipe.on
        try:
            return parse_state(name, value) == 1.0
        except CatalogueError as error:
            raise PageError(
                f"state of {name}", expected=error.expected, got=repr(value), next="name the page's words: on, off"
            ) from error

    def _call(self, verb: str, argument: Mapping[str, object]) -> Any:
        with self._explained(verb):
            answer = self._page.evaluate("([verb, argument]) => __telltale.call(verb, argument)", [verb, argument])
        if "ok" in answer:
            return answer["ok"]
        told = dict(answer["trouble"])
        kind = told.pop("kind")
        told["got"] += f" (it had opened a dialog: {self._dialog!r})" if self._dialog else ""
        raise (SettleError if kind == "settle" else PageError)(**told)

    def _leave(self, why: str) -> None:
        self._gone = self._gone or why

    def _dismiss(self, dialog: Dialog) -> None:
        self._dialog = dialog.message[:80]
        with suppress(Error):  # the page may have gone away with it
            dialog.dismiss()

    @contextmanager
    def _explained(self, doing: str) -> Iterator[None]:
        """Errors of the browser as one PageError."""
        try:
            yield
        except Error as error:
            line = _first_line(error)
            if self._gone or "closed" in line or "crash" in line:
                got = self._gone or "the browser closed it"
            elif "context was destroyed" in line or "__telltale is not defined" in line:
                got = "it went to another page"
            else:
                got = line
            raise PageError(
                f"{self._recipe.url} ({doing})", expected="a page that stays", got=got, next="what was saved is kept"
            ) from error


@functools.cache
def _source() -> str:
    return resources.files(__package__).joinpath("page.js").read_text(encoding="utf-8")


def _script(speed: float) -> str:
    return _source().replace("$SPEED", f"{speed:g}")


def _function(expression: str, names: tuple[str, ...], *, statements: bool = False) -> str:
    """A JS function of one object of parameters; `$name` takes its value from it."""
    filled = NAME.sub(lambda m: f"__p[{json.dumps(m[1])}]" if m[1] in names else m[0], expression)
    return f"async (__p) => {{ {filled} }}" if statements else f"async (__p) => ({filled}\n)"


def _first_line(error: Error) -> str:
    line = error.message.strip().splitlines()[0]
    return re.sub(r"^[\w.]+: ", "", line, count=1)
