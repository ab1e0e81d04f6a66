"""Re-encoding of the picture of a person: a small square out of the middle."""

from __future__ import annotations

from typing import IO, Any

from PIL import ExifTags, Image, ImageOps

from .colours import on_ground, to_srgb
from .limits import FACE_SIDE
from .opening import loaded
from .still import nearly, shrunk, upright

MOST_RATIO = 8  # of the sides, before the square is cut out: a thin strip is not drawn as a long one
QUALITY = 85


def redraw_face(file: IO[bytes], kind: str, target: IO[bytes], *, is_logo: bool = False) -> dict[str, Any]:
    """Re-encode one picture, or the first frame of an animation, and return its description.

    :param is_logo: whether all of it has to be seen: a square of the colour of its corner surrounds it then.
    """
    picture, _ = loaded(file, kind, lambda picture: picture.draft(None, nearly(covering(picture.size))))
    profile, turned = picture.info.get("icc_profile"), picture.getexif().get(ExifTags.Base.Orientation)
    small = on_ground(to_srgb(shrunk(picture, covering(picture.size)), profile))
    picture.close()
    whole = upright(small, turned)
    if is_logo:
        corner = tuple(whole.crop((0, 0, 1, 1)).tobytes())
        face = ImageOps.pad(whole, (FACE_SIDE, FACE_SIDE), Image.Resampling.BICUBIC, color=corner)
    else:
        face = ImageOps.fit(whole, (FACE_SIDE, FACE_SIDE), Image.Resampling.BICUBIC)
    canvas = Image.new("RGB", face.size)
    canvas.paste(face)
    canvas.save(target, "WEBP", quality=QUALITY, method=4)
    return {"content_type": "image/webp", "width": FACE_SIDE, "height": FACE_SIDE}


def covering(size: tuple[int, int]) -> tuple[int, int]:
    """Return the size at which the shorter side of a picture is that of the square; of a long one, less."""
    short, long = min(size), max(size)
    scale = min(1, FACE_SIDE / short, FACE_SIDE * MOST_RATIO / long)
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
