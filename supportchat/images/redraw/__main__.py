"""`python -m redraw`: waits on stdin, a socket, for a format and two files, and redraws the first into the second.

"face" after the format asks for the small square picture of a person, "logo" for that of a site.

Answers JSON: content_type, width, height, and notice if the sender should be told something; or error with a reason.
"""

from __future__ import annotations

import json
import os
import socket
import warnings
from typing import IO, Any

import pillow_heif
from PIL import AvifImagePlugin, Image

from .confinement import close_files, confine
from .face import redraw_face
from .limits import MOST_PIXELS
from .moving import is_moving, redraw_moving
from .opening import opened, without_texts
from .still import redraw_still


def main() -> None:
    """Load everything, then wait for the picture; end when the desk does."""
    close_files()
    prepare()
    with socket.socket(fileno=0) as desk:
        desk.setblocking(True)
        kind, files, _, _ = socket.recv_fds(desk, 16, 2)
        if len(files) == 2:
            with os.fdopen(files[0], "rb") as source, os.fdopen(files[1], "wb") as target:
                answer = redrawn(*kind.decode().partition(" ")[::2], source, target)
            desk.sendall(json.dumps(answer).encode())


def redrawn(kind: str, shape: str, source: IO[bytes], target: IO[bytes]) -> dict[str, Any]:
    """Re-encode a picture without any rights, and return its description."""
    try:
        confine(with_threads=kind == "HEIC")  # libheif starts one, whatever its settings
    except OSError as error:
        return {"fault": f"cannot give up the rights of root: {error}"}
    try:
        if shape in ("face", "logo"):
            return redraw_face(source, kind, target, is_logo=shape == "logo")
        return moving(source, kind, target) or redraw_still(source, kind, target)
    except (Image.DecompressionBombError, MemoryError):
        return {"error": "image_too_many_pixels"}
    except (OSError, ValueError, SyntaxError, EOFError):
        return {"error": "image_unreadable"}


def moving(source: IO[bytes], kind: str, target: IO[bytes]) -> dict[str, Any] | None:
    """Re-encode an animation; return None if it is not one or cannot be kept as one."""
    try:
        picture = opened(source, kind)
    except (OSError, SyntaxError, EOFError):
        return None  # perhaps it is truncated: try to read what is there
    return redraw_moving(picture, target) if is_moving(picture) else None


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
    main()
