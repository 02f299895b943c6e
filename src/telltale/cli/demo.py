"""`telltale demo`: the whole way on the car page. Each step is what its own command does."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from telltale import pages
from telltale.cli.options import out
from telltale.errors import MissingPartError
from telltale.progress import clock, progress
from telltale.project import FILE, Project

RECIPE = "car/page.toml"
RUN = "demo"
SHAPE = "width=960&height=720"
"""The model sees pictures of the shape it was trained on."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of everything. views: pictures of each combination; combinations: None for what the recipe says."""

    views: int
    combinations: int | None
    train: str
    split: str


FULL = Plan(
    views=90,
    combinations=None,
    train="minutes = 3.5\nwatch = 0",
    split="train = 0.66\ncalibration = 0.19\ntest = 0.15",
)
QUICK = Plan(
    views=6,
    combinations=8,
    train='backbone = "pico"\nepochs = 2\nbatch = 16',
    split="train = 0.6\ncalibration = 0.2\ntest = 0.2",
)

TOML = """# What `telltale demo` trains: the doors and the hood of the car page.
name = "car"
licence = "Apache-2.0"

[task]
kind = "states"
names = ["front_left", "front_right", "rear_left", "rear_right", "hood"]
mirror = [["front_left", "front_right"], ["rear_left", "rear_right"]]

[input]
width = 160
height = 120

[split]
{split}

[train]
{train}

[train.hints]   # kept with each picture by the collector; learned beside the labels, not shipped
azimuth = {{ period = 360, mirror = "negate" }}
elevation = {{ mirror = "same" }}
distance = {{ mirror = "same" }}
"""


@dataclass
class Steps:
    """What the demo did: seconds of each step, and what to show of it."""

    folder: Path
    seconds: dict[str, float] = field(default_factory=dict)
    facts: dict[str, object] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str, says: str) -> Iterator[None]:
        """Announce a step and time it."""
        out.rule(f"[bold]{len(self.seconds) + 1}. {name}[/]: {says}", align="left")
        start_s = time.monotonic()
        yield
        self.seconds[name] = round(time.monotonic() - start_s, 1)

    @property
    def total_s(self) -> float:
        return sum(self.seconds.values())

    def keep(self) -> None:
        """demo.json: what a script reads."""
        told = {"seconds": self.seconds, "total_s": round(self.total_s, 1), **self.facts}
        (self.folder / "demo.json").write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")


def demo(
    folder: Annotated[Path | None, typer.Argument(help="Where to; telltale-demo without.")] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="A minute of everything: it shows the way, and tells little.")
    ] = (False),
    port: Annotated[int, typer.Option(help="Of the server at the end; 0 takes a free one.", min=0, max=65535)] = 8000,
    serve: Annotated[bool, typer.Option("--serve/--no-serve", help="Serve the result until Ctrl-C.")] = True,
) -> None:
    """The whole way on a 3D car: collect, train, export, evaluate, serve. Run again to go on after a stop."""
    target = (folder or Path("telltale-demo-quick" if quick else "telltale-demo")).resolve()
    steps = run_demo(target, QUICK if quick else FULL)
    bundle = target / "car.telltale"
    timed = ", ".join(f"{name} {clock(seconds)}" for name, seconds in steps.seconds.items())
    out.print(f"\n[bold]{clock(steps.total_s)}[/] in all: {timed}")
    out.print(str(steps.facts["headline"]), style="bold", markup=False)
    out.print(f"report: {bundle / 'report.html'}", markup=False)
    if not serve:
        return
    from telltale.serve.server import run_server

    run_server(bundle, port=port, say=_say_address)


def _say_address(line: str) -> None:
    out.print(line, markup=False)
    if line.startswith("telltale serves"):
        url = line.rsplit(" ", 1)[1]
        out.print(f"\nopen the car, told by the server:      [bold]{url}/car/?widget=ws&{SHAPE}[/]")
        out.print(f"open the car, told inside the browser: [bold]{url}/car/?widget=local&{SHAPE}[/]\n")


def run_demo(folder: Path, plan: Plan) -> Steps:
    """Everything but serving; leaves `car.telltale` and `demo.json` in the folder."""
    from telltale.cli.shipping import evaluate_and_keep, export_and_tune
    from telltale.cli.training import split
    from telltale.train import run

    if not pages.vendor_ready():
        raise MissingPartError("the car page", expected="its npm files", got="none", next="run tools/setup.sh web")
    project = start(folder, plan)
    steps = Steps(folder)
    with steps.step("collect", "drive the car page, keep pictures whose labels were verified"):
        steps.facts["collect"] = _collect(project, plan)
    with steps.step("train", "a small net, from scratch"):
        split(project)
        begun = (project.runs / RUN / "last.pt").is_file()
        result = run(project, name=RUN, resume=begun, steps=progress)
        out.print(f"{result.parameters:,} parameters, {result.macs / 1e6:.1f} M multiply-adds, {result.epochs} epochs")
    with steps.step("export", "one model for every runtime, proved to agree"):
        bundle = export_and_tune(project, project.runs / RUN)
    with steps.step("evaluate", "on combinations it has never seen"):
        evaluation, _ = evaluate_and_keep(bundle, project)
    steps.facts["headline"] = evaluation.headline
    steps.keep()
    return steps


def start(folder: Path, plan: Plan) -> Project:
    """The demo's project; one that is there is gone on with."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / FILE).exists():
        (folder / FILE).write_text(TOML.format(split=plan.split, train=plan.train), encoding="utf-8")
        (folder / "runs").mkdir(exist_ok=True)
    return Project.open(folder)


def _collect(project: Project, plan: Plan) -> dict[str, object]:
    from telltale.collect import collect_page, load_recipe
    from telltale.collect.plan import make_plan
    from telltale.dataset.catalogue import Catalogue
    from telltale.dataset.sheet import sample, write_sheet

    recipe = load_recipe(pages.web_root() / RECIPE)
    recipe = recipe.model_copy(update={"views": plan.views, "combinations": plan.combinations or recipe.combinations})
    with Catalogue.open(project.catalogue_path, project.images) as catalogue:
        with progress("collect", make_plan(recipe).views, "pictures") as step:
            summary = collect_page(recipe, catalogue, progress=step)
        for line in summary.lines():
            out.print(line, markup=False)
        sheet = write_sheet(sample(catalogue.examples(), 40), project.root / "collected.jpg", title="collected")
    out.print(f"look at some: {sheet}", markup=False)
    return summary.to_json()
