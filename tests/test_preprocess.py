"""Pictures of every kind come out as the same upright RGB pixels, or as one clear error."""

from __future__ import annotations

import io
import os
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from telltale import preprocess
from telltale.errors import ConfigError, ImageError
from telltale.frame import Image
from telltale.preprocess import PAD, Preprocess, decode

SHARED = Path(os.environ.get("TELLTALE_SHARED", Path(__file__).resolve().parents[2] / "shared"))
ODD = SHARED / "data" / "odd_files"
EXIF = SHARED / "data" / "exif_orientation"


def scene(width: int = 48, height: int = 32) -> Image:
    """No side like another: a turn or a mirror shows."""
    y, x = np.mgrid[0:height, 0:width]
    out: Image = np.stack([x * 255 // (width - 1), y * 255 // (height - 1), (x + y) * 2 % 256], -1).astype(np.uint8)
    out[2:8, 3:12] = (250, 20, 20)
    return out


def encode(image: NDArray[Any], kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    PIL.Image.fromarray(image).save(out, kind, **options)
    return out.getvalue()


def one_clear_line(error: ImageError, name: str = "") -> None:
    assert name in str(error)
    assert error.expected
    assert error.got
    assert error.next
    assert "\n" not in str(error)


def exif_with(orientation: int, order: str = ">") -> bytes:
    mark = b"MM\0*" if order == ">" else b"II*\0"
    entry = struct.pack(order + "HHIHH", 0x0112, 3, 1, orientation, 0)
    return b"Exif\0\0" + mark + struct.pack(order + "IH", 8, 1) + entry + struct.pack(order + "I", 0)


def lay(image: Image, orientation: int) -> Image:
    """The stored pixels of an upright picture, so that this orientation makes it upright again."""
    p = PIL.Image.fromarray(image)
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    # transpose() numbers: 0 FLIP_LEFT_RIGHT, 1 FLIP_TOP_BOTTOM, 2 ROTATE_90 (anticlockwise), 3 ROTATE_180,
    # 4 ROTATE_270, 5 TRANSPOSE, 6 TRANSVERSE
    return np.asarray(p.transpose(PIL.Image.Transpose(undo[orientation])) if orientation in undo else p)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM"])
def test_a_lossless_picture_comes_back_as_it_was(kind: str) -> None:
    assert np.array_equal(decode(encode(scene(), kind)), scene())


def test_lossless_webp_comes_back_as_it_was() -> None:
    assert np.array_equal(decode(encode(scene(), "WEBP", lossless=True)), scene())


def test_a_path_and_its_bytes_give_the_same_pixels(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    file.write_bytes(encode(scene(), "PNG"))
    assert np.array_equal(decode(file), decode(file.read_bytes()))
    assert np.array_equal(decode(str(file)), scene())


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}, {"quality": 30}])
@pytest.mark.parametrize("size", [(48, 32), (47, 31), (1, 1), (640, 481)])
def test_the_fast_jpeg_path_gives_the_pixels_of_the_slow_one(options: dict[str, Any], size: tuple[int, int]) -> None:
    data = encode(scene(*size) if size != (1, 1) else scene()[:1, :1], "JPEG", **options)
    fast = preprocess._decode_plain_jpeg("x", data, 10**9)
    assert fast is not None
    assert np.array_equal(fast, preprocess._decode_any("x", data, 10**9))


def test_a_grey_jpeg_takes_the_fast_path_too() -> None:
    data = encode(scene()[..., 0], "JPEG")
    fast = preprocess._decode_plain_jpeg("x", data, 10**9)
    assert fast is not None
    assert np.array_equal(fast, preprocess._decode_any("x", data, 10**9))


@pytest.mark.parametrize("orientation", [*range(0, 9), 9, 255, 65535])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_every_orientation_comes_out_upright(orientation: int, order: str, kind: str) -> None:
    all_options: dict[str, dict[str, Any]] = {"JPEG": {"quality": 100, "subsampling": 0}, "WEBP": {"lossless": True}}
    options = all_options.get(kind, {})
    data = encode(lay(scene(), orientation), kind, exif=exif_with(orientation, order), **options)
    upright = decode(data)
    assert upright.shape == scene().shape
    assert upright.flags.c_contiguous
    assert np.abs(upright.astype(int) - scene()).max() <= (24 if kind == "JPEG" else 0)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_tiff_is_turned_once(orientation: int) -> None:
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    data = encode(lay(scene(), orientation), "TIFF", exif=exif)
    assert np.array_equal(decode(data), scene())


@given(st.binary(max_size=200))
def test_damaged_exif_is_upright(exif: bytes) -> None:
    assert 1 <= preprocess._orientation(exif) <= 8
    assert 1 <= preprocess._orientation(b"II*\0" + exif) <= 8


def test_alpha_goes_over_white() -> None:
    image = np.zeros((2, 3, 4), np.uint8)
    image[0, 0] = (10, 20, 30, 255)
    image[0, 1] = (0, 0, 0, 128)
    pixels = decode(encode(image, "PNG"))
    assert pixels[0, 0].tolist() == [10, 20, 30]
    assert pixels[0, 1].tolist() == [127, 127, 127]
    assert pixels[1, 2].tolist() == [255, 255, 255]


def test_grey_with_alpha_goes_over_white() -> None:
    out = io.BytesIO()
    PIL.Image.merge("LA", [PIL.Image.new("L", (2, 2), 50), PIL.Image.new("L", (2, 2), 0)]).save(out, "PNG")
    assert decode(out.getvalue()).min() == 255


@pytest.mark.parametrize("transparency", [1, b"\xff\x00\x80"])
def test_a_transparent_palette_entry_is_white(transparency: int | bytes) -> None:
    picture = PIL.Image.new("P", (2, 2), 0)
    picture.putpalette([200, 0, 0, 0, 200, 0, 0, 0, 200])
    picture.putpixel((1, 1), 1)
    out = io.BytesIO()
    picture.save(out, "PNG", transparency=transparency)
    pixels = decode(out.getvalue())
    assert pixels[0, 0].tolist() == [200, 0, 0]
    assert pixels[1, 1].tolist() == [255, 255, 255]


def test_a_transparent_colour_of_an_rgb_png_is_white() -> None:
    image = scene()
    out = io.BytesIO()
    PIL.Image.fromarray(image).save(out, "PNG", transparency=(250, 20, 20))
    assert decode(out.getvalue())[4, 5].tolist() == [255, 255, 255]


def test_sixteen_bits_keep_their_high_eight() -> None:
    grey = (np.arange(256, dtype=np.uint16).reshape(16, 16) << 8) + 77
    for kind in ("PNG", "TIFF"):
        assert np.array_equal(decode(encode(grey, kind))[..., 1], (grey >> 8).astype(np.uint8)), kind
    ok, data = cv2.imencode(".png", np.repeat(grey[..., None], 3, 2))
    assert ok
    assert np.array_equal(decode(data.tobytes())[..., 0], (grey >> 8).astype(np.uint8))


def test_a_sixteen_bit_pgm_is_scaled() -> None:
    grey = (np.arange(64, dtype=np.uint16).reshape(8, 8) << 10) + 5
    data = b"P5 8 8 65535\n" + grey.astype(">u2").tobytes()
    assert np.array_equal(decode(data)[..., 2], (grey >> 8).astype(np.uint8))


def test_one_bit_is_black_and_white() -> None:
    out = io.BytesIO()
    picture = PIL.Image.new("1", (9, 3), 0)
    picture.putpixel((4, 1), 1)
    picture.save(out, "PNG")
    pixels = decode(out.getvalue())
    assert pixels[1, 4].tolist() == [255, 255, 255]
    assert pixels.sum() == 3 * 255


@pytest.mark.parametrize(
    ("values", "told"),
    [([0.0, 0.5, 1.0], [0, 128, 255]), ([0.0, 100.0, 255.0], [0, 100, 255]), ([-1.0, 1.0, 3.0], [0, 128, 255])],
)
def test_a_float_tiff_is_scaled_by_its_range(values: list[float], told: list[int]) -> None:
    data = encode(np.array([values], np.float32), "TIFF")
    assert decode(data)[0, :, 0].tolist() == told


def test_a_float_tiff_with_nan_is_black_there() -> None:
    data = encode(np.array([[np.nan, 1.0, 0.0]], np.float32), "TIFF")
    assert decode(data)[0, :, 0].tolist() == [0, 255, 0]


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_is_converted(kind: str) -> None:
    out = io.BytesIO()
    PIL.Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(out, kind)  # red ink; JPEG is written inverted, as Adobe's
    red = decode(out.getvalue()).mean((0, 1))
    assert red[0] > 245
    assert red[1:].max() < 10


def test_lab_is_converted() -> None:
    picture = PIL.Image.frombytes("LAB", (2, 2), bytes([128, 80, 67] * 4))  # about (255, 0, 0) has L=54, a=80, b=67
    out = io.BytesIO()
    picture.save(out, "TIFF")
    red = decode(out.getvalue())[0, 0]
    assert red[0] > 200
    assert red[1] < 60


def test_a_gif_gives_its_first_frame() -> None:
    frames = [PIL.Image.new("RGB", (6, 4), colour) for colour in ("red", "blue")]
    out = io.BytesIO()
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:])
    assert decode(out.getvalue())[0, 0].tolist() == [255, 0, 0]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9])
def test_a_cut_off_picture_is_an_error_that_names_the_file(kind: str, share: float, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    data = encode(noise, kind)
    file = tmp_path / f"cut.{kind.lower()}"
    file.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(ImageError, match=r"cut\..*expected a whole .*got ") as caught:
        decode(file)
    assert "\n" not in str(caught.value)
    assert caught.value.next


@given(st.integers(min_value=1, max_value=3000), st.booleans())
@settings(max_examples=60, deadline=None)
def test_a_jpeg_cut_anywhere_is_never_filled_with_grey(cut: int, progressive: bool) -> None:
    data = encode(scene(160, 120), "JPEG", quality=95, progressive=progressive)
    with pytest.raises(ImageError):
        decode(data[: max(0, len(data) - cut)])


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("mode", ["RGB", "CMYK"])
def test_a_jpeg_cut_off_by_the_next_one_is_an_error(progressive: bool, mode: str) -> None:
    out = io.BytesIO()
    PIL.Image.fromarray(scene(160, 120)).convert(mode).save(out, "JPEG", progressive=progressive)
    whole = out.getvalue()
    assert decode(whole + whole).shape == (120, 160, 3)  # two pictures: the first is whole
    for share in (0.5, 0.7, 0.95):
        with pytest.raises(ImageError, match="a JPEG cut off"):
            decode(whole[: int(len(whole) * share)] + whole)


def test_a_thumbnail_inside_a_jpeg_is_no_second_picture() -> None:
    thumb = b"\xff\xed" + struct.pack(">H", 2 + len(encode(scene(), "JPEG"))) + encode(scene(), "JPEG")
    data = encode(scene(), "JPEG")
    assert np.array_equal(decode(data[:2] + thumb + data[2:]), decode(data))


def test_a_huge_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    huge = tmp_path / "huge.png"
    with huge.open("wb") as file:
        file.truncate(preprocess.MAX_BYTES + 1)
    with pytest.raises(ImageError, match="at most 500,000,000 bytes"):
        decode(huge)


def test_bytes_after_the_end_of_a_jpeg_do_not_matter() -> None:
    data = encode(scene(), "JPEG")
    assert np.array_equal(decode(data + b"\0" * 99), decode(data))


@given(st.binary(max_size=400))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_pixels_or_one_error(data: bytes) -> None:
    for start in (
        b"",
        b"\xff\xd8\xff\xc0",
        b"\x89PNG\r\n\x1a\n",
        b"GIF89a",
        b"BM",
        b"II*\0",
        b"P5 ",
        b"RIFF\0\0\0\0WEBP",
    ):
        try:
            assert decode(start + data, max_pixels=10**6).dtype == np.uint8
        except ImageError as error:
            one_clear_line(error)


@given(st.sampled_from(["PNG", "WEBP", "BMP", "TIFF", "GIF"]), st.data())
@settings(max_examples=150, deadline=None)
def test_a_flipped_byte_is_pixels_or_one_error(kind: str, data: st.DataObject) -> None:
    damaged = bytearray(encode(scene(), kind))
    at = data.draw(st.integers(0, len(damaged) - 1))
    damaged[at] ^= data.draw(st.integers(1, 255))
    try:
        assert decode(bytes(damaged), max_pixels=10**6).ndim == 3
    except ImageError as error:
        one_clear_line(error)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "no bytes at all"),
        (b"%PDF-1.7 and more", "a PDF"),
        (b"  <html><body>404</body></html>", "a web page"),
        (b'{"error": "none"}', "JSON"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "HEIC"),
        (b"version https://git-lfs.github.com/spec/v1", "Git LFS pointer"),
        (b"\x01\x02\x03\x04\x05", "01 02 03 04 05"),
        (b"hello", "unknown kind"),
    ],
)
def test_the_error_says_what_the_bytes_look_like(data: bytes, said: str) -> None:
    with pytest.raises(ImageError) as caught:
        decode(data)
    assert said in caught.value.got
    assert caught.value.expected
    assert caught.value.next


def png_header(width: int, height: int) -> bytes:
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))
    return b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))


@pytest.mark.parametrize("size", [(9_000, 9_000), (60_000, 60_000), (2**31 - 1, 2**31 - 1)])
def test_a_decompression_bomb_is_refused_before_it_is_decoded(size: tuple[int, int]) -> None:
    with pytest.raises(ImageError, match="at most 50,000,000 pixels"):
        decode(png_header(*size))


def test_a_jpeg_that_claims_too_many_pixels_is_refused_before_it_is_decoded() -> None:
    data = bytearray(encode(scene(), "JPEG"))
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", 65000, 65000)
    with pytest.raises(ImageError, match="at most 50,000,000 pixels, got 65000 x 65000"):
        decode(bytes(data))


def test_max_pixels_counts_the_last_pixel() -> None:
    for kind in ("JPEG", "PNG"):
        data = encode(scene(), kind)
        assert decode(data, max_pixels=48 * 32).shape == (32, 48, 3)
        with pytest.raises(ImageError, match="got 48 x 32"):
            decode(data, max_pixels=48 * 32 - 1)


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"nowhere\.png: expected a picture file, got no such file"):
        decode(tmp_path / "nowhere.png")
    with pytest.raises(ImageError, match="got a folder"):
        decode(tmp_path)
    with pytest.raises(ImageError, match="got a pipe or device"):
        decode("/dev/zero")
    with pytest.raises(ImageError):
        decode("bad\0name.png")


@pytest.mark.real
@pytest.mark.skipif(not ODD.is_dir(), reason=f"needs {ODD}")
def test_every_odd_file_gives_pixels_or_one_clear_error() -> None:
    refused = set()
    for file in sorted(ODD.iterdir()):
        try:
            pixels = decode(file)
            assert pixels.ndim == 3, file
            assert pixels.shape[2] == 3, file
        except ImageError as error:
            refused.add(file.name)
            one_clear_line(error, file.name)
    assert {"truncated_jpeg.jpg", "truncated_image.png", "broken.png"} <= refused
    assert len(refused) <= 8, refused


@pytest.mark.real
@pytest.mark.skipif(not EXIF.is_dir(), reason=f"needs {EXIF}")
def test_photos_of_all_orientations_come_out_equal() -> None:
    photos = [decode(file) for file in sorted(EXIF.iterdir())]
    assert {photo.shape for photo in photos} == {(1200, 1800, 3)}
    first, *rest = [Preprocess(90, 60).apply(photo).astype(int) for photo in photos]  # each was compressed on its own
    for other in rest:
        assert np.abs(other - first).mean() < 2
        assert np.abs(other[:, ::-1] - first).mean() > 20


# --- resize and pad -------------------------------------------------------------------------------------------------


def test_stretch_fills_the_whole_input() -> None:
    out = Preprocess(16, 8).apply(scene())
    assert out.shape == (8, 16, 3)


def test_shrinking_averages_areas() -> None:
    image = np.zeros((4, 4, 3), np.uint8)
    image[::2] = 200
    assert (Preprocess(2, 2).apply(image) == 100).all()


def test_growing_is_bilinear_with_half_pixel_centres() -> None:
    row = np.array([[[0, 0, 0], [100, 100, 100]]], np.uint8)
    assert Preprocess(4, 1).apply(row)[0, :, 0].tolist() == [0, 25, 75, 100]


def test_a_side_that_grows_makes_both_bilinear() -> None:
    image = scene(64, 8)
    expected = cv2.resize(image, (16, 16), interpolation=cv2.INTER_LINEAR)
    assert np.array_equal(Preprocess(16, 16).apply(image), expected)


def test_letterbox_keeps_the_shape_and_pads_with_114() -> None:
    out = Preprocess(20, 20, "letterbox").apply(np.full((10, 40, 3), 7, np.uint8))
    assert (out[:7] == PAD).all()
    assert (out[12:] == PAD).all()
    assert (out[7:12] == 7).all()


def test_a_picture_of_the_right_size_is_copied_not_shared() -> None:
    image = scene()
    out = Preprocess(48, 32).apply(image)
    assert np.array_equal(out, image)
    assert not np.shares_memory(out, image)


def test_a_line_of_pixels_survives_letterboxing() -> None:
    assert Preprocess(32, 32, "letterbox").apply(np.full((1, 4000, 3), 9, np.uint8)).shape == (32, 32, 3)


@given(
    st.integers(1, 400),
    st.integers(1, 400),
    st.integers(16, 300),
    st.integers(16, 300),
    st.sampled_from(["stretch", "letterbox"]),
)
@settings(max_examples=100, deadline=None)
def test_points_go_to_the_model_and_back(w: int, h: int, mw: int, mh: int, fit: Any) -> None:
    step = Preprocess(mw, mh, fit)
    points = np.array([[0.0, 0.0], [w, h], [w / 3, h / 7]])
    there = step.to_model(points, (w, h))
    assert np.allclose(step.to_picture(there, (w, h)), points)
    assert (there >= -1e-9).all()
    assert (there <= np.array([mw, mh]) + 1e-9).all()
    assert step.apply(np.zeros((h, w, 3), np.uint8)).shape == (mh, mw, 3)


def test_a_point_lands_where_its_pixel_lands() -> None:
    image = np.zeros((100, 200, 3), np.uint8)
    image[40:50, 120:130] = 255
    for step in (Preprocess(50, 60), Preprocess(60, 60, "letterbox")):
        bright = (step.apply(image)[..., 0] > PAD + 20).nonzero()
        centre = np.array([bright[1].mean() + 0.5, bright[0].mean() + 0.5])
        assert np.allclose(step.to_model(np.array([125.0, 45.0]), (200, 100)), centre, atol=0.75)


def test_an_impossible_input_size_is_a_config_error() -> None:
    with pytest.raises(ConfigError):
        Preprocess(0, 10)
    with pytest.raises(ConfigError):
        Preprocess(10, 10, "crop")  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "GIF"])
def test_decoded_pixels_may_be_drawn_on(kind: str) -> None:
    assert decode(encode(scene(), kind)).flags.writeable


def test_threads_decode_at_the_same_time() -> None:
    files = [encode(scene(), kind) for kind in ("JPEG", "PNG", "GIF", "TIFF")] * 10
    with ThreadPoolExecutor(4) as pool:
        shapes = {image.shape for image in pool.map(decode, files)}
    assert shapes == {(32, 48, 3)}
