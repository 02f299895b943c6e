"""The names of a task as a project gives them, and those that swap in a flipped picture. Knows nothing of labels."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from telltale.errors import ConfigError
from telltale.tasks.task import Json

Pairs = tuple[tuple[str, str], ...]


def refuse_unknown(spec: Mapping[str, Json], keys: Collection[str]) -> None:
    """Raises ConfigError on a key of a task's spec that is none of these."""
    unknown = sorted(set(spec) - set(keys))
    if unknown:
        raise ConfigError("task", expected=", ".join(keys), got=", ".join(unknown))


def refuse_repeated(names: Sequence[str]) -> None:
    """Raises ConfigError where there is no name, or one twice."""
    if not names or len(set(names)) != len(names):
        raise ConfigError("task.names", expected="one or more different names", got=repr(list(names)))


def read_names(spec: Mapping[str, Json]) -> tuple[str, ...]:
    """Raises ConfigError."""
    names = spec.get("names", [])
    if not _are_words(names):
        raise ConfigError("task.names", expected="a list of names", got=repr(names))
    return tuple(names)


def read_pairs(spec: Mapping[str, Json]) -> Pairs:
    """The names that swap. Raises ConfigError."""
    pairs = spec.get("mirror", [])
    if not isinstance(pairs, list | tuple) or not all(_are_words(pair) and len(pair) == 2 for pair in pairs):
        raise ConfigError("task.mirror", expected="pairs of names", got=repr(pairs))
    return tuple((a, b) for a, b in pairs)


def order_mirrored(names: Sequence[str], pairs: Iterable[tuple[str, str]]) -> NDArray[np.int64]:
    """(K,) the index each output takes its value from in a flipped picture."""
    order = np.arange(len(names))
    for a, b in pairs:
        i, j = names.index(a), names.index(b)
        order[i], order[j] = j, i
    return order


def _are_words(value: Json) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(word, str) and word.strip() for word in value)
