"""The format of a file by its first bytes: a name and a declared type prove nothing. The page uses the same table."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..web.sentences import sentence
from .redraw.limits import MOST_BYTES, MOST_PIXELS
from .refused import ImageRefused


class Kind(NamedTuple):
    """A file format and the bytes that identify it."""

    name: str
    offset: int
    signature: bytes


SENTENCES_OF_PAGE = {
    "unknown": "image_unknown_type",
    "empty": "image_empty",
    "tooLarge": "image_too_large",
    "notReadable": "image_not_opened",
    "oneOnly": "image_one_only",
    "notHere": "image_not_here",
    "notInNotes": "image_not_in_notes",
}
HEAD_BYTES = 64
TAKEN = tuple(MOST_PIXELS)
ACCEPTED = "image/png,image/jpeg,image/webp,image/gif,image/heic,image/heif,image/avif,.heic,.heif,.avif"
# Among formats that begin alike, the most common comes first.
KINDS = (
    Kind("PNG", 0, b"\x89PNG\r\n\x1a\n"),
    Kind("JPEG", 0, b"\xff\xd8\xff"),
    Kind("GIF", 0, b"GIF87a"),
    Kind("GIF", 0, b"GIF89a"),
    Kind("WEBP", 8, b"WEBP"),
    *(Kind("AVIF", 4, b"ftyp" + brand) for brand in (b"avif", b"avis")),
    *(
        Kind("HEIC", 4, b"ftyp" + brand)
        for brand in (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1")
    ),
    Kind("video", 4, b"ftyp"),
    Kind("video", 4, b"moov"),
    Kind("video", 4, b"mdat"),
    Kind("video", 4, b"wide"),
    Kind("video", 8, b"AVI "),
    Kind("video", 0, b"\x1aE\xdf\xa3"),
    Kind("video", 0, b"\x00\x00\x01\xba"),
    Kind("video", 0, b"FLV"),
    Kind("TIFF", 0, b"II*\0"),
    Kind("TIFF", 0, b"MM\0*"),
    Kind("TIFF", 0, b"II+\0"),
    Kind("TIFF", 0, b"MM\0+"),
    Kind("BMP", 0, b"BM"),
    Kind("SVG", 0, b"<svg"),
    Kind("SVG", 0, b"<?xml"),
    Kind("SVG", 0, b"\xef\xbb\xbf<svg"),
    Kind("SVG", 0, b"\xef\xbb\xbf<?xml"),
    Kind("PDF", 0, b"%PDF"),
    Kind("Photoshop", 0, b"8BPS"),
    Kind("ICO", 0, b"\0\0\1\0"),
    Kind("JPEG XL", 0, b"\xff\x0a"),
    Kind("JPEG XL", 4, b"JXL "),
    Kind("JPEG 2000", 4, b"jP  "),
    Kind("JPEG 2000", 0, b"\xff\x4f\xff\x51"),
    Kind("ZIP", 0, b"PK\3\4"),
)
# Formats with a sentence of their own.
CODES = {"video": "image_is_video", "PDF": "image_is_document", "ZIP": "image_is_archive"}


def kind_of(head: bytes) -> str:
    """Return the format of a picture by its first `HEAD_BYTES`.

    :raise ImageRefused: if it is empty or not a format that we accept.
    """
    if not head:
        raise ImageRefused("image_empty")
    name = next((kind.name for kind in KINDS if head.startswith(kind.signature, kind.offset)), "")
    if name not in TAKEN:
        raise ImageRefused(refusal_of(name), name)
    return name


def refusal_of(name: str) -> str:
    """Return the code for a format that we do not accept."""
    return CODES.get(name, "image_other_kind") if name else "image_unknown_type"


def rules_for_page() -> dict[str, Any]:
    """Return what the page checks before an upload, and its error messages."""
    return {
        "mostBytes": MOST_BYTES,
        "headBytes": HEAD_BYTES,
        "kinds": [[kind.offset, kind.signature.hex(), kind.name] for kind in KINDS],
        "problems": {kind.name: sentence(refusal_of(kind.name), kind.name) for kind in KINDS if kind.name not in TAKEN},
        **{name: sentence(code) for name, code in SENTENCES_OF_PAGE.items()},
    }
