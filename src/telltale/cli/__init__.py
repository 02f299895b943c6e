"""The `telltale` command: composes the verbs, and nothing else does."""

from __future__ import annotations

import sys

from telltale.errors import Interrupted, TelltaleError


def main(arguments: list[str] | None = None) -> None:
    """Run one command; prints one line and exits with 1 on a TelltaleError, 130 on Ctrl-C, 2 on bad usage."""
    from telltale.cli.app import app

    try:
        app(args=arguments)
    except Interrupted as stop:
        print(f"\n{stop}", file=sys.stderr)
        sys.exit(130)
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except TelltaleError as error:
        print(f"telltale: {error}  [{error.code}]", file=sys.stderr)
        sys.exit(1)
