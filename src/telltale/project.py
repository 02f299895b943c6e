"""A project folder and its telltale.toml. Knows the settings of every stage, and none of the stages."""

from __future__ import annotations

import difflib
import tomllib
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
)

from telltale.errors import ConfigError
from telltale.preprocess import Preprocess
from telltale.tasks import Task, from_spec

FILE = "telltale.toml"

Model = TypeVar("Model", bound=BaseModel)


class Section(BaseModel):
    """A table of telltale.toml: frozen, unknown keys refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Input(Section):
    """What the model sees. `stretch` scales both sides freely; `letterbox` keeps the shape and pads; `tile` keeps the
    picture's own pixels, or `scale` of them, and looks at any size in tiles of width x height.
    """

    width: int = Field(160, ge=16, le=2048)
    height: int = Field(128, ge=16, le=2048)
    fit: Literal["stretch", "letterbox", "tile"] = "stretch"
    scale: float = Field(1.0, gt=0, le=4, description="of the picture's sides, with fit = tile")
    clahe: float = Field(0.0, ge=0, le=40, description="clip limit of local contrast equalisation; 0: none")

    def preprocess(self) -> Preprocess:
        """Raises ConfigError where scale and fit do not go together."""
        return Preprocess(self.width, self.height, self.fit, self.scale, self.clahe)

    @model_serializer(mode="wrap")
    def _without_defaults(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """An older telltale refuses keys it does not know, so what is not used is not written."""
        said: dict[str, Any] = handler(self)
        return {key: value for key, value in said.items() if (key, value) not in (("scale", 1.0), ("clahe", 0.0))}


class Split(Section):
    """Shares of the groups: to train on, to calibrate on, to test on."""

    train: float = Field(0.70, gt=0, le=1)
    calibration: float = Field(0.15, ge=0, lt=1)
    test: float = Field(0.15, ge=0, lt=1)
    seed: int = 0
    near_bits: int = Field(12, ge=0, le=32, description="near-duplicate: perceptual hashes this close, of 256 bits")


class Augment(Section):
    """How far training moves a picture. Angles in degrees, shifts and scales as shares."""

    flip: bool = True
    turns: bool | None = Field(None, description="quarter turns and upside down; unset: for masks only")
    rotate: float = Field(6.0, ge=0, le=180)
    scale: float = Field(0.15, ge=0, lt=1)
    shift: float = Field(0.08, ge=0, lt=1)
    perspective: float = Field(0.05, ge=0, lt=0.5)
    brightness: float = Field(0.25, ge=0, lt=1)
    contrast: float = Field(0.25, ge=0, lt=1)
    saturation: float = Field(0.25, ge=0, lt=1)
    hue: float = Field(10.0, ge=0, le=180)
    erase: float = Field(0.0, ge=0, le=1, description="chance of a blanked rectangle")
    occlude: float = Field(0.0, ge=0, le=1, description="for boxes: chance that a bar hides a part of one thing")
    paste: float = Field(
        0.0, ge=0, le=1, description="for masks: chance that a good crop gets what is marked in another"
    )


class Hint(Section):
    """A number a collector kept with each picture, such as the camera's azimuth, to be learned beside the labels.

    period: of an angle, 360 for degrees; None for what is no angle.
    mirror: what it is in the picture flipped left to right: the same, its negative, or unknown.
    """

    period: float | None = Field(None, gt=0)
    mirror: Literal["same", "negate", "unknown"] = "unknown"


class Distil(Section):
    """How a teacher teaches (`train.teacher`)."""

    weight: float = Field(0.7, ge=0, le=1, description="of the teacher's answers; the rest is the labels'")
    temperature: float = Field(2.0, gt=0, le=100, description="softens both answers before they are compared")
    hidden: bool = Field(True, description="also learn the teacher's hidden units, where it is a run")
    answers: Literal["auto", "cached", "moved"] = Field(
        "auto", description="told once for each picture and its mirror image, or for every batch as it is moved"
    )


class Train(Section):
    """How to train. Stops at `epochs` or `minutes`, whichever comes first; the schedule fits both.

    Without `epochs`: 100 of them, or as many as fit into `minutes`.
    """

    backbone: str = "nano"
    epochs: int | None = Field(None, ge=1)
    minutes: float | None = Field(None, gt=0)
    batch: int = Field(32, ge=1)
    optimizer: Literal["adamw", "muon"] = Field("adamw", description="muon learns masks in half the steps")
    learning_rate: float = Field(4e-3, gt=0)
    weight_decay: float = Field(0.02, ge=0)
    warmup: float = Field(0.05, ge=0, lt=1, description="share of the steps")
    ema: float = Field(0.998, ge=0, lt=1)
    patience: int = Field(0, ge=0, description="epochs without a better watch loss before stopping; 0 never")
    watch: float = Field(0.1, ge=0, lt=0.5, description="share of the training groups kept to watch for over-fitting")
    seed: int = 0
    hidden: Literal["unsure", "skip", "label"] = Field(
        "unsure", description="teach a known label whose part cannot be seen as 0.5, not at all, or as it is"
    )
    threads: int | None = Field(None, ge=1)
    precision: Literal["auto", "32-true", "bf16-mixed"] = Field(
        "auto", description="auto: bf16-mixed where the processor multiplies bf16 in hardware"
    )
    save_every_s: float = Field(10.0, ge=0, description="seconds between checkpoints; a kill loses at most this much")
    hints: dict[str, Hint] = Field({}, description="numbers kept with the pictures, learned beside the labels")
    hint_weight: float = Field(1.0, ge=0, description="of the hints beside the labels")
    teacher: str | None = Field(None, description="a run's name, or the path of a run or a bundle to learn from")
    distil: Distil = Distil()
    quantise: bool = Field(False, description="round as int8 does while training; set by `telltale train --quantise`")
    augment: Augment = Augment()

    @property
    def rounds(self) -> int:
        """The number of epochs at which a run ends, if nothing else ends it."""
        return self.epochs or (100 if self.minutes is None else 1_000_000)


class Unsure(Section):
    """Told answers are wrong at most `error` of the time, with this confidence (per name).

    alarms: for masks and boxes, the share of pictures without any in which something may be told. Unset: masks are told
    from the cut of the best Dice, for boxes it is `error`.
    """

    error: float = Field(0.01, gt=0, lt=0.5)
    confidence: float = Field(0.90, gt=0.5, lt=1)
    alarms: float | None = Field(None, gt=0, lt=1)


class Smooth(Section):
    """From probabilities to events: exponential average and minimum dwell, in seconds; track: boxes are followed."""

    average_s: float = Field(0.3, ge=0)
    dwell_s: float = Field(0.3, ge=0)
    track: bool = False


class Config(Section):
    """All of telltale.toml."""

    name: str = "model"
    licence: str = "unstated"
    task: dict[str, Any]
    input: Input = Input()
    split: Split = Split()
    train: Train = Train()
    unsure: Unsure = Unsure()
    smooth: Smooth = Smooth()

    def make_task(self) -> Task:
        """The task of `[task]`. Raises ConfigError."""
        return from_spec(self.task)


class Project:
    """A folder: telltale.toml, catalogue.db, images/, runs/."""

    def __init__(self, root: Path, config: Config) -> None:
        self.root = root
        self.config = config

    @classmethod
    def open(cls, folder: str | Path = ".") -> Project:
        """Raises ConfigError when there is no valid telltale.toml."""
        root = Path(folder).resolve()
        path = root / FILE
        if not path.is_file():
            raise ConfigError(
                str(folder), expected=f"a folder with {FILE}", got="none", next="run `telltale init` there"
            )
        return cls(root, read_toml(path, Config))

    @property
    def catalogue_path(self) -> Path:
        return self.root / "catalogue.db"

    @property
    def images(self) -> Path:
        return self.root / "images"

    @property
    def runs(self) -> Path:
        return self.root / "runs"


def read_toml(path: Path, model: type[Model]) -> Model:
    """A TOML file as a typed model. Raises ConfigError naming the key and, when unknown, the nearest known one."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise ConfigError(str(path), expected="valid TOML", got=str(error)) from error
    return validate(data, model, path.name)


def validate(data: dict[str, Any], model: type[Model], where: str) -> Model:
    """Data as a typed model; ConfigError says the first thing that does not fit."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        at = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            key = str(first["loc"][-1])
            known = _keys(model, first["loc"][:-1])
            near = difflib.get_close_matches(key, known, 1, 0.5)
            raise ConfigError(
                f"{where}: {at}",
                expected="a known key",
                got=repr(key),
                next=f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(known)}",
            ) from error
        said = first["msg"].removeprefix("Value error, ")
        got = "" if isinstance(first["input"], dict) else repr(first["input"])
        raise ConfigError(f"{where}: {at}" if at else where, expected=said, got=got) from error


def _keys(model: type[BaseModel], path: tuple[int | str, ...]) -> list[str]:
    """The field names of the table at this path of a model."""
    here: Any = model
    for part in path:
        if isinstance(part, int):
            continue
        field = here.model_fields.get(part) if isinstance(here, type) and issubclass(here, BaseModel) else None
        if field is None:
            return []
        here = _model_inside(field.annotation)
    return list(here.model_fields) if isinstance(here, type) and issubclass(here, BaseModel) else []


def _model_inside(annotation: Any) -> Any:
    """The model in `Model`, `Model | None`, `list[Model]` or `dict[str, Model]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in get_args(annotation):
        found = _model_inside(inner)
        if found is not None:
            return found
    return None
