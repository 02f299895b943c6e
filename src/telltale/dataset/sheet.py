"""A contact sheet: pictures and what is said of them, for people to look at. Knows nothing of SQLite."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from PIL import Image as Pil
from PIL import ImageDraw, ImageFont

from telltale.dataset.masks import is_reference, with_pixels
from telltale.errors import CatalogueError, ImageError
from telltale.frame import Image
from telltale.preprocess import MASK_UNKNOWN, decode
from telltale.tasks.states import parse_state
from telltale.tasks.task import Json, Label

HIDDEN = 0.0003
"""A label of which less than this share of the picture is visible is drawn as hidden, unless the caller says else."""

PAGE, CARD, TEXT, DIM = (16, 18, 22), (27, 30, 36), (232, 234, 238), (138, 144, 156)
ON, OFF, WARN, OTHER = (46, 160, 92), (66, 72, 84), (214, 158, 46), (64, 112, 196)
SPLITS = {"train": (70, 130, 210), "calibration": (170, 110, 210), "test": (222, 110, 70)}

MARK = (255, 138, 0)
"""Around what a mask marks."""

PAD, GAP, ROUND = 20, 12, 8

_Font = ImageFont.FreeTypeFont | ImageFont.ImageFont
_Colour = tuple[int, int, int]


class Shown(Protocol):
    """What is drawn: an `Example`, or anything like it."""

    @property
    def path(self) -> Path: ...
    @property
    def group(self) -> str: ...
    @property
    def split(self) -> str | None: ...
    @property
    def labels(self) -> Mapping[str, Label]: ...
    @property
    def meta(self) -> Mapping[str, Json]: ...


def contact_sheet(
    examples: Sequence[Shown], *, title: str = "", columns: int = 5, cell_px: int = 260, min_visible: float = HIDDEN
) -> Image:
    """(H, W, 3) uint8: a card for each picture, with its group, its split and its labels.

    A green chip is on, a grey one off, a hollow one too hidden to be seen; an unknown label has no chip.
    Raises CatalogueError when there is nothing to draw. A file that cannot be read has a card that says so.
    """
    if not examples:
        raise CatalogueError("contact sheet", expected="one or more pictures", got="none")
    columns = max(1, min(columns, len(examples)))
    picture_px = round(cell_px * 0.75)
    small, normal, large = (_font(size) for size in (cell_px // 21, cell_px // 18, cell_px // 9))
    names = list(dict.fromkeys(name for example in examples for name in example.labels))
    chips_px = max(_chips(None, 0, 0, cell_px, example, names, small) for example in examples)
    card_px = picture_px + cell_px // 9 + chips_px + 10
    top = PAD + (cell_px // 5 if title else 0)
    rows = -(-len(examples) // columns)
    legend_px = PAD + cell_px // 12 if names else 0
    width = 2 * PAD + columns * cell_px + (columns - 1) * GAP
    sheet = Pil.new("RGB", (width, top + rows * card_px + (rows - 1) * GAP + PAD + legend_px), PAGE)
    draw = ImageDraw.Draw(sheet)
    if title:
        draw.text((PAD, PAD), _fit(title, large, width - 2 * PAD), TEXT, large)
    for n, example in enumerate(examples):
        x = PAD + (n % columns) * (cell_px + GAP)
        y = top + (n // columns) * (card_px + GAP)
        draw.rounded_rectangle((x, y, x + cell_px - 1, y + card_px - 1), ROUND, CARD)
        _paste(sheet, draw, example, (x, y, cell_px, picture_px), normal)
        _caption(draw, example, (x, y + picture_px, cell_px, cell_px // 9), normal, small)
        _chips(draw, x, y + picture_px + cell_px // 9, cell_px, example, names, small, min_visible)
    if names:
        _legend(draw, PAD, sheet.height - legend_px, width - PAD, small)
    return np.array(sheet, np.uint8)


def write_sheet(
    examples: Sequence[Shown],
    path: str | os.PathLike[str],
    *,
    title: str = "",
    columns: int = 5,
    cell_px: int = 260,
    min_visible: float = HIDDEN,
) -> Path:
    """Draw a contact sheet into a JPEG, or a PNG if the name says so. Returns the path."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    kind = "PNG" if target.suffix.lower() == ".png" else "JPEG"
    sheet = Pil.fromarray(
        contact_sheet(examples, title=title, columns=columns, cell_px=cell_px, min_visible=min_visible)
    )
    partial = target.with_name(f".{target.name}-{os.getpid()}")
    try:
        sheet.save(partial, kind, **({"quality": 88} if kind == "JPEG" else {}))
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)
    return target


def sample(examples: Sequence[Shown], count: int) -> list[Shown]:
    """Evenly spread over the groups: one of each first, then a second of each; the same every time."""
    by_group: dict[str, list[Shown]] = {}
    for example in examples:
        by_group.setdefault(example.group, []).append(example)
    taken: list[Shown] = []
    depth = 0
    while len(taken) < min(count, len(examples)):
        layer = [members[depth] for _, members in sorted(by_group.items()) if depth < len(members)]
        room = count - len(taken)
        taken += layer if len(layer) <= room else [layer[i * len(layer) // room] for i in range(room)]
        depth += 1
    return taken


def _paste(
    sheet: Pil.Image, draw: ImageDraw.ImageDraw, example: Shown, box: tuple[int, int, int, int], font: _Font
) -> None:
    """The picture whole, centred in its box, with the card's round corners above."""
    x, y, width, height = box
    try:
        picture = Pil.fromarray(_outlined(decode(example.path), example))
    except (ImageError, CatalogueError) as error:
        draw.text((x + 12, y + height // 2), _fit(f"unreadable: {error.got}", font, width - 24), WARN, font)
        return
    scale = min(width / picture.width, height / picture.height)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    whole = Pil.new("RGB", (width, height), (10, 11, 14))
    smooth = Pil.Resampling.LANCZOS if scale < 1 else Pil.Resampling.BICUBIC
    whole.paste(picture.resize(size, smooth), ((width - size[0]) // 2, (height - size[1]) // 2))
    mask = Pil.new("L", (width, height), 0)
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, width - 1, height + ROUND), ROUND, 255)
    sheet.paste(whole, (x, y), mask)


def _outlined(picture: Image, example: Shown) -> Image:
    """The picture with an edge around what its masks mark, as wide as shows on a card."""
    masks = [label.value for label in with_pixels(example, list(example.labels)).values()]
    thick = max(1, round(max(picture.shape[:2]) / 200))
    for mask in masks:
        if isinstance(mask, np.ndarray) and mask.shape == picture.shape[:2]:
            edges, _ = cv2.findContours((mask > MASK_UNKNOWN).astype(np.uint8), cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
            cv2.drawContours(picture, edges, -1, MARK, thick)
    return picture


def _caption(
    draw: ImageDraw.ImageDraw, example: Shown, box: tuple[int, int, int, int], normal: _Font, small: _Font
) -> None:
    x, y, width, height = box
    room = width - 20
    if example.split:
        badge = round(small.getlength(example.split)) + 12
        colour = SPLITS.get(example.split, OTHER)
        draw.rounded_rectangle((x + width - 10 - badge, y + 7, x + width - 10, y + height - 3), 4, outline=colour)
        middle = (x + width - 10 - badge / 2, y + (height + 4) / 2)
        draw.text(middle, example.split, colour, small, anchor="mm")
        room -= badge + 8
    text = _fit(str(example.group), normal, room)
    draw.text((x + 10, y + (height + 4) / 2), text, DIM, normal, anchor="lm")


def _chips(
    draw: ImageDraw.ImageDraw | None,
    left: int,
    top: int,
    width: int,
    example: Shown,
    names: Sequence[str],
    font: _Font,
    min_visible: float = HIDDEN,
) -> int:
    """Draw the labels, or with no `draw` only measure; returns the height."""
    height = round(font.getbbox("Ag")[3]) + 8
    x, y = left + 8, top + 4
    for name in names:
        label = example.labels.get(name)
        if label is None:
            continue
        text, colour = _chip(name, label)
        text = _fit(text, font, width - 30)
        wide = round(font.getlength(text)) + 14
        if x + wide > left + width - 8 and x > left + 8:
            x, y = left + 8, y + height + 4
        hidden = label.visible is not None and label.visible < min_visible
        if draw is not None:
            _draw_chip(draw, (x, y, wide, height), text, colour, font, hollow=hidden)
        x += wide + 5
    return y + height + 4 - top


def _draw_chip(
    draw: ImageDraw.ImageDraw, box: tuple[int, int, int, int], text: str, colour: _Colour, font: _Font, *, hollow: bool
) -> None:
    x, y, width, height = box
    shape = (x, y, x + width - 1, y + height - 1)
    draw.rounded_rectangle(shape, height // 2, None if hollow else colour, colour)
    ink = (DIM if colour == OFF else colour) if hollow else (196, 200, 208) if colour == OFF else (255, 255, 255)
    draw.text((x + width / 2, y + height / 2), text, ink, font, anchor="mm")


def _legend(draw: ImageDraw.ImageDraw, x: int, y: int, right: int, font: _Font) -> None:
    """What the chips mean, as far as there is room."""
    height = round(font.getbbox("Ag")[3]) + 8
    for text, colour, hollow in (("on", ON, False), ("off", OFF, False), ("on, too hidden to be seen", ON, True)):
        wide = round(font.getlength(text)) + 18
        if x + wide > right:
            return
        _draw_chip(draw, (x, y, wide, height), text, colour, font, hollow=hollow)
        x += wide + 6
    if x + 6 + font.getlength("no chip: unknown") <= right:
        draw.text((x + 6, y + height / 2), "no chip: unknown", DIM, font, anchor="lm")


def _chip(name: str, label: Label) -> tuple[str, _Colour]:
    words = name.replace("_", " ")
    if is_reference(label.value):
        return words, ON
    try:
        return words, ON if parse_state(name, label.value) else OFF
    except CatalogueError:
        return f"{words}: {label.value}", OTHER


def _fit(text: str, font: _Font, width: float) -> str:
    """Cut in the middle, where names of files and groups differ least."""
    plain = " ".join(text.split())
    if font.getlength(plain) <= width:
        return plain
    low, high = 0, len(plain)
    while low < high:
        keep = (low + high + 1) // 2
        cut = plain[: keep - keep // 2] + "…" + plain[len(plain) - keep // 2 :]
        low, high = (keep, high) if font.getlength(cut) <= width else (low, keep - 1)
    return plain[: low - low // 2] + "…" + plain[len(plain) - low // 2 :] if low else "…"


def _font(size: int) -> _Font:
    """Pillow's own (Aileron), so that a sheet looks the same everywhere."""
    return ImageFont.load_default(max(size, 9))
