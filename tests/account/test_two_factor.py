"""Two-factor: a code of an app, or a recovery code, after the password."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyotp
import pytest
from flask import Flask

from supportchat.agents import two_factor
from supportchat.agents.passwords import hash_password
from supportchat.database import Database, DatabaseError, Invalid, TooFast
from supportchat.server.buckets import Limit
from tests.cast import PASSWORD, Agent, Cast, email_of
from tests.variants import first
from tests.web import Browser, Web

RECOVERY_CODE = re.compile(r"<code>((?:[a-z2-7]{4}-){3}[a-z2-7]{4})</code>")


NOW = 1_800_000_015


@pytest.fixture(autouse=True)
def standing_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have codes stay the same for as long as a test takes."""
    monkeypatch.setattr("supportchat.agents.two_factor.time", lambda: float(NOW))


def turn_on(browser: Browser) -> tuple[str, list[str]]:
    """Set two-factor up as a person does; give the secret and the recovery codes."""
    page = browser.get("/account/two-factor").get_data(as_text=True)
    [secret] = re.findall(r'name="secret" value="([A-Z2-7]{32})"', page)
    answer = browser.post("/account/two-factor", secret=secret, code=code_of(secret), current=PASSWORD)
    codes = RECOVERY_CODE.findall(answer.get_data(as_text=True))
    assert (answer.status_code, len(set(codes))) == (200, 10)
    return secret, codes


def code_of(secret: str, steps: int = 0) -> str:
    """Return the code that the app shows, or will show in some steps."""
    return pyotp.TOTP(secret).at(NOW + 30 * steps)


def first_step(web: Web, name: str = "alice") -> Browser:
    """Return a browser in which the password was right."""
    browser = web.visitor()
    answer = browser.post("/agent/login", email=email_of(name), password=PASSWORD)
    assert (answer.status_code, answer.location) == (303, "/agent/login/code")
    return browser


def second_step(browser: Browser, **fields: str) -> Any:
    return browser.post("/agent/login/code", **fields)


@pytest.mark.both_modes
def test_with_two_factor_a_login_takes_a_second_step(web: Web) -> None:
    secret, _ = turn_on(web.agent("alice"))
    browser = first_step(web)
    assert browser.get("/agent").status_code == 303
    assert "Enter your code" in browser.get("/agent/login/code").get_data(as_text=True)
    answer = second_step(browser, code=code_of(secret, 1))
    assert browser.get(answer.location).location == "/agent"
    assert browser.get("/agent").status_code == 200


def test_the_page_that_was_wanted_comes_after_the_second_step(web: Web) -> None:
    secret, _ = turn_on(web.agent("alice"))
    browser, wanted = web.visitor(), "/agent?ticket=1001"
    answer = browser.client.post(
        "/agent/login",
        query_string={"next": wanted},
        data={"email": email_of("alice"), "password": PASSWORD},
        headers={"Origin": "http://localhost"},
    )
    answer = browser.post(answer.location, code=code_of(secret, 1))
    assert browser.get(answer.location).location == wanted


def test_a_code_counts_once(web: Web) -> None:
    secret, _ = turn_on(web.agent("alice"))  # with the code of this step
    assert second_step(first_step(web), code=code_of(secret)).status_code == 422
    code = code_of(secret, 1)
    assert second_step(first_step(web), code=code).status_code == 303
    answer = second_step(first_step(web), code=code)
    assert (answer.status_code, "This code is wrong, or was used before" in answer.get_data(as_text=True)) == (
        422,
        True,
    )


@pytest.mark.parametrize(("steps", "status"), [(-2, 422), (-1, 303), (0, 303), (1, 303), (2, 422)])
def test_a_clock_may_be_a_step_off(web: Web, rows: Any, steps: int, status: int) -> None:
    secret, _ = turn_on(web.agent("alice"))
    rows("update agent_credentials set totp_step = 0")
    code = code_of(secret, steps)
    assert second_step(first_step(web), code=f" {code[:3]} {code[3:]} ").status_code == status


def test_a_recovery_code_counts_once_however_it_is_written(web: Web, rows: Any) -> None:
    _, codes = turn_on(web.agent("alice"))
    assert second_step(first_step(web), recovery_code=f" {codes[0].upper().replace('-', ' ')} ").status_code == 303
    assert second_step(first_step(web), recovery_code=codes[0]).status_code == 422
    assert second_step(first_step(web), recovery_code=codes[1]).status_code == 303
    assert rows("select count(*) from recovery_codes") == [(8,)]
    assert not {codes[2]} & {stored for (stored,) in rows("select code_hash from recovery_codes")}


@pytest.mark.parametrize(
    "code", first(["000000", "abcd-efgh-ijkl-mnop", "\0", "", "٠١٢٣٤٥", "x" * 5000, "' or 1=1", "-" * 64], 3)
)
def test_whatever_else_is_typed_is_no_code(web: Web, code: str) -> None:
    turn_on(web.agent("alice"))
    for field in ("code", "recovery_code"):
        answer = second_step(first_step(web), **{field: code})
        assert answer.status_code == 422
        assert "Enter your code" in answer.get_data(as_text=True)


def test_the_second_step_is_only_for_the_browser_whose_password_was_right(web: Web, rows: Any, app: Flask) -> None:
    secret, _ = turn_on(web.agent("alice"))
    hers, stranger, bobs = first_step(web), web.visitor(), web.agent("bob")
    assert stranger.get("/agent/login/code").location == "/agent/login"
    assert second_step(stranger, code=code_of(secret, 1)).status_code == 422
    pending = hers.client.get_cookie("p")
    assert pending is not None
    bobs.post("/agent/logout")
    bobs.client.set_cookie("p", pending.value)  # a browser that has another key
    assert second_step(bobs, code=code_of(secret, 1)).status_code == 422
    assert pending.value not in str(rows("select * from pending_logins"))
    assert second_step(hers, code=code_of(secret, 1)).status_code == 303
    assert hers.client.get_cookie("p") is None


def test_a_second_step_waits_for_five_minutes(web: Web, rows: Any) -> None:
    secret, _ = turn_on(web.agent("alice"))
    browser = first_step(web)
    rows("update pending_logins set created_at = now() - interval '5 minutes'")
    answer = second_step(browser, code=code_of(secret, 1))
    assert (answer.status_code, "more than 5 minutes" in answer.get_data(as_text=True)) == (422, True)
    assert browser.get("/agent/login/code").location == "/agent/login"
    first_step(web)
    assert rows("select count(*) from pending_logins") == [(1,)]


def test_another_password_ends_logins_that_wait_for_their_second_step(web: Web, database: Database) -> None:
    secret, _ = turn_on(web.agent("alice"))
    browser = first_step(web)
    database.call("reset_password", email=email_of("alice"), password_hash="x")
    assert second_step(browser, code=code_of(secret, 1)).status_code == 422


def test_who_was_disabled_meanwhile_does_not_get_in(web: Web, rows: Any) -> None:
    secret, _ = turn_on(web.agent("alice"))
    browser = first_step(web)
    rows("update agents set is_active = false where name = 'Alice Kern'")
    assert second_step(browser, code=code_of(secret, 1)).status_code == 422


def test_who_guesses_codes_is_told_to_wait_and_the_owner_gets_in_from_a_browser_that_knows_them(web: Web) -> None:
    hers = web.agent("alice")
    secret, _ = turn_on(hers)
    hers.post("/agent/logout")
    thief = first_step(web)
    statuses = [second_step(thief, code="000000").status_code for _ in range(6)]
    assert statuses == [422] * 5 + [429]
    answer = second_step(thief, code=code_of(secret, 1))
    assert (answer.status_code, int(answer.headers["Retry-After"]) > 100) == (429, True)
    assert "Too many wrong codes. Try again in" in answer.get_data(as_text=True)
    hers.post("/agent/login", email=email_of("alice"), password=PASSWORD)
    assert second_step(hers, code=code_of(secret, 1)).status_code == 303


def test_wrong_codes_are_forgiven_once_one_is_right(web: Web) -> None:
    secret, _ = turn_on(web.agent("alice"))
    browser = first_step(web)
    for _ in range(4):
        second_step(browser, code="000000")
    assert second_step(browser, code=code_of(secret, 1)).status_code == 303
    other = first_step(web)
    assert [second_step(other, code="000000").status_code for _ in range(5)] == [422] * 5


def turn_on_in_the_database(alice: Agent, codes: list[str]) -> None:
    alice.call(
        "turn_on_two_factor", secret="A" * 32, step=1, code_hashes=[two_factor.code_hash(code) for code in codes]
    )


@pytest.mark.both_modes
def test_attempts_at_codes_are_counted_exactly_across_processes(alice: Agent, database: Database) -> None:
    turn_on_in_the_database(alice, [])

    def is_let_try(_: int) -> bool:
        try:
            database.call("begin_code", agent_id=alice.id, browser="", limits={"codes": Limit(5, 86400)})
        except TooFast:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(is_let_try, range(20))) == 5


@pytest.mark.parametrize("proof", [{"step": 7}, {"code_hash": two_factor.code_hash("once")}])
def test_of_many_who_use_a_code_at_once_one_gets_in(alice: Agent, database: Database, proof: dict[str, Any]) -> None:
    turn_on_in_the_database(alice, ["once"])

    def gets_in(_: int) -> bool:
        try:
            database.call("use_code", agent_id=alice.id, browser="", **proof)
        except Invalid:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(gets_in, range(16))) == 1


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"code": "000000"}, "The app shows another code."),
        ({"code": ""}, "Enter the code that the app shows."),
        ({"current": "a guess"}, "This is not your current password"),
        ({"current": ""}, "Enter your current password."),
        ({"secret": "A"}, "Scan this"),
        ({"secret": "a" * 32}, "Scan this"),
        ({"secret": "A" * 9000}, "Scan this"),
    ],
)
def test_two_factor_is_on_only_after_a_right_code_and_the_password(
    web: Web, rows: Any, fields: dict[str, str], says: str
) -> None:
    browser, secret = web.agent("alice"), "B" * 32
    sent = {"secret": secret, "code": code_of(secret), "current": PASSWORD} | fields
    answer = browser.post("/account/two-factor", **sent)
    page = answer.get_data(as_text=True)
    assert (answer.status_code, says in page) == (422, True)
    assert ("secret" in fields) or f'value="{secret}"' in page  # the same one as before, which was scanned
    assert rows("select count(totp_secret) from agent_credentials") == [(0,)]


def test_a_secret_that_is_set_up_twice_stays_the_first_one(web: Web, rows: Any) -> None:
    browser = web.agent("alice")
    secret, _ = turn_on(browser)
    answer = browser.post("/account/two-factor", secret="C" * 32, code=code_of("C" * 32), current=PASSWORD)
    assert (answer.status_code, "Two-factor is already on" in answer.get_data(as_text=True)) == (409, True)
    assert rows("select totp_secret from agent_credentials where totp_secret is not null") == [(secret,)]


@pytest.mark.parametrize("proof", ["password", "code", "recovery code"])
def test_it_is_turned_off_with_the_password_or_a_code(web: Web, proof: str) -> None:
    browser = web.agent("alice")
    secret, codes = turn_on(browser)
    typed = {"password": PASSWORD, "code": code_of(secret, 1), "recovery code": codes[0]}[proof]
    for wrong in ("a guess", "000000", ""):
        answer = browser.post("/account/two-factor/delete", proof=wrong)
        assert answer.status_code == 422
    assert browser.post("/account/two-factor/delete", proof=typed).location == "/account"
    assert web.visitor().post("/agent/login", email=email_of("alice"), password=PASSWORD).location.endswith("done=")


def test_new_recovery_codes_replace_the_former_ones(web: Web) -> None:
    browser = web.agent("alice")
    _, former = turn_on(browser)
    assert "10 of 10 left" in browser.get("/account").get_data(as_text=True)
    assert browser.post("/account/recovery-codes", proof="a guess").status_code == 422
    codes = RECOVERY_CODE.findall(browser.post("/account/recovery-codes", proof=PASSWORD).get_data(as_text=True))
    assert len(set(codes) - set(former)) == 10
    assert second_step(first_step(web), recovery_code=former[0]).status_code == 422
    assert second_step(first_step(web), recovery_code=codes[0]).status_code == 303


def test_an_admin_turns_it_off_for_who_has_lost_their_phone(
    web: Web, cast: Cast, database: Database, rows: Any
) -> None:
    hers = web.agent("alice")
    turn_on(hers)
    for name in ("bob", "alice"):
        with pytest.raises(DatabaseError, match="right_missing"):
            cast.agent(name).call("remove_two_factor", person_id=cast.agent("alice").id)
    cast.agent("carol").call("remove_two_factor", person_id=cast.agent("alice").id)
    assert hers.get("/account").status_code == 303
    assert web.agent("alice").get("/account").status_code == 200
    assert rows("select kind, about ->> 'person' from audit_log where kind = 'two_factor.removed'") == [
        ("two_factor.removed", cast.agent("alice").id)
    ]


def require(web: Web, whom: str) -> Browser:
    """Have an admin say who has to have two-factor."""
    admin = web.agent("carol")
    turn_on(admin)
    assert admin.post("/people/two-factor", required=whom, sure="yes").location == "/people"
    return admin


@pytest.mark.parametrize(("whom", "is_led"), [("everyone", True), ("admins", False), ("off", False)])
def test_who_has_to_have_two_factor_sets_it_up_before_anything_else(
    web: Web, cast: Cast, whom: str, is_led: bool
) -> None:
    cast.visitor().start()
    browser, admin = web.agent("alice"), require(web, whom)
    assert admin.get("/status").status_code == 200
    for path in ("/agent?ticket=1001", "/account", "/account/password"):
        answer = browser.get(path)
        assert (answer.status_code, answer.location) == ((303, "/account/two-factor") if is_led else (200, None))
    if not is_led:
        return
    fragment = browser.get("/tickets", headers={"HX-Request": "true"})
    assert (fragment.status_code, fragment.headers["HX-Redirect"]) == (403, "/account/two-factor")
    assert browser.post("/tickets/1001/messages", message="Hello").location == "/account/two-factor"
    assert browser.post("/account/two-factor/delete", proof=PASSWORD).location == "/account/two-factor"
    turn_on(browser)
    assert browser.get("/agent").status_code == 200


def test_who_has_to_set_it_up_can_log_out_instead(web: Web) -> None:
    browser = web.agent("alice")
    require(web, "everyone")
    assert "This desk requires two-factor" in browser.get("/account/two-factor").get_data(as_text=True)
    assert browser.post("/agent/logout").location == "/agent/login"


def test_only_admins_say_who_has_to_have_two_factor(web: Web, cast: Cast, rows: Any) -> None:
    browser = web.agent("alice")
    assert browser.post("/people/two-factor", required="off").status_code == 403
    with pytest.raises(DatabaseError, match="right_missing"):
        cast.agent("alice").call("change_settings", values={"two_factor_required": "off"})
    admin = web.agent("carol")
    assert "Require two-factor" in admin.get("/people").get_data(as_text=True)
    assert admin.post("/people/two-factor", required="perhaps").status_code == 422
    assert rows("select count(*) from desk_settings") == [(0,)]


@pytest.mark.parametrize(
    "values", [{"unknown": 1}, {"two_factor_required": None}, {"two_factor_required": ["off"]}, {}]
)
def test_a_setting_that_cannot_be_is_refused(cast: Cast, rows: Any, values: dict[str, Any]) -> None:
    if values:
        with pytest.raises(Invalid, match="setting_unknown"):
            cast.agent("carol").call("change_settings", values=values)
    assert rows("select count(*) from desk_settings") == [(0,)]


def test_what_is_done_to_a_login_stands_in_the_audit_log(web: Web, rows: Any) -> None:
    browser = web.agent("alice")
    secret, codes = turn_on(browser)
    second_step(first_step(web), code="000000")
    second_step(first_step(web), recovery_code=codes[0])
    browser.post("/account/recovery-codes", proof=code_of(secret, 1))
    browser.post("/account/two-factor/delete", proof=PASSWORD)
    kinds = [kind for (kind,) in rows("select kind from audit_log order by id") if "person" not in kind]
    assert kinds == [
        *("login.ok", "two_factor.on", "login.refused", "two_factor.recovery_code_used", "login.ok"),
        *("two_factor.codes_replaced", "two_factor.off"),
    ]
    written = str(rows("select * from audit_log"))
    assert secret not in written
    assert codes[0] not in written


def test_the_log_names_a_login_once_its_second_step_is_done(web: Web, caplog: pytest.LogCaptureFixture) -> None:
    secret, _ = turn_on(web.agent("alice"))
    caplog.clear()
    browser = first_step(web)
    assert "login of" not in caplog.text
    second_step(browser, code=code_of(secret, 1))
    assert caplog.text.count("login of 'alice@example.com'") == 1


def test_no_answer_but_the_set_up_has_a_secret(web: Web, database: Database) -> None:
    browser = web.agent("alice")
    secret, codes = turn_on(browser)
    pages = [browser.get(path) for path in ("/account", "/account/two-factor", "/account/password", "/agent")]
    texts = [page.get_data(as_text=True) for page in pages] + [str(database.call("list_agents"))]
    assert not [text for text in texts if secret in text or codes[0] in text]


def test_a_page_with_a_secret_is_not_compressed(web: Web) -> None:
    answer = web.agent("alice").get("/account/two-factor", headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in answer.headers


def test_the_token_of_a_first_step_is_worth_nothing_in_another_browser(web: Web) -> None:
    secret, _ = turn_on(web.agent("alice"))
    browser, other = first_step(web), web.visitor()
    token = browser.client.get_cookie("p")
    assert token is not None
    other.client.set_cookie("p", token.value)
    assert second_step(other, code=code_of(secret, 1)).status_code == 422
    assert second_step(browser, code=code_of(secret, 1)).status_code == 303


def test_a_password_that_looks_like_a_recovery_code_is_a_proof_too(web: Web, rows: Any) -> None:
    browser, lookalike = web.agent("alice"), "abcdefghijklmnop"
    turn_on(browser)
    rows("update agent_credentials set password_hash = %s", hash_password(lookalike))
    assert browser.post("/account/recovery-codes", proof="ponmlkjihgfedcba").status_code == 422
    assert len(RECOVERY_CODE.findall(browser.post("/account/recovery-codes", proof=lookalike).text)) == 10
    assert rows("select count(*) from refused_logins") == [(0,)]
