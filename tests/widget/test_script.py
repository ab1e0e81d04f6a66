"""The script for other sites, as it is served, and who may show the chat."""

from __future__ import annotations

import gzip
from dataclasses import replace

import pytest

from supportchat.app import create_app
from supportchat.config import Config
from tests.cast import Cast
from tests.web import Browser, Web

pytestmark = pytest.mark.mode("postgres")

GZIP = {"Accept-Encoding": "gzip, br"}


def test_it_has_3_kb_at_most_and_is_asked_for_again_after_an_hour(web: Web) -> None:
    answer = web.visitor().get("/widget.js", headers=GZIP)
    assert len(answer.data) <= 3072
    assert answer.headers["Cache-Control"] == "public, max-age=3600"
    assert answer.headers["Vary"] == "Accept-Encoding"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert "Set-Cookie" not in answer.headers
    again = web.visitor().get("/widget.js", headers={**GZIP, "If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    assert web.visitor().get("/widget.js").data == gzip.decompress(answer.data)


def test_it_knows_the_colour_of_its_site_and_changes_with_it(web: Web, cast: Cast) -> None:
    carol, browser = cast.agent("carol"), web.visitor()
    carol.call("add_site", key="shop", name="The shop")
    carol.call("change_site", key="shop", values={"colour": "#884225", "follow_pages": False})
    web._app.extensions["sites"].forget()
    ours, theirs = browser.get("/widget.js"), browser.get("/widget.js?site=shop")
    assert '{"color":"#884225","follow":false}' in theirs.text
    assert "#884225" not in ours.text
    assert ours.headers["ETag"] != theirs.headers["ETag"]


def test_it_uses_nothing_that_a_strict_site_forbids(web: Web) -> None:
    text = web.visitor().get("/widget.js").text
    for forbidden in (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "eval(",
        "Function(",
        "cssText",
        '"style"',
        "sourceMapping",
    ):
        assert forbidden not in text, forbidden
    assert "postMessage({supportchat:" in text
    assert '"*"' not in text


def test_only_the_chat_says_that_it_may_be_embedded_and_only_if_its_site_has_pages(config: Config, cast: Cast) -> None:
    app = create_app(replace(config, embed_origins=()))
    browser, framed = Browser(app), {"Sec-Fetch-Dest": "iframe", "Sec-Fetch-Site": "cross-site"}
    headers = browser.get("/chat", headers=framed).headers
    assert (headers["X-Frame-Options"], headers["Cross-Origin-Resource-Policy"]) == ("SAMEORIGIN", "same-origin")
    cast.agent("carol").call("change_site", key="main", values={"allowed_origins": ["https://shop.example"]})
    app.extensions["sites"].forget()
    headers = browser.get("/chat", headers=framed).headers
    assert "X-Frame-Options" not in headers
    assert headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert headers["Cross-Origin-Embedder-Policy"] == "require-corp"
    # Only the page in the frame is embedded: what it asks for itself is its own, and nobody else's.
    for kind in ("script", "image", "empty", "style"):
        for path in (
            "/chat",
            "/chat/messages?after=0",
            "/chat/people",
            "/chat/images/00000000-0000-0000-0000-000000000000",
        ):
            headers = browser.get(path, headers={"Sec-Fetch-Dest": kind, "Sec-Fetch-Site": "same-site"}).headers
            assert headers["Cross-Origin-Resource-Policy"] == "same-origin", (kind, path)
    for path in ("/agent/login", "/widget.js", "/chat/handover/x", "/status", "/nowhere"):
        headers = browser.get(path, headers=framed).headers
        assert headers["X-Frame-Options"] == "DENY", path
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"], path
    app.extensions["database"].close()


def test_a_cookie_is_for_frames_only_in_a_frame_of_another_site(config: Config) -> None:
    app = create_app(replace(config, public_url="https://chat.example.com"))

    def cookie(site: str, destination: str) -> str:
        headers = {"Host": "chat.example.com", "Sec-Fetch-Site": site, "Sec-Fetch-Dest": destination}
        answer = app.test_client().get("/chat", base_url="https://chat.example.com", headers=headers)
        return answer.headers["Set-Cookie"]

    for site, destination in (
        ("none", "document"),
        ("cross-site", "document"),
        ("same-site", "iframe"),
        ("same-origin", "iframe"),
    ):
        own = cookie(site, destination)
        assert own.startswith("__Host-c="), (site, destination)
        assert "SameSite=Lax" in own
        assert "Partitioned" not in own
    framed = cookie("cross-site", "iframe")
    assert framed.startswith("__Host-f=")
    for word in ("SameSite=None", "Partitioned", "Secure", "HttpOnly"):
        assert word in framed
    app.extensions["database"].close()


def test_the_shop_is_there_where_the_desk_is_tried_out_and_nowhere_else(config: Config) -> None:
    for demo, status in ((True, 200), (False, 404)):
        app = create_app(replace(config, demo=demo))
        browser = Browser(app)
        for path in ("/demo", "/demo/cm-210"):
            assert browser.get(path).status_code == status
        assert browser.get("/demo/none").status_code == 404
        app.extensions["database"].close()
