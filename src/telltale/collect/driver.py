"""Shows every combination on a page and keeps only the pictures whose labels are proved.

A combination starts from a state that is verified, each press is watched, each picture carries the states the page
told in that moment, and at the end all is pressed back and must look like the start. Its pictures go to the catalogue
in one transaction after that, or not at all. Knows nothing of training.
"""

from __future__ import annotations

import hashlib
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from telltale.collect.browser import chromium
from telltale.collect.plan import Combination, Session, Shot, View, make_plan
from telltale.collect.recipe import Recipe
from telltale.collect.rehearsal import Rehearsal, home_view, rehearse
from telltale.collect.seen import Picture, RefusedError, SettleError
from telltale.collect.summary import Summary
from telltale.dataset import Catalogue, NewImage
from telltale.dataset.catalogue import Said
from telltale.errors import ConfigError, Interrupted, PageError
from telltale.pages import PageServer, web_root
from telltale.progress import Progress, Quiet

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from telltale.collect.stage import Stage

OURS = "telltale:"

TRIES = 2
"""How often a combination that was refused is shown again before its pictures are given up."""

HOPELESS = 4
"""So many combinations refused in a row, and none saved, end the run with the reason."""


def collect_page(
    recipe: Recipe,
    catalogue: Catalogue,
    *,
    progress: Progress | None = None,
    limit: int | None = None,
    headless: bool = True,
    browser: Browser | None = None,
) -> Summary:
    """Collect what the recipe plans and the catalogue does not have yet; `progress` counts pictures.

    limit: stop after the combination with which this many pictures are saved. browser: one that runs already.
    Raises PageError when the page cannot be driven, ConfigError, MissingPartError without a browser, and Interrupted
    on Ctrl-C; whatever was saved before stays, and another call goes on from there.
    """
    start_s = time.monotonic()
    run = _Run(recipe, catalogue, progress or Quiet(), limit)
    if not run.todo:
        return run.summary(start_s, start_s)
    running = chromium(headless=headless) if browser is None else nullcontext(browser)
    with page_address(recipe) as url, running as started, _stop_softly() as stopped:
        from telltale.collect.stage import Stage

        stage = Stage(started, recipe, url)
        capture_s = time.monotonic()
        try:
            rehearsal = rehearse(stage, recipe, stopped)
            capture_s = time.monotonic()
            run.show_all(stage, rehearsal, stopped)
        except (PageError, _Stopped) as error:
            if stopped():
                raise Interrupted(
                    f"collecting stopped; {run.saved} pictures saved by this run are in the catalogue",
                    next="run the same command to go on",
                ) from error
            raise
        finally:
            stage.close()
    return run.summary(start_s, capture_s)


class _Stopped(Exception):
    """Ctrl-C was pressed."""


@dataclass
class _Run:
    """What is done, what is left and what was refused."""

    recipe: Recipe
    catalogue: Catalogue
    progress: Progress
    limit: int | None
    saved: int = 0
    retried: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.plan = make_plan(self.recipe)
        self._owner: dict[str, str] = {}  # content hash -> group
        mine: Counter[str] = Counter()
        for example in self.catalogue.examples():
            self._owner[example.sha256] = example.group
            if example.meta.get("plan") == self.plan.key:
                mine[example.group] += 1
        self.already = mine.total()
        self.todo = [c for c in self.plan.combinations if c.group not in mine]
        self.done = len(self.plan.combinations) - len(self.todo)
        if self.already:
            self.progress.advance(self.already, "already there")

    def show_all(self, stage: Stage, rehearsal: Rehearsal, stopped: Callable[[], bool]) -> None:
        """Every combination in turn; those refused come once more at the end."""
        queue = [(combination, 1) for combination in self.todo]
        lost = 0
        while queue:
            combination, attempt = queue.pop(0)
            if stopped():
                raise _Stopped
            try:
                self._keep(combination, [
                    new for session in combination.sessions
                    for new in _show(stage, self.recipe, rehearsal, combination, session, stopped)
                ])  # fmt: skip
                lost = 0
            except RefusedError as error:
                stage.trusted = False
                lost += 1
                if attempt < TRIES:
                    self.retried += 1
                    queue.append((combination, attempt + 1))
                else:
                    self._refuse(combination.group, combination.views, error)
                if lost >= HOPELESS and not self.saved:
                    raise PageError(
                        self.recipe.url,
                        expected="labels that can be verified",
                        got=f"{lost} combinations in a row that cannot: {error}",
                        next="watch the page with --show, or see docs/collect.md",
                    ) from error
            if self.limit is not None and self.saved >= self.limit:
                return

    def _keep(self, combination: Combination, pictures: list[tuple[Shot, Picture]]) -> None:
        recipe = self.recipe
        new: list[NewImage] = []
        for shot, picture in pictures:
            sha256 = hashlib.sha256(picture.data).hexdigest()
            owner = self._owner.get(sha256)
            if owner is not None:
                other = "the same picture again" if owner == combination.group else "a picture another combination has"
                self._refuse(combination.group, 1, RefusedError(other, f"{combination.group}: view {shot.index}"))
                continue
            self._owner[sha256] = combination.group
            meta = {"plan": self.plan.key, "view": shot.index, **shot.look, **shot.camera}
            visible = picture.visible or {}
            labels = {name: Said(on, visible.get(name)) for name, on in combination.states.items()}
            suffix = ".jpg" if recipe.format == "jpeg" else ".png"
            new.append(
                NewImage(picture.data, suffix, combination.group, recipe.source, meta, labels, who="collect page")
            )
        if new:
            self.catalogue.add_many(new)
        self.saved += len(new)
        self.done += 1
        self.progress.advance(len(new), f"{self.done}/{len(self.plan.combinations)} combinations")

    def _refuse(self, group: str, views: int, error: RefusedError) -> None:
        self.refused[error.reason] += views
        self.examples.setdefault(error.reason, f"{group}: {error.detail}")
        self.progress.advance(0, f"{self.refused.total()} refused: {error.reason}")

    def summary(self, start_s: float, capture_s: float) -> Summary:
        now_s = time.monotonic()
        return Summary(
            saved=self.saved,
            refused=dict(self.refused),
            combinations=self.done,
            planned=len(self.plan.combinations),
            seconds=now_s - start_s,
            capture_s=now_s - capture_s,
            retried=self.retried,
            already=self.already,
            examples=self.examples,
        )


def _show(
    stage: Stage,
    recipe: Recipe,
    rehearsal: Rehearsal,
    combination: Combination,
    session: Session,
    stopped: Callable[[], bool],
) -> list[tuple[Shot, Picture]]:
    """One session: verified start, presses, views, presses back, verified end. Raises RefusedError."""
    home = home_view(recipe)
    try:
        start = rehearsal.begin(stage, session.url)
        now = dict(start)
        turn = [name for name, on in combination.states.items() if now[name] != on]
        for name in turn:
            now = rehearsal.press(stage, name, now)
        stage.keep("shown", home)
        pictures: list[tuple[Shot, Picture]] = []
        while len(pictures) < len(session.shots):
            if stopped():
                raise _Stopped
            pictures += _shoot(stage, recipe, session.shots[len(pictures) :], now)
        stage.undo_drags()
        _expect_same(stage.compare("shown", home).changed, recipe, "the camera did not come back after the views")
        for name in reversed(turn):
            now = rehearsal.press(stage, name, now)
        rehearsal.end(stage, now)
    except SettleError as error:
        raise RefusedError("the picture never settled", str(error)) from error
    return pictures


def _shoot(
    stage: Stage, recipe: Recipe, shots: Sequence[Shot], states: Mapping[str, bool]
) -> list[tuple[Shot, Picture]]:
    """The first of these shots, as many as are taken in one go. Raises RefusedError when a state is not as it was."""
    if recipe.camera.drag is not None:
        shot = shots[0]
        if not stage.drag(float(shot.camera["dx"]), float(shot.camera["dy"])):
            raise RefusedError("no bare way over the canvas to drag along", f"by {dict(shot.camera)} pixels")
        taken = stage.shoot([View({}, shot.look)])
    else:
        taken = stage.shoot([View(shot.camera, shot.look) for shot in shots])
    pairs = list(zip(shots, taken, strict=False))  # not all may be taken yet
    for shot, picture in pairs:
        told = {name: on for name, on in picture.states.items() if on != states[name]}
        if told:
            raise RefusedError("a state changed while the views were taken", f"view {shot.index} tells {told}")
    return pairs


def _expect_same(changed: float, recipe: Recipe, reason: str) -> None:
    if changed > recipe.settle.change:
        raise RefusedError(reason, f"{100 * changed:.2f} % of the pixels differ")


@contextmanager
def page_address(recipe: Recipe) -> Iterator[str]:
    """The URL to open; our own pages and files are served on the loopback while the block runs."""
    url = recipe.url
    if url.startswith(OURS):
        with PageServer(web_root()) as pages:
            yield pages.url(url.removeprefix(OURS))
        return
    parts = urlsplit(url)
    if parts.scheme in ("http", "https"):
        yield url
        return
    if parts.scheme not in ("", "file"):
        raise ConfigError(
            "url", expected="http://, https://, file://, telltale: or a path", got=repr(url), next="mend `url`"
        )
    path = Path(unquote(parts.path))
    path = path if path.is_absolute() else recipe.folder / path
    if not path.is_file():
        raise PageError(url, expected="a page", got=f"no file {path}", next="check `url`")
    # a page of files taints its own canvas: served, its pictures are of its own origin
    root = recipe.folder if path.resolve().is_relative_to(recipe.folder.resolve()) else path.parent
    relative = path.resolve().relative_to(root.resolve()).as_posix()
    with PageServer(root) as pages:
        tail = (f"?{parts.query}" if parts.query else "") + (f"#{parts.fragment}" if parts.fragment else "")
        yield pages.url(relative) + tail


@contextmanager
def _stop_softly() -> Iterator[Callable[[], bool]]:
    """Ctrl-C asks to stop at the next view; pressed twice it stops at once. Only where signals can be caught."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return

    def ask(number: int, frame: FrameType | None) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGINT, before)
