from __future__ import annotations

import pytest
import torch

from telltale.tasks import Task, from_spec


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def task() -> Task:
    return from_spec({"kind": "states", "names": ["left", "right", "lid"], "mirror": [["left", "right"]]})
