"""Binds, starts and stops a server: in the foreground, or in a thread beside the caller. Knows nothing of routes."""

from __future__ import annotations

import dataclasses
import errno
import logging
import math
import os
import socket
import threading
import time
from collections.abc import Callable
from os import PathLike
from types import TracebackType

import numpy as np
import uvicorn

from telltale.bundle.predictor import Predictor, VariantName
from telltale.errors import ServeError
from telltale.serve.app import create_app
from telltale.serve.engine import Model
from telltale.serve.settings import ServeSettings, is_loopback
from telltale.serve.tls import Tls

START_S = 20.0
"""A server that has not started by then has failed."""

TRIALS = 12
TRIAL_S = 2.0
CLEARLY = 0.8

RECEIVE_BYTES = 262_144
"""The kernel's receive buffer of each connection. Left to itself it grows to megabytes, in which frames grow old."""

LEAVE_S = 2
"""How long a stopping server waits for its answers in hand."""


def say_now(line: str) -> None:
    """print, also when nobody watches: a line that waits in a pipe tells no address."""
    print(line, flush=True)


def run_server(
    bundle: str | PathLike[str],
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    tls: Tls | None = None,
    settings: ServeSettings | None = None,
    pages: bool = True,
    variant: VariantName = "auto",
    rival: str | PathLike[str] | None = None,
    say: Callable[[str], None] = say_now,
) -> None:
    """Serve a bundle until Ctrl-C, which it returns from as from any other end.

    port: 0 takes a free one. tls: None serves plain HTTP. rival: a bundle to compare with in the monitor.
    say: told the address, and what to know of it.
    Raises BundleError, MissingPartError, ServeError (port taken, host not ours, certificate unfit).
    """
    settings = settings or ServeSettings()
    other = None if rival is None else Predictor.open(rival)
    server = Running(open_fastest(bundle, variant), host, port, tls, settings, pages, other)
    say(f"telltale serves {bundle} at {server.url}")
    say(f"frames: {server.ws_url}   interface: {server.url}/docs   Ctrl-C stops")
    for line in _warnings(host, tls, settings):
        say(line)
    try:
        server.run()
    except KeyboardInterrupt:  # uvicorn stops in order, then raises the signal it caught once more
        pass
    finally:
        server.close()
    say("stopped")


def open_fastest(bundle: str | PathLike[str], variant: VariantName = "auto") -> Predictor:
    """The bundle with one thread for each picture, or with all cores where that is measured clearly faster.

    Small nets lose more by waking threads than they win; large ones answer sooner with all of them.
    """
    one = Predictor.open(bundle, threads=1, variant=variant)
    if (os.cpu_count() or 1) == 1:
        return one
    rivals = (one, Predictor.open(bundle, variant=variant, verify=False))
    picture = np.zeros((1, one.spec.input.height, one.spec.input.width, 3), np.uint8)
    best_s = [math.inf, math.inf]
    end_s = time.perf_counter() + TRIAL_S
    for trial in range(TRIALS):  # in turns, so that a busy moment falls on both
        if trial and time.perf_counter() > end_s:
            break
        for i, rival in enumerate(rivals):
            start_s = time.perf_counter()
            rival.run(picture)
            best_s[i] = min(best_s[i], time.perf_counter() - start_s)
    return rivals[best_s[1] < CLEARLY * best_s[0]]


def _warnings(host: str, tls: Tls | None, settings: ServeSettings) -> list[str]:
    lines = [] if tls is None else [f"certificate SHA-256 {tls.fingerprint}"]
    if not is_loopback(host):
        lines.append(f"everybody who reaches {host} may use it: there is no password")
        if tls is None:
            lines.append("pictures travel unencrypted: use --self-signed or a certificate")
        if not settings.origins(host):
            lines.append("foreign web pages are refused: allow them with --allow-origin")
    return lines


class Running:
    """A bound socket and the server behind it."""

    def __init__(
        self,
        model: Model,
        host: str,
        port: int,
        tls: Tls | None,
        settings: ServeSettings,
        pages: bool,
        rival: Model | None = None,
    ) -> None:
        self._socket = bind(host, port)
        monitor = settings.monitor and dataclasses.replace(settings.monitor, local=is_loopback(host))
        settings = dataclasses.replace(
            settings, allow_origins=settings.origins(host), ice=settings.ice_at(host), monitor=monitor
        )
        try:
            app = create_app(model, pages=pages, settings=settings, rival=rival)
            config = uvicorn.Config(
                app,
                log_config=None,
                log_level=logging.WARNING,
                access_log=False,
                lifespan="on",
                ws="websockets-sansio",
                # Over this the connection closes (1009); up to it the app answers `too-large` and stays open.
                ws_max_size=2 * settings.max_bytes + 4096,
                # Pictures are compressed already.
                ws_per_message_deflate=False,
                server_header=False,
                timeout_graceful_shutdown=LEAVE_S,
                ssl_certfile=tls.certificate if tls else None,
                ssl_keyfile=tls.key if tls else None,
            )
            config.load()
        except BaseException as cause:
            self._socket.close()
            if isinstance(cause, OSError):
                raise ServeError(
                    "certificate", expected="a PEM certificate and its key", got=str(cause), next="or use --self-signed"
                ) from cause
            raise
        self._server = uvicorn.Server(config)
        self.host = host
        self.port: int = self._socket.getsockname()[1]
        where = "localhost" if host in ("0.0.0.0", "::", "") else f"[{host}]" if ":" in host else host
        self.url = f"{'https' if tls else 'http'}://{where}:{self.port}"
        self.ws_url = f"{'wss' if tls else 'ws'}://{where}:{self.port}/ws/infer"

    @property
    def started(self) -> bool:
        return self._server.started

    def run(self) -> None:
        """Blocks until `stop` or a signal."""
        self._server.run(sockets=[self._socket])

    def stop(self) -> None:
        """May be called from another thread."""
        self._server.should_exit = True

    def close(self) -> None:
        self._socket.close()


def bind(host: str, port: int) -> socket.socket:
    """A listening socket. Raises ServeError saying what to do."""
    if not 0 <= port <= 65535:
        raise ServeError("port", expected="0 to 65535", got=str(port))
    try:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as cause:
        raise ServeError(
            f"host {host!r}", expected="an address of this machine", got=str(cause), next="try 127.0.0.1"
        ) from cause
    family, kind, protocol, _, address = found[0]
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
    try:
        listener.bind(address)
        listener.listen(256)
    except OSError as cause:
        listener.close()
        raise _bind_error(host, port, cause) from cause
    return listener


def _bind_error(host: str, port: int, cause: OSError) -> ServeError:
    if cause.errno == errno.EADDRINUSE:
        return ServeError(
            f"port {port} on {host}",
            expected="a free port",
            got="one that another program holds",
            next="stop that program, or choose another with --port (0: any free one)",
        )
    if cause.errno == errno.EACCES:
        return ServeError(
            f"port {port} on {host}", expected="a port this user may open", got=str(port), next="take one from 1024 up"
        )
    return ServeError(
        f"{host} port {port}", expected="an address of this machine", got=str(cause), next="try --host 127.0.0.1"
    )


class ServerThread:
    """A server beside the caller, for tests and the demo.

    with ServerThread(Predictor.open("car.telltale", threads=1)) as server:
        httpx.get(server.url + "/healthz")

    url: `http://127.0.0.1:PORT`; ws_url: `ws://127.0.0.1:PORT/ws/infer`. port 0 takes a free one.
    Entering raises ServeError; leaving closes every connection.
    """

    def __init__(
        self,
        model: Model,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: Tls | None = None,
        settings: ServeSettings | None = None,
        pages: bool = True,
        rival: Model | None = None,
    ) -> None:
        self._start: Callable[[], Running] = lambda: Running(
            model, host, port, tls, settings or ServeSettings(), pages, rival
        )

    def __enter__(self) -> ServerThread:
        self._running = self._start()
        self.url, self.ws_url, self.port = self._running.url, self._running.ws_url, self._running.port
        self._failed: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="telltale-server", daemon=True)
        self._thread.start()
        ended = threading.Event()
        waited_s = 0.0
        while not self._running.started:
            if not self._thread.is_alive() or waited_s > START_S:
                self._leave()
                raise ServeError("the server", expected="to start", got=str(self._failed or "it stopped"))
            ended.wait(0.01)
            waited_s += 0.01
        return self

    def _run(self) -> None:
        try:
            self._running.run()
        except BaseException as cause:
            self._failed = cause

    def _leave(self) -> None:
        self._running.stop()
        self._thread.join(START_S)
        self._running.close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave()
