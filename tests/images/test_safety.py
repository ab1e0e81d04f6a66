"""What a stranger's file can cost: a look at its header, then one small process without any right."""

from __future__ import annotations

import contextlib
import io
import os
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gevent
import psutil
import pytest
from flask import Flask
from PIL import Image
from werkzeug.datastructures import FileStorage

from supportchat.config import ROOT
from supportchat.images import pipeline
from supportchat.images.decoders import PROGRAM, Decoder, Decoders
from supportchat.images.kinds import rules_for_page
from supportchat.images.pipeline import store_upload
from supportchat.images.refused import ImageRefused
from supportchat.images.stores import FileStore, StoreUnavailable
from supportchat.images.turns import MOST_WAITING, Turns
from tests.web import Web

pytestmark = pytest.mark.both_modes


def encoded(kind: str, size: tuple[int, int] = (60, 40), **options: Any) -> bytes:
    """Return a picture as a file of some kind."""
    out = io.BytesIO()
    Image.new("RGB", size, (200, 90, 40)).save(out, kind, **options)
    return out.getvalue()


def png_of(width: int, height: int) -> bytes:
    """Return a PNG that says to be of this size."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    return b"\x89PNG\r\n\x1a\n\0\0\0\x0d" + chunk + struct.pack(">I", zlib.crc32(chunk))


def jpeg_of(width: int, height: int, marker: int = 0xC0) -> bytes:
    """Return the beginning of a JPEG that says to be of this size, all its components in full."""
    components = b"".join(bytes((n, 0x11, 0)) for n in (1, 2, 3))
    return b"\xff\xd8\xff" + bytes((marker,)) + struct.pack(">HBHHB", 17, 8, height, width, 3) + components


def webp_of(width: int, height: int) -> bytes:
    """Return the beginning of a WebP that says to be of this size."""
    size = b"".join((side - 1).to_bytes(3, "little") for side in (width, height))
    return b"RIFF\0\0\1\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + size


def heic_of(width: int, height: int) -> bytes:
    """Return the boxes of a HEIC that says to be of this size."""
    return b"\0\0\0\x18ftypheic" + bytes(200) + b"\0\0\0\x14ispe" + struct.pack(">III", 0, width, height)


@contextlib.contextmanager
def decoders(monkeypatch: pytest.MonkeyPatch, program: Path = PROGRAM) -> Iterator[Decoders]:
    """Re-encode with processes of their own, and end the one that waits."""
    monkeypatch.setattr(pipeline, "_decoders", made := Decoders(program))
    yield made
    made.close()


def waiting(decoders: Decoders) -> Decoder:
    """Return the process that waits for the next picture."""
    assert decoders._spare is not None
    return decoders._spare


def process_of(decoder: Decoder) -> psutil.Process:
    """Return the process of a decoder."""
    return psutil.Process(decoder._pid)


@pytest.fixture
def no_program(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever starts a process fails."""
    monkeypatch.setattr(pipeline, "_decoders", None)


def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition."""
    ends = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.02)


def refusal(tmp_path: Path, content: bytes) -> ImageRefused:
    """Return the refusal of a file."""
    with pytest.raises(ImageRefused) as refused:
        store_upload(FileStorage(io.BytesIO(content), "a"), FileStore(tmp_path / "images"), "vera", "192.0.2.1")
    return refused.value


@pytest.mark.parametrize(
    "content",
    [
        b"\x89PNG\r\n\x1a\n",
        png_of(0, 5),
        b"\xff\xd8\xff\xe0",
        b"\xff\xd8\xff" + b"\xe0\0\2\xff" * 50_000,
        b"\xff\xd8\xff" + b"\0" * 1_000_000,
        b"\xff\xd8\xff" + b"\xff" * 1_000_000,
        b"\xff\xd8\xff\xe0\0\0" * 100_000,
        b"\xff\xd8\xff\xd9",
        jpeg_of(0, 10),
        jpeg_of(10, 10)[:12],
        b"GIF89a",
        b"GIF89a\0\0\0\0",
        b"RIFF\0\0\0\0WEBP",
        b"RIFF\0\0\0\0WEBPVP8 ",
        b"RIFF\0\0\0\0WEBPVP8L",
    ],
)
@pytest.mark.usefixtures("no_program")
def test_a_file_that_only_begins_like_a_picture_starts_no_process(tmp_path: Path, content: bytes) -> None:
    began = time.process_time()
    assert refusal(tmp_path, content).code == "image_unreadable"
    assert time.process_time() - began < 0.3


@pytest.mark.parametrize(
    "content",
    [
        png_of(12_000, 12_000),
        png_of(2**31, 2**31),
        jpeg_of(65_535, 65_535),
        jpeg_of(12_000, 9_000, marker=0xC2),  # progressive: 648 MB of coefficients
        b"GIF89a\xff\xff\xff\xff" + bytes(50),
        webp_of(16_383, 16_383),
        heic_of(60_000, 60_000),
    ],
)
@pytest.mark.usefixtures("no_program")
def test_a_bomb_is_known_by_its_header(tmp_path: Path, content: bytes) -> None:
    began = time.process_time()
    assert refusal(tmp_path, content).code == "image_too_many_pixels"
    assert time.process_time() - began < 0.3


@pytest.mark.parametrize(
    ("content", "code", "detail"),
    [
        (b"\0\0\0\x18ftypheic" + bytes(3000), "image_heic_unreadable", "HEIC"),
        (b"\0\0\0\x18ftypmif1" + bytes(3000), "image_heic_unreadable", "HEIC"),
        (b"\0\0\0\x18ftypavif" + bytes(3000), "image_heic_unreadable", "AVIF"),
        (b"II*\0" + bytes(100), "image_other_kind", "TIFF"),
        (b"MM\0*" + bytes(100), "image_other_kind", "TIFF"),
        (b"BM" + bytes(100), "image_other_kind", "BMP"),
        (b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "image_other_kind", "SVG"),
        (b"<?xml version='1.0'?><svg/>", "image_other_kind", "SVG"),
        (b"\0\0\0\x20ftypisom" + bytes(100), "image_is_video", "video"),
        (b"\x1aE\xdf\xa3" + bytes(100), "image_is_video", "video"),
        (b"%PDF-1.7 and so on", "image_is_document", "PDF"),
        (b"PK\3\4" + bytes(100), "image_is_archive", "ZIP"),
    ],
)
@pytest.mark.usefixtures("no_program")
def test_what_phones_and_programs_save_is_named(tmp_path: Path, content: bytes, code: str, detail: str) -> None:
    refused = refusal(tmp_path, content)
    assert (refused.code, refused.detail) == (code, detail)


def test_the_page_knows_the_same_kinds_and_sentences() -> None:
    rules = rules_for_page()
    names = {signature: name for _, signature, name in rules["kinds"]}
    assert (names["ffd8ff"], names[b"ftypheic".hex()], names[b"II*\0".hex()]) == ("JPEG", "HEIC", "TIFF")
    assert set(rules["problems"]) == set(names.values()) - {"JPEG", "PNG", "GIF", "WEBP", "HEIC", "AVIF"}
    assert "TIFF" in rules["problems"]["TIFF"]


def test_a_picture_that_takes_too_long_to_decode_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "redraw"
    program.mkdir()
    (program / "__main__.py").write_text(
        "import resource\nresource.setrlimit(resource.RLIMIT_CPU, (1, 2))\nwhile True: pass"
    )
    with decoders(monkeypatch, tmp_path):
        assert refusal(tmp_path, encoded("PNG")).code == "image_too_many_pixels"


def test_each_picture_has_a_process_of_its_own_which_waits_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FileStore(tmp_path / "images")
    with decoders(monkeypatch) as made:
        processes = []
        for _ in range(3):
            store_upload(FileStorage(io.BytesIO(encoded("PNG")), "a"), store, "vera", "192.0.2.1")
            processes.append(process_of(waiting(made)))
        assert len({process.pid for process in processes}) == 3
        assert [process.is_running() for process in processes] == [False, False, True]


def test_a_picture_whose_process_was_killed_as_it_waited_gets_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = FileStore(tmp_path / "images")
    with decoders(monkeypatch) as made:
        for _ in range(2):
            image = store_upload(FileStorage(io.BytesIO(encoded("PNG")), "a"), store, "vera", "192.0.2.1")
            assert image["width"] == 60
            process_of(waiting(made)).kill()
            until(lambda: process_of(waiting(made)).status() == psutil.STATUS_ZOMBIE)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_waiting_decoder_has_nothing_open_and_lets_others_go_first(tmp_path: Path) -> None:
    with (tmp_path / "secret").open("w") as secret:
        os.set_inheritable(secret.fileno(), True)
        decoder = Decoder(PROGRAM)
        process = process_of(decoder)
        assert process.nice() > 0  # while it loads, too
        assert os.getsid(process.pid) == process.pid  # see put_behind
        until(lambda: "PIL" in Path(f"/proc/{process.pid}/maps").read_text() and process.num_fds() == 3)
        assert "KEY" not in "".join(process.environ())
        decoder.end()


def test_a_decoder_ends_with_the_process_that_started_it() -> None:
    program = "from supportchat.images.decoders import *; print(Decoder(PROGRAM)._pid)"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, check=True)
    until(lambda: not psutil.pid_exists(int(done.stdout)))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can stop being root")
@pytest.mark.parametrize("with_threads", [True, False])
def test_the_decoder_is_never_root_and_starts_nothing(with_threads: bool) -> None:
    program = f"""
import os
from redraw.confinement import confine
confine({with_threads})
print(*os.getresuid(), *os.getresgid(), *os.getgroups())
for forbidden in [lambda: os.setuid(0), os.fork][: 1 if {with_threads} else 2]:
    try:
        forbidden()
    except OSError:
        print("no")
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=PROGRAM, capture_output=True, check=True)
    users, *answers = done.stdout.decode().splitlines()
    assert "0" not in users.split()
    assert answers == ["no"] * (1 if with_threads else 2)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may close a folder to itself")
def test_the_decoder_needs_no_right_to_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tmp_path.chmod(0o700)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    store = FileStore(tmp_path / "images")
    image = store_upload(FileStorage(io.BytesIO(encoded("PNG")), "a"), store, "vera", "192.0.2.1")
    assert image["width"] == 60


# Turns


def test_each_visitor_has_one_picture_at_a_time() -> None:
    turns = Turns()
    refused = pytest.raises(ImageRefused, match="image_in_progress")
    with turns.alone("vera"), turns.alone("victor"), refused, turns.alone("vera"):
        pass
    with turns.alone("vera"):
        pass


def test_whoever_waits_behind_many_of_one_address_is_next_but_one() -> None:
    turns, order = Turns(places=1), []

    def draw(name: str, line: str) -> None:
        with turns.place(line, 5):
            order.append(name)
            gevent.sleep(0)

    drawing = [gevent.spawn(draw, f"stranger {n}", "192.0.2.1") for n in range(MOST_WAITING)]
    gevent.sleep(0)
    drawing.append(gevent.spawn(draw, "vera", "192.0.2.2"))
    gevent.joinall(drawing, timeout=5, raise_error=True)
    assert len(order) == MOST_WAITING + 1
    assert order.index("vera") <= 3


def test_more_than_a_few_of_one_address_do_not_wait() -> None:
    turns = Turns(places=1)
    refusals: list[Exception] = []

    def draw() -> None:
        try:
            with turns.place("192.0.2.1", 0.2):
                pass
        except (ImageRefused, StoreUnavailable) as error:
            refusals.append(error)

    with turns.place("somebody", 1):
        gevent.joinall([gevent.spawn(draw) for _ in range(MOST_WAITING + 3)], timeout=5)
    assert sum(isinstance(refusal, ImageRefused) for refusal in refusals) == 3
    assert sum(isinstance(refusal, StoreUnavailable) for refusal in refusals) == MOST_WAITING
    with turns.place("192.0.2.1", 1):  # nobody has kept the place
        pass


def test_a_place_comes_back_from_whoever_is_cut_off_while_waiting() -> None:
    turns = Turns(places=1)

    def draw() -> None:
        with turns.place("192.0.2.1", 5):
            gevent.sleep(5)

    with turns.place("somebody", 1):
        waiting = gevent.spawn(draw)
        gevent.sleep(0)
        waiting.kill()
    with turns.place("somebody else", 1):
        pass


# As a form


def upload(content: bytes) -> dict[str, Any]:
    """Return a form's picture."""
    return {"image": (io.BytesIO(content), "photo.png")}


def test_a_second_picture_of_the_same_browser_is_told_to_wait(
    web: Web, monkeypatch: pytest.MonkeyPatch, rows: Any
) -> None:
    browser = web.customer()
    monkeypatch.setattr(pipeline, "_turns", turns := Turns())
    [(visitor,)] = rows("select token_hash from visitors")
    with turns.alone(visitor):
        answer = browser.post("/chat/messages", htmx=True, message="Look", **upload(encoded("PNG")))
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) > 0
    assert "still being sent" in answer.get_data(as_text=True)
    assert browser.post("/chat/messages", htmx=True, message="Look", **upload(encoded("PNG"))).status_code == 200


@pytest.mark.parametrize("htmx", [True, False])
def test_what_there_is_to_say_about_a_picture_is_said_once(web: Web, htmx: bool) -> None:
    browser = web.customer()
    content = encoded("PNG", (300, 200))[:-30]
    answer = browser.post("/chat/messages", htmx=htmx, message="Look", **upload(content))
    page = answer.get_data(as_text=True) if htmx else browser.get("/chat").get_data(as_text=True)
    assert "The end of this picture was missing" in page
    assert "was missing" not in browser.get("/chat").get_data(as_text=True)


def test_the_answer_to_a_start_is_said_on_the_page_that_follows(web: Web) -> None:
    browser = web.visitor()
    answer = browser.post("/chat", htmx=True, message="Look", **upload(encoded("PNG", (300, 200))[:-30]))
    assert answer.headers["HX-Redirect"] == "/chat"
    assert "was missing" in browser.get("/chat").get_data(as_text=True)


def test_a_heic_that_cannot_be_read_comes_with_what_to_do(web: Web, app: Flask) -> None:
    answer = web.customer().post("/chat/messages", htmx=True, message="", **upload(heic_of(40, 40)))
    assert answer.status_code == 422
    text = answer.get_data(as_text=True)
    assert "This HEIC picture cannot be read" in text
    assert "Most Compatible" in text
