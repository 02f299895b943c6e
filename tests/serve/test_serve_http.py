"""REST: pictures in, answers or clear refusals out, and the server lives on."""

from __future__ import annotations

import io
import json
import re
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import numpy as np
import pytest
from PIL import Image

from telltale.bundle.predictor import Predictor
from telltale.serve.schema import ErrorBody, HealthBody, ResultBody
from telltale.serve.server import ServerThread

if TYPE_CHECKING:
    from serve.conftest import Picture

ON_OFF = {"left": "on", "right": "off"}


def states(response: httpx.Response) -> dict[str, str]:
    assert response.status_code == 200, response.text
    return {name: reading.state for name, reading in ResultBody.model_validate(response.json()).result.items()}


def refusal(response: httpx.Response) -> ErrorBody:
    assert response.headers["content-type"] == "application/json"
    return ErrorBody.model_validate(response.json())


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
@pytest.mark.parametrize("kind", ["image/jpeg", "application/octet-stream", "", "application/x-www-form-urlencoded"])
def test_a_picture_is_told_whatever_its_type_is_called(
    http: httpx.Client, picture: Picture, suffix: str, kind: str
) -> None:
    response = http.post("/api/tell", content=picture(suffix=suffix), headers={"content-type": kind} if kind else {})
    assert states(response) == ON_OFF
    assert response.json()["size"] == [64, 48]


def test_a_form_with_a_file_is_told(http: httpx.Client, picture: Picture) -> None:
    files = {"anything": ("door.png", picture(10, 240, ".png"), "image/png")}
    assert states(http.post("/api/tell", files=files, data={"note": "x"})) == {"left": "off", "right": "on"}


def test_the_answer_is_the_predictors(http: httpx.Client, picture: Picture, predictor: Predictor) -> None:
    data = picture(140, 100, width=200, height=90)
    assert http.post("/api/tell", content=data).json()["result"] == predictor.tell(data).to_json()


def png(width: int, height: int, body: bytes, depth: int = 8, colour: int = 2) -> bytes:
    """A PNG file with this header and any compressed body."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def halves(mode: str) -> Image.Image:
    """Left half bright."""
    image = Image.new("L", (64, 48), 10)
    image.paste(240, (0, 0, 32, 48))
    return image if mode == "L" else image.convert("RGB").convert(mode)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def upside_down_jpeg() -> bytes:
    """Stored turned by half a turn, with EXIF orientation 3 to say so."""
    exif = Image.Exif()
    exif[0x0112] = 3
    return encoded(halves("RGB").transpose(Image.Transpose.ROTATE_180), "JPEG", exif=exif)


def sixteen_bit() -> bytes:
    values = np.where(np.arange(64) < 32, 60000, 2000).astype(">u2")
    rows = b"".join(b"\0" + values.tobytes() for _ in range(48))
    return png(64, 48, zlib.compress(rows), depth=16, colour=0)


@pytest.mark.parametrize(
    "data",
    [
        encoded(halves("CMYK"), "JPEG"),
        encoded(halves("P"), "PNG"),
        encoded(halves("L"), "JPEG"),
        encoded(halves("RGBA"), "WEBP", lossless=True),
        sixteen_bit(),
        upside_down_jpeg(),
    ],
    ids=["cmyk", "palette", "grey", "alpha", "16-bit", "exif-rotated"],
)
def test_an_odd_picture_gives_the_right_answer(http: httpx.Client, data: bytes) -> None:
    assert states(http.post("/api/tell", content=data)) == ON_OFF


def test_bad_pictures_are_refused_and_the_server_lives_on(http: httpx.Client, picture: Picture) -> None:
    good = picture(width=320, height=240)
    bad = {
        "zero bytes": (b"", 422, "image"),
        "truncated jpeg": (good[: len(good) // 2], 422, "image"),
        "truncated png": (picture(suffix=".png")[:60], 422, "image"),
        "a webp head": (b"RIFF\x10\0\0\0WEBP", 422, "image"),
        "text": (b"hello", 415, "media-type"),
        "a gif": (encoded(halves("P"), "GIF"), 415, "media-type"),
        "a bomb": (png(30_000, 30_000, zlib.compress(b"\0" * 100)), 422, "image"),
        "too many pixels": (png(3000, 3000, zlib.compress(b"\0" * (3000 * 9001))), 422, "image"),
        "no pixels": (png(0, 0, zlib.compress(b"")), 422, "image"),
        "too many bytes": (b"\xff\xd8\xff" + b"x" * 1_000_000, 413, "too-large"),
        "far too many bytes": (b"\xff\xd8\xff" + b"x" * 6_000_000, 413, "too-large"),
    }
    for name, (data, status, code) in bad.items():
        response = http.post("/api/tell", content=data)
        assert (response.status_code, refusal(response).code) == (status, code), name
        assert states(http.post("/api/tell", content=good)) == ON_OFF, f"after {name}"


def test_requests_that_are_none_are_refused(http: httpx.Client, picture: Picture) -> None:
    broken = {"content-type": "multipart/form-data; boundary=x"}
    for response, status in [
        (http.post("/api/tell", json={"image": "x"}), 415),
        (http.post("/api/tell", content=b"x", headers={"content-type": "text/html"}), 415),
        (http.post("/api/tell", content=b"no form", headers=broken), 400),
        (http.post("/api/tell", content=b"--", headers={"content-type": "multipart/form-data"}), 400),
        (http.post("/api/tell", files={"a": b"x"}, data={"b": "c" * 2_000_000}), 413),
        (http.post("/api/tell", files=[("a", picture()), ("b", picture())]), 400),
        (http.get("/api/tell"), 405),
        (http.get("/nowhere"), 404),
        (http.post("/docs"), 405),
    ]:
        assert response.status_code == status, response.text
        assert refusal(response).message
    assert http.get("/api/tell").headers["allow"] == "POST"


def test_a_body_of_unsaid_length_is_cut_off(http: httpx.Client) -> None:
    response = http.post("/api/tell", content=(b"x" * 100_000 for _ in range(30)))
    assert (response.status_code, refusal(response).code) == (413, "too-large")


def test_the_server_says_how_it_is(http: httpx.Client) -> None:
    health = HealthBody.model_validate(http.get("/healthz").json())
    assert (health.status, health.bundle, health.names) == ("ok", "tiny", ["left", "right"])


def test_counters_count(http: httpx.Client, picture: Picture) -> None:
    def count(name: str) -> float:
        line = next(line for line in http.get("/metrics").text.splitlines() if line.startswith(name))
        return float(line.rpartition(" ")[2])

    http.post("/api/tell", content=picture())
    http.post("/api/tell", content=b"hello")
    told, refused = count('telltale_pictures_told_total{via="http"}'), count('telltale_errors_total{code="media-type"}')
    http.post("/api/tell", content=picture())
    http.post("/api/tell", content=b"hello")
    assert count('telltale_pictures_told_total{via="http"}') == told + 1
    assert count('telltale_errors_total{code="media-type"}') == refused + 1


def test_the_bundle_is_served_as_listed_and_nothing_else(http: httpx.Client, tiny: Path) -> None:
    spec = http.get("/bundle/bundle.json").json()
    for name in ("bundle.json", *spec["files"]):
        assert http.get(f"/bundle/{name}").content == (tiny / name).read_bytes()
    (tiny / "secret.txt").write_text("x")
    try:
        for name in ("secret.txt", "../tiny.telltale/bundle.json", "..%2fbundle.json", "", "%00", ".pending"):
            response = http.get(f"/bundle/{name}")
            assert response.status_code == 404, name
            assert refusal(response).code == "request"
    finally:
        (tiny / "secret.txt").unlink()


@pytest.mark.parametrize("path", ["/", "/docs", "/car/", "/healthz", "/bundle/bundle.json", "/nowhere"])
def test_every_answer_lets_wasm_use_threads_and_is_never_stale(http: httpx.Client, path: str) -> None:
    headers = http.get(path).headers
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cross-origin-embedder-policy"] == "require-corp"
    assert headers["cross-origin-resource-policy"] == "cross-origin"
    assert headers["cache-control"] == "no-cache"


def test_scripts_have_their_type_wherever_they_run(http: httpx.Client) -> None:
    assert http.get("/car/main.js").headers["content-type"].startswith("text/javascript")


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_the_servers_own_pages_name_no_outside_address(http: httpx.Client, path: str) -> None:
    named = re.findall(
        r"""(?:src|href|action|url\(|import|fetch\()\s*=?\s*["'(]?((?:https?:)?//[^"')\s]*)""", http.get(path).text
    )
    assert named == []


def test_a_foreign_page_may_ask_a_server_of_this_machine(http: httpx.Client, picture: Picture) -> None:
    response = http.post("/api/tell", content=picture(), headers={"origin": "https://shop.example"})
    assert response.headers["access-control-allow-origin"] == "*"
    preflight = http.options(
        "/api/tell",
        headers={
            "origin": "https://shop.example",
            "access-control-request-method": "POST",
            "access-control-request-headers": "content-type",
            "access-control-request-private-network": "true",
        },
    )
    assert preflight.status_code == 200
    assert preflight.headers["access-control-allow-private-network"] == "true"


def test_a_fault_inside_is_told_as_json_without_its_secrets(predictor: Predictor, picture: Picture) -> None:
    class Broken:
        spec, task, bundle, preprocess = predictor.spec, predictor.task, predictor.bundle, predictor.preprocess

        def run(self, batch: object) -> dict[str, np.ndarray]:
            raise RuntimeError("a secret path")

    with ServerThread(Broken(), pages=False) as server:
        response = httpx.post(f"{server.url}/api/tell", content=picture())
        assert (response.status_code, refusal(response).code) == (500, "error")
        assert "secret" not in response.text
        assert httpx.get(f"{server.url}/healthz").status_code == 200


@pytest.mark.real
def test_every_odd_file_is_told_or_refused(http: httpx.Client, shared: Path) -> None:
    files = sorted((shared / "odd_files").iterdir())
    assert files
    for path in files:
        response = http.post("/api/tell", content=path.read_bytes())
        assert response.status_code in (200, 413, 415, 422), f"{path.name}: {response.text}"
        if response.status_code != 200:
            assert refusal(response).message, path.name
    assert http.get("/healthz").status_code == 200


@pytest.mark.real
def test_a_turned_photo_is_told_as_the_upright_one(http: httpx.Client, shared: Path) -> None:
    answers = []
    for path in sorted((shared / "exif_orientation").glob("Landscape_*.jpg")):
        message = http.post("/api/tell", content=path.read_bytes()).json()
        answers.append((tuple(message["size"]), [r["prob"] for r in message["result"].values()]))
    assert len(answers) == 9
    assert len({size for size, _ in answers}) == 1
    assert np.ptp([probs for _, probs in answers], axis=0).max() < 0.03


def test_openapi_tells_all_paths(http: httpx.Client) -> None:
    described = json.loads(http.get("/openapi.json").text)
    streams = {"/whip", "/whep/{stream}", "/api/streams"}
    assert set(described["paths"]) == {"/api/tell", "/healthz", "/metrics", "/bundle/{name}"} | streams
    assert set(described["paths"]["/api/tell"]["post"]["requestBody"]["content"]) >= {"image/jpeg", "image/webp"}
