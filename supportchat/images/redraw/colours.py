"""Conversion to what browsers show by default: sRGB, opaque."""

from __future__ import annotations

import contextlib
import io

from PIL import Image, ImageChops, ImageCms, ImageFilter

MODES = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}  # the colour spaces of profiles
WHITE, MIDDLE, DARK = (255, 255, 255), (128, 128, 128), (32, 33, 36)
SAMPLE = 512
# Thresholds for the pixels along transparent edges: light lines, dark lines, or both.
ENOUGH = 0.15


def to_srgb(picture: Image.Image, profile: bytes | None) -> Image.Image:
    """Return a picture as RGB or RGBA, converted from its colour profile; unconverted if that cannot be read."""
    alpha = picture.getchannel("A") if picture.mode == "RGBA" else None
    colours = picture.convert("RGB") if alpha else picture
    if profile:
        with contextlib.suppress(ImageCms.PyCMSError, OSError, ValueError, TypeError):
            colours = _converted(colours, profile)
    colours = colours.convert("RGB")
    if alpha:
        colours.putalpha(alpha)
    return colours


def _converted(picture: Image.Image, profile: bytes) -> Image.Image:
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    mode = MODES.get(source.profile.xcolor_space.strip())
    if mode is None:
        return picture
    if mode == "CMYK" and picture.mode != "CMYK":
        raise ValueError("a profile of inks for a picture of lights")
    converted = ImageCms.profileToProfile(
        picture.convert(mode),
        source,
        ImageCms.createProfile("sRGB"),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        outputMode="RGB",
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    return converted or picture


def on_ground(picture: Image.Image) -> Image.Image:
    """Put a transparent picture on a background on which it is readable in both themes."""
    if picture.mode != "RGBA":
        return picture
    canvas = Image.new("RGB", picture.size, ground_for(picture))
    canvas.paste(picture, mask=picture.getchannel("A"))
    return canvas


def ground_for(picture: Image.Image) -> tuple[int, int, int]:
    """Choose the background by the edges of what is drawn: white, dark for light edges, in between for both."""
    sample = picture.copy()
    sample.thumbnail((SAMPLE, SAMPLE))
    alpha = sample.getchannel("A")
    nothing_near = alpha.filter(ImageFilter.MinFilter(5)).point(lambda value: 255 if value < 128 else 0)
    edges = ImageChops.multiply(alpha, nothing_near)
    counts = sample.convert("RGB").convert("L").histogram(edges.point(lambda value: 255 if value > 64 else 0))
    total = sum(counts)
    if not total:
        return WHITE
    light, dark = sum(counts[190:]) / total, sum(counts[:100]) / total
    if light < ENOUGH:
        return WHITE
    return MIDDLE if dark > ENOUGH else DARK
