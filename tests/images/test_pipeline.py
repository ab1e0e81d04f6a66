"""What becomes of an uploaded picture."""

from __future__ import annotations

import io
import os
import struct
import time
import zlib
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from PIL import Image, PngImagePlugin
from werkzeug.datastructures import FileStorage

from supportchat.images.orphans import sweep_orphans
from supportchat.images.pipeline import store_upload
from supportchat.images.redraw.limits import MOST_BYTES
from supportchat.images.refused import ImageRefused
from supportchat.images.stores import FileStore, StoreUnavailable
from supportchat.images.turns import Turns
from tests.cast import Agent, Cast, new_id
from tests.web import Web

pytestmark = pytest.mark.both_modes

SCRIPT = b"<script>alert(1)</script>"


def encoded(kind: str, size: tuple[int, int] = (60, 40), **options: Any) -> bytes:
    """Return a picture as a file of some kind."""
    out = io.BytesIO()
    Image.new("RGB", size, (200, 90, 40)).save(out, kind, **options)
    return out.getvalue()


def huge_png(width: int, height: int) -> bytes:
    """Return a PNG of any size that is almost nothing as a file."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compress(b"\0" * ((width + 7) // 8 + 1) * height, 9)
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    """A store of files."""
    return FileStore(tmp_path / "images")


def stored(store: FileStore, content: bytes, name: str = "a.png") -> tuple[dict[str, Any], bytes]:
    """Store an upload, and give its record and the bytes that came of it."""
    image = store_upload(FileStorage(io.BytesIO(content), name, content_type="image/png"), store, "vera", "192.0.2.1")
    with store.open(image["key"]) as file:
        return image, file.read()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
def test_the_four_kinds_are_taken(store: FileStore, kind: str) -> None:
    image, content = stored(store, encoded(kind))
    assert (image["width"], image["height"], image["bytes"]) == (60, 40, len(content))
    assert image["content_type"] == ("image/jpeg" if kind == "JPEG" else "image/webp")
    assert Image.open(io.BytesIO(content)).size == (60, 40)


def test_the_key_is_random_and_the_name_plays_no_part(store: FileStore) -> None:
    keys = {stored(store, encoded("PNG"), "../../../etc/passwd\0.png")[0]["key"] for _ in range(3)}
    assert len(keys) == 3
    assert all(len(key) == 64 for key in keys)


def test_comments_metadata_and_what_follows_the_pixels_stay_behind(store: FileStore) -> None:
    exif = Image.Exif()
    exif[0x010E] = SCRIPT.decode()  # ImageDescription
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", SCRIPT.decode())
    for content in (
        encoded("JPEG", exif=exif, comment=SCRIPT) + SCRIPT,
        encoded("PNG", pnginfo=text) + SCRIPT,
        encoded("WEBP", exif=exif) + SCRIPT,
        encoded("GIF", comment=SCRIPT) + SCRIPT,
    ):
        assert SCRIPT in content
        assert SCRIPT not in stored(store, content)[1]


def test_a_photo_is_stored_upright(store: FileStore) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned by 90 degrees
    image, _ = stored(store, encoded("JPEG", exif=exif))
    assert (image["width"], image["height"]) == (40, 60)


def test_the_photo_of_a_phone_that_carries_a_second_picture_is_stored_as_the_first(store: FileStore) -> None:
    exif, out = Image.Exif(), io.BytesIO()
    exif[0x0112] = 6
    gain_map = Image.new("L", (1000, 750), 255)
    photo = Image.new("RGB", (8000, 6000), (200, 90, 40))  # 48 megapixels
    photo.save(out, "MPO", save_all=True, append_images=[gain_map], exif=exif)
    image, content = stored(store, out.getvalue())
    assert (image["content_type"], image["width"], image["height"]) == ("image/jpeg", 1500, 2000)
    picture = Image.open(io.BytesIO(content)).convert("RGB")
    assert picture.getpixel((750, 1000)) == pytest.approx((200, 90, 40), abs=3)


def test_a_gray_picture_of_16_bits_keeps_its_grays(store: FileStore) -> None:
    gradient, out = Image.new("I;16", (257, 10)), io.BytesIO()
    for x in range(257):
        for y in range(10):
            gradient.putpixel((x, y), x * 255)
    gradient.save(out, "PNG")
    picture = Image.open(io.BytesIO(stored(store, out.getvalue())[1])).convert("L")
    assert [picture.getpixel((x, 5)) for x in (0, 128, 256)] == pytest.approx([0, 127, 255], abs=3)


def test_a_photo_whose_metadata_is_broken_is_taken(store: FileStore) -> None:
    exif = b"Exif\0\0II*\0\x08\0\0\0\x05\0\x12\x01\x03\0\x01\0\0\0"  # ends within the first of five entries
    assert stored(store, encoded("JPEG", exif=exif))[0]["width"] == 60


def test_large_photos_become_small_ones(store: FileStore) -> None:
    image, _ = stored(store, encoded("JPEG", (6000, 4000)))
    assert (image["width"], image["height"]) == (2048, 1365)


def test_a_large_screenshot_with_transparency_fits_into_the_limits(store: FileStore) -> None:
    out = io.BytesIO()
    Image.new("RGBA", (5000, 5000), (200, 90, 40, 128)).save(out, "PNG")
    image, _ = stored(store, out.getvalue())
    assert (image["width"], image["height"]) == (2048, 2048)


def test_an_animation_keeps_moving(store: FileStore) -> None:
    out = io.BytesIO()
    frames = [Image.new("RGB", (80, 60), (60 * n, 0, 0)) for n in range(4)]
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:], duration=100)
    picture = Image.open(io.BytesIO(stored(store, out.getvalue())[1]))
    assert getattr(picture, "n_frames", 1) == 4


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "image_empty"),
        (b"alert(1)// not a picture at all", "image_unknown_type"),
        (b"\x89PNG\r\n\x1a\n and then nothing of it", "image_unreadable"),
        (encoded("PNG")[:60], "image_unreadable"),
        (encoded("JPEG")[:200], "image_unreadable"),
        (encoded("PNG") + b"\0" * MOST_BYTES, "image_too_large"),
        (huge_png(12000, 12000), "image_too_many_pixels"),
        (huge_png(70000, 1000), "image_too_many_pixels"),
    ],
)
def test_what_is_no_fit_picture_is_refused_and_leaves_nothing(
    store: FileStore, tmp_path: Path, content: bytes, code: str
) -> None:
    with pytest.raises(ImageRefused) as refused:
        stored(store, content)
    assert refused.value.code == code
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_full_or_forbidden_disk_is_said(tmp_path: Path) -> None:
    (tmp_path / "a file").touch()
    with pytest.raises(StoreUnavailable):
        stored(FileStore(tmp_path / "a file"), encoded("PNG"))


def test_who_finds_every_drawing_slot_taken_is_asked_to_come_again(
    store: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("supportchat.images.pipeline.DRAWN_WITHIN", 0.01)
    monkeypatch.setattr("supportchat.images.pipeline._turns", turns := Turns(places=1))
    with turns.place("somebody else", 1), pytest.raises(StoreUnavailable, match="too many pictures"):
        stored(store, encoded("PNG"))
    monkeypatch.undo()
    assert stored(store, encoded("PNG"))[0]["width"] == 60


@pytest.mark.parametrize("key", ["", "../../secret_key", "A" * 64, "a" * 63, "a" * 64 + "/.."])
def test_only_keys_of_ours_are_opened(store: FileStore, key: str) -> None:
    with pytest.raises(FileNotFoundError):
        store.open(key)


def test_old_objects_without_a_message_are_swept(store: FileStore, cast: Cast, database: Any, tmp_path: Path) -> None:
    kept, orphan, fresh = (stored(store, encoded("PNG"))[0] for _ in range(3))
    cast.visitor().start("", image=kept)
    for image in (kept, orphan):
        path = tmp_path / "images" / image["key"][:2] / image["key"]
        old = time.time() - 7200
        os.utime(path, (old, old))
    assert sweep_orphans(store, database) == 1
    store.open(kept["key"]).close()
    store.open(fresh["key"]).close()
    with pytest.raises(FileNotFoundError):
        store.open(orphan["key"])


# As a form


def upload(content: bytes, name: str = "photo.png") -> dict[str, Any]:
    return {"image": (io.BytesIO(content), name)}


def test_a_picture_is_a_message_and_is_served_to_both_sides(web: Web, alice: Agent, rows: Any) -> None:
    browser = web.customer("", **upload(encoded("PNG")))
    [(image_id,)] = rows("select id::text from chat_images")
    for viewer, path in (
        (browser, f"/chat/images/{image_id}"),
        (web.agent("alice"), f"/tickets/1001/images/{image_id}"),
    ):
        answer = viewer.get(path)
        assert answer.status_code == 200
        assert answer.content_type == "image/webp"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
        assert answer.headers["Cache-Control"] == "private, no-cache, no-transform"
        assert answer.content_length == len(answer.get_data())
        assert "Accept-Ranges" not in answer.headers
        part = viewer.get(path, headers={"Range": "bytes=0-3"})
        assert (part.status_code, part.get_data()) == (200, answer.get_data())
        assert viewer.get(path, headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304


def test_a_picture_that_cannot_be_stored_is_no_message(web: Web, app: Any, tmp_path: Path, rows: Any) -> None:
    browser = web.customer()
    (tmp_path / "a file").touch()
    app.extensions["images"] = FileStore(tmp_path / "a file")
    answer = browser.post("/chat/messages", htmx=True, message="Look", **upload(encoded("PNG")))
    assert answer.status_code == 503
    assert "could not be stored" in answer.get_data(as_text=True)
    assert rows("select count(*) from chat_messages where message = 'Look'") == [(0,)]
    assert browser.post("/chat/messages", htmx=True, message="Text goes on").status_code == 200


def stored_keys(app: Flask) -> list[str]:
    """Return the keys of all objects in the store."""
    return list(app.extensions["images"].older_than(-60))


def test_a_refused_message_leaves_no_object_behind(web: Web, app: Flask) -> None:
    browser = web.customer()
    answer = browser.post("/chat/messages", htmx=True, message="x" * 8001, **upload(encoded("PNG")))
    assert answer.status_code == 422
    assert stored_keys(app) == []


def test_half_a_file_of_a_process_that_was_killed_goes_with_the_sweep(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "store")
    half = tmp_path / "store" / "ab" / f"{'ab' * 32}.part"
    half.parent.mkdir(parents=True)
    half.touch()
    assert list(store.older_than(60)) == []
    assert half.exists()
    assert list(store.older_than(-60)) == []
    assert not half.exists()


def test_a_retry_with_the_same_picture_stores_it_once(web: Web, app: Flask, rows: Any) -> None:
    browser, once = web.customer(), new_id()
    for _ in range(2):
        answer = browser.post(
            "/chat/messages", htmx=True, client_message_id=once, message="Look", **upload(encoded("PNG"))
        )
        assert answer.status_code == 200
    assert rows("select count(*) from chat_messages where message = 'Look'") == [(1,)]
    assert len(stored_keys(app)) == 1


@pytest.mark.parametrize(
    ("content", "status", "problem"),
    [(b"no picture", 422, "cannot show this file"), (encoded("PNG") + b"\0" * MOST_BYTES, 413, "larger than 10 MB")],
)
def test_a_file_that_is_not_taken_is_answered_in_the_form(web: Web, content: bytes, status: int, problem: str) -> None:
    browser = web.customer()
    answer = browser.post("/chat/messages", message="Look here", **upload(content))
    page = answer.get_data(as_text=True)
    assert answer.status_code == status
    assert problem in page
    assert "Look here" in page
