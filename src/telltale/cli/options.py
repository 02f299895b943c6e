"""Options that several commands share, and how their words are read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.console import Console

from telltale.errors import ConfigError

ProjectOption = Annotated[Path, typer.Option("--project", "-p", help="The project's folder.", show_default=False)]
Word = TypeVar("Word", bound=str)
out = Console(soft_wrap=True, highlight=False)


def name_value(text: str, option: str) -> tuple[str, str]:
    """'hood=0.4:0.6' -> ('hood', '0.4:0.6'). Raises ConfigError."""
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise ConfigError(option, expected="NAME=VALUE", got=repr(text))
    return name, value


def one_of(value: str, words: tuple[Word, ...], option: str) -> Word:
    """The word itself, typed. Raises ConfigError."""
    for word in words:
        if word == value:
            return word
    raise ConfigError(option, expected=", ".join(words), got=repr(value))
