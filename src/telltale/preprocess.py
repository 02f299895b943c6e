"""The one definition of decode, resize and pad. Knows nothing of what the pixels are for.

Every part that reads a picture (catalogue, training cache, predictor, server) calls `decode` and `Preprocess`; the
browser's `preprocess` does the same sums and is tested against this one.
"""

from __future__ import annotations

import io
import os
import stat
import struct
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import PIL.Image
from numpy.typing import NDArray

from telltale.errors import ConfigError, ImageError
from telltale.frame import Image

MAX_PIXELS = 50_000_000
"""Larger pictures are refused before they are decoded."""

PAD = 114
"""Grey level beside a letterboxed picture."""

MASK_UNKNOWN = 127
"""Of a mask's pixel: nobody knows. Above it is on, below it is not."""

MAX_BYTES = 500_000_000
"""Larger files are refused before they are read."""

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "PPM")
"""What Pillow may open. Fewer decoders, fewer surprises: a server reads these from strangers."""

ACCEPTED = "a whole JPEG, PNG, WebP, BMP, TIFF, GIF or PPM"

Floats = NDArray[np.float64]


def decode(data: bytes | str | PathLike[str], *, max_pixels: int = MAX_PIXELS) -> Image:
    """The pixels of a picture, upright. (H, W, 3) uint8 RGB, C-contiguous.

    data: a file's bytes, or a path to it. max_pixels: more than this in the header and nothing is decoded.
    EXIF orientation is applied (a value outside 1 to 8 counts as upright); GIF and other animations give the first
    frame; alpha and transparent palette entries go over white; grey is repeated; of 16 bits the high 8 are kept; CMYK
    is converted without a profile, Adobe's inverted kind included; embedded colour profiles are not applied.
    Floats: see `_float_to_8`.
    Raises ImageError: empty, truncated, of another type, too large, unreadable.
    """
    name, content = _read(data)
    if content[:2] == b"\xff\xd8":
        fast = _decode_plain_jpeg(name, content, max_pixels)
        if fast is not None:
            return fast
    return _decode_any(name, content, max_pixels)


@dataclass(frozen=True, slots=True)
class Preprocess:
    """From a picture of any size to the model's input.

    width, height: of the model's input, in pixels.
    fit: `stretch` scales both sides freely; `letterbox` keeps the shape, centres it and pads with grey 114; `tile`
    scales by `scale` and keeps whatever size that gives: the model looks at it in tiles of width x height.
    scale: of the picture's sides, with `tile`; 1 keeps its own pixels.
    clahe: clip limit of contrast-limited adaptive histogram equalisation of the luma over 8 x 8 fields (Zuiderveld
    1994); 0: none.
    Points are continuous: (0, 0) is the outer corner of the first pixel, whose centre is (0.5, 0.5).
    Raises ConfigError on sizes below 1, another fit, or a scale or clip limit that does not fit.
    """

    width: int
    height: int
    fit: Literal["stretch", "letterbox", "tile"] = "stretch"
    scale: float = 1.0
    clahe: float = 0.0

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise ConfigError("input size", expected="1 x 1 or more", got=f"{self.width} x {self.height}")
        if self.fit not in ("stretch", "letterbox", "tile"):
            raise ConfigError("input fit", expected="stretch, letterbox or tile", got=repr(self.fit))
        if not 0 < self.scale <= 4 or (self.scale != 1 and self.fit != "tile"):
            raise ConfigError("input scale", expected="above 0, at most 4, and with fit tile", got=repr(self.scale))
        if not 0 <= self.clahe <= 40:
            raise ConfigError("input clahe", expected="a clip limit of 0 to 40", got=repr(self.clahe))

    def apply(self, image: Image) -> Image:
        """(H, W, 3) uint8 to (height, width, 3) uint8, C-contiguous; never a view of the argument.

        With `tile` to the size the scale gives.
        """
        height, width = image.shape[:2]
        out_width, out_height = self.size_of(width, height)
        left, top, inner_width, inner_height = self._place(width, height)
        inner = _resize(image, inner_width, inner_height)
        if self.clahe:
            inner = _equalise(inner, self.clahe)
        if (inner_width, inner_height) == (out_width, out_height):
            return inner
        out: Image = np.full((out_height, out_width, 3), PAD, np.uint8)
        out[top : top + inner_height, left : left + inner_width] = inner
        return out

    def apply_mask(self, mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The mask (H, W) of a picture as that of what `apply` gives: values 0, 127 (not known) and 255.

        A pixel is on where most of what it covers is; padding is not known.
        """
        height, width = mask.shape
        out_width, out_height = self.size_of(width, height)
        left, top, inner_width, inner_height = self._place(width, height)
        inner = mask
        if mask.shape != (inner_height, inner_width):
            shrinks = width >= inner_width and height >= inner_height
            size, how = (inner_width, inner_height), cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
            on = cv2.resize(np.where(mask > MASK_UNKNOWN, 255, 0).astype(np.uint8), size, interpolation=how) > 127
            unknown = cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST) == MASK_UNKNOWN
            inner = np.where(on, 255, np.where(unknown, MASK_UNKNOWN, 0)).astype(np.uint8)
        out = np.full((out_height, out_width), MASK_UNKNOWN, np.uint8)
        out[top : top + inner_height, left : left + inner_width] = inner
        return out

    def map_to_picture(self, maps: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
        """(K, h, w) values over what `apply` gave, as (K, H, W) over the picture of `size` (width, height)."""
        left, top, inner_width, inner_height = self._place(*size)
        inner = maps[:, top : top + inner_height, left : left + inner_width]
        if (inner_width, inner_height) == size:
            return np.ascontiguousarray(inner)
        return np.stack([cv2.resize(m, size, interpolation=cv2.INTER_LINEAR) for m in np.ascontiguousarray(inner)])

    def size_of(self, width: int, height: int) -> tuple[int, int]:
        """(width, height) of what `apply` gives for a picture of this size."""
        if self.fit != "tile":
            return self.width, self.height
        return max(1, int(width * self.scale + 0.5)), max(1, int(height * self.scale + 0.5))

    def to_model(self, xy: NDArray[Any], size: tuple[int, int]) -> Floats:
        """Points (..., 2) of a picture of `size` (width, height) in the model's input."""
        left, top, inner_width, inner_height = self._place(*size)
        scale = np.array([inner_width / size[0], inner_height / size[1]])
        moved: Floats = np.asarray(xy, np.float64) * scale + np.array([left, top])
        return moved

    def to_picture(self, xy: NDArray[Any], size: tuple[int, int]) -> Floats:
        """Points (..., 2) of the model's input in a picture of `size` (width, height): undoes `to_model`."""
        left, top, inner_width, inner_height = self._place(*size)
        scale = np.array([size[0] / inner_width, size[1] / inner_height])
        moved: Floats = (np.asarray(xy, np.float64) - np.array([left, top])) * scale
        return moved

    def _place(self, width: int, height: int) -> tuple[int, int, int, int]:
        """Where a picture of this size comes to lie: left, top, width, height."""
        if self.fit == "stretch":
            return 0, 0, self.width, self.height
        if self.fit == "tile":
            return 0, 0, *self.size_of(width, height)
        scale = min(self.width / width, self.height / height)
        # floor(x + 0.5), not Python's round to even: JavaScript's Math.round does the same
        inner_width = min(self.width, max(1, int(width * scale + 0.5)))
        inner_height = min(self.height, max(1, int(height * scale + 0.5)))
        return (self.width - inner_width) // 2, (self.height - inner_height) // 2, inner_width, inner_height


def _equalise(image: Image, limit: float) -> Image:
    luma = cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb)
    luma[:, :, 0] = cv2.createCLAHE(limit, (8, 8)).apply(np.ascontiguousarray(luma[:, :, 0]))
    return np.asarray(cv2.cvtColor(luma, cv2.COLOR_YCrCb2RGB), np.uint8)


def _resize(image: Image, width: int, height: int) -> Image:
    """Area average when neither side grows, else bilinear with half-pixel centres."""
    if image.shape[:2] == (height, width):
        return image.copy()
    shrinks = image.shape[1] >= width and image.shape[0] >= height
    resized = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return np.asarray(resized, np.uint8)


def _read(data: bytes | str | PathLike[str]) -> tuple[str, bytes]:
    """How to call the picture in an error, and its bytes."""
    if isinstance(data, bytes | bytearray | memoryview):
        name, content = "the picture", bytes(data)
    else:
        name = os.fspath(data)
        try:
            content = _read_file(name)
        except (OSError, ValueError) as error:
            reason = error.strerror or str(error) if isinstance(error, OSError) else str(error)
            raise ImageError(name, expected="a picture file", got=reason.lower(), next="check the path") from error
    if not content:
        raise ImageError(name, expected=ACCEPTED, got="no bytes at all", next="capture or download it again")
    return name, content


def _read_file(name: str) -> bytes:
    """Only plain files: a pipe or a device may never end."""
    status = os.stat(name)
    if not stat.S_ISREG(status.st_mode):
        got = "a folder" if stat.S_ISDIR(status.st_mode) else "a pipe or device"
        raise ImageError(name, expected="a picture file", got=got, next="check the path")
    if status.st_size > MAX_BYTES:
        raise ImageError(
            name, expected=f"at most {MAX_BYTES:,} bytes", got=f"{status.st_size:,}", next="convert it to JPEG or PNG"
        )
    return Path(name).read_bytes()


def _check_size(name: str, width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise ImageError(
            name,
            expected=f"at most {max_pixels:,} pixels",
            got=f"{width} x {height}",
            next="make it smaller, or raise max_pixels if you trust it",
        )


# --- plain JPEG: OpenCV, 2 to 3 times faster than Pillow and the same pixels ------------------------------------------


@dataclass(frozen=True, slots=True)
class _JpegHeader:
    """plain: 8-bit grey or YCbCr. whole: the scan is followed by its end, and by no other picture's start before."""

    width: int
    height: int
    orientation: int
    plain: bool
    whole: bool


def _decode_plain_jpeg(name: str, data: bytes, max_pixels: int) -> Image | None:
    """A whole 8-bit grey or YCbCr JPEG by OpenCV; None leaves the verdict to Pillow. Raises ImageError when cut off."""
    header = _read_jpeg_header(data)
    if header is None:
        return None
    _check_size(name, header.width, header.height, max_pixels)
    if not header.whole:
        raise ImageError(name, expected=ACCEPTED, got=f"a JPEG cut off in {len(data)} bytes", next=_advise(data))
    if not header.plain:
        return None
    flags = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    except cv2.error:
        return None
    if pixels is None or pixels.shape != (header.height, header.width, 3):
        return None
    return _upright(np.asarray(pixels, np.uint8), header.orientation)


def _read_jpeg_header(data: bytes) -> _JpegHeader | None:
    """Walk the markers up to the first scan (ITU-T T.81, B.1). None: damaged before that.

    In entropy-coded data 0xFF is always followed by 0x00 or a restart marker, so the first FF D9 after the start of
    scan is the true end of the image. Without one the file was cut off, and with an FF D8 before it another picture was
    written behind the cut. libjpeg fills the rest with grey; OpenCV before 5 and, in the second case, Pillow return it.
    """
    at, size, orientation, plain = 2, None, 1, True
    while at + 4 <= len(data):
        if data[at] != 0xFF:
            return None
        marker = data[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        body = data[at + 4 : at + 2 + length]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):  # start of frame
            if len(body) < 6:
                return None
            size = (int.from_bytes(body[3:5], "big"), int.from_bytes(body[1:3], "big"))
            plain = plain and marker <= 0xC2 and body[0] == 8 and body[5] in (1, 3)
        elif marker == 0xE1 and body[:6] == b"Exif\0\0":
            orientation = _orientation(body[6:])
        elif marker == 0xEE and body[:5] == b"Adobe":
            plain = False
        elif marker == 0xDA:
            if size is None or not all(size):
                return None
            end = data.find(b"\xff\xd9", at)
            return _JpegHeader(*size, orientation, plain, end >= 0 and data.find(b"\xff\xd8", at, end) < 0)
        at += 2 + length
    return None


def _orientation(exif: bytes) -> int:
    """Tag 0x0112 of the first directory of a TIFF block (Exif 2.32, 4.6.4), 1 to 8; anything else is 1, upright."""
    order: Literal["little", "big"] = "little" if exif[:2] == b"II" else "big"
    if exif[:2] not in (b"II", b"MM"):
        return 1
    start = int.from_bytes(exif[4:8], order)
    count = int.from_bytes(exif[start : start + 2], order)
    for entry in range(start + 2, min(start + 2 + 12 * count, len(exif) - 11), 12):
        if int.from_bytes(exif[entry : entry + 2], order) == 0x0112:
            value = int.from_bytes(exif[entry + 8 : entry + 10], order)
            return value if 1 <= value <= 8 else 1
    return 1


def _upright(pixels: Image, orientation: int) -> Image:
    """Undo an EXIF orientation: 2 mirrored, 3 half turn, 4 flipped, 5 to 8 lying on a side."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


# --- everything else: Pillow ---------------------------------------------------------------------------------------

_warnings_lock = threading.Lock()


@contextmanager
def _quiet() -> Iterator[None]:
    """Pillow warns about metadata we do not use; `catch_warnings` is process-wide, hence the lock."""
    with _warnings_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _decode_any(name: str, data: bytes, max_pixels: int) -> Image:
    try:
        with _quiet():
            picture = PIL.Image.open(io.BytesIO(data), formats=FORMATS)
            _check_size(name, *picture.size, max_pixels)
            if picture.format != "PNG":  # loading a PNG never warns; let several threads do so
                picture.load()
        with picture:
            picture.load()
            exif = picture.info.get("exif")
            pixels = _to_rgb(picture)
            # Pillow turns TIFFs itself
            turn = _orientation(exif.removeprefix(b"Exif\0\0")) if isinstance(exif, bytes) else 1
            return _upright(pixels, 1 if picture.format == "TIFF" else turn)
    except ImageError:
        raise
    except PIL.Image.DecompressionBombError as error:
        raise ImageError(
            name, expected=f"at most {max_pixels:,} pixels", got=str(error), next="make it smaller"
        ) from error
    # Pillow's plugins raise nearly anything on damaged files: OSError, SyntaxError, struct.error, KeyError, ...
    except Exception as error:
        raise ImageError(name, expected=ACCEPTED, got=_describe(data, error), next=_advise(data)) from error


def _to_rgb(picture: PIL.Image.Image) -> Image:
    """Any Pillow mode to (H, W, 3) uint8."""
    mode = picture.mode
    if mode.startswith("I;16"):
        return _grey((np.asarray(picture).astype(np.uint16) >> 8).astype(np.uint8))
    if mode == "I":
        return _grey(_integer_to_8(np.asarray(picture)))
    if mode == "F":
        return _grey(_float_to_8(np.asarray(picture)))
    if mode == "LAB":  # Pillow keeps a and b as signed bytes, OpenCV wants 128 added
        lab = np.asarray(picture, np.uint8) + np.array([0, 128, 128], np.uint8)
        return np.asarray(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB), np.uint8)
    if mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in picture.info:
        with _quiet():
            over = picture.convert("RGBA")
        white = PIL.Image.new("RGBA", over.size, (255, 255, 255, 255))
        picture = PIL.Image.alpha_composite(white, over)
    return np.array(picture if picture.mode == "RGB" else picture.convert("RGB"), np.uint8)


def _grey(grey: NDArray[np.uint8]) -> Image:
    return np.repeat(grey[:, :, None], 3, axis=2)


def _integer_to_8(values: NDArray[Any]) -> NDArray[np.uint8]:
    """32-bit integers: as 16-bit where all fit 0..65535 (16-bit PNM and old PNG come so), else stretched."""
    low, high = int(values.min()), int(values.max())
    if low >= 0 and high <= 0xFFFF:
        return (values >> 8).astype(np.uint8)
    return np.round((values.astype(np.float64) - low) * (255.0 / max(high - low, 1))).astype(np.uint8)


def _float_to_8(values: NDArray[Any]) -> NDArray[np.uint8]:
    """Floats: 0..1 and 0..255 as they are, anything else stretched from its least to its greatest; NaN is black.

    A float file does not tell its range, so this is a guess by content; it is made once, here.
    """
    finite = np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(finite.min()), float(finite.max())
    if low >= 0 and high <= 1:
        scaled = finite * 255.0
    elif low >= 0 and high <= 255:
        scaled = finite
    else:
        scaled = (finite - low) * (255.0 / (high - low))
    return np.round(scaled).astype(np.uint8)


# --- what to say of bytes that are no picture -----------------------------------------------------------------------

_KNOWN = (
    (b"%PDF", "a PDF"),
    (b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\x1aE\xdf\xa3", "a Matroska or WebM video"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself"),
    (b"<", "text that starts with '<' (a web page or SVG)"),
    (b"{", "text that starts with '{' (JSON)"),
)
_MAGIC = (b"\xff\xd8\xff", b"\x89PNG\r\n", b"GIF8", b"BM", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def _is_known_kind(data: bytes) -> bool:
    return data.startswith(_MAGIC) or (data[:4] == b"RIFF" and data[8:12] == b"WEBP")


def _describe(data: bytes, error: Exception) -> str:
    if data[4:8] == b"ftyp":
        brand = data[8:12].decode("latin-1")
        return "HEIC or AVIF" if brand in ("heic", "heix", "mif1", "msf1", "avif") else f"a film (brand {brand!r})"
    for start, kind in _KNOWN:
        if data.lstrip()[:64].startswith(start) or data.startswith(start):
            return kind
    if not _is_known_kind(data) and data[:1] != b"P":
        return f"{len(data)} bytes of an unknown kind, starting {data[:8].hex(' ')}"
    reason = "damaged header" if isinstance(error, PIL.UnidentifiedImageError | struct.error | KeyError) else str(error)
    return f"{len(data)} damaged or cut-off bytes ({reason or type(error).__name__})"


def _advise(data: bytes) -> str:
    return "capture or download it again" if _is_known_kind(data) else "convert it to JPEG or PNG"
