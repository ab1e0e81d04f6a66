"""The colour of a site: whether it can be read, and the stylesheet that it makes, for both themes.

Colours are compared as WCAG 2.2 has it, and mixed in OKLCH, in which a step in lightness looks alike in every hue:
https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio and https://www.w3.org/TR/css-color-4/#ok-lab.
"""

from __future__ import annotations

import functools
import math
import re
import zlib
from typing import NamedTuple

from ..config import ROOT

OWN = "#017272"  # the desk's; its tokens are in tokens.css
COLOUR = re.compile(r"#[0-9a-f]{6}")
TEXT_CONTRAST = 4.5  # of text on the colour
CONTROL_CONTRAST = 3.0  # of the colour on the page around it
WHITE = "#ffffff"
# What a colour lies on, from tokens.css: background, surface, raised.
GROUNDS = {"light": ("#fbfaf7", WHITE, WHITE), "dark": ("#101318", "#171b21", "#1e232b")}
DARK_LIGHTNESS = 0.55
STEPS = 24
HALO = 18  # percent


class Tints(NamedTuple):
    """The lightness and the most chroma of what surrounds a colour in a theme."""

    soft: tuple[float, float]
    mine: tuple[float, float]
    ink: tuple[float, float]


TINTS = {
    "light": Tints(soft=(0.955, 0.016), mine=(0.938, 0.021), ink=(0.43, 0.1)),
    "dark": Tints(soft=(0.29, 0.04), mine=(0.305, 0.036), ink=(0.82, 0.1)),
}


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, from 1 to 21."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def is_readable(colour: str, theme: str = "light") -> bool:
    """Whether white text can be read on a colour, and the colour be seen on the page, in a theme."""
    on_page = min(contrast(colour, ground) for ground in GROUNDS[theme])
    return contrast(WHITE, colour) >= TEXT_CONTRAST and on_page >= CONTROL_CONTRAST


def nearest(colour: str) -> str:
    """Return the lightest colour of the same hue that is readable; the colour itself if it is."""
    if is_readable(colour):
        return colour
    lightness, chroma, hue = _oklch(colour)
    readable, too_light = 0.0, lightness
    for _ in range(STEPS):
        middle = (readable + too_light) / 2
        readable, too_light = (middle, too_light) if is_readable(_hex(middle, chroma, hue)) else (readable, middle)
    return _hex(readable, chroma, hue)


@functools.lru_cache(maxsize=256)
def tokens(colour: str, theme: str) -> dict[str, str]:
    """Return the tokens that a colour makes in a theme, by their names."""
    _, chroma, hue = _oklch(colour)
    accent = colour if theme == "light" else _in_dark(colour)
    tints = TINTS[theme]

    def tint(of: tuple[float, float]) -> str:
        return _hex(of[0], min(chroma, of[1]), hue)

    red, green, blue = _channels(accent)
    return {
        "accent": accent,
        "on-accent": WHITE,
        "accent-soft": tint(tints.soft),
        "mine": tint(tints.mine),
        "accent-ink": tint(tints.ink),
        "halo": f"rgb({red} {green} {blue} / {HALO}%)",
    }


def _in_dark(colour: str) -> str:
    """Return a colour for the dark theme: of the same hue, as light as text on it allows."""
    _, chroma, hue = _oklch(colour)
    lightness = DARK_LIGHTNESS
    while not is_readable(found := _hex(lightness, chroma, hue), "dark"):
        # White on it is too faint, or it is on the page: the one wants it darker, the other lighter.
        lightness += -0.005 if contrast(WHITE, found) < TEXT_CONTRAST else 0.005
    return found


def look_class(colour: str) -> str:
    """Return the class under which a page has the look of a colour; '' for the desk's own."""
    return "" if colour == OWN else f"look-{colour[1:]}"


def look_name(colour: str) -> str:
    """Return the name of the stylesheet of a colour: another one whenever its rules change."""
    return f"{colour[1:]}-{zlib.crc32(stylesheet(colour).encode()):08x}"


@functools.lru_cache(maxsize=256)
def stylesheet(colour: str) -> str:
    """Return the rules of a colour: for pages, in the theme of the browser."""
    light, dark = (_block(tokens(colour, theme)) for theme in ("light", "dark"))
    page = f".look-{colour[1:]}"
    return f"{page}{{{light}}}@media screen and (prefers-color-scheme:dark){{{page}{{{dark}}}}}"


@functools.lru_cache(maxsize=256)
def preview_stylesheet(colour: str) -> str:
    """Return the rules of a colour for its preview: in both themes, whatever the browser's is."""
    light, dark = _themes()
    own = colour == OWN
    parts = []
    for theme, block in (("light", light), ("dark", light + dark)):
        colours = "" if own else _block(tokens(colour, theme))
        parts.append(f".preview-{theme}.look-{colour[1:]}{{{block}color-scheme:{theme};{colours}}}")
    return "".join(parts) + ("" if own else stylesheet(colour))


@functools.cache
def _themes() -> tuple[str, str]:
    """Return the tokens of both themes, as tokens.css has them."""
    text = (ROOT / "static" / "css" / "tokens.css").read_text("utf-8")
    blocks = re.findall(r":root \{(.*?)\}", re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL), re.DOTALL)
    light, dark = ("".join(re.findall(r"--[\w-]+: [^;]+;", block)) for block in blocks[:2])
    return light, dark


def _block(values: dict[str, str]) -> str:
    return "".join(f"--{name}:{value};" for name, value in values.items())


def _channels(colour: str) -> tuple[int, int, int]:
    red, green, blue = bytes.fromhex(colour[1:])
    return red, green, blue


def _linear(colour: str) -> tuple[float, float, float]:
    def linear(channel: int) -> float:
        value = channel / 255
        return value / 12.92 if value <= 0.04045 else math.pow((value + 0.055) / 1.055, 2.4)

    red, green, blue = (linear(channel) for channel in _channels(colour))
    return red, green, blue


def _luminance(colour: str) -> float:
    red, green, blue = _linear(colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _oklch(colour: str) -> tuple[float, float, float]:
    """Return lightness, chroma and hue (in radians) of a colour."""
    red, green, blue = _linear(colour)
    long = math.cbrt(0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue)
    medium = math.cbrt(0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue)
    short = math.cbrt(0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue)
    lightness = 0.2104542553 * long + 0.7936177850 * medium - 0.0040720468 * short
    along = 1.9779984951 * long - 2.4285922050 * medium + 0.4505937099 * short
    across = 0.0259040371 * long + 0.7827717662 * medium - 0.8086757660 * short
    return lightness, math.hypot(along, across), math.atan2(across, along)


def _hex(lightness: float, chroma: float, hue: float) -> str:
    """Return a colour as a screen can show it: with less chroma where it has to be."""
    least, most = 0.0, chroma
    if not _is_shown(_rgb(lightness, chroma, hue)):
        for _ in range(STEPS):
            middle = (least + most) / 2
            least, most = (middle, most) if _is_shown(_rgb(lightness, middle, hue)) else (least, middle)
        chroma = least
    shown = (round(255 * _gamma(min(1.0, max(0.0, channel)))) for channel in _rgb(lightness, chroma, hue))
    return "#" + bytes(shown).hex()


def _is_shown(channels: tuple[float, float, float]) -> bool:
    return all(-0.0005 <= channel <= 1.0005 for channel in channels)


def _rgb(lightness: float, chroma: float, hue: float) -> tuple[float, float, float]:
    along, across = chroma * math.cos(hue), chroma * math.sin(hue)
    long = (lightness + 0.3963377774 * along + 0.2158037573 * across) ** 3
    medium = (lightness - 0.1055613458 * along - 0.0638541728 * across) ** 3
    short = (lightness - 0.0894841775 * along - 1.2914855480 * across) ** 3
    return (
        4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short,
    )


def _gamma(channel: float) -> float:
    return 12.92 * channel if channel <= 0.0031308 else 1.055 * math.pow(channel, 1 / 2.4) - 0.055
