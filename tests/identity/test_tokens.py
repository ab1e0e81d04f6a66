"""Tokens that name a customer: only the setting of the site counts, never what the token says of itself."""

from __future__ import annotations

import base64
import hmac
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from joserfc import jws
from joserfc.jwk import ECKey, RSAKey

from supportchat.database.rows import IdentityRules
from supportchat.identity import keys
from supportchat.identity.claims import Named
from supportchat.identity.tokens import MOST_BYTES, TokenRefused, named_in
from tests.provider.issuer import Issuer, by_key_of_its_own, by_shared_key, packed, slowly, unsigned

from .conftest import SECRET, signed

pytestmark = pytest.mark.mode("postgres")


def rules(**more: Any) -> IdentityRules:
    """Return the rules of a site that signs with `SECRET`."""
    shared: Any = {"method": "secret", "algorithm": "ES256", "issuer": None, "keys_url": None, "audience": None}
    made: Any = {**shared, "longest_minutes": 60, "secrets": [SECRET], **more}
    return made  # type: ignore[no-any-return]


def reason(token: str, **more: Any) -> str:
    """Return why a token is refused; '' for one that is taken."""
    try:
        named_in(token, rules(**more))
    except TokenRefused as error:
        return error.reason
    return ""


def part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def test_a_token_names_somebody_with_what_can_be_kept_of_them() -> None:
    token = signed(name="Vera\nLindt", email="vera@example.com", attributes={"Plan": "Gold", "Orders": 3, "Vip": True})
    attributes: dict[str, Any] = {"Plan": "Gold", "Orders": 3, "Vip": True}
    assert named_in(token, rules()) == Named("vera-1", "Vera Lindt", "vera@example.com", attributes)


def test_what_is_too_much_or_of_another_kind_is_left_out() -> None:
    odd: dict[str, Any] = {
        "list": [1],
        "object": {},
        "null": None,
        "huge": 10**16,
        "": "nameless",
        "long": "x" * 1000,
        7 * "a" * 10: "y",
    }
    named = named_in(signed(name=["Vera"], email="no address", attributes=odd), rules())
    assert named == Named("vera-1", None, None, {"long": "x" * 200, "a" * 40: "y"})
    many = named_in(signed(attributes={str(number): number for number in range(99)}), rules())
    assert len(many.attributes) == 20
    assert named_in(signed(email="a@example.com", email_verified=False), rules()).email is None


@pytest.mark.parametrize("moment", ["exp", "nbf", "iat"])
def test_a_token_counts_only_in_its_time(moment: str) -> None:
    outside = time.time() + (-3600 if moment == "exp" else 3600)
    for wrong in (outside, "tomorrow", True):
        claims: dict[str, Any] = {moment: wrong}
        assert reason(signed(**claims)) == moment


def test_a_token_that_lasts_too_long_or_for_ever_is_refused() -> None:
    assert reason(signed(exp=...)) == "exp"
    assert reason(signed(exp=int(time.time()) + 2 * 3600)) == "exp: too far away"
    assert reason(signed(exp=1e300)) == "exp"
    assert reason(signed(exp=int(time.time()) + 600), longest_minutes=5) == "exp: too far away"
    assert reason(signed(exp=int(time.time()) - 10)) == ""  # clocks differ by half a minute


def test_a_token_for_somebody_else_is_refused() -> None:
    assert reason(signed(aud="shop"), audience="desk") == "aud"
    assert reason(signed(), audience="desk") == "aud"
    assert reason(signed(aud=["shop", "desk"]), audience="desk") == ""
    assert reason(signed(iss="https://evil.example"), issuer="https://id.example") == "iss"
    assert reason(signed(iss="https://id.example"), issuer="https://id.example") == ""


@pytest.mark.parametrize(
    "sub", [..., "", 7, None, " vera", "vera\u200b", "\u202evera", "ve\x00ra", "v" * 256, ["vera"]]
)
def test_a_sub_that_hides_something_names_nobody(sub: Any) -> None:
    assert reason(signed(sub=sub)).startswith("sub")


def test_subs_that_look_alike_are_different_people() -> None:
    assert named_in(signed(sub="v\u00e9ra"), rules()).sub != named_in(signed(sub="ve\u0301ra"), rules()).sub


def test_no_algorithm_but_that_of_the_setting_counts() -> None:
    claims = {"sub": "vera", "exp": int(time.time()) + 60}
    assert reason(unsigned(claims)) in ("signature", "alg")
    for algorithm in ("HS384", "HS512"):
        assert reason(signed(algorithm=algorithm)) in ("signature", "alg")
    for name in ("none", "None", "RS256", "hs256", "", None, 1, ["HS256"]):
        head, _, rest = signed().partition(".")
        assert head
        assert reason(f"{part({'alg': name})}.{rest}") in ("signature", "alg", "format")


def test_nothing_in_the_header_names_another_key() -> None:
    mine = {"jwk": {"kty": "oct", "k": part("mine")}, "jku": "https://evil.example/keys", "x5u": "https://evil.example"}
    assert reason(signed("a secret of somebody else, long enough", header=mine)) == "signature"
    assert reason(signed(header={**mine, "kid": "../../etc/passwd"})) == ""
    head = f"{part({'alg': 'HS256', 'crit': ['exp']})}.{part({'sub': 'vera', 'exp': int(time.time()) + 60})}"
    demanding = base64.urlsafe_b64encode(hmac.digest(SECRET.encode(), head.encode(), "sha256")).decode().rstrip("=")
    assert reason(f"{head}.{demanding}") == "signature"


def test_both_secrets_count_while_one_is_replaced_and_no_other() -> None:
    later = "another secret, which the site will use from tomorrow"
    assert reason(signed(later), secrets=[later, SECRET]) == ""
    assert reason(signed(), secrets=[later, SECRET]) == ""
    assert reason(signed(), secrets=[later]) == "signature"
    assert reason(signed(), secrets=[]) == "signature"


@pytest.mark.parametrize(
    "token", ["", "a", "a.b", "a.b.c", "..", "." * 100, "é.é.é", "{}", "a.b.c.d.e", "eyJ9.eyJ9.x", "W10.W10.W10"]
)
def test_what_is_no_token_is_refused(token: str) -> None:
    assert reason(token) in ("size", "signature", "format", "alg")


def test_what_is_too_large_is_not_even_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jws, "extract_compact", None)
    assert reason("a" * (MOST_BYTES + 1)) == "size"


# By an issuer


@pytest.fixture
def issuer(app: Flask) -> Iterator[Issuer]:
    """An issuer, whose keys are asked for within an app."""
    running = Issuer().start()
    with app.app_context():
        yield running
    running.stop()


def by(issuer: Issuer, algorithm: str = "RS256") -> dict[str, Any]:
    """Return what the rules of a site say of an issuer."""
    place = {"issuer": issuer.url, "keys_url": f"{issuer.url}/jwks", "audience": "authenticated"}
    return {"method": "issuer", "algorithm": algorithm, "secrets": [], **place}


def claims_of(issuer: Issuer, **more: Any) -> dict[str, Any]:
    """Return what Supabase Auth would write."""
    said = {
        "iss": issuer.url,
        "aud": "authenticated",
        "sub": "7f0e",
        "email": "vera@example.com",
        "role": "authenticated",
    }
    return {**said, "exp": int(time.time()) + 3600, "iat": int(time.time()), **more}


def test_an_issuer_names_somebody_by_a_key_of_its_set(issuer: Issuer) -> None:
    assert named_in(issuer.sign(claims_of(issuer)), rules(**by(issuer))).email == "vera@example.com"
    issuer.rotate("EC")
    app_keys = keys.IssuerKeys()
    assert app_keys.fitting(f"{issuer.url}/jwks", issuer.key.kid, "ES256")


def test_the_keys_are_asked_for_once_and_again_when_they_have_changed(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        assert reason(issuer.sign(claims_of(issuer)), **by(issuer)) == ""
    assert issuer.asked == ["/jwks"]
    issuer.rotate()
    assert reason(issuer.sign(claims_of(issuer)), **by(issuer)) == "signature"  # so soon nobody asks again
    assert issuer.asked == ["/jwks"]
    monkeypatch.setattr(keys, "ANEW_SECONDS", 0.0)
    assert reason(issuer.sign(claims_of(issuer)), **by(issuer)) == ""


def test_a_public_key_is_no_secret_to_sign_with(issuer: Issuer) -> None:
    public = issuer.key.as_pem(private=False)
    for key in (public, public.strip(), json.dumps(issuer.key.as_dict(private=False)).encode(), b"shared"):
        assert reason(by_shared_key(key)(claims_of(issuer)), **by(issuer)) in ("signature", "alg")
    assert reason(unsigned(claims_of(issuer)), **by(issuer)) in ("signature", "alg")
    assert reason(by_key_of_its_own(claims_of(issuer)), **by(issuer)) == "signature"


def test_a_key_of_another_algorithm_or_name_does_not_count(issuer: Issuer) -> None:
    assert reason(issuer.sign(claims_of(issuer)), **by(issuer, "PS256")) in ("signature", "alg")
    kid = issuer.key.kid or ""
    stranger = RSAKey.generate_key(2048, {"kid": kid})
    forged = jws.serialize_compact({"alg": "RS256", "kid": issuer.key.kid}, json.dumps(claims_of(issuer)), stranger)
    assert reason(forged, **by(issuer)) == "signature"
    curve = ECKey.generate_key("P-256", {"kid": kid})
    forged = jws.serialize_compact({"alg": "ES256", "kid": issuer.key.kid}, json.dumps(claims_of(issuer)), curve)
    assert reason(forged, **by(issuer)) in ("signature", "alg")


def test_an_issuer_that_is_slow_huge_or_not_there_names_nobody(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "SECONDS", 0.3)
    token = issuer.sign(claims_of(issuer))
    for path, fault in (("a", slowly(2)), ("b", packed), ("c", lambda handler: handler.answer(200, b"[]"))):
        issuer.faults["jwks"] = fault
        assert reason(token, **by(issuer) | {"keys_url": f"{issuer.url}/jwks?{path}"}).startswith("keys: ")
    assert reason(token, **by(issuer) | {"keys_url": "http://127.0.0.1:9/jwks"}).startswith("keys: ")
