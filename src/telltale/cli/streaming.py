"""`telltale stream serve` and `telltale stream watch`: the bouncing ball over WebRTC, and how wrong the answers are."""

from __future__ import annotations

import asyncio
import json
import logging
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from telltale.cli.options import one_of
from telltale.errors import ConfigError, MissingPartError

if TYPE_CHECKING:
    from telltale.stream.client import Watched
    from telltale.stream.ledger import Ledger, Summary, Verdict
    from telltale.stream.server import Session
    from telltale.streams.reach import Ice

app = typer.Typer(no_args_is_help=True, help="A bouncing ball over WebRTC: where is it in every frame, and how wrong.")

HostOption = Annotated[str, typer.Option(help="Where the two meet (TCP).")]
PortOption = Annotated[int, typer.Option(help="Its port.", min=1, max=65535)]
AddressOption = Annotated[
    list[str] | None, typer.Option("--rtc-address", help="An address of this machine for the media (UDP); repeat it.")
]
PortsOption = Annotated[str | None, typer.Option("--rtc-ports", help="UDP ports for the media, as 40000-40100.")]
PublicOption = Annotated[
    str | None, typer.Option("--rtc-public", help="The address others are told instead, for a container.")
]
ServerOption = Annotated[
    list[str] | None, typer.Option("--ice-server", help="A STUN or TURN server of yours, stun:HOST:PORT; repeat it.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="A JSON line for each.")]


@app.command("serve")
def serve_ball(
    host: HostOption = "127.0.0.1",
    port: PortOption = 8765,
    scene: Annotated[str, typer.Option(help="plain, several, textured, blur, occlusion, noise, light.")] = "plain",
    size: Annotated[str, typer.Option(help="WIDTHxHEIGHT.")] = "640x480",
    fps: Annotated[float, typer.Option(help="Frames a second.")] = 30.0,
    seed: Annotated[int, typer.Option(help="Another flight, another texture.")] = 0,
    frames: Annotated[int | None, typer.Option(help="How many to send to a client.", min=1)] = None,
    codec: Annotated[str, typer.Option(help="VP8 or H264.")] = "VP8",
    once: Annotated[bool, typer.Option("--once", help="End when the first client has left.")] = False,
    every: Annotated[int, typer.Option(help="Print every so many answers; 0: only the sums.", min=0)] = 1,
    as_json: JsonOption = False,
    rtc_address: AddressOption = None,
    rtc_ports: PortsOption = None,
    rtc_public: PublicOption = None,
    ice_server: ServerOption = None,
) -> None:
    """Send a bouncing ball to whoever connects; print each answer and its error."""
    _need_rtc()
    from telltale.stream.server import CODECS, ServeBall, run_server
    from telltale.streams.scene import KINDS

    width, height = parse_size(size)
    settings = ServeBall(
        host=host,
        port=port,
        scene=one_of(scene, KINDS, "--scene"),
        width=width,
        height=height,
        fps=fps,
        seed=seed,
        frames=frames,
        codec=one_of(codec.upper(), CODECS, "--codec"),
        ice=_ice(host, rtc_address, rtc_ports, rtc_public, ice_server),
    )
    settings.make_scene()
    count = 0

    def on_verdict(verdict: Verdict, ledger: Ledger) -> None:
        nonlocal count
        count += 1
        if every and count % every == 0:
            print(_verdict_json(verdict, ledger) if as_json else verdict_line(verdict, ledger.summary()), flush=True)

    def on_session(session: Session) -> None:
        if as_json:
            print(json.dumps({"type": "session", "end": session.end.value, **session.summary.to_json()}), flush=True)
        else:
            print(f"{session.end.value}: {summary_line(session.summary)}", flush=True)

    def on_ready() -> None:
        if not as_json:
            print(f"waiting for a client at {host}:{port} ({scene}, {size}, {fps:g}/s); Ctrl-C stops", flush=True)

    async def run() -> None:
        # aiortc encodes on the loop's own pool, one frame at a time. A second thread brings a second heap of frames.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1, "telltale-encode"))
        stop = _stop_on_signals()
        await run_server(
            settings, once=once, stop=stop, on_verdict=on_verdict, on_session=on_session, on_ready=on_ready
        )

    asyncio.run(run())


@app.command("watch")
def watch_ball(
    host: HostOption = "127.0.0.1",
    port: PortOption = 8765,
    detector: Annotated[str, typer.Option(help="colour, circle, or a locate bundle: NAME.telltale.")] = "colour",
    name: Annotated[str | None, typer.Option(help="With a bundle of several names: which to look for.")] = None,
    track: Annotated[
        bool, typer.Option("--track", help="Follow the ball by a Kalman filter, also where it is not found.")
    ] = False,
    colour: Annotated[str, typer.Option(help="Of the ball: RED,GREEN,BLUE or #rrggbb.")] = "#e83e28",
    record: Annotated[
        Path | None, typer.Option(help="Write what was seen, with truth and answer, to this .mp4.")
    ] = None,
    display: Annotated[bool, typer.Option("--display", help="Show the frames in a window; q or Esc ends.")] = False,
    seconds: Annotated[float | None, typer.Option(help="How long to watch.", min=0.1)] = None,
    patience: Annotated[float, typer.Option(help="Seconds to try for a server that is not there.", min=0)] = 10.0,
    reconnect: Annotated[
        bool, typer.Option("--reconnect", help="Try again also after the server said good-bye.")
    ] = False,
    every: Annotated[int, typer.Option(help="Print every so many verdicts; 0: only the sums.", min=0)] = 30,
    as_json: JsonOption = False,
    rtc_address: AddressOption = None,
    rtc_ports: PortsOption = None,
    rtc_public: PublicOption = None,
    ice_server: ServerOption = None,
) -> None:
    """Find the ball in every frame a server sends, and tell it where."""
    _need_rtc()
    from telltale.stream.client import WatchBall, run_client
    from telltale.stream.talk import VerdictMessage
    from telltale.streams.heap import keep_frames_apart
    from telltale.streams.spot import parse_colour

    keep_frames_apart()
    settings = WatchBall(
        host=host,
        port=port,
        detector=detector,
        colour=parse_colour(colour),
        name=name,
        track=track,
        record=record,
        display=display,
        seconds=seconds,
        patience_s=patience,
        reconnect=reconnect,
        ice=_ice(host, rtc_address, rtc_ports, rtc_public, ice_server),
    )
    count = 0

    def on_verdict(verdict: VerdictMessage) -> None:
        nonlocal count
        count += 1
        if every and count % every == 0:
            error = "not counted" if verdict.error_px is None else f"{verdict.error_px:.2f} px"
            print(f"frame {verdict.n}  error {error}  latency {verdict.latency_ms:.0f} ms", flush=True)

    async def run() -> Watched:
        return await run_client(
            settings, stop=_stop_on_signals(), on_verdict=on_verdict, say=lambda line: print(line, flush=True)
        )

    watched = asyncio.run(run())
    if as_json:
        print(json.dumps(_watched_json(watched)))
    else:
        print(watched_line(watched))


def _need_rtc() -> None:
    try:
        import aiortc  # noqa: F401
    except ImportError as cause:
        raise MissingPartError(
            "WebRTC", expected="aiortc", got="none", next="pip install 'telltale-vision[rtc]'"
        ) from cause
    for noisy in ("aiortc", "aioice"):  # they warn of every packet of a peer that has just left
        logging.getLogger(noisy).setLevel(logging.ERROR)


def _stop_on_signals() -> asyncio.Event:
    """Set by Ctrl-C and by a container's end."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    return stop


def parse_size(text: str) -> tuple[int, int]:
    width, _, height = text.lower().partition("x")
    try:
        return int(width), int(height)
    except ValueError:
        raise ConfigError("--size", expected="WIDTHxHEIGHT", got=repr(text)) from None


def _ice(
    host: str, addresses: list[str] | None, ports: str | None, public: str | None, servers: list[str] | None
) -> Ice:
    from telltale.streams.reach import Ice, IceServer, addresses_for, parse_ports

    return Ice(
        addresses=tuple(addresses) if addresses else addresses_for(host),
        ports=parse_ports(ports) if ports else None,
        public=public,
        servers=tuple(IceServer(url) for url in servers or ()),
    )


def verdict_line(verdict: Verdict, so_far: Summary) -> str:
    """One answer: what came, the truth, the error, and the running numbers."""
    came = "not seen        " if verdict.x is None or verdict.y is None else f"({verdict.x:7.2f},{verdict.y:7.2f})"
    truth = f"({verdict.truth.x:7.2f},{verdict.truth.y:7.2f})"
    error = "   -   " if verdict.error_px is None else f"{verdict.error_px:6.2f} "
    return (
        f"frame {verdict.n:5d}  came {came}  true {truth}  error {error}px  {verdict.latency_ms:6.1f} ms"
        f"  |  {numbers(so_far)}"
    )


def numbers(so_far: Summary) -> str:
    return (
        f"error mean {so_far.mean_px:.2f} p95 {so_far.p95_px:.2f} max {so_far.max_px:.2f} px"
        f"  latency p50 {so_far.p50_ms:.0f} p95 {so_far.p95_ms:.0f} max {so_far.max_ms:.0f} ms"
        f"  dropped {so_far.dropped} lost {so_far.lost}"
    )


def summary_line(summary: Summary) -> str:
    """A whole connection."""
    share = 100 * summary.lost / summary.sent if summary.sent else 0.0
    return (
        f"{summary.sent} frames, {summary.answered} answered, {summary.dropped} dropped by the client, "
        f"{summary.lost} lost ({share:.1f} %), {summary.unseen} not seen; {numbers(summary)}"
    )


def watched_line(watched: Watched) -> str:
    again = f"; came back after {', '.join(f'{s:.1f}' for s in watched.reconnect_s)} s" if watched.reconnect_s else ""
    return (
        f"{watched.end.value}: {watched.received} frames, {watched.looked} looked at, {watched.found} with a ball, "
        f"{watched.overtaken} overtaken, {watched.reception.lost} lost in transit{again}"
    )


def _watched_json(watched: Watched) -> dict[str, object]:
    return {
        "end": watched.end.value,
        "received": watched.received,
        "looked": watched.looked,
        "found": watched.found,
        "overtaken": watched.overtaken,
        "lost_in_transit": watched.reception.lost,
        "connections": watched.connections,
        "reconnect_s": [round(s, 3) for s in watched.reconnect_s],
    }


def _verdict_json(verdict: Verdict, ledger: Ledger) -> str:
    from telltale.stream.talk import dump_verdict

    message = json.loads(dump_verdict(verdict))
    return json.dumps({**message, "came": [verdict.x, verdict.y], "so_far": ledger.summary().to_json()})
