"""Re-encoding of one picture: upright, small enough, sRGB, opaque, and nothing but pixels."""

from __future__ import annotations

import io
import math
from typing import IO, Any

from PIL import ExifTags, Image, ImageOps

from .colours import on_ground, to_srgb
from .limits import LONG_PIXELS, LONGEST_LONG_SIDE, LONGEST_SIDE, MOST_OUTPUT, READABLE_SIDE
from .opening import loaded

PHOTOS = ("JPEG", "MPO", "HEIF", "AVIF")
STRIP_PIXELS = 2_000_000
NEARLY = 0.95
REDUCING_GAP = 1.5  # up to this factor a picture is shrunk by the better, slower method


def redraw_still(file: IO[bytes], kind: str, target: IO[bytes]) -> dict[str, Any]:
    """Re-encode one picture, or the first frame of an animation, and return its description."""
    picture, is_whole = loaded(file, kind, lambda picture: picture.draft(None, nearly(fitting(picture.size))))
    is_animation = picture.format not in PHOTOS and getattr(picture, "n_frames", 1) > 1
    profile = picture.info.get("icc_profile")
    turned = picture.getexif().get(ExifTags.Base.Orientation)
    is_photo = picture.format in PHOTOS
    canvas = on_ground(to_srgb(shrunk(picture, fitting(picture.size)), profile))
    picture.close()
    canvas = upright(canvas, turned)
    answer = {"content_type": save(canvas, is_photo, target), "width": canvas.width, "height": canvas.height}
    if is_animation:
        answer["notice"] = "animation_first_frame"
    elif not is_whole:
        answer["notice"] = "image_cut_off"
    return answer


def fitting(size: tuple[int, int]) -> tuple[int, int]:
    """Return the stored size of a picture of this size.

    A long one keeps a readable width, within `LONG_PIXELS`.
    """
    short, long = sorted(size)
    readable = min(READABLE_SIDE / short, math.sqrt(LONG_PIXELS / (short * long)), LONGEST_LONG_SIDE / long)
    scale = min(1, max(LONGEST_SIDE / long, readable))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def nearly(size: tuple[int, int]) -> tuple[int, int]:
    """Return the least size that will do for this one.

    A JPEG can be decoded at half its size, in a third of the time, and half a phone's photo has 2016 pixels, not 2048.
    """
    return round(size[0] * NEARLY), round(size[1] * NEARLY)


def shrunk(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Copy only the pixels, in a mode that can be blended, at another size.

    It works in strips, so that a large picture is in memory only once.
    """
    factor = max(1, int(min(picture.width / size[0], picture.height / size[1]) / REDUCING_GAP))
    rows = max(1, STRIP_PIXELS // picture.width // factor) * factor
    canvas = None
    for top in range(0, picture.height, rows):
        strip = picture.crop((0, top, picture.width, min(top + rows, picture.height)))
        strip = blendable(strip).reduce(factor)
        if canvas is None:
            canvas = Image.new(strip.mode, (strip.width, math.ceil(picture.height / factor)))
        canvas.paste(strip, (0, top // factor))
    assert canvas is not None  # noqa: S101 - for mypy: there is a first picture
    box = (0, 0, picture.width / factor, picture.height / factor)
    small = canvas.resize(size, Image.Resampling.BICUBIC, box=box)
    return small.convert("RGBA") if small.mode == "RGBa" else small


def blendable(picture: Image.Image) -> Image.Image:
    """Return a picture in a mode that can be averaged: no palette, no single bits, premultiplied alpha."""
    if picture.mode.startswith("I"):
        # Pillow clips values above 8 bits: everything would be white.
        return picture.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    if picture.has_transparency_data:
        return picture.convert("RGBA").convert("RGBa")
    if picture.mode in ("L", "RGB", "CMYK"):
        return picture
    return picture.convert("L" if picture.mode == "1" else "RGB")


def upright(picture: Image.Image, turned: Any) -> Image.Image:
    """Rotate a photo according to its EXIF orientation."""
    exif = picture.getexif()
    exif[ExifTags.Base.Orientation] = turned or 1
    return ImageOps.exif_transpose(picture)


def save(picture: Image.Image, is_photo: bool, target: IO[bytes]) -> str:
    """Write a picture, and return its type. WebP keeps the text of screenshots sharp at a fraction of PNG's size."""
    for quality in (85, 60) if is_photo else (90, 60):
        out = io.BytesIO()
        if is_photo:
            picture.save(out, "JPEG", quality=quality)
        else:
            picture.save(out, "WEBP", quality=quality, method=2)
        if out.tell() <= MOST_OUTPUT:
            break
    target.write(out.getbuffer())
    return "image/jpeg" if is_photo else "image/webp"
