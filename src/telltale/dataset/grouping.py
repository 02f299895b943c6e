"""Which pictures of a data set belong together where it does not say. Knows nothing of catalogues or files."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from telltale.dataset import formats
from telltale.dataset.formats import Found
from telltale.errors import CatalogueError, ConfigError
from telltale.tasks.states import parse_state

NAMES, COMBINATIONS = 3, 8
"""From so many names and combinations of their values on, the combination is taken for the group."""


def with_groups(found: Sequence[Found], group_by: str) -> list[Found]:
    """Every picture with a group; what the data set says goes first. group_by: as for `import_folder`.

    Raises ConfigError on a group_by that is no regular expression or fits no file's name.
    """
    if all(each.group for each in found):
        return list(found)
    rule = _group_rule(found, group_by)
    return [each if each.group else replace(each, group=rule(each)) for each in found]


def _group_rule(found: Sequence[Found], group_by: str) -> Callable[[Found], str]:
    if group_by == "auto":
        labelled = [each for each in found if each.labels]
        names = {name for each in labelled for name in each.labels}
        count = len({_combination(each) for each in labelled})
        fits = len(names) >= NAMES and COMBINATIONS <= count <= len(labelled) / 2
        group_by = "labels" if fits else "file"
    if group_by == "labels":
        return lambda each: _combination(each) or each.name
    if group_by == "file":
        return lambda each: each.name
    if group_by == "folder":
        return lambda each: each.name.rpartition("/")[0] or "."
    try:
        pattern = re.compile(group_by)
    except re.error as error:
        raise ConfigError("group_by", expected="a regular expression", got=f"{group_by!r} ({error})") from error

    def by_pattern(each: Found) -> str:
        match = pattern.search(each.name)
        if match is None:
            return each.name
        return "/".join(part for part in match.groups() if part) or match.group()

    if not any(pattern.search(each.name) for each in found):
        example = found[0].name
        raise ConfigError("group_by", expected="a pattern that fits a file's name", got=f"{group_by!r} for {example!r}")
    return by_pattern


def _combination(found: Found) -> str:
    """`hood+rear_left`: what is on; `all off`; values that are neither as `colour=white`. Empty: no labels."""
    parts = []
    for name, value in sorted(found.labels.items()):
        try:
            parts += [name] if parse_state(name, value) else []
        except CatalogueError:
            parts.append(f"{name}={formats.format_cell(value)}")
    return "+".join(parts) or ("all off" if found.labels else "")
