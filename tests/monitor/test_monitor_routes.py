"""The monitor's routes: what was told is counted, kept, shown, compared and sent to labelling; not to strangers."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from websockets.sync.client import connect

from monitor.conftest import GOOD, UNSURE, Place, encoded
from telltale.bundle.predictor import Predictor
from telltale.dataset.catalogue import Catalogue
from telltale.preprocess import decode
from telltale.serve.schema import ErrorBody
from telltale.serve.server import ServerThread
from tiny_mask import spotted


def kept(place: Place, query: str = "", at_least: int = 1) -> list[dict[str, Any]]:
    """Waits for the thread that writes."""
    end_s = time.monotonic() + 10
    while True:
        told: list[dict[str, Any]] = place.http.get(f"/api/monitor/told{query}").json()["told"]
        if len(told) >= at_least or time.monotonic() > end_s:
            return told
        time.sleep(0.05)


def test_every_answer_is_counted_by_name_and_state(place: Place) -> None:
    for data in (UNSURE, GOOD, GOOD):
        place.tell(data)
    for span in ("minute", "hour", "day"):
        trend = place.http.get(f"/api/monitor/trend?span={span}").json()
        assert sum(trend["told"]) == 3
        totals = {name: {s: sum(n) for s, n in states.items()} for name, states in trend["states"].items()}
        assert totals["scratch"] == {"on": 1, "off": 2, "unsure": 0}
        assert len(trend["t_s"]) == len(trend["told"])
        assert trend["age_ms"][-1] is None or trend["age_ms"][-1] > 0


def test_a_told_picture_is_kept_as_it_came_and_drawn_when_asked(place: Place) -> None:
    place.tell(UNSURE)
    first = kept(place)[0]
    assert first["result"]["scratch"]["state"] == "on"
    assert "regions" not in first["result"]["scratch"]
    assert place.http.get(f"/api/monitor/pictures/{first['id']}").content == UNSURE
    drawn = place.http.get(f"/api/monitor/pictures/{first['id']}?overlay=png")
    assert drawn.headers["content-type"] == "image/jpeg"
    assert (decode(drawn.content) != decode(UNSURE)).mean() > 0.02
    small = place.http.get(f"/api/monitor/pictures/{first['id']}?side=48")
    assert max(decode(small.content).shape) == 48


def test_only_those_with_something_unsure_are_listed_when_asked(place: Place) -> None:
    faint = spotted(scratch=False)
    faint[40:46, 40:60] = 102
    place.tell(GOOD)
    time.sleep(0.6)  # at most two pictures a second are kept
    place.tell(encoded(faint))
    assert len(kept(place, at_least=2)) == 2
    unsure = kept(place, "?only=unsure")
    assert [u["result"]["scratch"]["state"] for u in unsure] == ["unsure"]


def test_unsure_pictures_are_sent_to_the_projects_catalogue_once(place: Place) -> None:
    faint = spotted(scratch=False)
    faint[40:46, 40:60] = 102
    data = encoded(faint)
    place.tell(data)
    ids = [u["id"] for u in kept(place, "?only=unsure")]
    answer = place.http.post("/api/monitor/label", json={"ids": ids})
    assert answer.json() == {"sent": 1}
    with Catalogue.open(place.project / "catalogue.db", place.project / "images", readonly=True) as catalogue:
        (example,) = catalogue.examples()
        assert example.path.read_bytes() == data
        assert example.labels == {}
        assert example.source == "monitor"
        assert example.meta["told"]["scratch"]["state"] == "unsure"
    assert place.http.get("/api/monitor/told?only=unsure").json()["told"] == []


def test_the_live_socket_tells_the_newest_answer_and_the_pace(place: Place) -> None:
    with connect(place.server.ws_url.replace("/ws/infer", "/ws/monitor")) as socket:
        first = json.loads(socket.recv(5))
        assert first["type"] == "pace"
        place.tell(UNSURE)
        message = json.loads(socket.recv(5))
        while message["type"] == "pace":
            message = json.loads(socket.recv(5))
        assert message["type"] == "told"
        assert message["via"] == "http"
        assert message["result"]["scratch"]["state"] == "on"
        while message["type"] != "pace":
            message = json.loads(socket.recv(5))
        assert message["told"] == 1
        assert message["told_per_s"] > 0
    live = place.http.get("/api/monitor/latest?overlay=png")
    assert decode(live.content).shape == (72, 96, 3)


def test_two_bundles_are_compared_and_measured_against_a_mask(place: Place) -> None:
    mask = np.zeros((72, 96, 3), np.uint8)
    mask[12:18, 10:30] = 255
    files = {"picture": ("p.png", UNSURE), "mask": ("m.png", encoded(mask))}
    answer = place.http.post("/api/compare", files=files).json()
    first, second = answer["answers"]
    assert (first["bundle"], second["bundle"]) == ("tiny_mask", "other")
    assert first["overlap"] == {"dice": 1.0, "iou": 1.0}
    assert 0 <= second["overlap"]["iou"] <= second["overlap"]["dice"] <= 1
    assert answer["difference"].startswith("data:image/png;base64,")
    assert answer["agreement"]["dice"] > 0
    without = place.http.post("/api/compare", files={"picture": ("p.png", UNSURE)}).json()
    assert without["answers"][0]["overlap"] is None


def test_a_mask_of_another_size_is_refused_by_name(place: Place) -> None:
    files = {"picture": ("p.png", UNSURE), "mask": ("m.png", encoded(spotted(40, 40)))}
    response = place.http.post("/api/compare", files=files)
    assert response.status_code == 422
    assert "96 x 72" in ErrorBody.model_validate(response.json()).message


@pytest.mark.parametrize(
    ("headers", "who"),
    [
        ({"Origin": "https://elsewhere.example"}, "another page"),
        ({"Sec-Fetch-Site": "cross-site"}, "an image in another page"),
        ({"Host": "rebound.example"}, "a name that leads here"),
    ],
)
@pytest.mark.parametrize("path", ["", "/told", "/trend", "/latest", "/pictures/1"])
def test_foreign_pages_see_nothing(place: Place, headers: dict[str, str], who: str, path: str) -> None:
    response = place.http.get(f"/api/monitor{path}", headers=headers)
    assert response.status_code == 403, who
    assert ErrorBody.model_validate(response.json()).code == "foreign"


def test_foreign_pages_send_nothing_to_labelling_and_do_not_listen(place: Place) -> None:
    foreign = {"Origin": "https://elsewhere.example"}
    assert place.http.post("/api/monitor/label", json={"ids": [1]}, headers=foreign).status_code == 403
    with connect(place.server.ws_url.replace("/ws/infer", "/ws/monitor"), additional_headers=foreign) as socket:
        assert json.loads(socket.recv(5))["code"] == "foreign"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/trend?span=year", 400),
        ("/told?limit=0", 400),
        ("/told?limit=99999999999999999999", 400),
        ("/told?before=x", 400),
        ("/pictures/77", 404),
        ("/pictures/x", 400),
        ("/latest", 404),
    ],
)
def test_a_wrong_question_is_refused_in_one_line(place: Place, path: str, status: int) -> None:
    response = place.http.get(f"/api/monitor{path}")
    assert response.status_code == status
    ErrorBody.model_validate(response.json())


@pytest.mark.parametrize("body", [b"", b"[]", b'{"ids": []}', b'{"ids": "x"}', b'{"ids": [[]]}'])
def test_a_wrong_list_of_pictures_is_refused(place: Place, body: bytes) -> None:
    assert place.http.post("/api/monitor/label", content=body).status_code == 400


def test_without_a_project_or_a_rival_it_says_what_to_start_with(predictors: tuple[Predictor, Predictor]) -> None:
    from telltale.serve.settings import MonitorSettings, ServeSettings

    with (
        ServerThread(predictors[0], settings=ServeSettings(monitor=MonitorSettings())) as server,
        httpx.Client(base_url=server.url, trust_env=False) as http,
    ):
        label = http.post("/api/monitor/label", json={"ids": [1]})
        assert (label.status_code, "--project" in label.json()["next"]) == (409, True)
        other = http.post("/api/compare", files={"picture": ("p.png", UNSURE)})
        assert (other.status_code, "--compare" in other.json()["next"]) == (409, True)
        about = http.get("/api/monitor").json()
        assert about["kept"]["file"] is None
        assert about["rival"] is None


def test_a_server_without_a_monitor_has_none_of_its_routes(predictors: tuple[Predictor, Predictor]) -> None:
    with ServerThread(predictors[0]) as server:
        assert httpx.get(f"{server.url}/api/monitor", trust_env=False).status_code == 404


def test_what_was_told_is_there_after_a_restart(
    place: Place, predictors: tuple[Predictor, Predictor], tmp_path: Path
) -> None:
    from telltale.serve.settings import MonitorSettings, ServeSettings

    place.tell(UNSURE)
    kept(place)
    settings = ServeSettings(monitor=MonitorSettings(place.history))
    with ServerThread(predictors[0], settings=settings) as server, httpx.Client(base_url=server.url) as http:
        assert http.get("/api/monitor/told").json()["told"][0]["result"]["scratch"]["state"] == "on"
        assert sum(http.get("/api/monitor/trend?span=hour").json()["told"]) == 1
