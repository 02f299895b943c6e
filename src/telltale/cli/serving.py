"""`telltale serve` and `telltale send`: a bundle over HTTP and WebSocket, and the small client."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from telltale.cli.options import one_of, out
from telltale.errors import ConfigError

if TYPE_CHECKING:
    from telltale.serve.tls import Tls


def serve(
    bundle: Annotated[Path, typer.Argument(help="A NAME.telltale folder.")],
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 takes a free one.", min=0, max=65535)] = 8000,
    certificate: Annotated[Path | None, typer.Option(help="A PEM certificate, for HTTPS and WSS.")] = None,
    key: Annotated[Path | None, typer.Option(help="Its PEM key.")] = None,
    self_signed: Annotated[bool, typer.Option("--self-signed", help="Make a certificate for HTTPS and WSS.")] = False,
    allow_origin: Annotated[
        list[str] | None, typer.Option(help="A foreign page that may connect, https://host[:port], or *; repeat it.")
    ] = None,
    average_s: Annotated[float | None, typer.Option(help="Smoothing: average over this many seconds.")] = None,
    dwell_s: Annotated[float | None, typer.Option(help="Smoothing: a state lasts at least this long.")] = None,
    track: Annotated[
        bool | None,
        typer.Option("--track/--no-track", help="Follow boxes from frame to frame; default: as the bundle says."),
    ] = None,
    variant: Annotated[str, typer.Option(help="auto, float or int8.")] = "auto",
    pages: Annotated[bool, typer.Option(help="Serve the car page and the widget too.")] = True,
    monitor: Annotated[
        bool | None,
        typer.Option("--monitor/--no-monitor", help="The monitor page at /; default: on this machine only."),
    ] = None,
    history: Annotated[Path | None, typer.Option(help="Monitor: keep what was told in this file.")] = None,
    keep_days: Annotated[float, typer.Option(help="Monitor: throw away what is older.")] = 7.0,
    keep_mb: Annotated[float, typer.Option(help="Monitor: so much of pictures; the oldest are thrown away.")] = 500.0,
    project: Annotated[
        Path | None, typer.Option("--project", "-p", help="Monitor: where unsure pictures are sent to be labelled.")
    ] = None,
    compare: Annotated[Path | None, typer.Option(help="Monitor: another bundle to compare with.")] = None,
    rtc_address: Annotated[
        list[str] | None, typer.Option(help="WebRTC: an address of this machine for media; default: --host. Repeat it.")
    ] = None,
    rtc_ports: Annotated[str | None, typer.Option(help="WebRTC: UDP ports to take, as 40000-40100.")] = None,
    rtc_public: Annotated[
        str | None, typer.Option(help="WebRTC: the address peers are told instead, for a container.")
    ] = None,
    ice_server: Annotated[
        list[str] | None, typer.Option(help="WebRTC: a STUN or TURN server of yours, stun:HOST:PORT; repeat it.")
    ] = None,
    batch: Annotated[int, typer.Option(help="Pictures of different connections run together, at most; 1: none.")] = 1,
    batch_wait_ms: Annotated[
        float, typer.Option(help="With --batch: how long the first picture of a batch waits for others.")
    ] = 0.0,
    max_streams: Annotated[int, typer.Option(help="WebRTC: streams in at once.", min=0)] = 8,
    max_viewers: Annotated[int, typer.Option(help="WebRTC: viewers at once.", min=0)] = 32,
) -> None:
    """Serve a bundle: POST /api/tell, WS /ws/infer, WebRTC (/whip, /whep), the widget, its pages, /docs, /metrics."""
    from telltale.serve.server import run_server
    from telltale.serve.settings import MonitorSettings, ServeSettings, is_loopback
    from telltale.streams.reach import Ice, IceServer, parse_ports

    shown = is_loopback(host) if monitor is None else monitor
    settings = ServeSettings(
        average_s=average_s,
        dwell_s=dwell_s,
        track=track,
        batch=batch,
        batch_wait_ms=batch_wait_ms,
        allow_origins=tuple(allow_origin) if allow_origin else None,
        ice=Ice(
            addresses=tuple(rtc_address or ()),
            ports=parse_ports(rtc_ports) if rtc_ports else None,
            public=rtc_public,
            servers=tuple(IceServer(url) for url in ice_server or ()),
        ),
        streams=max_streams,
        viewers=max_viewers,
        monitor=MonitorSettings(history, keep_days, keep_mb, project) if shown else None,
    )
    run_server(
        bundle,
        host=host,
        port=port,
        tls=_tls(host, certificate, key, self_signed),
        settings=settings,
        pages=pages,
        variant=one_of(variant, ("auto", "float", "int8"), "--variant"),
        rival=compare,
        say=lambda line: out.print(line, markup=False),
    )


def _tls(host: str, certificate: Path | None, key: Path | None, self_signed: bool) -> Tls | None:
    from telltale.serve import tls

    if self_signed and (certificate or key):
        raise ConfigError("telltale serve", expected="--self-signed, or --certificate with --key", got="both")
    if (certificate is None) != (key is None):
        raise ConfigError("telltale serve", expected="--certificate and --key together", got="one of them")
    if self_signed:
        return tls.self_signed(host)
    return tls.given(certificate, key) if certificate and key else None


def send(
    paths: Annotated[list[Path], typer.Argument(help="Pictures, or folders of them.")],
    host: Annotated[str, typer.Option(help="The server: HOST, HOST:PORT or http(s)://HOST:PORT.")] = "127.0.0.1:8000",
    stream: Annotated[bool, typer.Option("--stream", help="Over one WebSocket, smoothed, with change events.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="A JSON line for each picture.")] = False,
    certificate: Annotated[Path | None, typer.Option(help="A PEM certificate to trust.")] = None,
    insecure: Annotated[bool, typer.Option("--insecure", help="Trust any certificate.")] = False,
) -> None:
    """Send pictures to a server and print what it tells."""
    from telltale.serve.client import describe, find_pictures
    from telltale.serve.client import send as send_all

    width = max(len(str(path)) for path in find_pictures(paths))
    refused = 0
    for answer in send_all(paths, host, stream=stream, certificate=certificate, insecure=insecure):
        print(json.dumps(answer.to_json()) if as_json else describe(answer, width), flush=True)
        refused += not answer.ok
    if refused:
        raise typer.Exit(1)
