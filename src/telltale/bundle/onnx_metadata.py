"""Read and replace the metadata of a serialised ONNX file. Knows the protobuf wire format, not the onnx package.

The onnx package is a training extra; bundles are edited (`telltale thresholds`) where it is absent. A ModelProto
keeps `metadata_props` as repeated field 14, each a message of a key (field 1) and a value (field 2); every other
field is passed through byte for byte. (protobuf.dev/programming-guides/encoding, onnx.proto3)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

METADATA_PROPS = 14
VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


def read_metadata(model: bytes) -> dict[str, str]:
    """Every key and value. Raises ValueError when the bytes are no ONNX model."""
    found = {}
    for field, wire, _start, body, end in _fields(model):
        if field == METADATA_PROPS and wire == BYTES:
            key, value = _entry(model[body:end])
            found[key] = value
    return found


def replace_metadata(model: bytes, changes: Mapping[str, str]) -> bytes:
    """The same model with these keys set; other keys stay. Raises ValueError when the bytes are no ONNX model."""
    kept = []
    for field, wire, start, body, end in _fields(model):
        if field == METADATA_PROPS and wire == BYTES and _entry(model[body:end])[0] in changes:
            continue
        kept.append(model[start:end])
    for key, value in changes.items():
        entry = _bytes_field(1, key.encode()) + _bytes_field(2, value.encode())
        kept.append(_bytes_field(METADATA_PROPS, entry))
    return b"".join(kept)


def _fields(message: bytes) -> Iterator[tuple[int, int, int, int, int]]:
    """(field, wire type, start of the tag, start of the payload, end) of each field of a message."""
    at = 0
    while at < len(message):
        start = at
        tag, at = _varint(message, at)
        field, wire = tag >> 3, tag & 7
        if wire == VARINT:
            body = at
            _, at = _varint(message, at)
        elif wire in (FIXED64, FIXED32):
            body = at
            at += 8 if wire == FIXED64 else 4
        elif wire == BYTES:
            size, body = _varint(message, at)
            at = body + size
        else:
            raise ValueError(f"no ONNX model: wire type {wire} at byte {start}")
        if field == 0 or at > len(message):
            raise ValueError(f"no ONNX model: field {field} at byte {start} ends at {at} of {len(message)}")
        yield field, wire, start, body, at


def _entry(message: bytes) -> tuple[str, str]:
    """Key and value of one StringStringEntryProto."""
    parts = {field: message[body:end] for field, wire, _, body, end in _fields(message) if wire == BYTES}
    return parts.get(1, b"").decode("utf-8"), parts.get(2, b"").decode("utf-8")


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """The number and the position after it."""
    value = shift = 0
    while True:
        if at >= len(message) or shift > 63:
            raise ValueError(f"no ONNX model: a number is cut off at byte {at}")
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at += 1
        shift += 7
        if byte < 0x80:
            return value, at


def _bytes_field(field: int, payload: bytes) -> bytes:
    return _number(field << 3 | BYTES) + _number(len(payload)) + payload


def _number(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
