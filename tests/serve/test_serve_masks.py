"""Mask models over REST: regions, overlays and masks, each such as the model itself gives."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import cv2
import httpx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from telltale.bundle.predictor import Predictor
from telltale.dataset.masks import CocoMask, encode_rle
from telltale.preprocess import decode
from telltale.serve.schema import ErrorBody, ToldBody
from telltale.serve.server import ServerThread
from telltale.tasks.regions import find_regions, told_mask
from tiny_mask import make_mask_bundle, spotted


def encoded(image: np.ndarray) -> bytes:
    return bytes(cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1].tobytes())


@pytest.fixture(scope="module")
def finder(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    return Predictor.open(make_mask_bundle(tmp_path_factory.mktemp("masks")), threads=1)


@pytest.fixture(scope="module")
def http(finder: Predictor) -> Iterator[httpx.Client]:
    with ServerThread(finder) as running, httpx.Client(base_url=running.url, trust_env=False, timeout=20) as client:
        yield client


def tell(http: httpx.Client, image: np.ndarray, query: str = "") -> dict[str, Any]:
    response = http.post(f"/api/tell{query}", content=encoded(image))
    assert response.status_code == 200, response.text
    message: dict[str, Any] = response.json()
    ToldBody.model_validate(message)
    return message


def unpack(url: str) -> np.ndarray:
    assert url.startswith("data:image/png;base64,")
    return decode(base64.b64decode(url.partition(",")[2]))


def test_regions_come_with_area_score_and_whether_they_are_told(http: httpx.Client, finder: Predictor) -> None:
    message = tell(http, spotted())
    assert message["result"] == json.loads(json.dumps(finder.tell(spotted()).to_json()))
    scratch = message["result"]["scratch"]
    told, unsure = scratch["regions"]
    assert (told["box"], told["area_px"], told["state"]) == ([10, 12, 20, 6], 120, "on")
    assert told["area_mm2"] == 30.0
    assert (unsure["box"], unsure["state"]) == ([40, 40, 20, 6], "unsure")
    assert scratch["count"] == 1
    assert set(message) == {"type", "seq", "t_ms", "result", "age_ms", "infer_ms", "size"}


def test_the_overlay_is_the_picture_with_the_answer_on_it(http: httpx.Client, finder: Predictor) -> None:
    drawn = unpack(tell(http, spotted(), "?overlay=png")["overlay"])
    assert np.array_equal(drawn, finder.task.draw(spotted(), finder.tell(spotted())))
    assert "overlay" not in tell(http, spotted(), "?overlay=none")


def test_masks_as_png_say_told_unsure_and_neither(http: httpx.Client) -> None:
    masks = tell(http, spotted(), "?masks=png")["masks"]
    scratch = unpack(masks["scratch"])[:, :, 0]
    assert scratch.shape == (72, 96)
    assert (scratch[12:18, 10:30] == 255).all()
    assert (scratch[40:46, 40:60] == 127).all()
    assert np.count_nonzero(scratch) == 240
    assert set(masks) == {"scratch", "hole"}


def test_masks_as_run_lengths_are_what_coco_reads(http: httpx.Client) -> None:
    rle = tell(http, spotted(), "?masks=rle")["masks"]["scratch"]
    mask = CocoMask((rle,)).read(96, 72)
    assert np.count_nonzero(mask) == 120
    assert (mask[12:18, 10:30] == 255).all()


def test_probabilities_come_as_a_picture_of_the_same_size(http: httpx.Client, finder: Predictor) -> None:
    shown = unpack(tell(http, spotted(150, 60), "?masks=prob")["masks"]["hole"])[:, :, 0]
    assert np.abs(shown / 255 - finder.tell(spotted(150, 60)).maps[1]).max() <= 0.5 / 255 + 1e-6


@pytest.mark.parametrize("query", ["?overlay=jpeg", "?masks=yes", "?overlay="])
def test_a_form_nobody_knows_is_refused_with_those_that_are(http: httpx.Client, query: str) -> None:
    response = http.post(f"/api/tell{query}", content=encoded(spotted()))
    assert response.status_code == 400
    body = ErrorBody.model_validate(response.json())
    assert body.code == "request"
    assert "none or png" in body.expected


@given(mask=arrays(np.uint8, st.tuples(st.integers(1, 40), st.integers(1, 40)), elements=st.sampled_from([0, 255])))
def test_run_lengths_read_back_as_the_mask_they_were_written_from(mask: np.ndarray) -> None:
    rle = encode_rle(mask)
    assert np.array_equal(CocoMask((rle,)).read(mask.shape[1], mask.shape[0]), mask)


def test_run_lengths_are_written_as_pycocotools_writes_them() -> None:
    mask = np.zeros((4, 5), np.uint8)
    mask[1:3, 1:4] = 255
    # lengths 5 2 2 2 2 2 5; from the fourth on as differences to the one two before: 5 2 2 0 0 0 3
    assert encode_rle(mask) == {"size": [4, 5], "counts": "5220003"}


@given(
    p=arrays(np.float32, (12, 14), elements=st.sampled_from([0.0, 0.2, 0.4, 0.6, 0.8, 1.0])),
    area=st.integers(1, 6),
)
def test_a_told_mask_holds_the_regions_that_are_told(p: np.ndarray, area: int) -> None:
    mask = told_mask(p, 0.4, 0.8, area)
    regions = find_regions(p, 0.4, 0.8, area)
    assert np.count_nonzero(mask == 255) == sum(r.area_px for r in regions if r.state == "on")
    assert np.count_nonzero(mask == 127) == sum(r.area_px for r in regions if r.state == "unsure")


def test_a_picture_of_one_pixel_and_one_of_many_are_told(http: httpx.Client) -> None:
    assert tell(http, spotted(1, 1, scratch=False), "?overlay=png&masks=rle")["size"] == [1, 1]
    assert tell(http, spotted(2000, 700), "?masks=rle")["result"]["scratch"]["count"] == 1
