"""bundle.json, typed. Knows nothing of folders, files on disk or runtimes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, PlainValidator, ValidationError, model_validator

from telltale.errors import BundleError, ConfigError
from telltale.project import Input, Smooth, Unsure
from telltale.tasks import Task, Threshold, from_spec
from telltale.tasks.task import Json

FORMAT = 1
"""The version of bundle.json this code writes. It rises when an older reader would go wrong."""

MODEL = "model.onnx"
INT8 = "model.int8.onnx"
TORCHSCRIPT = "model.ts"
GOLDEN = "golden.npz"
CARD = "README.md"

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*")
"""A file of a bundle: plain words and folders below it; nothing that leaves it, hides or needs quoting."""

RESERVED = frozenset({"bundle.json"})


def _to_threshold(value: Any) -> Threshold:
    """{low, high} as pydantic would take it, were the class not closed to the extra fields that `Part` allows."""
    if isinstance(value, Threshold):
        return value
    if not isinstance(value, dict) or set(value) != {"low", "high"}:
        raise ValueError("low and high")
    if not all(isinstance(v, int | float) and not isinstance(v, bool) for v in value.values()):
        raise ValueError("numbers for low and high")
    return Threshold(float(value["low"]), float(value["high"]))


StoredThreshold = Annotated[
    Threshold, PlainValidator(_to_threshold), PlainSerializer(lambda t: {"low": t.low, "high": t.high})
]


class Part(BaseModel):
    """A part of bundle.json: frozen. Fields of a later telltale are kept, so that an edit does not lose them."""

    model_config = ConfigDict(extra="allow", frozen=True, protected_namespaces=())


class Guarantee(Unsure):
    """What `unsure` promises: `error` and `confidence` as asked for.

    notes: name to what was reached and why. variants: those whose answers the thresholds were tuned on; the promise
    is made for them alone.
    """

    notes: dict[str, str] = Field(default_factory=dict)
    variants: list[str] = Field(default_factory=list)


class Data(Part):
    """What it was trained on. split: the policy, as chosen."""

    hash: str = ""
    images: int = 0
    groups: int = 0
    split: dict[str, Json] = {}


class Model(Part):
    """The network. parameters: of the fused net; macs: multiply-adds for one picture of the input's size.

    stride, reach: of a net that takes any size, what divides it, and how far around a pixel it looks; else 0.
    ranges: least and largest value of each sum in int8, in the order of the graph, where training learned them; None
    where a sum keeps more bits.
    """

    backbone: str = ""
    parameters: int = 0
    macs: int = 0
    stride: int = 0
    reach: int = 0
    ranges: tuple[tuple[float, float] | None, ...] = ()


class Variant(Part):
    """One way to run the model.

    file: its name, whether or not it was kept; kept: it is in the bundle;
    bytes: its size before the metadata is put in.
    latency_ms: median for one picture, one thread, on `machine` (see `Measured`); None: not measured.
    accuracy_delta: share of right answers minus the float model's, on the calibration split; None: not measured.
    max_delta: largest difference of a probability from the float model's on the pictures looked at.
    note: why it was kept or not.
    """

    file: str
    kept: bool = True
    bytes: int = 0
    latency_ms: float | None = None
    accuracy_delta: float | None = None
    max_delta: float | None = None
    note: str = ""


class Tolerance(Part):
    """How far a probability may lie from the golden one: `runtime` for float models anywhere, `int8` for int8."""

    runtime: float = Field(1e-3, gt=0, lt=1)
    int8: float = Field(0.15, gt=0, lt=1)


class FileInfo(Part):
    """One file of the bundle."""

    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    bytes: int = Field(ge=0)


class BundleSpec(Part):
    """All of bundle.json.

    created: ISO 8601, UTC. task: as `Task.to_spec()` gives it. outputs: name to shape without the batch axis.
    thresholds, temperature: one for each name of the task; those left out become 0.5/0.5 and 1.
    The temperature is inside the graph already and told here for the record.
    metrics: filled by evaluate. code: package to version. machine: where `variants` was measured.
    files: every other file of the folder; filled by `write_bundle`.
    """

    format: int = FORMAT
    name: str = Field(min_length=1)
    created: str = ""
    licence: str = "unstated"
    task: dict[str, Json]
    input: Input
    outputs: dict[str, list[int]] = {}
    thresholds: dict[str, StoredThreshold] = {}
    temperature: dict[str, float] = {}
    smoothing: Smooth = Smooth()
    unsure: Guarantee = Guarantee()
    metrics: dict[str, Json] = {}
    data: Data = Data()
    allow_leak: bool = False
    model: Model = Model()
    code: dict[str, str] = {}
    machine: str = ""
    variants: dict[str, Variant] = {}
    tolerance: Tolerance = Tolerance()
    files: dict[str, FileInfo] = {}

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, data: Any) -> Any:
        """Defaults for names without thresholds or temperature."""
        if not isinstance(data, dict) or not isinstance(data.get("task"), dict):
            return data
        names = _task(data["task"]).names
        filled = dict(data)
        for field, default in (("thresholds", Threshold()), ("temperature", 1.0)):
            given = data.get(field, {})
            if isinstance(given, dict):
                filled[field] = {**dict.fromkeys(names, default), **given}
        return filled

    @model_validator(mode="after")
    def _check(self) -> Self:
        names = set(self.make_task().names)
        for field, keys in (("thresholds", self.thresholds), ("temperature", self.temperature)):
            if set(keys) != names:
                raise ValueError(f"{field} for the names {sorted(names)}, got {sorted(keys)}")
        if not all(0 < value < float("inf") for value in self.temperature.values()):
            raise ValueError(f"temperatures above 0, got {self.temperature}")
        for name in self.files:
            check_name(name)
        return self

    def make_task(self) -> Task:
        """The task it tells."""
        return _task(self.task)

    def to_json(self) -> str:
        """bundle.json. Raises BundleError on what JSON cannot hold (NaN, an object)."""
        try:
            return json.dumps(self.model_dump(), indent=2, allow_nan=False) + "\n"
        except (ValueError, TypeError) as error:
            raise BundleError("bundle.json", expected="values JSON can hold", got=str(error)) from error

    def essentials(self) -> str:
        """What a lone .onnx needs to explain itself: everything but what describes the folder or is long."""
        return json.dumps(self.model_dump(exclude={"files", "metrics", "variants", "data", "machine"}), allow_nan=False)

    @classmethod
    def from_json(cls, text: str | bytes, where: str = "bundle.json") -> BundleSpec:
        """Raises BundleError on no JSON, a newer format or a field that does not fit."""
        try:
            data = json.loads(text, parse_constant=_refuse)
        except (ValueError, RecursionError) as error:
            raise BundleError(
                where, expected="JSON", got=str(error), next="restore it from a copy or export again"
            ) from error
        if not isinstance(data, dict):
            raise BundleError(where, expected="an object", got=type(data).__name__)
        version = data.get("format")
        if not isinstance(version, int) or isinstance(version, bool) or version < 1:
            raise BundleError(f"{where}: format", expected=f"a number from 1 to {FORMAT}", got=repr(version))
        if version > FORMAT:
            raise BundleError(
                f"{where}: format", expected=f"{FORMAT} or older", got=str(version), next="update telltale to read it"
            )
        return cls.make(data, where)

    @classmethod
    def make(cls, data: Mapping[str, Any], where: str) -> BundleSpec:
        """Raises BundleError naming the first field that does not fit."""
        try:
            return cls.model_validate(dict(data))
        except ValidationError as error:
            first = error.errors()[0]
            at = ".".join(str(part) for part in first["loc"])
            raise BundleError(
                f"{where}{f': {at}' if at else ''}", expected=first["msg"], got=_short(first["input"])
            ) from error


def check_name(name: str) -> None:
    """Raises ValueError unless `name` can only be a file inside the bundle."""
    if not NAME.fullmatch(name) or name in RESERVED or len(name) > 200:
        raise ValueError(f"files named with letters, digits, dot, dash and underscore inside the bundle, got {name!r}")


def _task(spec: Mapping[str, Json]) -> Task:
    """A ConfigError (or what a wrong type raises) as the ValueError that pydantic reports."""
    try:
        return from_spec(spec)
    except (ConfigError, TypeError, AttributeError) as error:
        raise ValueError(f"a task this telltale knows: {error}") from error


def _refuse(constant: str) -> None:
    """NaN and Infinity are no JSON; a browser would stop at them."""
    raise ValueError(f"{constant} is no JSON")


def _short(value: Any, limit: int = 80) -> str:
    text = repr(value)
    return text if len(text) <= limit else f"{text[:limit]}..."
