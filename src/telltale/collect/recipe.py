"""page.toml: what to collect from a page, typed. Knows nothing of browsers or catalogues."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from telltale.errors import ConfigError
from telltale.project import Section, read_toml

ALL_UP_TO = 6
"""With this many labels or fewer, every combination is shown unless page.toml says otherwise."""

MOST_COMBINATIONS = 4096

Value = float | int | str | bool
"""A page parameter's value: what JSON writes without brackets."""


class Range(Section):
    """Numbers from low to high; whole numbers when `whole`."""

    low: float
    high: float
    whole: bool = False


class Choice(Section):
    """One of these."""

    of: tuple[Value, ...] = Field(min_length=1)


def _vary(value: Any) -> Any:
    """`[0, 360]` is a range; `["red", "blue"]` and lists of other lengths are choices."""
    if not isinstance(value, list):
        return value
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in value)
    return {"low": value[0], "high": value[1]} if numbers and len(value) == 2 else {"of": value}


Vary = Annotated[Range | Choice, BeforeValidator(_vary)]


class Control(Section):
    """How one label is pressed and, where the page can tell, how its state is read.

    press: CSS selector, or the visible text of a control.
    release: the control that turns it off; None when pressing again does.
    state: JS expression that gives this label's state.
    selector: CSS selector that matches something exactly while the label is on.
    attribute: attribute of the control that carries the state, such as `aria-pressed`.
    """

    press: str = Field(min_length=1)
    release: str | None = None
    state: str | None = None
    selector: str | None = None
    attribute: str | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Control:
        if sum(way is not None for way in (self.state, self.selector, self.attribute)) > 1:
            raise ValueError("one of state, selector and attribute")
        return self

    @property
    def reported(self) -> bool:
        """Whether the page tells this label's state by itself."""
        return (self.state or self.selector or self.attribute) is not None


AnyControl = Annotated[Control, BeforeValidator(lambda v: {"press": v} if isinstance(v, str) else v)]


class Drag(Section):
    """A camera moved by dragging on the canvas: how far, in CSS pixels, a view is from the one before."""

    dx: tuple[float, float] = (-250, 250)
    dy: tuple[float, float] = (-60, 60)


NAME = re.compile(r"\$([A-Za-z_]\w*)")


def names_in(template: str) -> list[str]:
    """The `$name`s of a template."""
    return NAME.findall(template)


def _check_names(vary: Mapping[str, object], templates: tuple[str | None, ...], where: str) -> None:
    used = {name for template in templates if template for name in names_in(template)}
    for name in vary:
        if name not in used:
            near = difflib.get_close_matches(name, used, 1, 0.5)
            there = f"; {where} has ${near[0]}" if near else ""
            raise ValueError(f"${name} in {where}.js or {where}.url, because {where}.vary has it{there}")
    for name in sorted(used - set(vary)):
        if any(template and NAME.search(template) for template in templates[1:]) or difflib.get_close_matches(
            name, vary, 1, 0.6
        ):
            raise ValueError(f"values for ${name} under {where}.vary")


class Camera(Section):
    """How a view is reached: one of `js`, `url` and `drag`, or none for a camera that stands still.

    js: JS expression with `$name` for each name of `vary`; url: query parameters with the same.
    reset: JS expression that brings the camera back to where it was after loading (for drag).
    """

    js: str | None = None
    url: str | None = None
    drag: Drag | None = None
    reset: str | None = None
    vary: dict[str, Vary] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _fits(self) -> Camera:
        if sum(way is not None for way in (self.js, self.url, self.drag)) > 1:
            raise ValueError("one of js, url and drag")
        _check_names(self.vary, (self.js, self.url), "camera")
        return self


class Look(Section):
    """Page parameters to vary: `js` sets them before each view, `url` by loading the page anew.

    loads: how many times each combination is loaded with other URL parameters.
    """

    js: str | None = None
    url: str | None = None
    loads: int = Field(1, ge=1)
    vary: dict[str, Vary] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _fits(self) -> Look:
        _check_names(self.vary, (self.js, self.url), "look")
        return self


class Settle(Section):
    """When a picture stands still, and how different is different.

    settled: JS expression that is true once nothing moves; pictures are compared besides.
    frames: of the screen that pass before `settled` is asked; 0 for a page that draws what it owes before it answers.
    quiet_ms: this long without a change counts as still.
    timeout_s: a picture still moving after this long is an error.
    react_s: a press that changed nothing for this long was missed, and is tried again up to `presses` times.
    noise: share of the canvas that may differ and still count as the same picture.
    """

    settled: str | None = None
    frames: int = Field(1, ge=0, le=60)
    quiet_ms: float = Field(100, ge=0)
    timeout_s: float = Field(10, gt=0)
    react_s: float = Field(1.0, gt=0)
    presses: int = Field(3, ge=1, le=10)
    noise: float = Field(0.0001, ge=0, lt=0.5)

    @model_validator(mode="after")
    def _fits(self) -> Settle:
        if self.frames == 0 and self.settled is None:
            raise ValueError("`settled` with frames = 0: without it nothing says when the page has drawn")
        return self

    @property
    def change(self) -> float:
        """The share of the canvas a press must change to have been seen."""
        return 3 * self.noise


class Recipe(Section):
    """All of page.toml.

    url: http(s)://, file://, a path beside page.toml, or `telltale:car/index.html` for a page of ours.
    on, off: the page's own words for a state, besides true/false, open/closed, on/off, yes/no, 1/0.
    start: states that are on right after loading, for a page that does not report them.
    speed: the page's clocks run this many times faster, so that its animations take less time.
    """

    url: str = Field(min_length=1)
    labels: dict[str, AnyControl] = Field(min_length=1)
    canvas: str = "canvas"
    viewport: tuple[Annotated[int, Field(ge=16, le=8192)], Annotated[int, Field(ge=16, le=8192)]] = (1280, 800)
    hide: tuple[str, ...] = ()
    ready: str | None = None
    prepare: str | None = None
    state: str | None = None
    on: str | None = None
    off: str | None = None
    start: dict[str, bool] = Field(default_factory=dict)
    visibility: str | None = None
    combinations: Literal["all", "pairwise"] | Annotated[int, Field(ge=1, le=MOST_COMBINATIONS)] | None = None
    views: int = Field(8, ge=1, le=10_000)
    speed: float = Field(1.0, ge=1, le=100)
    seed: int = 0
    format: Literal["jpeg", "png"] = "jpeg"
    quality: int = Field(92, ge=1, le=100)
    camera: Camera = Camera()
    look: Look = Look()
    settle: Settle = Settle()
    folder: Path = Field(Path("."), exclude=True)

    @model_validator(mode="after")
    def _fits(self) -> Recipe:
        for name in self.start:
            if name not in self.labels:
                near = difflib.get_close_matches(name, self.labels, 1, 0.5)
                raise ValueError(f"start names of labels ({', '.join(near or self.labels)}), not {name!r}")
        if self.combinations == "all" and 2 ** len(self.labels) > MOST_COMBINATIONS:
            raise ValueError(f'combinations = "pairwise" or a number: {len(self.labels)} labels have 2^n of them')
        both = sorted(set(self.camera.vary) & set(self.look.vary))
        if both:
            raise ValueError(f"a name varies once, under camera or under look: {', '.join(both)}")
        return self

    @property
    def how(self) -> Literal["all", "pairwise"] | int:
        """Which combinations are shown."""
        return self.combinations or ("all" if len(self.labels) <= ALL_UP_TO else "pairwise")

    @property
    def source(self) -> str:
        """What the catalogue keeps as the origin of a picture."""
        return f"page:{self.url}"

    def reports(self, name: str) -> bool:
        """Whether the page tells this label's state by itself."""
        return self.state is not None or self.labels[name].reported


def load_recipe(path: str | Path) -> Recipe:
    """page.toml as a Recipe. Raises ConfigError that names the key and, when unknown, the nearest known one."""
    path = Path(path)
    if not path.is_file():
        raise ConfigError(str(path), expected="a page.toml", got="no such file", next="`telltale init` writes one")
    recipe = read_toml(path, Recipe)
    return recipe.model_copy(update={"folder": path.resolve().parent})
