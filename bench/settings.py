"""Settings given to a bench on its command line. Knows nothing of what they are for."""

from __future__ import annotations

import json
from typing import Any


def read_setting(text: str) -> tuple[str, Any]:
    """`KEY=VALUE` as both; the value as JSON where it is any, else as text."""
    key, _, value = text.partition("=")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value
