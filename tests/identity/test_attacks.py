"""What somebody could try with a token, or with the keys that it is checked by."""

from __future__ import annotations

import base64
import hmac
import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from flask import Flask
from joserfc import jws
from joserfc.jwk import ECKey
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.sync.connection import Connection
from websockets.typing import Origin

from supportchat.database import Database, DatabaseError
from supportchat.identity import keys
from supportchat.web.cookies import token_hash
from tests.cast import Cast
from tests.provider.issuer import Issuer
from tests.server import Server
from tests.web import Web

from .conftest import SECRET, identify, signed
from .test_tokens import by, claims_of, reason

pytestmark = pytest.mark.mode("postgres")

LONG = 10_000
PLANTED = "p" * 43


def as_written(claims: str, header: str = '{"alg":"HS256"}') -> str:
    """Return a token with exactly these texts in it, signed by the site."""
    head, body = (base64.urlsafe_b64encode(text.encode()).decode().rstrip("=") for text in (header, claims))
    signature = hmac.digest(SECRET.encode(), f"{head}.{body}".encode(), "sha256")
    return f"{head}.{body}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


def test_a_site_that_writes_its_tokens_by_hand_cannot_be_made_to_name_somebody_else() -> None:
    typed = 'Vera","sub":"victor'
    claims = f'{{"sub":"vera","name":"{typed}","exp":{int(time.time()) + 60}}}'
    assert reason(as_written(claims)) == "format"
    assert reason(as_written(claims.replace(typed, "Vera"))) == ""
    nested = f'{{"sub":"vera","exp":{int(time.time()) + 60},"attributes":{{"Plan":"Free","Plan":"Gold"}}}}'
    assert reason(as_written(nested)) == "format"


@pytest.mark.parametrize(
    "claims",
    ["[]", "7", "null", '"vera"', "{", '{"sub":"vera","exp":NaN}', '{"sub":"vera","exp":1e999}', "[" * 2000, ""],
    ids=lambda text: text[:20],
)
def test_claims_that_are_none_name_nobody(claims: str) -> None:
    assert reason(as_written(claims)) in ("format", "signature", "exp")


@pytest.mark.parametrize(
    "header",
    [
        '{"alg":"HS256","b64":false}',
        '{"alg":"HS256","b64":false,"crit":["b64"]}',
        '{"alg":"none","alg":"HS256","crit":["alg"]}',
        '{"alg":"HS256","zip":"DEF","crit":["zip"]}',
        '["HS256"]',
        '{"alg":"HS256","kid":["x"]}',
        "{" * 900,
    ],
)
def test_no_header_changes_what_is_checked(header: str) -> None:
    assert reason(as_written(f'{{"sub":"vera","exp":{int(time.time()) - 3600}}}', header)) != ""
    assert reason(as_written('{"sub":"vera"}', header)) != ""


@pytest.mark.parametrize("denied", [False, "false", "False", 0, None, "no", []])
def test_an_address_that_the_issuer_has_not_verified_is_not_shown_as_one(denied: Any, web: Web, site: str) -> None:
    vera = web.customer()
    identify(vera, signed(email="boss@example.com", email_verified=denied))
    assert "boss@example.com" not in web.agent("alice").get("/agent?ticket=1001").text


@pytest.mark.parametrize("approved", [True, "true", ...])
def test_an_address_that_is_verified_or_of_which_nothing_is_said_is_shown(approved: Any, web: Web, site: str) -> None:
    vera = web.customer()
    identify(vera, signed(email="vera@example.com", email_verified=approved))
    assert "vera@example.com" in web.agent("alice").get("/agent?ticket=1001").text


@pytest.mark.parametrize(
    "sub", ["vera\u3164", "\u2800", "ve\u115fra", "vera\ufff9", "vera\U000e0041", "\ud800", "ve\u2028ra", "v" * LONG]
)
def test_a_sub_with_what_nobody_sees_names_nobody(sub: str) -> None:
    assert reason(signed(sub=sub)).startswith(("sub", "size"))


def test_a_sub_of_odd_characters_is_that_person_and_nobody_else(web: Web, site: str, rows: Any) -> None:
    cases: list[str] = ["'; drop table persons; --", "{vera}", "../..", "%s", "\\", "ve/ra", "李", "👩‍🚀"[:1]]
    for sub in cases:
        phone, laptop, other = web.customer("Mine"), web.visitor(), web.visitor()
        identify(phone, signed(sub=sub))
        assert identify(laptop, signed(sub=sub)).get_json()["has_chat"] is True
        assert identify(other, signed(sub=sub + "x")).get_json()["has_chat"] is False
        assert rows("select count(*) from persons where sub = %s", sub) == [(1,)]


def test_texts_that_no_database_takes_are_left_out(web: Web, site: str, rows: Any) -> None:
    vera = web.customer()
    odd = {"\ud800": "x", "Plan": "\ud800\x00", "\x00": "y", "Level": "Go\x00ld", "Nothing": "\u200b"}
    answer = identify(vera, signed(name="Ve\ud800ra\x00", email="a\x00@example.com", attributes=odd))
    assert answer.status_code == 200
    assert rows("select name, attributes from persons") == [("Vera", {"Level": "Gold"})]


@pytest.mark.parametrize("token", ["a" * 60_000, "a." * 30_000, "é" * 4000, "\x00", signed(name="n" * LONG)])
def test_a_huge_token_is_refused_in_words_and_nothing_of_it_is_logged(
    token: str, web: Web, site: str, caplog: pytest.LogCaptureFixture
) -> None:
    vera = web.customer()
    assert identify(vera, token).status_code == 422
    assert max(len(record.getMessage()) for record in caplog.records) < 200
    assert "Hello" in vera.get("/chat").text


def test_two_pages_of_a_browser_that_say_the_same_at_once_are_one_person(
    database: Database, cast: Cast, site: str, rows: Any
) -> None:
    vera = cast.visitor()
    vera.start("Mine")

    def say(fresh: str) -> Any:
        return database.call("identify_customer", visitor=vera.key, fresh=fresh * 64, site=site, sub="vera")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(say, "abcdef12"))
    assert rows("select count(*) from persons") == [(1,)]
    assert rows("select count(*) from visitors where token_hash = %s", vera.key) == [(0,)]
    assert rows("select count(*) from user_sessions s join persons p using (visitor_id)") == [(1,)]


def test_two_people_who_are_named_in_one_browser_at_once_share_nothing(
    database: Database, cast: Cast, site: str, rows: Any
) -> None:
    for number in range(8):
        shared = cast.visitor()
        shared.start("Whose is this?")

        def say(sub: str, key: str = shared.key, fresh: str = str(number)) -> Any:
            fresh = (fresh + sub[-1]) * 32
            return database.call("identify_customer", visitor=key, fresh=fresh, site=site, sub=sub)

        with ThreadPoolExecutor(2) as pool:
            results = list(pool.map(tolerant(say), (f"{number}-a", f"{number}-b")))
        assert any(results)
        owners = "select count(*) from user_sessions s join persons p using (visitor_id) where p.sub like %s"
        assert rows(owners, f"{number}-%") == [(1,)]
        assert rows("select count(*) from visitors where token_hash = %s", shared.key) == [(0,)]


def read_on(socket: Connection) -> None:
    """Read for as long as something comes within two seconds."""
    while True:
        socket.recv(timeout=2)


def test_the_sockets_of_a_key_that_was_there_before_are_closed_at_once(
    server: Server, cast: Cast, site: str, database: Database
) -> None:
    vera = cast.visitor()
    vera.key = token_hash(PLANTED)
    vera.start("Mine")
    cookies, address = {"Cookie": f"c={PLANTED}"}, server.url.replace("http", "ws")
    with connect(f"{address}/chat/ws", origin=Origin(server.url), additional_headers=cookies) as planted:
        planted.send(json.dumps({"hello": True, "after": 0}))
        planted.recv(timeout=5)
        origin = {**cookies, "Origin": server.url}
        assert httpx.post(f"{server.url}/chat/identity", data={"token": signed()}, headers=origin).status_code == 200
        with pytest.raises(ConnectionClosed) as closed:
            read_on(planted)
    assert closed.value.rcvd
    assert closed.value.rcvd.code == 4401


def tolerant(act: Any) -> Any:
    """Return what does the same, and gives None where it is refused."""

    def tried(*arguments: Any) -> Any:
        try:
            return act(*arguments)
        except DatabaseError:
            return None

    return tried


def test_a_key_of_another_curve_does_not_count(app: Flask) -> None:
    issuer = Issuer().start()
    with app.app_context():
        curve = ECKey.generate_key("P-384", {"kid": "one", "use": "sig"})
        issuer.key = curve
        token = jws.serialize_compact(
            {"alg": "ES384", "kid": "one"}, json.dumps(claims_of(issuer)), curve, algorithms=["ES384"]
        )
        assert reason(token, **by(issuer, "ES384")) == ""
        assert reason(token, **by(issuer, "ES256")) == "alg"
        forged = token.replace(
            token.partition(".")[0], base64.urlsafe_b64encode(b'{"alg":"ES256"}').decode().rstrip("=")
        )
        assert reason(forged, **by(issuer, "ES256")) == "signature"
    issuer.stop()


def test_a_token_that_names_an_unknown_key_does_not_make_the_desk_forget_the_others(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "ANEW_SECONDS", 0.0)
    issuer = Issuer().start()
    with app.app_context():
        good = issuer.sign(claims_of(issuer))
        assert reason(good, **by(issuer)) == ""
        issuer.faults["jwks"] = lambda handler: handler.answer(503, b"{}")
        unknown = jws.serialize_compact({"alg": "RS256", "kid": "made up"}, json.dumps(claims_of(issuer)), issuer.key)
        assert reason(unknown, **by(issuer)) == "signature"
        assert reason(good, **by(issuer)) == ""
    issuer.stop()


def test_keys_of_another_issuer_do_not_count(app: Flask) -> None:
    issuer, evil = Issuer().start(), Issuer().start()
    with app.app_context():
        evil.rotate(kid=issuer.key.kid)
        token = evil.sign(claims_of(issuer))
        header = {"alg": "RS256", "kid": issuer.key.kid, "jku": f"{evil.url}/jwks", "x5u": evil.url}
        assert reason(token, **by(issuer)) == "signature"
        pointing = jws.serialize_compact(
            header, json.dumps(claims_of(issuer)), evil.key, registry=jws.JWSRegistry(strict_check_header=False)
        )
        assert reason(pointing, **by(issuer)) == "signature"
        assert evil.asked == []
    issuer.stop()
    evil.stop()


def test_a_redirect_of_the_issuer_leads_nowhere(app: Flask) -> None:
    issuer, inner = Issuer().start(), Issuer().start()
    with app.app_context():
        issuer.faults["jwks"] = lambda handler: handler.answer(302, b"{}", Location=f"{inner.url}/jwks")
        assert reason(issuer.sign(claims_of(issuer)), **by(issuer)).startswith("keys: ")
        assert inner.asked == []
    issuer.stop()
    inner.stop()
