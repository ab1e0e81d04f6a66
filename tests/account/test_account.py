"""What agents see and change about themselves."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from supportchat.agents.strength import strength_of
from supportchat.web.cookies import token_hash
from tests.cast import PASSWORD, Agent, email_of, new_id
from tests.web import Browser, Web

NEW = "violet tractor sings at noon"


def test_everybody_sees_their_own_page(web: Web) -> None:
    for name, full_name in (("alice", "Alice Kern"), ("carol", "Carol Tan")):
        page = web.agent(name).get("/account").get_data(as_text=True)
        assert f'value="{full_name}"' in page
        assert email_of(name) in page


def test_another_name_is_shown_to_customers_at_once(web: Web) -> None:
    browser = web.agent("alice")
    assert browser.post("/account/name", name="  Alice   Kern-Ott ").location == "/account"
    assert 'value="Alice Kern-Ott"' in browser.get("/account").get_data(as_text=True)


@pytest.mark.parametrize(
    ("name", "says"), [("", "Enter your name."), ("x" * 81, "up to 80 characters"), ("x" * 9000, "80")]
)
def test_a_name_that_cannot_be_is_refused_in_its_field(web: Web, rows: Any, name: str, says: str) -> None:
    answer = web.agent("alice").post("/account/name", name=name)
    assert (answer.status_code, says in answer.get_data(as_text=True)) == (422, True)
    assert rows("select name from agents where email = 'alice@example.com'") == [("Alice Kern",)]


def test_another_password_ends_every_other_login_and_is_the_one_to_log_in_with(web: Web, rows: Any) -> None:
    here, there = web.agent("alice"), web.agent("alice")
    assert change(here, PASSWORD, NEW).location == "/account"
    assert here.get("/account").status_code == 200
    assert there.get("/account").status_code == 303
    assert rows("select count(*) from agent_browsers") == [(1,)]
    for password, status in ((PASSWORD, 422), (NEW, 303)):
        answer = web.visitor().post("/agent/login", email=email_of("alice"), password=password)
        assert answer.status_code == status


def change(browser: Browser, current: str, new: str) -> Any:
    return browser.post("/account/password", current=current, password=new)


@pytest.mark.parametrize(
    ("current", "new", "says"),
    [
        ("a guess", NEW, "This is not your current password"),
        ("", NEW, "Enter your current password."),
        (PASSWORD, "", "Enter a new password."),
        (PASSWORD, "short", "at least 12 characters"),
        (PASSWORD, "passwordpassword", "easy to guess"),
        (PASSWORD, "kern-violet-tractor-noon", "Don’t use your name"),
        (PASSWORD, "x" * 1025, "up to 1024 characters"),
    ],
)
def test_a_password_that_cannot_be_is_refused_in_words(web: Web, current: str, new: str, says: str) -> None:
    browser, other = web.agent("alice"), web.agent("alice")
    answer = change(browser, current, new)
    assert (answer.status_code, says in answer.get_data(as_text=True)) == (422, True)
    assert other.get("/account").status_code == 200


def test_a_password_may_hold_anything_and_counts_to_its_last_character(web: Web) -> None:
    new = " \N{SNOWMAN}é'\"<\\%\u202e" * 12 + "end "
    assert change(web.agent("alice"), PASSWORD, new).location == "/account"
    for password, status in ((new[:-1], 422), (new.strip(), 422), (new, 303)):
        answer = web.visitor().post("/agent/login", email=email_of("alice"), password=password)
        assert answer.status_code == status, password


def test_a_link_takes_no_password_that_is_easy_to_guess(web: Web, carol: Agent) -> None:
    token, browser = "t" * 43, web.visitor()
    carol.call("invite_person", token_hash=token_hash(token), email="eve@example.com")
    for password, says in (("passwordpassword", "easy to guess"), ("eve-adler-violet-tractor", "Don’t use your name")):
        answer = browser.post(f"/links/{token}", name="Eve Adler", password=password)
        assert (answer.status_code, says in answer.get_data(as_text=True)) == (422, True)
    assert browser.post(f"/links/{token}", name="Eve Adler", password=NEW).status_code == 303


def test_a_password_of_a_link_is_judged_while_it_is_typed(web: Web, carol: Agent) -> None:
    token, browser = "t" * 43, web.visitor()
    carol.call("invite_person", token_hash=token_hash(token), email="eve@example.com")
    assert f'hx-post="/links/{token}/strength"' in browser.get(f"/links/{token}").text
    for typed, says in (("", "At least 12"), ("Eve Adler 1234", "Don’t use your name"), (NEW, "A very good password")):
        answer = browser.post(f"/links/{token}/strength", htmx=True, name="Eve Adler", password=typed)
        assert says in answer.text
    assert browser.post(f"/links/{'u' * 43}/strength", htmx=True, password=NEW).status_code == 404


def test_wrong_present_passwords_count_as_logins_do(web: Web, rows: Any) -> None:
    browser = web.agent("alice")
    statuses = [change(browser, "a guess", NEW).status_code for _ in range(21)]
    assert (statuses[0], statuses[-1]) == (422, 429)
    assert "Too many attempts" in change(browser, PASSWORD, NEW).get_data(as_text=True)


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("", "At least 12"),
        ("alice", "Don’t use your name"),
        ("aaaaaaaaaaaaaaa", "easy to guess"),
        (NEW, "A very good password"),
    ],
)
def test_a_password_is_judged_while_it_is_typed(web: Web, typed: str, says: str) -> None:
    answer = web.agent("alice").post("/account/password/strength", htmx=True, password=typed)
    assert says in answer.get_data(as_text=True)
    assert typed == "" or typed not in answer.get_data(as_text=True)


@pytest.mark.parametrize(
    "typed",
    ["4@8({[<369!1|0$5+7%2" * 50, "a" * 1024, "ab" * 512, "11/11/1111" * 102, "password" * 128, "\0\ud800" * 500],
)
def test_no_password_takes_long_to_judge(typed: str) -> None:
    import time

    began = time.process_time()
    strength_of(typed, "Alice Kern", "alice@example.com")
    assert time.process_time() - began < 1  # 72 of the signs that stand for letters took 8 seconds


def test_what_was_done_on_the_own_page_is_said_there(web: Web) -> None:
    browser, _ = web.agent("alice"), web.agent("alice")
    browser.post("/account/sessions/delete")
    assert "All other browsers are logged out." in browser.get("/account").text
    assert "Enter the new password again" in change(browser, "a guess", NEW).text
    change(browser, PASSWORD, NEW)
    assert "Password changed." in browser.get("/account").text
    assert "Password changed." not in browser.get("/account").text


def test_a_login_is_ended_from_another_browser(web: Web, rows: Any) -> None:
    here, there, elsewhere = (web.agent("alice") for _ in range(3))
    page = here.get("/account").get_data(as_text=True)
    assert page.count("/account/sessions/") == 3  # two, and all of them
    [(session_id,)] = rows("select id from agent_sessions order by created_at offset 1 limit 1")
    assert here.post(f"/account/sessions/{session_id}/delete").location == "/account"
    assert (there.get("/account").status_code, elsewhere.get("/account").status_code) == (303, 200)
    assert here.post("/account/sessions/delete").location == "/account"
    assert (here.get("/account").status_code, elsewhere.get("/account").status_code) == (200, 303)


def test_nobody_ends_a_login_of_somebody_else(web: Web, rows: Any) -> None:
    bob, alice, carol = web.agent("bob"), web.agent("alice"), web.agent("carol")
    [(session_id,)] = rows(
        "select s.id from agent_sessions s join agents a on a.id = agent_id where a.name = 'Bob Ortiz'"
    )
    for other in (alice, carol):  # an admin disables somebody, or makes a link for a new password
        answers = [other.post(f"/account/sessions/{any_id}/delete") for any_id in (session_id, new_id())]
        assert [(answer.status_code, "already ended" in answer.text) for answer in answers] == [(404, True)] * 2
        other.post("/account/sessions/delete")
    assert bob.get("/account").status_code == 200


def picture(size: tuple[int, int] = (640, 400), kind: str = "PNG") -> tuple[io.BytesIO, str]:
    content = io.BytesIO()
    Image.new("RGB", size, "teal").save(content, kind)
    content.seek(0)
    return content, "me.png"


@pytest.mark.both_modes
def test_a_picture_is_a_small_square_that_goes_when_another_comes(web: Web, rows: Any, app: Any) -> None:
    browser, customer = web.agent("alice"), web.visitor()
    keys = []
    for size in ((640, 400), (3000, 10), (20, 20)):
        assert browser.post("/account/picture", image=picture(size)).location == "/account"
        [(key,)] = rows("select picture_key from agents where email = 'alice@example.com'")
        answer = customer.get(f"/pictures/{key}")
        assert (answer.status_code, answer.mimetype) == (200, "image/webp")
        assert Image.open(io.BytesIO(answer.data)).size == (256, 256)
        assert f"/pictures/{key}" in browser.get("/account").get_data(as_text=True)
        keys.append(key)
    assert [customer.get(f"/pictures/{key}").status_code for key in keys] == [404, 404, 200]
    assert browser.post("/account/picture/delete").location == "/account"
    assert customer.get(f"/pictures/{keys[-1]}").status_code == 404
    for key in keys:
        with pytest.raises(FileNotFoundError):
            app.extensions["images"].open(key)


def test_what_is_no_picture_is_refused_where_it_was_chosen(web: Web, rows: Any) -> None:
    browser = web.agent("alice")
    for sent, says in (
        ((io.BytesIO(b"%PDF-1.4 hello"), "me.pdf"), "only pictures"),
        ((io.BytesIO(b""), ""), "Choose a picture"),
    ):
        answer = browser.post("/account/picture", image=sent)
        page = answer.get_data(as_text=True)
        assert (answer.status_code, says in page, "Your account" in page) == (422, True, True)
    assert rows("select count(picture_key) from agents") == [(0,)]


def test_a_picture_of_somebody_is_no_orphan_and_is_one_once_the_database_has_it_no_more(
    web: Web, rows: Any, database: Any
) -> None:
    web.agent("alice").post("/account/picture", image=picture())
    [(key,)] = rows("select picture_key from agents where picture_key is not null")
    assert database.call("orphan_images", keys=[key, "b" * 64]) == ["b" * 64]
    web.agent("bob").post("/account/picture", image=picture())
    rows("update agents set picture_key = null where picture_key = %s", key)
    assert database.call("orphan_images", keys=[key]) == [key]


@pytest.mark.parametrize("key", ["a" * 64, "a" * 63, "../" * 21 + "a", "%2e" * 21 + "a"])
def test_nothing_else_of_the_store_is_served_as_a_picture_of_somebody(web: Web, tmp_path: Path, key: str) -> None:
    assert web.visitor().get(f"/pictures/{key}").status_code == 404
