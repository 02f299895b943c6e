"""Both programs end cleanly, whichever way they end: nothing is left running, no port is held."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from telltale.stream.signalling import free_port

ENV = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2] / "src"), "OMP_NUM_THREADS": "1"}


class Program:
    """`telltale stream ...` as a user runs it."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "telltale", "stream", *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=ENV, start_new_session=True,
        )  # fmt: skip

    def line(self, pattern: str, within_s: float = 30) -> str:
        """The next line that fits."""
        end_s = time.monotonic() + within_s
        seen = []
        assert self.process.stdout is not None
        while time.monotonic() < end_s:
            line = self.process.stdout.readline()
            seen.append(line)
            if re.search(pattern, line):
                return line
            assert line, f"ended without {pattern!r}: {''.join(seen)}"
        raise AssertionError(f"no {pattern!r} in {''.join(seen)}")

    def end(self, number: int, within_s: float = 15) -> tuple[int, str]:
        self.process.send_signal(number)
        out, _ = self.process.communicate(timeout=within_s)
        return self.process.returncode, out

    def wait(self, within_s: float = 30) -> tuple[int, str]:
        out, _ = self.process.communicate(timeout=within_s)
        return self.process.returncode, out


@pytest.fixture
def start() -> Iterator[type[Program]]:
    with ExitStack() as stack:

        class Kept(Program):
            def __init__(self, *arguments: str) -> None:
                super().__init__(*arguments)
                stack.callback(self._sweep)

            def _sweep(self) -> None:
                if self.process.poll() is None:
                    self.process.kill()
                self.process.wait()
                if self.process.stdout is not None:
                    self.process.stdout.close()

        yield Kept


def children(pid: int) -> list[int]:
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True)
    return [int(p) for p in found.stdout.split()]


def gone(pid: int, within_s: float = 10) -> bool:
    end_s = time.monotonic() + within_s
    while time.monotonic() < end_s:
        if not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text().split(")")[1][:3]:
            return True
        time.sleep(0.05)
    return False


def is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def test_ctrl_c_at_the_client_ends_both_and_leaves_nothing(start: type[Program]) -> None:
    port = str(free_port("127.0.0.1"))
    server = start("serve", "--port", port, "--once")
    client = start("watch", "--port", port, "--every", "1")
    client.line("^frame ")
    below = children(client.process.pid)
    assert below
    code, said = client.end(signal.SIGINT)
    assert code == 0, said
    assert "stopped:" in said
    assert "Traceback" not in said
    code, said = server.wait()
    assert code == 0, said
    assert re.search(r"the other side left: \d+ frames, \d+ answered", said), said
    assert "Traceback" not in said
    assert all(gone(pid) for pid in below)
    assert is_free(int(port))


def test_ctrl_c_at_the_server_ends_both(start: type[Program]) -> None:
    port = str(free_port("127.0.0.1"))
    server = start("serve", "--port", port, "--every", "0")
    client = start("watch", "--port", port, "--every", "1")
    client.line("^frame ")
    code, said = server.end(signal.SIGINT)
    assert code == 0, said
    assert "Traceback" not in said
    code, said = client.wait()
    assert code == 0, said
    assert "the other side left:" in said
    assert is_free(int(port))


def test_ctrl_c_while_nobody_has_come_frees_the_port(start: type[Program]) -> None:
    port = free_port("127.0.0.1")
    server = start("serve", "--port", str(port))
    server.line("waiting for a client")
    code, said = server.end(signal.SIGTERM)
    assert (code, said) == (0, "")
    assert is_free(port)


def test_a_killed_client_leaves_no_orphan_and_the_server_goes_on(start: type[Program]) -> None:
    port = str(free_port("127.0.0.1"))
    server = start("serve", "--port", port, "--every", "0")
    client = start("watch", "--port", port, "--every", "1")
    client.line("^frame ")
    below = children(client.process.pid)
    client.end(signal.SIGKILL)
    assert below
    assert all(gone(pid) for pid in below)
    assert "broke" in server.line("frames, ")
    second = start("watch", "--port", port, "--every", "0", "--seconds", "4", "--json")
    code, said = second.wait()
    assert code == 0, said
    assert json.loads(said.splitlines()[-1])["received"] > 0
    server.end(signal.SIGINT)


def test_a_server_that_is_started_anew_is_found_again_within_five_seconds(start: type[Program]) -> None:
    port = str(free_port("127.0.0.1"))
    first = start("serve", "--port", port, "--every", "0")
    client = start("watch", "--port", port, "--every", "1", "--json")
    client.line("^frame ")
    first.end(signal.SIGKILL)
    second = start("serve", "--port", port, "--every", "0")
    client.line("broke|nothing came")
    client.line("^frame ")
    code, said = client.end(signal.SIGINT)
    assert code == 0, said
    told = json.loads(said.splitlines()[-1])
    assert told["connections"] == 2
    assert len(told["reconnect_s"]) == 1
    assert told["reconnect_s"][0] < 5
    second.end(signal.SIGINT)


def test_no_server_and_a_taken_port_are_one_clear_line(start: type[Program]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = str(held.getsockname()[1])
        code, said = start("serve", "--port", port).wait()
        assert code == 1
        assert "expected a free port" in said
        assert "Traceback" not in said
    code, said = start("watch", "--port", port, "--patience", "0.5").wait()
    assert code == 1
    assert "telltale stream serve" in said
    assert "Traceback" not in said


def test_a_window_is_refused_where_opencv_has_none(start: type[Program]) -> None:
    import cv2

    if "GTK" in cv2.getBuildInformation() and os.environ.get("DISPLAY"):
        pytest.skip("this OpenCV has windows")
    code, said = start("watch", "--display", "--patience", "0.5").wait()
    assert code == 1
    assert "--record" in said


WATCHED = """
import sys, ipaddress
outside = []
def hook(event, arguments):
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg", "socket.bind", "socket.getaddrinfo"):
        address = arguments[0] if event == "socket.getaddrinfo" else arguments[1]
        host = address[0] if isinstance(address, tuple) else address
        if host in (None, "", "localhost") or isinstance(host, bytes) and host.startswith(b"/"):
            return
        try:
            inside = ipaddress.ip_address(host).is_loopback
        except ValueError:
            inside = isinstance(host, str) and host.startswith("/")
        if not inside:
            print("OUTSIDE", event, address, flush=True)
sys.addaudithook(hook)
from telltale.cli import main
main(sys.argv[1:])
"""


def test_no_address_but_loopback_is_touched(start: type[Program]) -> None:
    port = str(free_port("127.0.0.1"))
    runs = []
    for arguments in (["serve", "--once", "--every", "0"], ["watch", "--every", "1", "--seconds", "4"]):
        runs.append(
            subprocess.Popen(
                [sys.executable, "-c", WATCHED, "stream", *arguments, "--port", port],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                env=ENV,
            )
        )
    said = [run.communicate(timeout=40)[0] for run in reversed(runs)]
    assert "frame " in said[0], said
    assert "OUTSIDE" not in "".join(said), said
