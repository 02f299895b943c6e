"""Saved pictures per second from the car page, loading, rehearsal and checks included.

python -m bench.collect_speed [--views N] [--combinations N]
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench.machine import keep
from telltale import pages
from telltale.cli.demo import RECIPE
from telltale.collect import collect_page, load_recipe
from telltale.dataset.catalogue import Catalogue
from telltale.progress import progress

SIZES = ("640x480", "320x240")


def main(arguments: Sequence[str] | None = None) -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--views", type=int, default=40)
    options.add_argument("--combinations", type=int, default=4)
    given = options.parse_args(arguments)
    told = {}
    for size in SIZES:
        width, height = size.split("x")
        recipe = load_recipe(pages.web_root() / RECIPE).model_copy(
            update={
                "url": f"telltale:car/index.html?width={width}&height={height}",
                "views": given.views,
                "combinations": given.combinations,
            }
        )
        with (
            tempfile.TemporaryDirectory(prefix="telltale-collect-") as folder,
            Catalogue.open(Path(folder) / "catalogue.db", Path(folder) / "images") as catalogue,
            progress(f"collect at {size}", None, "pictures") as step,
        ):
            told[size] = collect_page(recipe, catalogue, progress=step).to_json()
    target = 5.0
    rate = told[SIZES[0]]["frames_per_s"]
    assert isinstance(rate, float)
    keep("collect", {"target_frames_per_s": target, "reached": rate >= target, "sizes": told})


if __name__ == "__main__":
    main()
