"""The browser's own answers on a bundle's golden set, and what one picture costs there.

python -m bench.browser_local [--bundle B]
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

from bench.browser import open_page
from bench.machine import keep
from bench.serve_subject import make_bundle
from telltale.bundle.predictor import Predictor
from telltale.serve.server import ServerThread

TARGET = 1e-3
PAGE = "/car/?widget=local&width=640&height=480"


def main(arguments: Sequence[str] | None = None) -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--bundle", type=Path, help="a trained one; without, a plain net of random weights")
    given = options.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="telltale-browser-") as folder:
        bundle = given.bundle or make_bundle(Path(folder))
        predictor = Predictor.open(bundle, threads=1)
        with ServerThread(predictor) as server, open_page() as page:
            page.goto(server.url + PAGE)
            page.wait_for_function("typeof document.querySelector('tell-tale')?.connect === 'function'")
            page.evaluate("document.querySelector('tell-tale').connect()")
            page.wait_for_function("document.querySelector('tell-tale').report?.medianMs !== undefined")
            report = page.evaluate("document.querySelector('tell-tale').report")
    keep(
        "browser",
        {
            "bundle": bundle.name,
            "model": predictor.spec.model.model_dump(),
            "target_max_difference": TARGET,
            "reached": report["maxDiff"] <= TARGET,
            "report": report,
        },
    )


if __name__ == "__main__":
    main()
