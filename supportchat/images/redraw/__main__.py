"""`python -m redraw FORMAT TARGET`: reads the picture from stdin and writes to the file descriptor TARGET.

Prints JSON: content_type, width, height, and notice if the sender should be told something; or error with a reason.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
from typing import IO, Any

import pillow_heif
from PIL import AvifImagePlugin, Image

from .confinement import confine
from .limits import MOST_PIXELS
from .moving import is_moving, redraw_moving
from .opening import FORMATS, opened, without_texts
from .still import redraw_still


def main(kind: str, target: int) -> dict[str, Any]:
    """Re-encode the picture from stdin, and return its description."""
    prepare()
    try:
        confine(with_threads=kind == "HEIC")  # libheif starts one, whatever its settings
    except OSError as error:
        return {"fault": f"cannot give up the rights of root: {error}"}
    with os.fdopen(target, "wb") as out:
        try:
            return moving(kind, out) or redraw_still(sys.stdin.buffer, kind, out)
        except (Image.DecompressionBombError, MemoryError):
            return {"error": "image_too_many_pixels"}
        except (OSError, ValueError, SyntaxError, EOFError):
            return {"error": "image_unreadable"}


def moving(kind: str, out: IO[bytes]) -> dict[str, Any] | None:
    """Re-encode an animation; return None if it is not one or cannot be kept as one."""
    try:
        picture = opened(sys.stdin.buffer, kind)
    except (OSError, SyntaxError, EOFError):
        return None  # perhaps it is truncated: try to read what is there
    return redraw_moving(picture, out) if is_moving(picture) else None


def prepare() -> None:
    """Load every decoder while files can still be read, each without threads."""
    Image.preinit()
    AvifImagePlugin.DEFAULT_MAX_THREADS = 1
    pillow_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False, decode_threads=1)
    without_texts()
    # The header was checked before; a frame of more than twice this size is an error.
    Image.MAX_IMAGE_PIXELS = max(MOST_PIXELS.values()) // 2
    warnings.simplefilter("ignore")


if __name__ == "__main__":
    if sys.argv[1] not in FORMATS:
        raise SystemExit(2)
    print(json.dumps(main(sys.argv[1], int(sys.argv[2]))))
