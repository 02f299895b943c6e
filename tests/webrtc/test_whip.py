"""Video in by WHIP: told on the data channel, by WebSocket and as events; RFC 9725's rules are kept."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
from typing import Any

import httpx
import pytest
import websockets
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from telltale.bundle.predictor import Predictor
from telltale.serve.schema import HelloBody, RtcResultBody
from telltale.serve.server import ServerThread
from telltale.serve.settings import ServeSettings
from telltale.streams.ice import describe, new_peer
from telltale.streams.reach import Ice, IceServer
from webrtc.conftest import SDP, Bands, Sender


def states(result: dict[str, Any]) -> list[str]:
    return [reading["state"] for reading in result["result"].values()]


def offer_of(direction: str = "sendonly", kind: str = "video") -> str:
    async def run() -> str:
        peer = new_peer(Ice())
        peer.addTransceiver(kind, direction=direction)
        try:
            return await describe(peer, Ice())
        finally:
            await peer.close()

    return asyncio.run(run())


def test_frames_are_told_on_the_data_channel(server: ServerThread) -> None:
    async def run() -> None:
        async with Sender(server.url) as sender:
            results = await sender.answers(5)
            assert sender.messages[0]["type"] == "hello"
            HelloBody.model_validate(sender.messages[0])
            for result in results:
                RtcResultBody.model_validate(result)
                assert states(result) == ["on", "off", "unsure"]
                assert result["size"] == [320, 240]
                assert 0 <= result["rtp"] < 2**32
                assert result["age_ms"] < 5000
            ticks = {(b["rtp"] - a["rtp"]) % 2**32 for a, b in itertools.pairwise(results)}
            assert all(abs(t - 4500 * round(t / 4500)) <= 2 for t in ticks), "whole frames of 1/20 s apart"
            seqs = [r["seq"] for r in results]
            assert seqs == sorted(set(seqs))

    asyncio.run(run())


def test_a_change_is_an_event(server: ServerThread) -> None:
    async def run() -> None:
        async with Sender(server.url) as sender:
            await sender.answers(3)
            sender.track.levels = (0, 255, 128)
            results = await sender.answers(6)
            events = [e for r in results for e in r["events"]]
            assert {(e["name"], e["to"]) for e in events} >= {("left", "off"), ("middle", "on")}

    asyncio.run(run())


def test_the_answers_also_go_to_websockets_that_listen(server: ServerThread) -> None:
    async def run() -> None:
        async with (
            Sender(server.url, stream="door", channel=False),
            websockets.connect(f"ws://127.0.0.1:{server.port}/ws/streams/door") as socket,
        ):
            hello = json.loads(await socket.recv())
            result = json.loads(await socket.recv())
            assert hello["type"] == "hello"
            assert states(result) == ["on", "off", "unsure"]
            async with httpx.AsyncClient(base_url=server.url, trust_env=False) as http:
                [told] = (await http.get("/api/streams")).json()["streams"]
            assert told["name"] == "door"
            assert told["state"] == "connected"
            assert told["size"] == [320, 240]
            assert told["told"] > 0
        async with websockets.connect(f"ws://127.0.0.1:{server.port}/ws/streams/door") as socket:
            assert json.loads(await socket.recv())["code"] == "not-found"

    asyncio.run(run())


def test_listeners_learn_of_the_end(server: ServerThread) -> None:
    async def run() -> None:
        async with Sender(server.url, stream="short") as sender:
            await sender.answers(1)
            socket = await websockets.connect(f"ws://127.0.0.1:{server.port}/ws/streams/short")
        while True:
            try:
                await asyncio.wait_for(socket.recv(), 10)
            except websockets.ConnectionClosed as closed:
                ended = closed.rcvd
                break
        assert ended is not None
        assert ended.code == 1000

    asyncio.run(run())


def test_the_answer_is_created_with_its_address_and_etag(server: ServerThread, http: httpx.Client) -> None:
    async def run() -> None:
        async with Sender(server.url) as sender:
            headers = sender.response.headers
            assert sender.response.status_code == 201
            assert headers["content-type"].startswith("application/sdp")
            assert re.fullmatch(r"/whip/session/[\w-]{20,}", headers["location"])
            assert re.fullmatch(r'"[0-9a-f]{16}"', headers["etag"])
            assert "link" not in headers, "no ICE server, unless the user has one"
            hosts = re.findall(r"a=candidate:\S+ 1 udp \d+ (\S+)", sender.response.text)
            assert set(hosts) == {"127.0.0.1"}
            assert "m=video" in sender.response.text

    asyncio.run(run())


def test_delete_ends_a_session_and_a_second_time_there_is_none(server: ServerThread) -> None:
    async def run() -> None:
        async with Sender(server.url, stream="gone") as sender:
            await sender.answers(1)
            assert (await sender.http.delete(sender.location)).status_code == 200
            assert (await sender.http.delete(sender.location)).status_code == 404
            listed = (await sender.http.get("/api/streams")).json()["streams"]
            assert "gone" not in {s["name"] for s in listed}

    asyncio.run(run())


def test_a_peer_that_leaves_without_a_word_is_forgotten(server: ServerThread) -> None:
    async def run() -> None:
        async with Sender(server.url, stream="left") as sender:
            await sender.answers(1)
            await sender.peer.close()  # DTLS says good-bye, HTTP does not
            for _ in range(100):
                listed = (await sender.http.get("/api/streams")).json()["streams"]
                if "left" not in {s["name"] for s in listed}:
                    return
                await asyncio.sleep(0.05)
            raise AssertionError("still listed")

    asyncio.run(run())


def test_trickled_candidates_need_the_right_session(server: ServerThread) -> None:
    async def run() -> None:
        async with Sender(server.url) as sender:
            ufrag = re.search(r"a=ice-ufrag:(\S+)", sender.peer.localDescription.sdp)
            assert ufrag
            fragment = (
                f"a=ice-ufrag:{ufrag[1]}\r\na=ice-pwd:x\r\nm=video 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n"
                "a=candidate:9 1 udp 2130706431 127.0.0.1 40001 typ host\r\n"
                "a=candidate:8 1 udp 2130706431 abcd.local 40001 typ host\r\na=end-of-candidates\r\n"
            )

            async def patch(content: str = fragment, **headers: str) -> int:
                sent = {"content-type": "application/trickle-ice-sdpfrag"} | {
                    k.replace("_", "-"): v for k, v in headers.items()
                }
                answered = await sender.http.patch(sender.location, content=content, headers=sent)
                assert "etag" not in answered.headers, "it is the same ICE session as before"
                return answered.status_code

            assert await patch(if_match=sender.etag) == 204
            shown = await sender.http.get(sender.location)
            assert (shown.status_code, shown.content) == (204, b"")
            options = await sender.http.options(sender.location)
            assert options.headers["accept-patch"] == "application/trickle-ice-sdpfrag"
            assert await patch() == 428
            assert await patch(if_match='"other"') == 412
            assert await patch(if_match="*") == 422, "an ICE restart"
            other = fragment.replace(ufrag[1], "Zzzz")
            assert await patch(other, if_match=sender.etag) == 422
            assert await patch("nonsense", if_match=sender.etag) == 400
            assert await patch("a=candidate:x 1 udp y 127.0.0.1 z typ host\r\n", if_match=sender.etag) == 400
            assert await patch(if_match=sender.etag, content_type="application/sdp") == 415
            assert len(await sender.answers(1)) == 1, "and it goes on"

    asyncio.run(run())


@pytest.mark.parametrize(
    ("content", "kind", "status", "code"),
    [
        ("v=0", "text/plain", 415, "media-type"),
        ("v=0", "application/json", 415, "media-type"),
        ("v=0", "application/sdp", 422, "unfit"),
        ("", "application/sdp", 400, "request"),
        ("nonsense", "application/sdp", 400, "request"),
        ("\x00" * 50, "application/sdp", 400, "request"),
        (b"\xff\xfe", "application/sdp", 400, "request"),
        ("x" * 70_000, "application/sdp", 413, "too-large"),
    ],
)
def test_what_is_no_offer_is_refused(
    http: httpx.Client, content: str | bytes, kind: str, status: int, code: str
) -> None:
    response = http.post("/whip", content=content, headers={"content-type": kind})
    assert response.status_code == status, response.text
    assert response.json()["code"] == code
    assert http.get("/api/streams").json() == {"streams": []}


OFFER = offer_of()


@pytest.mark.filterwarnings("ignore:Do not use the `random` module")  # the server's thread does, while we draw
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_damaged_offer_is_refused_or_answered_and_breaks_nothing(http: httpx.Client, data: st.DataObject) -> None:
    lines = OFFER.splitlines()
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(lines) - 1))
        change = data.draw(st.sampled_from(["drop", "double", "cut", "noise"]))
        if change == "drop":
            lines.pop(at)
        elif change == "double":
            lines.insert(at, lines[at])
        elif change == "cut":
            lines[at] = lines[at][: data.draw(st.integers(0, len(lines[at])))]
        else:
            lines[at] += data.draw(st.text(max_size=8))
    body = ("\r\n".join(lines) + "\r\n").encode("utf-8", "ignore")
    response = http.post("/whip", content=body, headers=SDP)
    assert response.status_code in (201, 400, 422), response.text
    if response.status_code == 201:
        assert http.delete(response.headers["location"]).status_code == 200


def test_an_offer_without_video_we_decode_is_unfit(http: httpx.Client) -> None:
    assert http.post("/whip", content=offer_of(kind="audio"), headers=SDP).status_code == 422
    assert http.post("/whip", content=offer_of("recvonly"), headers=SDP).status_code == 422
    only_av1 = re.sub(r"(?:VP8|H264)/90000", "AV1/90000", offer_of())
    response = http.post("/whip", content=only_av1, headers=SDP)
    assert response.status_code == 422
    assert "VP8 or H.264" in response.json()["message"]


@pytest.mark.parametrize("path", ["/whip", "/whip/session/abc", "/whep/door"])
def test_other_methods_are_not_allowed(http: httpx.Client, path: str) -> None:
    assert http.put(path).status_code == 405


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_an_endpoint_shows_nothing_and_that_is_no_error(http: httpx.Client, method: str) -> None:
    whip, whep = http.request(method, "/whip"), http.request(method, "/whep/door")
    assert (whip.status_code, whip.content) == (204, b"")
    assert (whep.status_code, whep.content) == (200, b"")
    assert whep.headers["content-type"].startswith("application/sdp")
    assert http.request(method, "/whip/session/abc").status_code == 404


@pytest.mark.parametrize("path", ["/whip", "/whep/door"])
@pytest.mark.parametrize(
    "headers",
    [{}, {"Origin": "https://page.example", "Access-Control-Request-Method": "POST"}],
    ids=["own", "preflight"],
)
def test_options_say_what_may_be_posted(http: httpx.Client, path: str, headers: dict[str, str]) -> None:
    response = http.options(path, headers=headers)
    assert response.status_code == 200
    assert response.headers["accept-post"] == "application/sdp"


def test_two_videos_in_one_offer_are_refused_as_a_whole(http: httpx.Client) -> None:
    async def offer() -> str:
        peer = new_peer(Ice())
        for _ in range(2):
            peer.addTransceiver("video", direction="sendonly")
        try:
            return await describe(peer, Ice())
        finally:
            await peer.close()

    response = http.post("/whip", content=asyncio.run(offer()), headers=SDP)
    assert response.status_code == 422, response.text
    assert "one video track" in response.json()["message"]
    assert http.get("/api/streams").json() == {"streams": []}


def test_a_page_elsewhere_may_use_it_where_it_is_allowed(http: httpx.Client) -> None:
    asked = {"Origin": "https://page.example", "Access-Control-Request-Method": "DELETE"}
    assert "DELETE" in http.options("/whip/session/x", headers=asked).headers["access-control-allow-methods"]
    told = http.post("/whip", content="x", headers={**SDP, "Origin": "https://page.example"})
    assert "Location" in told.headers["access-control-expose-headers"]


def test_names_are_unique_and_plain(server: ServerThread) -> None:
    async def run() -> None:
        async with Sender(server.url, stream="one") as sender:
            offer = sender.peer.localDescription.sdp
            for name, status in (("one", 409), ("a b", 400), ("", 400), ("x" * 41, 400)):
                response = await sender.http.post("/whip", params={"stream": name}, content=offer, headers=SDP)
                assert response.status_code == status, name

    asyncio.run(run())


def test_more_streams_than_allowed_are_told_to_come_later(predictor: Predictor) -> None:
    async def run(url: str) -> None:
        async with Sender(url) as sender:
            response = await sender.http.post("/whip", content=sender.peer.localDescription.sdp, headers=SDP)
            assert response.status_code == 503
            assert response.headers["retry-after"]
            assert response.json()["code"] == "busy"

    with ServerThread(predictor, settings=ServeSettings(streams=1), pages=False) as server:
        asyncio.run(run(server.url))


def test_the_users_ice_servers_are_told_in_links(predictor: Predictor) -> None:
    ice = Ice(("127.0.0.1",), servers=(IceServer("stun:127.0.0.1:9"), IceServer("turn:127.0.0.1:9", "me", "secret")))

    async def run(url: str) -> list[str]:
        peer = new_peer(Ice())
        peer.addTransceiver("video", direction="sendonly")
        offer = await describe(peer, Ice())
        await peer.close()
        async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=30) as http:
            response = await http.post("/whip", content=offer, headers=SDP)
        return response.headers.get_list("link")

    # nobody answers there: gathering ends by itself
    with ServerThread(
        predictor, settings=ServeSettings(ice=Ice(("127.0.0.1",), servers=ice.servers[:1])), pages=False
    ) as s:
        assert asyncio.run(run(s.url)) == ['<stun:127.0.0.1:9>; rel="ice-server"']


def test_the_stream_of_a_stopped_server_ends(predictor: Predictor) -> None:
    async def run() -> None:
        with ServerThread(predictor, pages=False) as server:
            sender = await Sender(server.url).__aenter__()
            await sender.answers(1)
            await asyncio.to_thread(server._leave)
        for _ in range(100):
            if sender.peer.connectionState == "closed":
                break
            await asyncio.sleep(0.05)
        assert sender.peer.connectionState == "closed"
        await sender.peer.close()
        await sender.http.aclose()

    asyncio.run(run())


def test_a_frame_that_breaks_the_model_is_an_error_message_and_the_stream_goes_on(
    predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, count = predictor.run, [0]

    def sometimes(batch: Any) -> Any:
        count[0] += 1
        if count[0] == 3:
            raise RuntimeError("meant")
        return real(batch)

    async def run(url: str) -> None:
        async with Sender(url) as sender:
            await sender.answers(6)
            assert [m["code"] for m in sender.messages if m["type"] == "error"] == ["error"]

    with ServerThread(predictor, pages=False) as server:
        monkeypatch.setattr(predictor, "run", sometimes)
        asyncio.run(run(server.url))


def test_several_streams_are_told_apart(server: ServerThread) -> None:
    async def run() -> None:
        async with (
            Sender(server.url, track=Bands((255, 0, 0))) as first,
            Sender(server.url, track=Bands((0, 0, 255))) as second,
        ):
            one, two = await asyncio.gather(first.answers(3), second.answers(3))
            assert all(states(r) == ["on", "off", "off"] for r in one)
            assert all(states(r) == ["off", "off", "on"] for r in two)

    asyncio.run(run())
