"""Pictures that people really send: they are taken, and look as they did."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import pillow_heif
import pytest
from PIL import Image, ImageChops, ImageCms, ImageDraw, ImageStat, PngImagePlugin
from werkzeug.datastructures import FileStorage

from supportchat.images.boxes import picture_box
from supportchat.images.pipeline import store_upload
from supportchat.images.redraw.still import fitting
from supportchat.images.stores import FileStore
from tests.variants import first, variants

Size = tuple[int, int]


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    """A store of files."""
    return FileStore(tmp_path / "images")


def drawn(store: FileStore, content: bytes) -> tuple[dict[str, Any], Image.Image]:
    """Store a picture, and give its record and what came of it."""
    image = store_upload(FileStorage(io.BytesIO(content), "a"), store, "vera", "192.0.2.1")
    with store.open(image["key"]) as file:
        picture = Image.open(io.BytesIO(file.read()))
    assert picture.size == (image["width"], image["height"])
    return image, picture


def encoded(picture: Image.Image, kind: str, **options: Any) -> bytes:
    """Return a picture as a file of some kind."""
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def noise(size: Size = (640, 480)) -> Image.Image:
    """Return a picture that no encoder makes small, and each keeps as it is."""
    spots = [Image.effect_noise((size[0] // 8, size[1] // 8), 90).resize(size) for _ in range(3)]
    return ImageChops.add(Image.merge("RGB", spots), Image.effect_noise(size, 20).convert("RGB"), 1, -128)


def page(size: Size = (2600, 500)) -> Image.Image:
    """Return a screenshot of text."""
    picture = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(picture)
    for y in range(0, size[1], 14):
        draw.text((8, y), f"{y} order shipped to Anna, two boxes, thank you " * (size[0] // 250 + 1), "black")
    return picture


def difference(one: Image.Image, other: Image.Image) -> float:
    """Return how far two pictures are from each other, of 255."""
    return max(ImageStat.Stat(ImageChops.difference(one.convert("RGB"), other.convert("RGB"))).rms)


# What is cut off


@pytest.mark.parametrize(
    ("kind", "options", "missing"),
    [
        ("JPEG", {}, 5000),
        ("JPEG", {"progressive": True}, 5000),
        ("MPO", {"save_all": True, "append_images": [noise((64, 48))]}, 900),
        ("WEBP", {}, 100),
        ("PNG", {}, 50_000),
        ("GIF", {}, 5000),
        *variants([("JPEG", {}, 2), ("JPEG", {}, 200), ("WEBP", {"lossless": True}, 5000), ("PNG", {}, 40)]),
    ],
)
def test_a_picture_that_is_cut_off_is_taken_as_far_as_it_goes(
    store: FileStore, kind: str, options: dict[str, Any], missing: int
) -> None:
    whole = noise()
    _, picture = drawn(store, encoded(whole, kind, **options)[:-missing])
    top = (0, 0, 640, 240)
    assert difference(picture.crop(top), whole.crop(top)) < 30


@pytest.mark.parametrize("mode", ["RGB", "P", "1", *variants(["L", "RGBA"])])
def test_what_is_missing_of_a_png_is_gray_and_is_said(store: FileStore, mode: str) -> None:
    whole = encoded(noise().convert(mode), "PNG")
    image, picture = drawn(store, whole[: len(whole) // 2])
    assert image["notice"] == "image_cut_off"
    red, green, blue = picture.convert("RGB").resize((64, 48)).getpixel((32, 45))  # type: ignore[misc]
    assert max(red, green, blue) - min(red, green, blue) < 60
    assert mode == "1" or 60 < green < 200


def test_heic_and_avif_are_taken_also_when_they_are_cut_off(store: FileStore) -> None:
    pillow_heif.register_heif_opener()
    for kind in ("HEIF", "AVIF"):
        whole = encoded(noise((160, 120)), kind)
        for content in (whole, whole[:-100]):
            image, picture = drawn(store, content)
            assert (image["content_type"], picture.size) == ("image/jpeg", (160, 120))


# What lies beside the pixels


def with_chunk(png: bytes, name: bytes, content: bytes) -> bytes:
    """Put a chunk behind the header of a PNG."""
    chunk = struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
    return png[:33] + chunk + png[33:]


PACKED = zlib.compress(bytes(3_000_000), 9)


@pytest.mark.parametrize(
    ("name", "content", "count"),
    [
        (b"zTXt", b"a\0\0" + PACKED, 1),
        (b"zTXt", b"a\0\0" + PACKED, 100),  # 300 MB together
        (b"iTXt", b"a\0\1\0\0\0" + PACKED, 1),
        (b"iCCP", b"a\0\0" + PACKED, 1),
        (b"tEXt", b"a\0" + bytes(3_000_000), 1),
        (b"iCCP", b"a\0\0 not packed at all", 1),
        (b"gAMA", b"", 1),
        (b"tRNS", b"", 1),
    ],
)
def test_what_is_large_or_wrong_beside_the_pixels_is_left_out(
    store: FileStore, name: bytes, content: bytes, count: int
) -> None:
    png = encoded(noise((64, 48)), "PNG")
    for _ in range(count):
        png = with_chunk(png, name, content)
    image, picture = drawn(store, png)
    assert picture.size == (64, 48)
    assert "notice" not in image


# What is large


@pytest.mark.parametrize(
    ("kind", "size", "stored"),
    [
        ("JPEG", (12000, 9000), (2048, 1536)),
        ("PNG", (7680, 4320), (2048, 1152)),
        ("PNG", (65535, 10), (16000, 2)),
        *variants([("JPEG", (20000, 800), (15811, 632)), ("WEBP", (7680, 4320), (2048, 1152))]),
    ],
)
def test_a_large_picture_is_taken(store: FileStore, kind: str, size: Size, stored: Size) -> None:
    _, picture = drawn(store, encoded(Image.new("L", size, 77), kind))
    assert picture.size == stored
    assert picture.convert("L").resize((1, 1)).getpixel((0, 0)) == pytest.approx(77, abs=3)


def test_a_large_picture_that_can_be_seen_through_fits_into_the_memory(store: FileStore) -> None:
    _, picture = drawn(store, encoded(Image.new("LA", (8000, 7000), (255, 128)), "PNG", compress_level=1))
    assert max(picture.size) == 2048


@pytest.mark.parametrize(
    ("size", "stored"),
    [
        ((1080, 12000), (949, 10541)),
        ((750, 9000), (750, 9000)),
        ((1440, 17000), (920, 10865)),
        ((9000, 700), (9000, 700)),
        ((1170, 2532), (1080, 2337)),
        ((4000, 3000), (2048, 1536)),
        ((40, 3000), (40, 3000)),
        ((1, 1), (1, 1)),
    ],
)
def test_a_long_screenshot_stays_readable(size: Size, stored: Size) -> None:
    assert fitting(size) == stored
    assert fitting(size[::-1]) == stored[::-1]


def test_a_long_photo_is_stored_upright(store: FileStore) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    _, picture = drawn(store, encoded(Image.new("RGB", (9000, 700)), "JPEG", exif=exif))
    assert picture.size == (700, 9000)


# How it looks


@pytest.mark.parametrize("mode", ["P", "GIF", "1", "L", "RGBA"])
def test_text_is_as_sharp_as_in_full_colour_when_it_has_shrunk(store: FileStore, mode: str) -> None:
    whole = page()
    kind, mode = ("GIF", "P") if mode == "GIF" else ("PNG", mode)
    _, picture = drawn(store, encoded(whole.convert(mode), kind))
    blended = whole.convert(mode).convert("RGB").resize(picture.size, Image.Resampling.LANCZOS)
    assert difference(picture, blended) < 8


def test_a_photo_of_a_phone_is_as_sharp_as_if_all_of_it_were_decoded(store: FileStore) -> None:
    whole = noise((2016, 1512)).resize((4032, 3024))
    _, picture = drawn(store, encoded(whole, "JPEG", quality=90))
    best = whole.resize((2016, 1512), Image.Resampling.LANCZOS)
    stored = Image.open(io.BytesIO(encoded(best, "JPEG", quality=85)))
    assert difference(picture, best) < 1.1 * difference(stored, best)


def profile_of(name: str) -> bytes:
    """Return an ICC profile: 'sRGB' but with red and green exchanged, so that it cannot be missed."""
    made = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return made.replace(b"rXYZ", b"tmp_").replace(b"gXYZ", b"rXYZ").replace(b"tmp_", b"gXYZ") if name else made


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("alpha", [False, True])
def test_colours_are_those_that_the_profile_means(store: FileStore, kind: str, alpha: bool) -> None:
    if kind == "JPEG" and alpha:
        return
    red = Image.new("RGBA" if alpha else "RGB", (32, 32), (250, 10, 10))
    _, picture = drawn(store, encoded(red, kind, icc_profile=profile_of("exchanged")))
    assert picture.convert("RGB").getpixel((16, 16)) == pytest.approx((10, 250, 10), abs=14)


@pytest.mark.parametrize("profile", first([profile_of("")[:300], b"no profile", b"\0" * 200]))
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_profile_that_cannot_be_used_changes_nothing(store: FileStore, profile: bytes, mode: str) -> None:
    whole = Image.new("RGB", (32, 32), (90, 90, 90)).convert(mode)
    _, picture = drawn(store, encoded(whole, "JPEG", icc_profile=profile))
    assert picture.mode == "RGB"
    assert picture.getpixel((16, 16)) == pytest.approx((90, 90, 90), abs=6)


def written(colour: Any, ground: Any = (0, 0, 0, 0)) -> Image.Image:
    """Return a text on nothing."""
    picture = Image.new("RGBA", (300, 80), ground)
    ImageDraw.Draw(picture).text((20, 20), "Order 4711 was shipped", colour)
    return picture


@pytest.mark.parametrize(
    ("picture", "is_light"),
    [
        (written("black"), True),
        (written("white"), False),
        (written("#888"), True),
        (written("#fde047"), False),
        (Image.new("RGBA", (9, 9)), True),
    ],
)
@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_what_can_be_seen_through_gets_a_ground_to_be_read_on(
    store: FileStore, picture: Image.Image, is_light: bool, kind: str
) -> None:
    _, stored = drawn(store, encoded(picture, kind, **({"lossless": True} if kind == "WEBP" else {})))
    assert stored.mode == "RGB"
    assert (stored.convert("L").getpixel((2, 2)) > 200) is is_light  # type: ignore[operator]


def test_black_and_white_letters_can_both_be_read(store: FileStore) -> None:
    both = written("black")
    ImageDraw.Draw(both).text((20, 50), "Order 4711 was shipped", "white")
    assert drawn(store, encoded(both, "PNG"))[1].convert("L").getpixel((2, 2)) == pytest.approx(128, abs=4)


# Animations


def animation(size: Size, frames: int, kind: str = "GIF") -> bytes:
    """Return an animation in which a bar moves."""
    pictures = []
    for n in range(frames):
        picture = Image.new("RGB", size, "white")
        ImageDraw.Draw(picture).rectangle((n % 5, 0, n % 5 + 9, size[1]), (200, n * 5 % 256, 40))
        pictures.append(picture)
    options = {"lossless": True, "method": 0} if kind == "WEBP" else {}
    return encoded(pictures[0], kind, save_all=True, append_images=pictures[1:], duration=40, **options)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_the_recording_of_a_screen_goes_on_moving(store: FileStore, kind: str) -> None:
    image, picture = drawn(store, animation((1280, 720), 12, kind))
    assert (picture.size, getattr(picture, "n_frames", 1)) == ((640, 360), 12)
    assert "notice" not in image


@pytest.mark.parametrize("size", [(8, 8), (3000, 2800)])
def test_of_an_animation_beyond_the_limits_the_first_frame_is_kept_and_that_is_said(
    store: FileStore, size: Size
) -> None:
    image, picture = drawn(store, animation(size, 301 if size == (8, 8) else 2))
    assert image["notice"] == "animation_first_frame"
    assert getattr(picture, "n_frames", 1) == 1
    assert picture.convert("RGB").getpixel((2, 2)) == pytest.approx((200, 0, 40), abs=30)


def test_an_animation_that_is_cut_off_moves_as_far_as_it_goes(store: FileStore) -> None:
    whole = animation((320, 200), 12)
    _, picture = drawn(store, whole[: len(whole) * 2 // 3])
    assert 1 < getattr(picture, "n_frames", 1) < 12


def test_an_animation_that_can_be_seen_through_gets_a_ground(store: FileStore) -> None:
    frames = [written("white"), written("#eee")]
    content = encoded(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True)
    _, picture = drawn(store, content)
    assert picture.convert("L").getpixel((2, 2)) < 60  # type: ignore[operator]


# In the conversation


@pytest.mark.parametrize(
    ("size", "box"),
    [
        ((360, 360), (308, 308, "")),
        ((640, 480), (308, 231, "")),
        ((1, 1), (1, 1, "")),
        ((20, 300), (20, 300, "")),
        ((40, 3000), (48, 360, "tall")),
        ((1080, 12000), (240, 360, "tall")),
        ((3000, 40), (308, 48, "line")),
        ((9000, 700), (308, 96, "wide")),
        ((16000, 1), (308, 48, "line")),
    ],
)
def test_every_shape_has_a_box_that_can_be_seen_and_hit(size: Size, box: tuple[int, int, str]) -> None:
    assert picture_box(*size) == box


def test_texts_of_a_png_never_reach_the_stored_picture(store: FileStore) -> None:
    text = PngImagePlugin.PngInfo()
    text.add_itxt("Comment", "secret place", zip=True)
    _, picture = drawn(store, encoded(noise((64, 48)), "PNG", pnginfo=text))
    assert set(picture.info) <= {"loop", "background", "timestamp", "duration"}
