"""The pictures of the report: the worst mistakes, and where the model looked. Knows nothing of metrics or HTML."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from telltale.bundle.predictor import Predictor
from telltale.dataset import Example
from telltale.errors import BundleError, ImageError
from telltale.evaluate.table import Table
from telltale.frame import Image
from telltale.preprocess import decode

CAM = "cam"
LONG_SIDE = 320
QUALITY = 78
MISTAKES, LOOKS = 4, 2
MOST = 64
"""Pictures a report holds at most: a report is mailed around."""

FOR_ON = np.array([230.0, 97.0, 0.0])
FOR_OFF = np.array([45.0, 85.0, 205.0])
"""RGB of the two ends: orange and blue are told apart by every kind of colour blindness."""


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture of the report.

    kind: `mistake` (the likelier side is wrong) or `look` (right and sure). image, heat: JPEG files; heat is the same
    picture under the class activation, empty where the model has none.
    """

    kind: str
    name: str
    truth: bool
    prob: float
    file: str
    group: str
    hidden: bool
    image: bytes
    heat: bytes = b""


def choose(table: Table) -> list[tuple[str, int, int]]:
    """(kind, name index, row) of what to show: for each name the surest mistakes, and the surest right answers
    of either kind, each from another group as far as there are groups."""
    out: list[tuple[str, int, int]] = []
    p, truth = table.probabilities.astype(np.float64), table.target.values >= 0.5
    per_name = max(1, min(MISTAKES, MOST // (2 * len(table.names))))
    for k in range(len(table.names)):
        known = table.target.known[:, k]
        off_by = np.abs(p[:, k] - truth[:, k])
        wrong = np.flatnonzero(known & ((p[:, k] >= 0.5) != truth[:, k]))
        out += [
            ("mistake", k, i) for i in _spread_out(wrong[np.argsort(-off_by[wrong], kind="stable")], table, per_name)
        ]
        for side in (True, False):
            right = np.flatnonzero(known & (truth[:, k] == side) & ((p[:, k] >= 0.5) == side))
            best = right[np.argsort(off_by[right], kind="stable")]
            out += [("look", k, i) for i in _spread_out(best, table, max(1, per_name // LOOKS))]
    return out[:MOST] if len(table.names) > MOST else out


def _spread_out(rows: NDArray[np.int64], table: Table, count: int) -> list[int]:
    """The first `count` rows, a group only once as long as there are others."""
    first: dict[str, int] = {}
    for i in rows:
        first.setdefault(table.groups[i], int(i))
    chosen = list(first.values())[:count]
    chosen += [int(i) for i in rows if int(i) not in chosen][: count - len(chosen)]
    return sorted(chosen, key=lambda i: int(np.flatnonzero(rows == i)[0]))


def shoot(predictor: Predictor, table: Table, examples: Mapping[int, Example]) -> list[Shot]:
    """The chosen pictures as JPEG, with heatmaps where the model gives activations. A picture gone is left out."""
    shots = []
    for kind, k, row in choose(table):
        example = examples.get(int(table.image_ids[row]))
        if example is None:
            continue
        try:
            picture = decode(example.path)
        except ImageError:
            continue
        small = shrink(picture)
        heat = b""
        if CAM in predictor.output_names:
            prepared = predictor.preprocess.apply(picture)
            cam = predictor.run(prepared[None], outputs=[CAM])[CAM][0, k]
            heat = jpeg(overlay(small, to_picture(predictor, cam, picture.shape[:2]), float(np.abs(cam).max())))
        shots.append(
            Shot(
                kind,
                table.names[k],
                bool(table.target.values[row, k] >= 0.5),
                float(table.probabilities[row, k]),
                table.files[row],
                table.groups[row],
                bool(table.target.hidden[row, k]),
                jpeg(small),
                heat,
            )
        )
    return shots


def shrink(picture: Image) -> Image:
    """At most LONG_SIDE pixels on its longer side."""
    height, width = picture.shape[:2]
    scale = LONG_SIDE / max(height, width)
    if scale >= 1.0:
        return picture
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def to_picture(predictor: Predictor, cam: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """An activation map (h, w) over the model's input, cut and scaled to the picture it came from."""
    size = (shape[1], shape[0])
    spec = predictor.spec.input
    whole = cv2.resize(cam.astype(np.float32), (spec.width, spec.height), interpolation=cv2.INTER_CUBIC)
    (left, top), (right, bottom) = predictor.preprocess.to_model(np.array([[0, 0], size]), size).round().astype(int)
    whole = whole[top : max(bottom, top + 1), left : max(right, left + 1)]
    return np.asarray(whole, np.float32)


def overlay(picture: Image, cam: NDArray[np.float32], strongest: float) -> Image:
    """Orange where the picture spoke for `on`, blue where for `off`, grey where for neither."""
    height, width = picture.shape[:2]
    strength = cv2.resize(cam, (width, height), interpolation=cv2.INTER_LINEAR) / max(strongest, 1e-6)
    strength = np.clip(strength, -1.0, 1.0)[..., None]
    grey = picture.astype(np.float64).mean(axis=2, keepdims=True) * 0.75 + 40.0
    colour = np.where(strength >= 0, FOR_ON, FOR_OFF)
    weight = 0.7 * np.abs(strength) ** 1.3
    return np.asarray(np.clip(grey * (1 - weight) + colour * weight, 0, 255), np.uint8)


def jpeg(picture: Image) -> bytes:
    done, data = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    assert done, picture.shape
    return data.tobytes()


def to_json(shots: Sequence[Shot]) -> bytes:
    """The gallery as a file, so that a report can be written again without the pictures."""

    def plain(shot: Shot) -> dict[str, object]:
        image, heat = (base64.b64encode(data).decode() for data in (shot.image, shot.heat))
        return asdict(shot) | {"image": image, "heat": heat}

    return json.dumps([plain(shot) for shot in shots]).encode()


def from_json(data: bytes, where: str) -> list[Shot]:
    """Raises BundleError."""
    try:
        return [
            Shot(**(shot | {"image": base64.b64decode(shot["image"]), "heat": base64.b64decode(shot["heat"])}))
            for shot in json.loads(data)
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise BundleError(where, expected="a gallery", got=str(error), next="run `telltale evaluate` again") from error
