"""Animations, within a limit of time."""

from __future__ import annotations

import math
import time
from typing import IO, Any

from PIL import Image, ImageSequence

from .colours import ground_for, to_srgb
from .limits import (
    LONGEST_MOVING_SIDE,
    MOST_FRAME_PIXELS,
    MOST_FRAMES,
    MOST_MOVING_PIXELS,
    MOVING_CPU_SECONDS,
    MOVING_PIXELS,
)
from .still import PHOTOS, shrunk


def is_moving(picture: Image.Image) -> bool:
    """Whether a picture is an animation that can be kept as one. Of others only the first frame is kept."""
    frames = 1 if picture.format in PHOTOS else getattr(picture, "n_frames", 1)
    pixels = picture.width * picture.height
    return 1 < frames <= MOST_FRAMES and pixels <= MOST_FRAME_PIXELS and frames * pixels <= MOST_MOVING_PIXELS


def redraw_moving(picture: Image.Image, target: IO[bytes]) -> dict[str, Any] | None:
    """Re-encode every frame of an animation; return None if that takes too long or a frame cannot be read."""
    size = moving_size(picture)
    drawn: list[Image.Image] = []
    durations: list[int] = []
    ground = None
    try:
        for frame in ImageSequence.Iterator(picture):
            if time.process_time() > MOVING_CPU_SECONDS:
                return None
            durations.append(max(20, int(frame.info.get("duration", 100))))
            small = to_srgb(shrunk(frame.convert("RGBA"), size), picture.info.get("icc_profile"))
            ground = ground or ground_for(small)
            canvas = Image.new("RGB", size, ground)
            canvas.paste(small, mask=small.getchannel("A"))
            drawn.append(canvas)
    except (OSError, ValueError, SyntaxError, EOFError):
        if len(drawn) < 2:
            return None
    drawn[0].save(
        target,
        "WEBP",
        save_all=True,
        append_images=drawn[1:],
        duration=durations[: len(drawn)],
        loop=0,
        quality=75,
        method=0,
    )
    return {"content_type": "image/webp", "width": size[0], "height": size[1]}


def moving_size(picture: Image.Image) -> tuple[int, int]:
    """Return the stored size of the frames of an animation."""
    frames, pixels = getattr(picture, "n_frames", 1), picture.width * picture.height
    scale = min(1, LONGEST_MOVING_SIDE / max(picture.size), math.sqrt(MOVING_PIXELS / (frames * pixels)))
    return max(1, round(picture.width * scale)), max(1, round(picture.height * scale))
