"""telltale-cam against a real HTTP server and a real MQTT broker, on loopback; on this machine and on ARMv7."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

import telltale
from edge_cam.programs import ROOT, Program, needs
from edge_cam.servers import Broker, Snapshots
from telltale.preprocess import Preprocess, decode

Json = dict[str, Any]
NAMES = ["lamp", "dark"]


def lit(level: float, width: int = 64, height: int = 48, **options: Any) -> bytes:
    """A JPEG of one grey level, 0 to 1."""
    out = io.BytesIO()
    pixels = np.full((height, width, 3), round(255 * level), np.uint8)
    PIL.Image.fromarray(pixels).save(out, "JPEG", quality=95, **options)
    return out.getvalue()


BRIGHT, DARK = lit(0.9), lit(0.1)


def lines(output: bytes, kind: str | None = None) -> list[Json]:
    messages = [json.loads(line) for line in output.decode().splitlines()]
    return [m for m in messages if kind is None or m["type"] == kind]


@contextmanager
def running(cam: Program, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """The program in the background; ended as a service manager would."""
    environment = {**os.environ, **dict(cam.environment)}
    process = subprocess.Popen(
        [*cam.command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(20)
        if process.stdout and process.stderr:
            process.stdout.close()
            process.stderr.close()


def until(process: subprocess.Popen[bytes], kind: str, count: int = 1) -> list[Json]:
    """Reads lines until so many of a kind came."""
    assert process.stdout
    found: list[Json] = []
    while len(found) < count:
        line = process.stdout.readline()
        assert line, process.stderr.read().decode() if process.stderr else ""
        message = json.loads(line)
        if message["type"] == kind:
            found.append(message)
    return found


def options(**settings: Any) -> list[str]:
    return [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]


# --- telling --------------------------------------------------------------------------------------------------------


def test_pictures_are_told_as_the_wire_says(cam: Program, tmp_path: Path) -> None:
    for name, data in [("a.jpg", BRIGHT), ("b.jpg", DARK)]:
        (tmp_path / name).write_bytes(data)
    done = cam.run(str(tmp_path / "a.jpg"), str(tmp_path / "b.jpg"))
    assert done.returncode == 0, done.stderr
    hello, first, second = lines(done.stdout)
    golden = Path(__file__).resolve().parents[1] / "golden" / "wire"
    assert hello.keys() == json.loads((golden / "hello.json").read_text()).keys()
    assert hello["bundle"]["names"] == NAMES
    assert hello["version"] == telltale.__version__
    assert first.keys() == json.loads((golden / "result.json").read_text()).keys()
    assert first["result"]["lamp"]["state"] == "on"
    assert first["result"]["dark"]["state"] == "off"
    assert abs(first["result"]["lamp"]["prob"] - 0.9) < 0.01
    assert second["result"]["lamp"]["state"] == "off"
    assert (first["seq"], second["seq"], first["size"]) == (0, 1, [64, 48])


def test_the_net_sees_what_python_would_show_it(cam: Program, tmp_path: Path) -> None:
    """At full scale the same bytes; at a smaller one nearly: the mean stays."""
    rng = np.random.default_rng(1)
    for width, height in [(40, 36), (640, 360), (333, 500), (20, 20)]:
        noise = rng.integers(0, 256, (height // 4 + 1, width // 4 + 1, 3), dtype=np.uint8)
        pixels = np.asarray(PIL.Image.fromarray(noise).resize((width, height)))
        out = io.BytesIO()
        PIL.Image.fromarray(pixels).save(out, "JPEG")
        (tmp_path / "a.jpg").write_bytes(out.getvalue())
        told = lines(cam.run(str(tmp_path / "a.jpg")).stdout, "result")[0]["result"]["lamp"]["prob"]
        seen = Preprocess(32, 32).apply(decode(out.getvalue())).mean() / 255
        assert abs(told - seen) < (1e-6 if width <= 40 else 2e-3), (width, height)


def test_a_region_in_upright_pixels_is_told(cam: Program, tmp_path: Path) -> None:
    """Half of the picture is bright; lying on its side the bright half is still where a person sees it."""
    pixels = np.zeros((128, 96, 3), np.uint8)
    pixels[:64] = 255
    for turn, stored in [(1, pixels), (6, np.rot90(pixels)), (3, pixels[::-1, ::-1]), (8, np.rot90(pixels, 3))]:
        exif = PIL.Image.Exif()
        exif[0x0112] = turn
        file = tmp_path / f"{turn}.jpg"
        PIL.Image.fromarray(np.ascontiguousarray(stored)).save(file, exif=exif)
        assert decode(file)[:64].mean() > 250
        for roi, bright in [("0 0 96 64", True), ("0,64,96,64", False)]:
            told = lines(cam.run(*options(roi=roi), str(file)).stdout, "result")[0]
            assert told["result"]["lamp"]["state"] == ("on" if bright else "off"), (turn, roi)
            assert told["size"] == [96, 128]


def test_pictures_come_one_after_the_other_from_stdin(cam: Program) -> None:
    done = cam.run("-", stdin=BRIGHT + b"--boundary\r\n" + DARK + lit(0.9, progressive=True) + DARK[:200])
    assert [m["result"]["lamp"]["state"] for m in lines(done.stdout, "result")] == ["on", "off", "on"]
    assert len(lines(done.stdout, "error")) == 1
    assert done.returncode == 1


def test_a_bad_picture_is_an_error_and_the_next_is_told(cam: Program, tmp_path: Path) -> None:
    cmyk = io.BytesIO()
    PIL.Image.new("CMYK", (64, 48), (0, 0, 0, 20)).save(cmyk, "JPEG")
    frame = BRIGHT.index(b"\xff\xc0")
    twelve = BRIGHT[: frame + 4] + b"\x0c" + BRIGHT[frame + 5 :]
    files = {"cut": BRIGHT[:-40], "empty": b"", "png": b"\x89PNG\r\n\x1a\n", "twelve": twelve, "cmyk": cmyk.getvalue()}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "good").write_bytes(BRIGHT)
    names = [str(tmp_path / name) for bad in files for name in (bad, "good")]
    done = cam.run(*names, str(tmp_path / "missing"), str(tmp_path))
    assert done.returncode == 1
    told = lines(done.stdout)[1:]
    assert [m["type"] for m in told] == ["error", "result"] * 4 + ["result"] * 2 + ["error"] * 2
    assert {m["code"] for m in told if m["type"] == "error"} == {"image"}
    assert all(m["expected"] and m["got"] and m["next"] for m in told if m["type"] == "error")
    assert [m["seq"] for m in told] == list(range(12))


def test_quiet_says_events_only(cam: Program) -> None:
    done = cam.run(*options(quiet="yes", average_s=0, dwell_s=0), "-", stdin=BRIGHT + DARK)
    events = lines(done.stdout)
    assert [(m["type"], m["name"], m["from"], m["to"]) for m in events] == [
        ("event", "lamp", "on", "off"),
        ("event", "dark", "off", "on"),
    ]


def test_thresholds_of_the_configuration_count(cam: Program, tmp_path: Path) -> None:
    config = tmp_path / "cam.conf"
    config.write_text("# a comment\nlow.lamp = 0.05   # behind\nhigh.lamp=0.95\n\n")
    hello, told = lines(cam.run("--config", str(config), "-", stdin=BRIGHT).stdout)
    assert hello["bundle"]["thresholds"]["lamp"] == {"low": 0.05, "high": 0.95}
    assert hello["bundle"]["thresholds"]["dark"] == {"low": 0.3, "high": 0.7}
    assert told["result"]["lamp"]["state"] == "unsure"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("interval_s = often", "line 2: interval_s: expected a number from 0 to 86400, got often"),
        ("interval_s = nan", "got nan"),
        ("qos = 2", "expected a whole number from 0 to 1, got 2"),
        ("roi = 1 2 3", "expected left, top, width and height in pixels, got 1 2 3"),
        ("roi = 0 0 0 5", "got 0 0 0 5"),
        ("colour = red", "got colour"),
        ("low.nobody = 0.3", "nobody: expected a name the net tells"),
        ("high.lamp = 0.1", "expected low at or below high"),
        ("just words", "line 2: expected key = value, got just words"),
        ("publish = ftp://127.0.0.1", "expected mqtt:// or http://"),
        ("publish = mqtt://", "expected scheme://"),
        ("publish = mqtt://127.0.0.1:99999/a", "expected scheme://"),
        ("publish = mqtt://127.0.0.1/a/#", "expected a topic without # and +"),
        ("source = https://127.0.0.1/a.jpg", "expected http://"),
        ("source = " + "x" * 600, "expected at most 511 bytes"),
        ("", "source: expected http://..., a path or -, got nothing"),
    ],
)
def test_a_wrong_setting_is_one_clear_line(cam_host: Program, tmp_path: Path, line: str, said: str) -> None:
    config = tmp_path / "cam.conf"
    config.write_text(f"# first\n{line}\n")
    done = cam_host.run("--config", str(config))
    assert done.returncode == 1
    message = done.stderr.decode()
    assert message.count("\n") == 1
    assert message.startswith("telltale-cam: ")
    assert said in message
    assert "; " in message


def test_wrong_arguments_are_one_clear_line(cam_host: Program, tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(b"\n" * 70_000)
    for arguments in [
        ["--frobnicate"],
        ["--bench", "0", "x"],
        ["--bench", "3"],
        ["--set", "qos"],
        ["--config", str(tmp_path / "none")],
        ["--config", str(tmp_path)],
        ["--config", str(tmp_path / "big")],
        ["--config"],
    ]:
        done = cam_host.run(*arguments)
        assert done.returncode == 1, arguments
        assert done.stderr.count(b"\n") == 1


def test_help_version_describe_and_selftest(cam_host: Program) -> None:
    assert b"--config FILE" in cam_host.run("--help").stdout
    assert cam_host.run("--version").stdout.decode().strip() == telltale.__version__
    assert lines(cam_host.run("--describe").stdout)[0]["bundle"]["kind"] == "states"
    done = cam_host.run("--selftest")
    assert done.returncode == 0
    assert b"gives the answers compiled in" in done.stdout


def test_bench_says_how_long_a_picture_took(cam: Program, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(lit(0.5, 640, 360))
    bench = json.loads(cam.answer("--bench", "3", str(tmp_path / "a.jpg"), stdin=b""))
    assert bench["pictures"] == 3
    assert bench["scale"] == "1/8"
    assert 0 < bench["ms"]["least"] <= bench["ms"]["median"] <= bench["ms"]["most"]


# --- snapshots ------------------------------------------------------------------------------------------------------


def test_snapshots_are_fetched_at_their_interval(cam: Program) -> None:
    with Snapshots(BRIGHT) as server, running(cam, *options(source=server.url, interval_s=0.1)) as process:
        told = until(process, "result", 3)
    assert [m["seq"] for m in told] == [0, 1, 2]
    assert told[2]["smoothed"]["lamp"]["state"] == "on"
    assert server.requests[0].startswith("GET /snapshot.jpg?size=640x360 HTTP/1.")


def test_a_state_that_changes_is_an_event_once_it_stays(cam: Program) -> None:
    settings = options(interval_s=0.05, average_s=0, dwell_s=0.3)
    with Snapshots(BRIGHT) as server, running(cam, *options(source=server.url), *settings) as process:
        until(process, "result", 3)
        server.picture = DARK
        assert process.stdout
        for line in process.stdout:
            told = json.loads(line)
            if told["events"]:
                break
    assert [(e["name"], e["from"], e["to"]) for e in told["events"]] == [
        ("lamp", "on", "off"),
        ("dark", "off", "on"),
    ]


def test_a_password_in_the_address_is_sent(cam_host: Program) -> None:
    with Snapshots(BRIGHT, password="camera:p@ss wörd") as server:
        right = server.url.replace("http://", "http://camera:p%40ss%20w%C3%B6rd@")
        with running(cam_host, *options(source=right, interval_s=0.1)) as process:
            until(process, "result", 1)
        with running(cam_host, *options(source=server.url, interval_s=0.1)) as process:
            assert "got 401" in until(process, "error", 1)[0]["message"]


@pytest.mark.parametrize(
    "fault", ["404", "nothing", "no http", "cut off", "endless head", "chunks", "too long", "slow"]
)
def test_a_server_that_misbehaves_is_an_error_and_is_asked_again(cam_host: Program, fault: str) -> None:
    settings = options(interval_s=0.05, timeout_s=0.5, max_bytes=100_000)
    with Snapshots(BRIGHT, fault=fault) as server, running(cam_host, *options(source=server.url), *settings) as process:
        error = until(process, "error", 1)[0]
        assert error["code"] == "network"
        assert all(error[part] for part in ("expected", "got", "next"))
        server.fault = ""
        assert until(process, "result", 1)[0]["result"]["lamp"]["state"] == "on"


def test_a_camera_that_is_away_is_an_error_with_its_address(cam_host: Program) -> None:
    with Snapshots(BRIGHT) as server:
        gone = server.url
    with running(cam_host, *options(source=gone, interval_s=0.1)) as process:
        assert "Connection refused" in until(process, "error", 2)[1]["message"]
    with running(cam_host, *options(source="http://no-such-camera/a.jpg")) as process:
        assert "an unknown name" in until(process, "error", 1)[0]["message"]


# --- power cuts -----------------------------------------------------------------------------------------------------


def test_what_changed_during_a_power_cut_is_an_event(cam: Program, tmp_path: Path) -> None:
    state = tmp_path / "cam.state"
    with Snapshots(BRIGHT) as server:
        settings = options(source=server.url, state=state, interval_s=0.05, average_s=0.2, dwell_s=0.1)
        with running(cam, *settings) as process:
            until(process, "result", 2)
            os.kill(process.pid, signal.SIGKILL)
        assert b"on 0.9" in state.read_bytes()
        server.picture = DARK
        with running(cam, *settings) as process:
            first = until(process, "result", 1)[0]
            assert first["smoothed"]["lamp"]["state"] == "on"  # as before the cut, until the dwell has passed
            assert first["smoothed"]["lamp"]["prob"] < 0.2  # but the old average counts no more
            events = first["events"]
            while not events:
                events = until(process, "result", 1)[0]["events"]
            assert [(e["from"], e["to"]) for e in events] == [("on", "off"), ("off", "on")]
            time.sleep(0.05)
            os.kill(process.pid, signal.SIGKILL)
        with running(cam, *settings) as process:
            told = until(process, "result", 4)
            assert not any(m["events"] for m in told)  # nothing changed: nothing is told twice


def test_a_damaged_state_file_is_said_and_begun_anew(cam_host: Program, tmp_path: Path) -> None:
    state = tmp_path / "cam.state"
    settings = [*options(state=state), "-"]
    assert cam_host.run(*settings, stdin=BRIGHT).returncode == 0
    whole = state.read_bytes()
    broken = [b"", b"x", whole[:-3], whole.replace(b"on 0.9", b"on 0.8"), whole + b"\n", b"\0" * 200, b"a" * 70_000]
    for data in broken:
        state.write_bytes(data)
        done = cam_host.run(*settings, stdin=DARK)
        assert [m["code"] for m in lines(done.stdout, "error")] == ["state"], data
        assert lines(done.stdout, "result")[0]["smoothed"]["lamp"]["state"] == "off"
        assert cam_host.run(*settings, stdin=DARK).returncode == 0
    assert not list(tmp_path.glob("*.new"))


def test_a_state_file_that_cannot_be_written_is_said(cam_host: Program, tmp_path: Path) -> None:
    done = cam_host.run(*options(state=tmp_path / "no" / "such" / "state"), "-", stdin=BRIGHT)
    assert {m["code"] for m in lines(done.stdout, "error")} == {"state"}
    assert len(lines(done.stdout, "result")) == 1


# --- publishing -----------------------------------------------------------------------------------------------------


def test_events_and_states_reach_a_real_broker(cam: Program, broker: Broker) -> None:
    with Snapshots(BRIGHT) as server, broker.listen("doors/#", 7) as heard:
        settings = options(source=server.url, publish=f"{broker.url}/doors/left", interval_s=0.05, average_s=0)
        with running(cam, *settings, *options(dwell_s=0.1)) as process:
            until(process, "result", 3)
            server.picture = DARK
            while not until(process, "result", 1)[0]["events"]:
                pass
            until(process, "result", 1)
        messages = heard.wait()
        assert messages[0] == ("doors/left/availability", "online")
        assert messages[1][0] == "doors/left/hello"
        assert json.loads(messages[1][1])["bundle"]["names"] == NAMES
        assert messages[2][0] == "doors/left/state"
        assert json.loads(messages[2][1])["lamp"]["state"] == "on"
        assert [(t, json.loads(m)["name"], json.loads(m)["to"]) for t, m in messages[3:5]] == [
            ("doors/left/event", "lamp", "off"),
            ("doors/left/event", "dark", "on"),
        ]
        assert json.loads(messages[5][1])["lamp"]["state"] == "off"
        assert messages[6] == ("doors/left/availability", "offline")
    with broker.listen("doors/left/state", 1) as late:  # retained: who comes later knows too
        assert json.loads(late.wait()[0][1])["dark"]["state"] == "on"


def test_results_are_published_when_asked(cam_host: Program, broker: Broker) -> None:
    with Snapshots(BRIGHT) as server, broker.listen("telltale/lamp/result", 2) as heard:
        settings = options(source=server.url, publish=broker.url, interval_s=0.05, results="yes", qos=0)
        with running(cam_host, *settings):
            assert json.loads(heard.wait()[0][1])["type"] == "result"


def test_a_program_killed_is_offline_at_the_broker(cam_host: Program, broker: Broker) -> None:
    with Snapshots(BRIGHT) as server, broker.listen("telltale/lamp/availability", 2) as heard:
        with running(cam_host, *options(source=server.url, publish=broker.url, interval_s=0.05)) as process:
            until(process, "result", 2)
            os.kill(process.pid, signal.SIGKILL)
        assert [message for _, message in heard.wait()] == ["online", "offline"]


def test_events_wait_for_a_broker_that_is_away(cam_host: Program, broker: Broker) -> None:
    broker.stop()
    settings = options(publish=broker.url, interval_s=0.05, average_s=0, dwell_s=0.05, timeout_s=1)
    with Snapshots(BRIGHT) as server, running(cam_host, *options(source=server.url), *settings) as process:
        assert "Connection refused" in until(process, "error", 1)[0]["message"]
        server.picture = DARK
        while not until(process, "result", 1)[0]["events"]:
            pass
        broker.start()
        with broker.listen("telltale/lamp/event", 2) as heard:
            assert [json.loads(m)["to"] for _, m in heard.wait()] == ["off", "on"]


def test_a_wrong_password_is_said(cam_host: Program, guarded_broker: Broker) -> None:
    with Snapshots(BRIGHT) as server:
        settings = options(source=server.url, interval_s=0.1)
        with running(cam_host, *settings, *options(publish=guarded_broker.url)) as process:
            assert "permission" in until(process, "error", 1)[0]["message"]
        with guarded_broker.listen("telltale/lamp/state", 1) as heard:
            right = guarded_broker.url.replace("mqtt://", "mqtt://cam:s%3Acret@")
            with running(cam_host, *settings, *options(publish=right)):
                assert json.loads(heard.wait()[0][1])["lamp"]["state"] == "on"


def test_home_assistant_finds_each_name(cam_host: Program, broker: Broker) -> None:
    with Snapshots(BRIGHT) as server, broker.listen("homeassistant/#", 2) as heard:
        settings = options(source=server.url, publish=broker.url, client_id="hall", discovery="homeassistant")
        with running(cam_host, *settings):
            found = dict(heard.wait())
    assert set(found) == {f"homeassistant/binary_sensor/hall_{name}/config" for name in NAMES}
    sensor = json.loads(found["homeassistant/binary_sensor/hall_lamp/config"])
    assert sensor["state_topic"] == "telltale/lamp/state"
    assert sensor["availability_topic"] == "telltale/lamp/availability"
    assert "value_json['lamp'].state" in sensor["value_template"]


def test_events_are_posted_to_an_http_address(cam_host: Program) -> None:
    with Snapshots(BRIGHT) as server:
        settings = options(interval_s=0.05, average_s=0, dwell_s=0.05, publish=server.url + "&to=hook")
        with running(cam_host, *options(source=server.url), *settings) as process:
            until(process, "result", 2)
            server.picture = DARK
            while len(server.posted) < 2:
                until(process, "result", 1)
    posted = [json.loads(body) for body in server.posted[:2]]
    assert [(m["type"], m["name"], m["to"]) for m in posted] == [("event", "lamp", "off"), ("event", "dark", "on")]


# --- faults in the program itself -----------------------------------------------------------------------------------


@pytest.mark.slow
def test_valgrind_finds_nothing(cam_plain: Program, tmp_path: Path) -> None:
    needs("valgrind")
    (tmp_path / "cut.jpg").write_bytes(BRIGHT[:-40])
    (tmp_path / "a.jpg").write_bytes(lit(0.9, 300, 200, progressive=True))
    checked = Program(("valgrind", "-q", "--error-exitcode=9", "--leak-check=full", *cam_plain.command))
    done = checked.run(
        *options(roi="10 10 90 90", state=tmp_path / "s"), str(tmp_path / "cut.jpg"), str(tmp_path / "a.jpg")
    )
    assert done.returncode == 1, done.stderr.decode()
    assert len(lines(done.stdout, "result")) == 1
    assert done.stderr == b""


def test_the_program_says_its_python_version() -> None:
    header = (ROOT / "edge" / "cam" / "report.h").read_text()
    assert f'#define TELLTALE_VERSION "{telltale.__version__}"' in header
