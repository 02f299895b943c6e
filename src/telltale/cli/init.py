"""Starts a project: a telltale.toml that explains itself. Knows the settings, and no stage."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from telltale.errors import ConfigError
from telltale.project import FILE, Augment, Config, Project, validate

STARTS: dict[str, dict[str, object]] = {
    "mask": {"width": 256, "height": 256, "fit": "tile"},
    "locate": {"width": 192, "height": 192, "fit": "letterbox"},
}
"""Kind of task to the [input] it starts with, where that is not the usual one."""

RATES: dict[str, dict[str, Any]] = {
    "mask": {
        "optimizer": "muon",
        "learning_rate": 0.005,
        "augment": {"rotate": 12.0, "scale": 0.3, "brightness": 0.4, "contrast": 0.4},
    }
}
"""Kind of task to the [train] it starts with; masks are learned from few defects, so those are moved further."""

EXPLAINED = {
    "states": "mirror = [{pairs}]  # names that swap when a picture is flipped left to right\n",
    "locate": "mirror = [{pairs}]  # names that swap when a picture is flipped left to right\n"
    "# max_count = 100               # boxes of one name in a picture, at most\n"
    "# near_px = 5                   # a centre this close is right, in pixels of the picture\n",
    "mask": "min_area = 8                    # smaller regions are neither told nor missed, in pixels\n"
    "# mm_per_px = 0.05               # tells areas in mm² too\n",
}
"""Kind of task to the rest of its [task]."""


def init_project(
    folder: Path,
    names: list[str],
    mirror: list[tuple[str, str]],
    *,
    kind: str = "states",
    name: str | None = None,
    width: int | None = None,
    height: int | None = None,
) -> Project:
    """Write telltale.toml and the empty folders. Raises ConfigError when one is there already, or names do not fit."""
    path = folder / FILE
    if path.exists():
        raise ConfigError(str(path), expected="no project yet", got="one", next="edit it, or name another folder")
    title = name or folder.resolve().name
    size: dict[str, object] = dict(STARTS.get(kind, {}))
    size |= {key: value for key, value in (("width", width), ("height", height)) if value is not None}
    task: dict[str, object] = {"kind": kind, "names": names}
    if mirror or kind in ("states", "locate"):
        task["mirror"] = [list(pair) for pair in mirror]
    config = validate({"name": title, "task": task, "input": size, "train": RATES.get(kind, {})}, Config, FILE)
    config.make_task()
    folder.mkdir(parents=True, exist_ok=True)
    for sub in ("images", "runs"):
        (folder / sub).mkdir(exist_ok=True)
    path.write_text(render(config), encoding="utf-8")
    return Project.open(folder)


def render(config: Config) -> str:
    """The text of a new telltale.toml: what most people change first, with the defaults filled in."""
    names = ", ".join(_quote(n) for n in config.task["names"])
    pairs = ", ".join(f"[{_quote(a)}, {_quote(b)}]" for a, b in config.task.get("mirror", []))
    start = Augment()
    moved = "".join(
        f"{key} = {value:g}\n" for key, value in config.train.augment if key != "flip" and value != getattr(start, key)
    )
    more = EXPLAINED[config.task["kind"]].format(pairs=pairs)
    return f"""# A telltale project. Every key has a default but task; an unknown key is refused.
name = {_quote(config.name)}
licence = "unstated"            # of the model you make here; written into its bundle

[task]
kind = "{config.task["kind"]}"
names = [{names}]
{more}
[input]                         # what the model sees; small is fast
width = {config.input.width}
height = {config.input.height}
fit = "{config.input.fit}"  # stretch; letterbox: keep the shape and pad; tile (masks): any size, in tiles

[split]                         # shares of the groups; a group never crosses
train = {config.split.train}
calibration = {config.split.calibration}
test = {config.split.test}
seed = {config.split.seed}

[train]
backbone = {_quote(config.train.backbone)}  # pico, nano, tiny or small
# epochs = {config.train.rounds}                  # how often to see every picture; the schedule fits
# minutes = 5                   # or stop after this long
optimizer = {_quote(config.train.optimizer)}
learning_rate = {config.train.learning_rate:g}

[train.augment]
flip = {str(config.train.augment.flip).lower()}                     # needs task.mirror wherever left and right matter
{moved}
[unsure]                        # told answers are wrong at most this often, with this confidence
error = {config.unsure.error}
confidence = {config.unsure.confidence}

[smooth]                        # on live frames
average_s = {config.smooth.average_s}
dwell_s = {config.smooth.dwell_s}
"""


def _quote(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
