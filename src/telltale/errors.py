"""Every error telltale raises on purpose. Knows nothing of what raised it.

    TelltaleError
    ├── ConfigError        config        telltale.toml, page.toml, a command's option
    ├── MissingPartError   missing-part  a browser, a package or a tool this machine lacks
    ├── ImageError         image         a picture that cannot be decoded, or is too large
    ├── CatalogueError     catalogue     a damaged or unfit catalogue, label or data set folder
    ├── LeakError          leak          near-duplicates or groups on both sides of a split
    ├── PageError          page          a web page that cannot be driven or captured
    ├── TrainError         train         a training run that cannot start or go on
    ├── BundleError        bundle        a damaged, foreign or unfit bundle
    ├── ExportError        export        a net that a runtime cannot take
    ├── ParityError        parity        two runtimes that do not agree on the golden set
    ├── ServeError         serve         a server or client that cannot start or connect
    ├── RequestError       request       a request or message the server does not understand
    │   ├── MediaTypeError media-type    a body of a kind the server does not take there
    │   ├── TooLargeError  too-large     a body or frame over the server's limit
    │   ├── ForeignError   foreign       another page's request for what is not its own
    │   ├── NotFoundError  not-found     a stream or session that is not there
    │   │   └── NotLiveError  not-live   a stream to watch that nobody sends just now
    │   ├── ConflictError  conflict      a name that is in use
    │   ├── UnfitError     unfit         well formed, yet nothing the server can do
    │   ├── PreconditionError         precondition          an If-Match for another session
    │   ├── PreconditionMissingError  precondition-missing  no If-Match where one is needed
    │   └── BusyError      busy          as many streams or viewers as allowed
    └── Interrupted        interrupted   Ctrl-C: what is saved, and how to go on

Each says what was expected, what came instead and what to do next, in one line.
"""

from __future__ import annotations

from typing import ClassVar


class TelltaleError(Exception):
    """One clear line: `what: expected X, got Y; next`.

    `code` is stable and documented in docs/errors.md; `status` is the HTTP status the server
    answers with when the error came from a request.
    """

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 500

    def __init__(self, what: str, *, expected: str = "", got: str = "", next: str = "") -> None:
        self.what = what
        self.expected = expected
        self.got = got
        self.next = next
        super().__init__(self._line())

    def _line(self) -> str:
        middle = ", ".join(
            part
            for part in (
                f"expected {self.expected}" if self.expected else "",
                f"got {self.got}" if self.got else "",
            )
            if part
        )
        line = f"{self.what}: {middle}" if middle else self.what
        return f"{line}; {self.next}" if self.next else line

    def to_json(self) -> dict[str, str]:
        """The error as the wire carries it: code, message and its three parts."""
        return {
            "code": self.code,
            "message": str(self),
            "expected": self.expected,
            "got": self.got,
            "next": self.next,
        }


class ConfigError(TelltaleError):
    """A configuration file or an option that does not fit."""

    code = "config"
    status = 400


class MissingPartError(TelltaleError):
    """Something this machine lacks; `telltale doctor` lists all of them."""

    code = "missing-part"


class ImageError(TelltaleError):
    """A picture that gives no pixels."""

    code = "image"
    status = 422


class CatalogueError(TelltaleError):
    """A catalogue or data set that is damaged, or a label that does not fit its task."""

    code = "catalogue"


class LeakError(TelltaleError):
    """The same thing seen on both sides of a split."""

    code = "leak"


class PageError(TelltaleError):
    """A web page that cannot be driven or captured."""

    code = "page"


class TrainError(TelltaleError):
    """A training run that cannot start or go on."""

    code = "train"


class BundleError(TelltaleError):
    """A bundle that is damaged, of another format, or does not fit its use."""

    code = "bundle"


class ExportError(TelltaleError):
    """A net that a runtime cannot take, or a runtime that cannot be built."""

    code = "export"


class ParityError(TelltaleError):
    """Two runtimes that disagree on the golden set by more than the declared tolerance."""

    code = "parity"


class ServeError(TelltaleError):
    """A server that cannot start, or a client that cannot connect."""

    code = "serve"


class RequestError(TelltaleError):
    """A request or message that the server does not understand."""

    code = "request"
    status = 400


class MediaTypeError(RequestError):
    """A body of a kind the server does not take there."""

    code = "media-type"
    status = 415


class TooLargeError(RequestError):
    """A body or frame over the server's limit."""

    code = "too-large"
    status = 413


class ForeignError(RequestError):
    """A page of somebody else asks for what is not its own."""

    code = "foreign"
    status = 403


class NotFoundError(RequestError):
    """A stream or session that is not there."""

    code = "not-found"
    status = 404


class NotLiveError(NotFoundError):
    """A stream to watch that nobody sends just now."""

    code = "not-live"
    status = 409


class ConflictError(RequestError):
    """A name that is in use."""

    code = "conflict"
    status = 409


class UnfitError(RequestError):
    """A request that is well formed, yet nothing the server can do."""

    code = "unfit"
    status = 422


class PreconditionError(RequestError):
    """An If-Match for another session."""

    code = "precondition"
    status = 412


class PreconditionMissingError(RequestError):
    """No If-Match where one is needed."""

    code = "precondition-missing"
    status = 428


class BusyError(RequestError):
    """As many streams or viewers as the server allows."""

    code = "busy"
    status = 503


class Interrupted(TelltaleError):
    """Stopped by the user; `next` says how to go on."""

    code = "interrupted"
