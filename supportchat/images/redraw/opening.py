"""Reading pictures, even truncated ones and those with excessive metadata."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from typing import IO, Any

from PIL import Image, ImageFile, PngImagePlugin

from .limits import MOST_BYTES

# A phone's photo with a preview or a gain map is an MPO: a JPEG followed by more. A "mif1" file may be HEIC or AVIF.
FORMATS = {
    "JPEG": ("JPEG", "MPO"),
    "PNG": ("PNG",),
    "GIF": ("GIF",),
    "WEBP": ("WEBP",),
    "HEIC": ("HEIF", "AVIF"),
    "AVIF": ("AVIF", "HEIF"),
}
GRAY = {"1": 1, "L": 128, "LA": (128, 255), "RGB": (128, 128, 128), "RGBA": (128, 128, 128, 255), "I;16": 32768}
PADDING = 1024 * 1024


def without_texts() -> None:
    """Skip the text chunks of PNG files; above a limit the file counts as damaged."""

    def skip(stream: Any, position: int, length: int) -> bytes:
        ImageFile._safe_read(stream.fp, length)
        return b""

    for chunk in ("tEXt", "zTXt", "iTXt"):
        setattr(PngImagePlugin.PngStream, f"chunk_{chunk}", skip)


def opened(file: IO[bytes], kind: str) -> Image.Image:
    """Open a picture and read its header, not its pixels. Errors outside of the pixels are ignored."""
    file.seek(0)
    with _tolerant(True):
        return Image.open(file, formats=FORMATS[kind])


def loaded(file: IO[bytes], kind: str, draft: Any) -> tuple[Image.Image, bool]:
    """Decode a picture, and return whether it is complete. The missing part of a truncated one is gray.

    :param draft: called with the picture before its pixels are read.
    :raise OSError: if it contains no picture at all.
    """
    with contextlib.suppress(OSError, ValueError, SyntaxError, EOFError):
        picture = opened(file, kind)
        draft(picture)
        picture.load()
        return picture, True
    picture = opened(padded(file, kind), kind)
    draft(picture)
    if picture.format == "PNG":
        picture.im = Image.new(picture.mode, picture.size, gray_for(picture)).im
    with _tolerant(True):
        picture.load()
    if is_plain_gray(picture):
        raise OSError("nothing of it can be read")
    return picture, False


def padded(file: IO[bytes], kind: str) -> IO[bytes]:
    """Pad a file whose decoder rejects truncated ones."""
    if kind not in ("WEBP", "HEIC", "AVIF"):
        return file
    file.seek(0)
    content = file.read()
    missing = PADDING
    if kind == "WEBP":
        missing = int.from_bytes(content[4:8], "little") + 8 - len(content)
    return io.BytesIO(content + bytes(min(max(missing, 0), MOST_BYTES)))


def gray_for(picture: Image.Image) -> Any:
    """Return gray in this mode; in a palette, the closest entry."""
    if picture.mode != "P" or picture.palette is None:
        return GRAY.get(picture.mode, 0)
    colours = picture.palette.palette
    entries = [colours[start : start + 3] for start in range(0, len(colours) - 2, 3)]
    return min(range(len(entries)), key=lambda n: sum(abs(value - 128) for value in entries[n]), default=0)


def is_plain_gray(picture: Image.Image) -> bool:
    """Whether the decoder has left the gray untouched."""
    if picture.mode in ("L", "RGB"):
        picture = picture.reduce(max(1, min(picture.size) // 256))
    extremes: Any = picture.convert("RGB").getextrema()
    return all(127 <= low <= high <= 129 for low, high in extremes)


@contextlib.contextmanager
def _tolerant(value: bool) -> Iterator[None]:
    ImageFile.LOAD_TRUNCATED_IMAGES = value
    try:
        yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = False
