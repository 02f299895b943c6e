"""What every test may need: the shared data, a browser, one thread."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    pass

os.environ.setdefault("OMP_NUM_THREADS", "2")

# A busy machine is no fault of the code: an example may take as long as it takes.
settings.register_profile("telltale", deadline=None)
settings.load_profile("telltale")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data; tests that use it are marked `real`."""
    folder = Path(os.environ.get("TELLTALE_SHARED", ROOT.parent / "shared")) / "data"
    if not folder.is_dir():
        pytest.skip(f"real data not here: {folder}")
    return folder
