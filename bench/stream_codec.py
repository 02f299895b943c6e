"""VP8 against H.264 as aiortc has them: milliseconds to encode and decode a frame, bits, and what the detector loses.

python -m bench.stream_codec [--frames 150]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import av
import numpy as np
from aiortc.codecs.base import Decoder, Encoder
from aiortc.codecs.h264 import H264Decoder, H264Encoder, h264_depayload
from aiortc.codecs.vpx import Vp8Decoder, Vp8Encoder, vp8_depayload
from aiortc.jitterbuffer import JitterFrame

from bench.machine import keep
from telltale.streams.arrival import CLOCK_RATE
from telltale.streams.scene import KINDS, Scene
from telltale.streams.spot import ColourDetector

CODECS: dict[str, tuple[type[Encoder], type[Decoder], Callable[[bytes], bytes]]] = {
    "VP8": (Vp8Encoder, Vp8Decoder, vp8_depayload),
    "H264": (H264Encoder, H264Decoder, h264_depayload),
}


def spread(values: Sequence[float]) -> dict[str, float]:
    return {"median": round(float(np.median(values)), 2), "p95": round(float(np.quantile(values, 0.95)), 2)}


def measure(kind: str, codec: str, frames: int) -> dict[str, Any]:
    encoder_type, decoder_type, depayload = CODECS[codec]
    encoder, decoder, detector = encoder_type(), decoder_type(), ColourDetector()
    scene = Scene(kind, 640, 480)  # type: ignore[arg-type]
    encode_ms, decode_ms, errors, size = [], [], [], 0
    for n in range(frames):
        shot = scene.shot(n)
        frame = av.VideoFrame.from_ndarray(shot.image, format="rgb24").reformat(format="yuv420p")
        frame.pts, frame.time_base = n * 3000, Fraction(1, CLOCK_RATE)
        start_s = time.perf_counter()
        payloads, timestamp = encoder.encode(frame)
        encoded_s = time.perf_counter()
        decoded = decoder.decode(JitterFrame(b"".join(map(depayload, payloads)), timestamp))
        done_s = time.perf_counter()
        encode_ms.append((encoded_s - start_s) * 1e3)
        decode_ms.append((done_s - encoded_s) * 1e3)
        size += sum(map(len, payloads))
        if decoded and shot.truth.visible > 0.5:
            spot = detector.detect(np.asarray(decoded[0].to_ndarray(format="rgb24"), np.uint8))  # type: ignore[attr-defined]
            if spot is not None:
                errors.append(float(np.hypot(spot.x - shot.truth.x, spot.y - shot.truth.y)))
    return {
        "scene": kind,
        "codec": codec,
        "encode_ms": spread(encode_ms),
        "decode_ms": spread(decode_ms),
        "kbit_per_s": round(size * 8 * 30 / frames / 1e3),
        "error_px": {"mean": round(float(np.mean(errors)), 3), **spread(errors)},
    }


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=150)
    chosen = parser.parse_args(arguments)
    rows = [measure(kind, codec, chosen.frames) for kind in KINDS for codec in CODECS]
    for row in rows:
        print(row)
    keep("stream_codec", {"frames": chosen.frames, "rows": rows})


if __name__ == "__main__":
    main()
