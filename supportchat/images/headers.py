"""The size of a picture, read from its header alone: cheap enough to need no process of its own."""

from __future__ import annotations

import io
import itertools
import struct
from collections.abc import Callable, Iterator
from typing import IO, NamedTuple

from .redraw.limits import MOST_COEFFICIENT_BYTES, MOST_PIXELS
from .refused import ImageRefused

MOST_STEPS = 20_000  # through a JPEG, before the segment that holds its size
MOST_BOXES_BYTES = 256 * 1024  # of HEIC and AVIF: contains the boxes that describe the picture
FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
PROGRESSIVE = (0xC2, 0xC6, 0xCA, 0xCE)
ALONE = (0x01, *range(0xD0, 0xD9))  # markers without a segment
UNREADABLE = {"HEIC": "image_heic_unreadable", "AVIF": "image_heic_unreadable"}


class Header(NamedTuple):
    """The size of a picture in pixels, and of its coefficients in bytes if they must all be kept in memory."""

    width: int
    height: int
    coefficients: int = 0


def check_header(file: IO[bytes], kind: str) -> Header:
    """Return the size of a picture.

    :raise ImageRefused: when it has none, or is too large to be decoded.
    """
    file.seek(0)
    try:
        header = READERS[kind](file)
    except (struct.error, ArithmeticError, ValueError, IndexError) as error:
        raise unreadable(kind) from error
    if not header.width or not header.height:
        raise unreadable(kind)
    if header.width * header.height > MOST_PIXELS[kind] or header.coefficients > MOST_COEFFICIENT_BYTES:
        raise ImageRefused("image_too_many_pixels")
    return header


def unreadable(kind: str) -> ImageRefused:
    """Return the refusal of a damaged picture, with extra advice for the formats of phones."""
    return ImageRefused(UNREADABLE.get(kind, "image_unreadable"), kind)


def _png(file: IO[bytes]) -> Header:
    _, name, width, height = struct.unpack(">8x4s4sII", file.read(24))
    if name != b"IHDR":
        raise ValueError("no header")
    return Header(width, height)


def _gif(file: IO[bytes]) -> Header:
    return Header(*struct.unpack("<6xHH", file.read(10)))


def _webp(file: IO[bytes]) -> Header:
    head = file.read(30)
    if head[12:16] == b"VP8 ":
        start, width, height = struct.unpack("<3sHH", head[23:30])
        if start != b"\x9d\x01\x2a":
            raise ValueError("no key frame")
        return Header(width & 0x3FFF, height & 0x3FFF)
    if head[12:16] == b"VP8L" and head[20] == 0x2F:
        bits = int.from_bytes(head[21:25], "little")
        return Header((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    if head[12:16] == b"VP8X" and len(head) == 30:
        return Header(*(int.from_bytes(head[start : start + 3], "little") + 1 for start in (24, 27)))
    raise ValueError("no header")


def _jpeg(file: IO[bytes]) -> Header:
    file.seek(2)
    steps = itertools.repeat(None, MOST_STEPS)
    while True:
        marker = _next_marker(file, steps)
        if marker in ALONE:
            continue
        [length] = struct.unpack(">H", file.read(2))
        if marker in FRAMES:
            return _frame(file.read(length - 2), marker in PROGRESSIVE)
        file.seek(max(length - 2, 0), io.SEEK_CUR)


def _next_marker(file: IO[bytes], steps: Iterator[None]) -> int:
    # Encoders may pad between segments, and some leave stray bytes there.
    before = b""
    for _ in steps:
        byte = file.read(1)
        if not byte:
            break
        if before == b"\xff" and byte not in (b"\0", b"\xff"):
            return byte[0]
        before = byte
    raise ValueError("no marker")


def _frame(segment: bytes, is_progressive: bool) -> Header:
    height, width, components = struct.unpack(">xHHB", segment[:6])
    factors = [divmod(segment[7 + 3 * n], 16) for n in range(components)]
    if not is_progressive:
        return Header(width, height)
    most_across, most_down = (max(values) for values in zip(*factors, strict=True))
    share = sum(across * down for across, down in factors) / (most_across * most_down)
    return Header(width, height, int(width * height * share * 2))


def _boxes(file: IO[bytes]) -> Header:
    # A tiled picture has its own size and that of its tiles: the largest one counts.
    head = file.read(MOST_BOXES_BYTES)
    sizes, at = [(0, 0)], head.find(b"ispe")
    while at >= 0:
        sizes.append(struct.unpack(">8xII", head[at : at + 16]))
        at = head.find(b"ispe", at + 4)
    return Header(*max(sizes, key=lambda size: size[0] * size[1]))


READERS: dict[str, Callable[[IO[bytes]], Header]] = {
    "PNG": _png,
    "JPEG": _jpeg,
    "GIF": _gif,
    "WEBP": _webp,
    "HEIC": _boxes,
    "AVIF": _boxes,
}
