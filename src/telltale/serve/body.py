"""The picture in an HTTP request: raw, or the one file of a form. Knows nothing of models."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from telltale.errors import MediaTypeError, RequestError, TooLargeError

FORM_SLACK_BYTES = 64_000
"""What a form may weigh beside its file."""

DRAIN_FACTOR = 4

UNSAID = frozenset({"", "application/octet-stream", "application/x-www-form-urlencoded"})
"""Types that say nothing of the body: the last is what `curl --data-binary` sends of itself."""


async def read_picture(request: Request, max_bytes: int) -> bytes:
    """The encoded picture. Raises MediaTypeError, TooLargeError, RequestError."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        return await _read_form(request, max_bytes)
    if not (kind.startswith("image/") or kind in UNSAID):
        raise MediaTypeError(
            "content-type", expected="image/jpeg, image/png, image/webp or multipart/form-data", got=repr(kind)[:80]
        )
    return b"".join([chunk async for chunk in _limited(request, max_bytes)])


async def _limited(request: Request, limit: int) -> AsyncGenerator[bytes, None]:
    """The body as it comes; TooLargeError where it passes the limit.

    Somewhat too large a body is read to its end and thrown away first: a client that is still sending when the
    connection closes sees a reset, not the answer.
    """
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= limit:
            yield chunk
        elif size > DRAIN_FACTOR * limit:
            break
    if size > limit:
        raise _too_large(limit, f"{size}{' and more' if size > DRAIN_FACTOR * limit else ''}")


def _too_large(limit: int, got: str) -> TooLargeError:
    return TooLargeError("body", expected=f"at most {limit} bytes", got=got, next="scale the picture down")


async def _read_form(request: Request, max_bytes: int) -> bytes:
    parser = MultiPartParser(
        request.headers, _limited(request, max_bytes + FORM_SLACK_BYTES), max_files=1, max_fields=8
    )
    parser.spool_max_size = max_bytes + FORM_SLACK_BYTES  # keep it in memory: it is read at once
    try:
        form = await parser.parse()
    except (MultiPartException, ValueError, AssertionError) as error:
        raise RequestError("form", expected="multipart/form-data with one file", got=str(error) or "damage") from error
    try:
        for value in form.values():
            if isinstance(value, UploadFile):
                data: bytes = await value.read()
                if len(data) > max_bytes:
                    raise _too_large(max_bytes, str(len(data)))
                return data
    finally:
        await form.close()
    raise RequestError("form", expected="a file", got=f"fields {', '.join(form) or 'none'}", next="curl -F file=@x.jpg")
