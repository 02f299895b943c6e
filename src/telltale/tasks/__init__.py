"""The kinds of task, each registered once."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from telltale.errors import ConfigError
from telltale.tasks.locate import Locate
from telltale.tasks.mask import Masks
from telltale.tasks.states import States
from telltale.tasks.task import Json, Label, Outputs, Target, Task, Threshold, Thresholds, stack_targets

KINDS: dict[str, Callable[[Mapping[str, Json]], Task]] = {
    States.kind: States.from_spec,
    Masks.kind: Masks.from_spec,
    Locate.kind: Locate.from_spec,
}
"""Kind to what makes it from its spec. What else a new kind needs is listed in docs/tasks.md, and the contract suite
(tests/tasks/test_contract.py) fails until it is there."""

__all__ = ["KINDS", "Label", "Outputs", "Target", "Task", "Threshold", "Thresholds", "from_spec", "stack_targets"]


def from_spec(spec: Mapping[str, Json]) -> Task:
    """The task a `[task]` table or a bundle describes. Raises ConfigError."""
    kind = spec.get("kind")
    if kind not in KINDS:
        raise ConfigError("task.kind", expected=" or ".join(sorted(KINDS)), got=repr(kind))
    return KINDS[kind](spec)
