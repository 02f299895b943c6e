"""The picture in an HTTP request: raw, or the one file of a form. Knows nothing of models."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection

from fastapi import Request
from starlette.datastructures import FormData, UploadFile
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


async def read_named(request: Request, names: Collection[str], max_bytes: int) -> dict[str, bytes]:
    """The files of a form by field name, of the names asked for. Raises MediaTypeError, TooLargeError, RequestError."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "multipart/form-data":
        raise MediaTypeError("content-type", expected="multipart/form-data", got=repr(kind)[:80])
    form = await _parse(request, len(names) * max_bytes, len(names))
    out: dict[str, bytes] = {}
    try:
        for name, value in form.items():
            if isinstance(value, UploadFile) and name in names:
                data: bytes = await value.read()
                if len(data) > max_bytes:
                    raise _too_large(max_bytes, str(len(data)))
                out[name] = data
    finally:
        await form.close()
    return out


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


async def _parse(request: Request, max_bytes: int, files: int) -> FormData:
    parser = MultiPartParser(
        request.headers, _limited(request, max_bytes + FORM_SLACK_BYTES), max_files=files, max_fields=8
    )
    parser.spool_max_size = max_bytes + FORM_SLACK_BYTES  # keep it in memory: it is read at once
    try:
        return await parser.parse()
    except (MultiPartException, ValueError, AssertionError) as error:
        wanted = "one file" if files == 1 else f"at most {files} files"
        raise RequestError("form", expected=f"multipart/form-data with {wanted}", got=str(error) or "damage") from error


async def _read_form(request: Request, max_bytes: int) -> bytes:
    form = await _parse(request, max_bytes, 1)
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
