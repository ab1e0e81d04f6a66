"""What people type is bounded, cleaned of what nobody sees, and otherwise kept."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from werkzeug.datastructures import MultiDict

from supportchat.agents.forms import InvitationForm, LoginForm, clean_email, clean_name
from supportchat.chat.forms import StartForm
from supportchat.rendering.filters import lines
from supportchat.web.text import clean_line, clean_text
from tests.web import Web


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("    indented\n  again  ", "    indented\n  again"),
        ("\tcode()", "\tcode()"),
        ("\n \n  - a\n  - b\n\n", "  - a\n  - b"),
        ("\r\n one\r\ntwo\rthree\r\n", " one\ntwo\nthree"),
        ("a\x00b\x1bc\ud800d", "abcd"),
        ("\ufa19\uf900", "\ufa19\uf900"),  # kanji of names, which composing would change
        ("e\u0301", "e\u0301"),
        ("❤\ufe0f 👩\u200d🚀 नमस्ते क्\u200dष", "❤\ufe0f 👩\u200d🚀 नमस्ते क्\u200dष"),
    ],
)
def test_a_text_is_kept_but_for_blank_lines_before_and_space_after(typed: str, kept: str) -> None:
    assert clean_text(typed) == kept


NOTHING = (
    *(0x20, 0xA0, 0xAD, 0x34F, 0x61C, 0x115F, 0x1160, 0x1680, 0x17B4, 0x17B5, 0x180B, 0x180E, 0x180F, 0x200B, 0x200D),
    *(0x202E, 0x2028, 0x2063, 0x2065, 0x206F, 0x2800, 0x3000, 0x3164, 0xFDD0, 0xFE00, 0xFE0F, 0xFEFF, 0xFFA0, 0xFFF0),
    *(0xFFF9, 0xFFFC, 0xFFFF, 0x13440, 0x13441, 0x16FE4, 0x1BCA0, 0x1D159, 0x1D173, 0xE0001, 0xE0100, 0xE0FFF),
    *(0x301, 0x489, 0x903, 0x20DD),  # marks, on nothing
)


@pytest.mark.parametrize("code", NOTHING, ids=hex)
def test_what_shows_nothing_is_empty(code: int) -> None:
    assert clean_text(f"{chr(code)}\n {chr(code)}") == ""
    assert clean_line(chr(code) * 3) == ""
    assert clean_text(f"{chr(code)}x").strip().endswith("x")


@pytest.mark.parametrize("text", ["0", ".", "👍🏽", "🇩🇪", "ᄀ", "\ue000", "က", "\U0001fae8", "𓀀", "⠁", "@\u0301"])
def test_what_shows_anything_is_a_text(text: str) -> None:
    assert clean_text(text) == text


@pytest.mark.parametrize("code", [0x202A, 0x202E, 0x2066, 0x2069, 0xE0041, 0xE007F], ids=hex)
def test_no_line_has_what_makes_it_look_like_another_one(code: int) -> None:
    assert clean_line(f"Carol{chr(code)} Tan") == "Carol Tan"
    assert clean_name(f"{chr(code)}Carol Tan") == "Carol Tan"


def test_marks_that_languages_need_stay_in_a_line() -> None:
    assert clean_line("\u200fשלום 👩\u200d🚀 क्\u200dष") == "\u200fשלום 👩\u200d🚀 क्\u200dष"


@pytest.mark.parametrize("code", [0x202E, 0x2067, 0xE0041, 0x200B, 0x200F, 0xFEFF, 0xAD], ids=hex)
def test_an_address_with_what_nobody_sees_is_refused(code: int) -> None:
    for email in (f"x{chr(code)}@example.com", f"x@exa{chr(code)}mple.com"):
        form = InvitationForm(MultiDict({"email": email}))
        assert not form.validate()
        assert form.errors["email"] == ["This is not an e-mail address. Check it for typos."]


def test_lines_of_a_preview_stand_apart() -> None:
    assert lines("Order 5\n\n \nשלום") == ["Order 5", "שלום"]


def test_an_address_is_compared_composed() -> None:
    assert clean_email(" mu\u0308ller@example.com ") == "müller@example.com"


MARKS = "a" + "\u0301\u0316" * 120_000


def seconds(task: Callable[[], object]) -> float:
    begun = time.process_time()
    task()
    return time.process_time() - begun


@pytest.mark.parametrize("text", [MARKS, " " * 250_000, " \n" * 125_000, "\u200b" * 250_000, "\u115f" * 250_000])
def test_no_text_takes_long_to_clean(text: str) -> None:
    assert seconds(lambda: clean_text(text)) < 0.5
    assert seconds(lambda: clean_email(text)) < 0.5


def test_every_field_is_refused_at_its_limit_before_anything_is_done_with_it() -> None:
    fields = {"customer_name": MARKS, "customer_phone": MARKS, "time_zone": MARKS, "email": MARKS, "password": MARKS}
    for kind, names in ((StartForm, ("customer_name", "customer_phone")), (LoginForm, ("email", "password"))):
        form = kind(data=fields)
        form.process(data=fields)
        assert seconds(form.validate) < 0.5
        assert not form.validate()
        assert set(names) <= set(form.errors)


@pytest.mark.mode("postgres")
def test_a_message_far_too_long_is_refused_as_one_and_comes_back(web: Web) -> None:
    browser, text = web.customer(), "a" + "\u0301\u0316" * 20_000
    for path, field in (("/chat/messages", text), ("/chat?new", text)):
        answer = browser.send("POST", path, {"message": field}, content_type="multipart/form-data")
        assert answer.status_code == 422
        assert "more than 8,000 characters" in answer.get_data(as_text=True)
        assert text in answer.get_data(as_text=True)
    text = text[:10_000]  # of another field than the message, within what a form may have
    assert web.visitor().post("/chat", message="Hello", customer_name=text).status_code == 422
    assert web.visitor().post("/agent/login", email=text, password="x").status_code == 422
    assert browser.post("/chat/messages", htmx=True, message="x", client_message_id=text).status_code == 422
    assert browser.post("/chat/messages", message="x" * 8000 + " " * 20_000).status_code == 303
