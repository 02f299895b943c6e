"""How long `telltale demo` takes, from an empty folder to a report; installation and serving are not counted.

python -m bench.demo_time [--quick] [--folder F]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench.machine import keep

TARGET_S = 480.0


def main(arguments: Sequence[str] | None = None) -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--quick", action="store_true")
    options.add_argument("--folder", type=Path, help="an empty folder to keep it in")
    given = options.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="telltale-demo-") as temporary:
        folder = given.folder or Path(temporary)
        command = [
            sys.executable,
            "-m",
            "telltale",
            "demo",
            str(folder),
            "--no-serve",
            *(["--quick"] if given.quick else []),
        ]
        start_s = time.monotonic()
        subprocess.run(command, check=True)
        took_s = time.monotonic() - start_s
        told = json.loads((folder / "demo.json").read_text())
    keep(
        "demo_quick" if given.quick else "demo",
        {"wall_s": round(took_s, 1), "target_s": TARGET_S, "reached": took_s <= TARGET_S, **told},
    )


if __name__ == "__main__":
    main()
