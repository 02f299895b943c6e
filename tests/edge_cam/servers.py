"""A camera's HTTP server that misbehaves on demand, and a real Mosquitto; both on loopback at a port of their own."""

from __future__ import annotations

import base64
import http.server
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import pytest


class Snapshots:
    """Serves `picture`; keeps what is posted. fault: how it misbehaves. password: `user:password` it wants."""

    def __init__(self, picture: bytes, *, fault: str = "", password: str = "") -> None:
        self.picture, self.fault = picture, fault
        self.requests: list[str] = []
        self.posted: list[bytes] = []
        wanted = "Basic " + base64.b64encode(password.encode()).decode()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, format: str, *args: object) -> None:
                pass

            def do_GET(self) -> None:
                outer.requests.append(self.requestline)
                if password and self.headers.get("Authorization") != wanted:
                    self.send_error(401)
                elif outer.fault:
                    outer.misbehave(self)
                else:
                    outer.send(self, outer.picture)

            def do_POST(self) -> None:
                outer.posted.append(self.rfile.read(int(self.headers["Content-Length"])))
                outer.send(self, b"")

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._stopped = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/snapshot.jpg?size=640x360"

    def send(self, to: http.server.BaseHTTPRequestHandler, body: bytes) -> None:
        with suppress(ConnectionError):  # the program was ended while it waited
            to.send_response(200)
            to.send_header("content-length", str(len(body)))
            to.end_headers()
            to.wfile.write(body)

    def misbehave(self, to: http.server.BaseHTTPRequestHandler) -> None:
        head = b"HTTP/1.1 200 OK\r\n"
        size = len(self.picture)
        if self.fault == "404":
            to.send_error(404)
        elif self.fault == "no http":
            to.wfile.write(b"\xff\xd8 hello\r\n\r\n")
        elif self.fault == "cut off":
            to.wfile.write(head + b"Content-Length: %d\r\n\r\n" % (size + 9) + self.picture)
        elif self.fault == "endless head":
            with suppress(ConnectionError):
                to.wfile.write(head + b"X: y\r\n" * 100_000)
        elif self.fault == "chunks":
            to.wfile.write(head + b"Transfer-Encoding: chunked\r\n\r\n")
        elif self.fault == "too long":
            with suppress(ConnectionError):
                to.wfile.write(head + b"Content-Length: 999999999\r\n\r\n" + self.picture)
        elif self.fault == "slow":
            to.wfile.write(head)
            self._stopped.wait(1.5)

    def __enter__(self) -> Snapshots:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stopped.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@dataclass
class Heard:
    """What `mosquitto_sub` prints: topic and message, up to `count` of them."""

    process: subprocess.Popen[bytes]
    count: int

    def wait(self, timeout_s: float = 30) -> list[tuple[str, str]]:
        out, error = self.process.communicate(timeout=timeout_s)
        lines = [line for line in out.decode().splitlines() if not line.startswith(("Client ", "Subscribed "))]
        got = [line.split(" ", 1) for line in lines]
        assert len(got) == self.count, (got, error)
        return [(topic, message) for topic, message in got]


class Broker:
    """Mosquitto, with or without a password."""

    def __init__(self, folder: Path, password: str = "") -> None:
        self._program = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
        if not Path(self._program).is_file() or shutil.which("mosquitto_sub") is None:
            pytest.skip("mosquitto is not installed; tools/setup.sh cross installs it")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port: int = free.getsockname()[1]
        self._login: list[str] = []
        self._config = folder / "mosquitto.conf"
        lines = [
            f"listener {self._port} 127.0.0.1",
            "persistence false",
            f"allow_anonymous {str(not password).lower()}",
        ]
        if password:
            user, _, secret = password.partition(" ")
            self._login = ["-u", user, "-P", secret]
            passwords = folder / "passwords"
            passwords.touch(0o600)
            subprocess.run(["mosquitto_passwd", "-b", str(passwords), user, secret], check=True, capture_output=True)
            lines += [f"password_file {passwords}", "user root"]
        self._config.write_text("\n".join(lines) + "\n")
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self._port}"

    def start(self) -> None:
        self._process = subprocess.Popen(
            [self._program, "-c", str(self._config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self._port)) == 0:
                    return
            assert self._process.poll() is None, "mosquitto ended at once"
            time.sleep(0.02)
        raise AssertionError("mosquitto does not listen")

    def stop(self) -> None:
        if self._process:
            self._process.terminate()
            self._process.wait(10)
            self._process = None

    @contextmanager
    def listen(self, topic: str, count: int) -> Iterator[Heard]:
        """Subscribed when the block begins."""
        command = [
            "stdbuf",
            "-oL",
            "mosquitto_sub",
            "-h",
            "127.0.0.1",
            "-p",
            str(self._port),
            "-v",
            "-q",
            "1",
            "-t",
            topic,
        ]
        process = subprocess.Popen(
            [*command, *self._login, "-C", str(count), "-W", "25", "-d"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
        )
        # -d says on stdout when the broker has taken the subscription
        assert process.stdout
        while b"Subscribed" not in (line := process.stdout.readline()):
            assert line, "mosquitto_sub ended"
        try:
            yield Heard(process, count)
        finally:
            process.terminate()
            process.wait(10)
            for pipe in (process.stdout, process.stderr):
                if pipe:
                    pipe.close()
