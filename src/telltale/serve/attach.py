"""What may go with an answer: the picture with the answer drawn on it, and masks. Knows nothing of HTTP.

Pictures are PNG in data URLs, so that an answer stays one JSON message.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from telltale.dataset.masks import encode_rle
from telltale.errors import RequestError
from telltale.frame import Image
from telltale.tasks import Task, Threshold, Thresholds
from telltale.tasks.mask import MaskResult
from telltale.tasks.regions import told_mask
from telltale.tasks.task import Json, Result

Overlay = Literal["none", "png"]
MaskForm = Literal["none", "png", "rle", "prob"]


@dataclass(frozen=True, slots=True)
class Extras:
    """What a caller asked for beside the answer.

    masks: `png`, 255 told, 127 unsure, 0 not; `rle`, COCO's run lengths of what is told; `prob`, probabilities as 0 to
    255.
    """

    overlay: Overlay = "none"
    masks: MaskForm = "none"

    @classmethod
    def parse(cls, query: Mapping[str, str]) -> Extras:
        """Raises RequestError on a word nobody knows."""
        overlay, masks = query.get("overlay", "none"), query.get("masks", "none")
        for name, value, known in (("overlay", overlay, get_args(Overlay)), ("masks", masks, get_args(MaskForm))):
            if value not in known:
                raise RequestError(f"?{name}=", expected=" or ".join(known), got=repr(value)[:40])
        return cls(overlay, masks)  # type: ignore[arg-type]


def attach(extras: Extras, task: Task, thresholds: Thresholds, image: Image, result: Result) -> dict[str, Json]:
    """The fields that go with a `result`: `overlay` and `masks`; none when none was asked for."""
    out: dict[str, Json] = {}
    if extras.overlay == "png":
        out["overlay"] = data_url(task.draw(image, result))
    if extras.masks != "none":
        names = list(result.readings) if isinstance(result, MaskResult) else []
        maps = result.maps if isinstance(result, MaskResult) else ()
        out["masks"] = {
            name: _mask(extras.masks, p, thresholds[name], int(getattr(task, "min_area", 1)))
            for name, p in zip(names, maps, strict=True)
        }
    return out


def _mask(form: MaskForm, p: NDArray[np.float32], cut: Threshold, min_area: int) -> Json:
    if form == "prob":
        return data_url(probability_picture(p))
    low = float(np.nextafter(np.float32(cut.low), np.float32(2))) if cut.low < cut.high else cut.high  # p <= low is off
    told = told_mask(p, low, cut.high, min_area)
    return encode_rle(told) if form == "rle" else data_url(told)


def probability_picture(p: NDArray[np.float32]) -> NDArray[np.uint8]:
    """(H, W) uint8: 0 is 0, 255 is 1."""
    return np.asarray(np.clip(p * 255 + 0.5, 0, 255), np.uint8)


def png(image: NDArray[np.uint8]) -> bytes:
    """(H, W) or (H, W, 3) RGB uint8 as a file."""
    ordered = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    done, data = cv2.imencode(".png", ordered, [cv2.IMWRITE_PNG_COMPRESSION, 3])
    assert done, image.shape
    return bytes(data.tobytes())


def data_url(image: NDArray[np.uint8]) -> str:
    return "data:image/png;base64," + base64.b64encode(png(image)).decode("ascii")
