"""The copy of what we have of a customer, as a ZIP file that is made while it is sent."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import pytest
from flask import Flask

from supportchat.database import Database
from supportchat.images.stores import StoreUnavailable
from supportchat.privacy import streams
from tests.cast import Agent, Cast, Visitor, new_id
from tests.privacy.cast import picture, talk
from tests.web import Browser, Web

BYTES = b"\x89PNG" * 50_000


@pytest.fixture
def vera(cast: Cast) -> Visitor:
    return cast.visitor()


@pytest.fixture
def number(app: Flask, database: Database, vera: Visitor, alice: Agent) -> int:
    number = talk(database, vera, alice)
    app.extensions["images"].put(picture(number)["key"], io.BytesIO(BYTES), "image/png")
    return number


def downloaded(browser: Browser, number: int, **fields: Any) -> zipfile.ZipFile:
    """Download a copy, and check that it is whole."""
    answer = browser.post(f"/tickets/{number}/export", **fields)
    assert answer.status_code == 200
    assert answer.headers["Content-Disposition"] == f"attachment; filename=customer-of-ticket-{number}.zip"
    archive = zipfile.ZipFile(io.BytesIO(answer.data))
    assert archive.testzip() is None
    return archive


@pytest.mark.both_modes
def test_a_copy_has_every_chat_and_every_picture_of_the_customer(
    web: Web, database: Database, cast: Cast, vera: Visitor, number: int
) -> None:
    cast.visitor().start("Another secret")
    database.call("close_chat", visitor=vera.key)
    vera.start("Again")
    archive = downloaded(web.agent("carol"), number)
    assert archive.namelist() == ["conversation.json", "pictures/1001-3.png"]
    assert archive.read("pictures/1001-3.png") == BYTES
    text = archive.read("conversation.json").decode()
    first, second = json.loads(text)["conversations"]
    assert first["page_around"] == "https://shop.example"
    assert first["customer"] == {
        "name": "Vera Lindt",
        "phone": "+49 30 1234567",
        "time_zone": "Europe/Berlin",
        "network": None,
        "verified": None,
    }
    lines = [(line["from"], line["agent"], line["text"]) for line in first["messages"] if not line["event"]]
    assert lines == [("customer", None, "My secret"), ("customer", None, ""), ("agent", "Alice", "An answer")]
    assert first["messages"][2]["picture"] == {"file": "pictures/1001-3.png", "width": 2, "height": 2}
    assert [line["text"] for line in second["messages"] if line["from"] == "customer"] == ["Again"]
    for secret in ("Another secret", "upset", "Kern"):
        assert secret not in text


@pytest.mark.mode("postgres")
def test_private_notes_come_in_a_file_of_their_own_and_only_when_asked_for(web: Web, number: int) -> None:
    archive = downloaded(web.agent("carol"), number, notes="on")
    [note] = json.loads(archive.read("private-notes.json"))
    assert (note["ticket"], note["agent"], note["text"]) == (1001, "Alice Kern", "She is upset, @Bob Ortiz")
    assert "upset" not in archive.read("conversation.json").decode()


@pytest.mark.mode("postgres")
def test_a_long_chat_comes_as_a_whole(web: Web, alice: Agent, vera: Visitor, rows: Any) -> None:
    number = vera.start("Line 0", customer_name='Ve"ra\n\u2028 {[')["number"]
    for place in range(450):
        vera.post(f"Line {place} \N{WAVING HAND SIGN}", client_message_id=new_id())
    document = json.loads(downloaded(web.agent("carol"), number).read("conversation.json"))
    [chat] = document["conversations"]
    assert [line["seq"] for line in chat["messages"]] == list(range(1, len(chat["messages"]) + 1))
    assert len(chat["messages"]) > 450
    assert chat["customer"]["name"] == 'Ve"ra\n\u2028 {['


@pytest.mark.mode("postgres")
def test_a_picture_that_the_store_has_lost_is_named_and_stops_nothing(app: Flask, web: Web, number: int) -> None:
    app.extensions["images"].delete(picture(number)["key"])
    archive = downloaded(web.agent("carol"), number)
    assert archive.namelist() == ["conversation.json", "missing-pictures.txt"]
    assert archive.read("missing-pictures.txt") == b"pictures/1001-3.png\n"


@pytest.mark.mode("postgres")
def test_a_copy_whose_pictures_cannot_be_read_is_refused_or_cut_off(
    app: Flask, web: Web, vera: Visitor, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What has been sent by then is not taken for a whole one."""
    browser, store = web.agent("carol"), app.extensions["images"]
    vera.post("", image=picture(2))
    lost = {picture(number)["key"]}

    def open_some(key: str) -> Any:
        if key in lost:
            raise StoreUnavailable("no answer in time")
        return io.BytesIO(BYTES)

    monkeypatch.setattr(store, "open", open_some)
    answer = browser.post(f"/tickets/{number}/export")
    assert answer.status_code == 503
    assert "The pictures cannot be read right now." in answer.text
    lost.clear()
    lost.add(picture(2)["key"])
    answer = browser.client.post(f"/tickets/{number}/export", headers={"Origin": "http://localhost"})
    with pytest.raises(StoreUnavailable):
        answer.get_data()
    places = [streams.Place() for _ in range(streams.MOST)]  # none is lost
    for place in places:
        place.leave()


@pytest.mark.mode("postgres")
def test_only_so_many_copies_are_made_at_once(web: Web, number: int) -> None:
    browser = web.agent("carol")
    places = [streams.Place() for _ in range(streams.MOST)]
    try:
        answer = browser.post(f"/tickets/{number}/export")
        assert answer.status_code == 429
        assert answer.headers["Retry-After"] == "10"
        assert "Other downloads are running." in answer.text
        assert "Try again in 10 seconds." in answer.text
    finally:
        for place in places:
            place.leave()
    assert browser.post("/tickets/77/export").status_code == 404
    for _ in range(streams.MOST + 1):
        downloaded(browser, number)


@pytest.mark.mode("postgres")
def test_one_piece_of_a_copy_is_in_memory_at_a_time(app: Flask, web: Web, number: int) -> None:
    answer = web.agent("carol").client.post(f"/tickets/{number}/export", headers={"Origin": "http://localhost"})
    sizes = [len(part) for part in answer.iter_encoded()]
    answer.close()
    assert sum(sizes) > len(BYTES)
    assert max(sizes) < 3 * 65536
