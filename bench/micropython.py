"""The MicroPython modules in a real MicroPython: built into its unix port for this machine and for ARMv7, and tested.

MICROPYTHON_DIR=folder python -m bench.micropython
The folder is MicroPython's source tree, which is not part of this repository. Keeps what was built and what passed.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

from bench.machine import keep

ROOT = Path(__file__).resolve().parent.parent
TESTS = "tests/edge_cam/test_micropython.py"


def version(source: Path) -> str:
    """As py/mpconfig.h has it."""
    text = (source / "py" / "mpconfig.h").read_text(encoding="utf-8")
    found = [re.search(rf"define MICROPY_VERSION_{part} (\d+)", text) for part in ("MAJOR", "MINOR", "MICRO")]
    preview = re.search(r"define MICROPY_VERSION_PRERELEASE 1", text)
    return ".".join(one[1] for one in found if one) + (" preview" if preview else "")


def main(arguments: list[str]) -> None:
    """Writes bench/results/micropython.json."""
    source = Path(os.environ.get("MICROPYTHON_DIR", "nowhere"))
    if not (source / "ports" / "unix").is_dir():
        print("not measured: MICROPYTHON_DIR does not name a MicroPython source tree", file=sys.stderr)
        return
    report = ROOT / ".cache" / "micropython.xml"
    report.parent.mkdir(exist_ok=True)
    words = [sys.executable, "-m", "pytest", TESTS, "-q", f"--junitxml={report}"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    cases = [case for case in ElementTree.parse(report).iter("testcase") if "[" in case.get("name", "")]
    skipped = {
        case.get("name", ""): one.get("message", "") for case in cases if (one := case.find("skipped")) is not None
    }
    bad = [case.get("name", "") for case in cases if case.find("failure") is not None or case.find("error") is not None]
    report.unlink()
    passed = [case.get("name", "") for case in cases if case.get("name", "") not in (*skipped, *bad)]
    print(f"{len(passed)} passed, {len(skipped)} skipped, {len(bad)} failed")
    print(done.stdout[-2000:] if bad else "")
    ports = {"host": "this machine", "armv7": "ARMv7, static, under qemu"}
    built = {ports[key]: sorted(name.partition("[")[0] for name in passed if f"[{key}]" in name) for key in ports}
    keep(
        "micropython",
        {"micropython": version(source), "port": "unix", "passed": built, "skipped": skipped, "failed": bad},
    )


if __name__ == "__main__":
    main(sys.argv[1:])
