"""How many pictures with defects are made each second: `python -m bench.synth_speed`.

Scenes at 256 and 512 pixels, and defects painted onto pictures of 512 x 512, PNG files included, on one thread and on
all cores. Writes bench/results/synth.json.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import cv2

from bench.machine import keep
from telltale.collect.synth import GoodFile, Sample, Wish, make_on, make_scenes

COUNT = 200


def rate(samples: Iterator[Sample]) -> float:
    """Pictures a second."""
    start_s = time.perf_counter()
    made = sum(1 for _ in samples)
    return round(made / (time.perf_counter() - start_s), 1)


def main() -> None:
    cores = os.cpu_count() or 1
    out: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        goods = []
        for sample in make_scenes(Wish(12, good=1), width=512, height=512):
            path = Path(folder) / f"{sample.name}.jpg"
            cv2.imwrite(str(path), cv2.cvtColor(sample.painted.image, cv2.COLOR_RGB2BGR))
            goods.append(GoodFile(path))
        for workers in (1, cores):
            out[f"scenes_256_threads_{workers}"] = rate(make_scenes(Wish(COUNT), workers=workers))
            out[f"scenes_512_threads_{workers}"] = rate(
                make_scenes(Wish(COUNT // 2), width=512, height=512, workers=workers)
            )
            out[f"painted_512_threads_{workers}"] = rate(make_on(Wish(COUNT), goods, workers=workers))
    print(out)
    keep("synth", {"pictures": COUNT, "pictures_per_s": out})


if __name__ == "__main__":
    main()
