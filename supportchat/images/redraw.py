"""Draw a picture anew: `python -m supportchat.images.redraw SOURCE TARGET`, always in a process of its own.

A decoder is where a hostile file does its harm, so it runs with little memory and little time, and what it makes is a
fresh canvas: comments, metadata and whatever follows the pixels stay behind. Prints JSON: content_type, width, height;
or `error` with a reason.
"""

from __future__ import annotations

import json
import resource
import sys
import warnings
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps, ImageSequence

FORMATS = ("PNG", "JPEG", "WEBP", "GIF")
# A phone's photo is an MPO when it carries a preview or a map of its lights: a JPEG, with more after it.
JPEG = ("JPEG", "MPO")
MOST_SIDE = 16_384
MOST_PIXELS = 50_000_000  # a phone's 48 megapixels, which JPEG decodes at a fraction of the size
MOST_PIXELS_UNSCALED = 25_000_000  # the other formats have to be decoded whole
MOST_MOVING_PIXELS = 30_000_000  # all frames of an animation together
MOST_FRAMES = 300
LONGEST_SIDE = 2048
LONGEST_MOVING_SIDE = 640
MEMORY = 512 * 1024 * 1024
CPU_SECONDS = 5
MOST_OUTPUT = 10 * 1024 * 1024


class Refused(Exception):
    """The picture is not taken; the text is the code of the reason."""


def main(source: str, target: str) -> dict[str, Any]:
    """Read the file `source`, write the new picture to `target`, and give what it is."""
    if sys.platform != "darwin":  # which refuses this one
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_FSIZE, (MOST_OUTPUT, MOST_OUTPUT))
    warnings.simplefilter("error", Image.DecompressionBombWarning)
    Image.MAX_IMAGE_PIXELS = MOST_PIXELS
    try:
        with Image.open(source, formats=FORMATS) as picture:
            check_size(picture)
            if picture.format not in JPEG and getattr(picture, "n_frames", 1) > 1:
                return redraw_moving(picture, Path(target))
            return redraw_still(picture, Path(target))
    except Refused as refusal:
        return {"error": str(refusal)}
    except (Image.DecompressionBombWarning, Image.DecompressionBombError, MemoryError):
        return {"error": "image_too_many_pixels"}
    except (OSError, ValueError, SyntaxError, EOFError):
        return {"error": "image_unreadable"}


def check_size(picture: Image.Image) -> None:
    """Refuse by the header alone what would be too much to decode."""
    limit = MOST_PIXELS if picture.format in JPEG else MOST_PIXELS_UNSCALED
    if picture.width * picture.height > limit or max(picture.size) > MOST_SIDE:
        raise Refused("image_too_many_pixels")


def redraw_still(picture: Image.Image, target: Path) -> dict[str, Any]:
    """Draw one picture, upright, at most `LONGEST_SIDE` wide and high."""
    was_jpeg = picture.format in JPEG
    picture.draft("RGB", (LONGEST_SIDE, LONGEST_SIDE))
    if picture.mode.startswith("I;16"):
        # Pillow cuts off what is more than 8 bits can hold: everything would be white.
        picture = picture.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    ImageOps.exif_transpose(picture, in_place=True)
    canvas = fresh_canvas(picture, "RGBA" if picture.has_transparency_data and not was_jpeg else "RGB")
    if was_jpeg:
        canvas.save(target, "JPEG", quality=85)
        return described("image/jpeg", canvas)
    # Screenshots: WebP keeps their text sharp at a fraction of PNG's size.
    canvas.save(target, "WEBP", quality=90, method=2)
    return described("image/webp", canvas)


def redraw_moving(picture: Image.Image, target: Path) -> dict[str, Any]:
    """Draw every frame of an animation, at most `LONGEST_MOVING_SIDE` wide and high."""
    frames = getattr(picture, "n_frames", 1)
    if frames > MOST_FRAMES or frames * picture.width * picture.height > MOST_MOVING_PIXELS:
        raise Refused("animation_too_long")
    drawn, durations = [], []
    for frame in ImageSequence.Iterator(picture):
        durations.append(max(20, int(frame.info.get("duration", 100))))
        copy = frame.convert("RGBA")
        copy.thumbnail((LONGEST_MOVING_SIDE, LONGEST_MOVING_SIDE))
        drawn.append(fresh_canvas(copy, "RGBA"))
    drawn[0].save(
        target, "WEBP", save_all=True, append_images=drawn[1:], duration=durations, loop=0, quality=75, method=0
    )
    return described("image/webp", drawn[0])


def fresh_canvas(picture: Image.Image, mode: str) -> Image.Image:
    """Copy the pixels and nothing else."""
    canvas = Image.new(mode, picture.size)
    canvas.paste(picture.convert(mode))
    return canvas


def described(content_type: str, picture: Image.Image) -> dict[str, Any]:
    """Say what was drawn."""
    return {"content_type": content_type, "width": picture.width, "height": picture.height}


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:3])))
