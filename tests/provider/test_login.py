"""Log in by the provider: who gets in, bound to issuer and subject."""

from __future__ import annotations

from typing import Any

import pytest

from supportchat.database import Database
from tests.cast import PASSWORD, Agent, email_of
from tests.people.cast import link_for
from tests.web import Web

from .conftest import agreed, left_for, problem, through
from .issuer import Issuer


def bind(database: Database, issuer: Issuer, agent: Agent) -> None:
    """Bind the user of the provider to an agent."""
    database.call("connect_identity", agent_id=agent.id, issuer=issuer.url, subject=issuer.user["sub"])


@pytest.mark.both_modes
def test_who_is_bound_to_issuer_and_subject_is_logged_in(
    web: Web, issuer: Issuer, database: Database, bob: Agent, rows: Any
) -> None:
    bind(database, issuer, bob)
    browser = web.visitor()
    assert "Continue with <bdi>Acme Login</bdi>" in browser.get("/agent/login").text
    answer = through(browser, "/agent/login/provider?next=/account")
    assert browser.get(answer.location).location == "/account"
    assert "Bob Ortiz" in browser.get("/account").text
    assert rows("select about from audit_log where kind = 'login.ok'") == [({"how": "provider"},)]
    assert rows("select count(*) from provider_flows") == [(0,)]


@pytest.mark.parametrize("kind", ["RSA", "EC"])
def test_keys_of_both_kinds_are_known_and_new_ones_are_found(
    web: Web, issuer: Issuer, database: Database, bob: Agent, kind: str
) -> None:
    bind(database, issuer, bob)
    assert "done" in through(web.visitor()).location
    issuer.rotate(kind)
    assert "done" in through(web.visitor()).location
    assert issuer.asked.count("/jwks") == 2
    assert issuer.asked.count("/.well-known/openid-configuration") == 1


def test_whoever_is_not_bound_does_not_get_in_whatever_their_address(web: Web, issuer: Issuer, rows: Any) -> None:
    issuer.user |= {"email": email_of("carol"), "email_verified": True, "name": "Carol Tan"}
    assert "has no access to this desk" in problem(web, through(web.visitor()))
    assert rows("select kind from audit_log where kind like 'login%%'") == [("login.refused",)]
    assert rows("select count(*) from agent_identities") == [(0,)]


def test_whoever_was_disabled_does_not_get_in(
    web: Web, issuer: Issuer, database: Database, bob: Agent, rows: Any
) -> None:
    bind(database, issuer, bob)
    rows("update agents set is_active = false where id = %s", bob.id)
    assert "has no access to this desk" in problem(web, through(web.visitor()))
    assert rows("select count(*) from agent_sessions") == [(0,)]


def test_two_factor_of_the_desk_is_asked_for_as_well(web: Web, issuer: Issuer, database: Database, bob: Agent) -> None:
    bind(database, issuer, bob)
    bob.call("turn_on_two_factor", secret="A" * 32, step=1, code_hashes=[])
    browser = web.agent("alice")  # a browser that knows somebody else
    browser.post("/agent/logout")
    answer = through(browser)
    assert answer.location.startswith("/agent/login/code")
    assert browser.get("/agent").status_code == 303


def test_who_was_invited_joins_with_the_provider_and_has_no_password(
    web: Web, issuer: Issuer, carol: Agent, rows: Any
) -> None:
    issuer.user |= {"name": "  Lena\x00 \u202e Roth " + "x" * 100, "email": "other@example.com"}  # not verified
    path = link_for(carol, "invite_person", email="lena@example.com", role="lead")
    browser = web.visitor()
    assert "Continue with" in browser.get(path).text
    answer = through(browser, f"{path}/provider")
    assert browser.get(answer.location).location == "/agent"
    [(name, email, role)] = rows("select name, email, role from agents where email like 'lena%%'")
    assert (name.startswith("Lena"), len(name), email, role) == (True, 80, "lena@example.com", "lead")
    assert rows("select count(*) from agent_credentials join agents on id = agent_id where name = %s", name) == [(0,)]
    assert web.visitor().get(path).status_code == 404
    assert "done" in through(web.visitor()).location
    kinds = rows("select kind from audit_log where agent_id is not null order by id desc limit 4")
    assert {"identity.bound", "person.joined", "login.ok"} <= {kind for (kind,) in kinds}


def test_a_verified_address_that_is_not_the_invited_one_is_refused_and_the_link_still_works(
    web: Web, issuer: Issuer, carol: Agent
) -> None:
    issuer.user |= {"email": "other@example.com", "email_verified": True}
    path = link_for(carol, "invite_person", email="lena@example.com")
    assert "The invitation is for another e-mail address" in problem(web, through(web.visitor(), f"{path}/provider"))
    issuer.user["email"] = "LENA@example.com"
    assert "done" in through(web.visitor(), f"{path}/provider").location


def test_links_for_other_things_are_not_used_up_by_the_provider(web: Web, carol: Agent, alice: Agent) -> None:
    path = link_for(carol, "make_password_link", person_id=alice.id)
    assert web.visitor().post(f"{path}/provider").status_code == 404
    assert "Continue with" not in web.visitor().get(path).text


def test_a_person_connects_the_provider_and_disconnects_it(web: Web, issuer: Issuer, rows: Any) -> None:
    browser = web.agent("alice")
    assert browser.post("/account/provider", proof="wrong password").status_code == 422
    assert through(browser, "/account/provider", proof=PASSWORD).location == "/account"
    assert rows("select issuer, subject from agent_identities") == [(issuer.url, issuer.user["sub"])]
    assert "Connected" in browser.get("/account").text
    assert "done" in through(web.visitor()).location
    assert browser.post("/account/provider/delete").status_code == 303
    assert "has no access" in problem(web, through(web.visitor()))
    kinds = rows("select kind from audit_log where kind like 'identity%%' order by id")
    assert kinds == [("identity.bound",), ("identity.unbound",)]


def test_the_last_way_in_is_not_disconnected(web: Web, issuer: Issuer, carol: Agent, rows: Any) -> None:
    browser = web.visitor()
    through(browser, link_for(carol, "invite_person", email="lena@example.com") + "/provider")
    page = browser.get("/account").text
    assert "You have none. An admin can create a link to set one." in page
    assert "Disconnect" not in page
    refused = browser.post("/account/provider/delete")
    assert (refused.status_code, "your only way to log in" in refused.text) == (409, True)
    assert rows("select count(*) from agent_identities") == [(1,)]


def test_an_account_of_the_provider_is_one_persons(
    web: Web, issuer: Issuer, database: Database, bob: Agent, rows: Any
) -> None:
    bind(database, issuer, bob)
    browser = web.agent("alice")
    answer = through(browser, "/account/provider", proof=PASSWORD)
    assert "belongs to somebody else on the team" in browser.get(answer.location).text
    assert rows("select agent_id::text from agent_identities") == [(bob.id,)]


def test_an_admin_who_can_only_log_in_by_the_provider_is_one_while_it_is_the_provider(
    issuer: Issuer, database: Database, carol: Agent, rows: Any
) -> None:
    bind(database, issuer, carol)
    rows("delete from agent_credentials where agent_id = %s", carol.id)
    setup = {"token_hash": "a" * 64}
    assert database.call("offer_setup", **setup, issuer=issuer.url) == {"offered": False}
    for former in (issuer.url + "/former", None):
        assert database.call("offer_setup", **setup, issuer=former) == {"offered": True}


def test_without_a_provider_there_are_no_such_pages(web: Web, app: Any) -> None:
    app.extensions["provider"] = None
    app.jinja_env.globals["provider_name"] = ""
    browser = web.agent("alice")
    assert "Continue with" not in web.visitor().get("/agent/login").text
    for path in (
        "/agent/login/provider",
        "/account/provider",
        "/account/provider/delete",
        f"/links/{'t' * 43}/provider",
    ):
        assert browser.post(path, proof=PASSWORD).status_code == 404
    assert browser.get("/agent/login/callback?code=x&state=" + "y" * 43).status_code == 404


DOMAIN = {"oidc_accounts": ("@example.com",)}
ROLES = {"oidc_role_claim": "app.groups", "oidc_roles": (("staff", "agent"), ("leads", "lead"), ("admins", "admin"))}
BY_ROLE = {**ROLES, "oidc_accounts": ("role",)}


@pytest.mark.parametrize("rules", [DOMAIN])
@pytest.mark.parametrize(
    ("email", "is_verified", "gets_in"),
    [
        ("lena@example.com", True, True),
        ("LENA@EXAMPLE.COM", True, True),
        ("lena@example.com", False, False),
        ("lena@example.com", None, False),
        ("lena@example.com", 1, False),
        ("lena@sub.example.com", True, False),
        ("lena@example.com.evil.org", True, False),
        ("lena@evil.org@example.com", True, False),
        ("lena@exam\u212ale.com", True, False),
        ("lena @example.com", True, False),
        ("", True, False),
        (["lena@example.com"], True, False),
    ],
)
def test_only_a_verified_address_of_the_domain_gets_an_account(
    web: Web, issuer: Issuer, rows: Any, email: Any, is_verified: Any, gets_in: bool
) -> None:
    issuer.user |= {"email": email, "email_verified": is_verified, "name": "Lena Roth"}
    before = rows("select count(*) from agents")
    answer = through(web.visitor())
    assert ("done" in answer.location) == gets_in, answer.location
    assert rows("select count(*) from agents") == [(before[0][0] + gets_in,)]


@pytest.mark.parametrize("rules", [DOMAIN])
def test_an_address_alone_binds_nobody_not_even_by_a_rule(web: Web, issuer: Issuer, rows: Any) -> None:
    issuer.user |= {"email": email_of("carol"), "email_verified": True}
    assert "already has an account here" in problem(web, through(web.visitor()))
    rows("delete from agent_credentials")  # accounts that nobody can use are no way in either
    assert "already has an account here" in problem(web, through(web.visitor()))
    assert rows("select count(*) from agent_identities") == [(0,)]


@pytest.mark.parametrize("rules", [BY_ROLE])
def test_a_claim_gives_an_account_and_its_role_follows(web: Web, issuer: Issuer, rows: Any) -> None:
    issuer.user |= {"email": "lena@example.com", "email_verified": True, "app": {"groups": ["other"]}}
    assert "has no access" in problem(web, through(web.visitor()))
    for groups, role in ((["staff", "leads"], "lead"), (["admins"], "admin"), (["none"], "agent"), (None, "agent")):
        issuer.user["app"] = {"groups": groups}
        assert "done" in through(web.visitor()).location
        assert rows("select role from agents where email = 'lena@example.com'") == [(role,)]


@pytest.mark.parametrize("rules", [ROLES])
def test_a_claim_never_takes_the_last_admin_away(
    web: Web, issuer: Issuer, database: Database, carol: Agent, rows: Any
) -> None:
    bind(database, issuer, carol)
    assert "done" in through(web.visitor()).location
    assert rows("select role from agents where id = %s", carol.id) == [("admin",)]
    rows("update agents set role = 'admin' where name = 'Bob Ortiz'")
    through(web.visitor())
    assert rows("select role from agents where id = %s", carol.id) == [("agent",)]
    assert rows("select count(*) from audit_log where kind = 'person.role_changed'") == [(1,)]


def test_a_flow_that_is_over_is_forgotten(web: Web, issuer: Issuer, database: Database, bob: Agent, rows: Any) -> None:
    bind(database, issuer, bob)
    browser = web.visitor()
    path = agreed(left_for(browser.post("/agent/login/provider")))
    rows("update provider_flows set created_at = now() - interval '10 minutes'")
    assert "took more than 10 minutes" in problem(web, browser.get(path))
    database.call("forget_old_data")
    assert rows("select count(*) from provider_flows") == [(0,)]


def test_logins_that_never_come_back_are_bounded(web: Web, database: Database, rows: Any) -> None:
    flow = {"browser": "b", "issuer": "i", "nonce": "n", "code_verifier": "v", "purpose": "login"}
    for number in range(103):
        database.call("begin_provider_flow", state_hash=f"{number:064}", address="192.0.2.1", **flow)
    assert rows("select count(*), min(state_hash) from provider_flows") == [(100, f"{3:064}")]
    rows(
        "insert into provider_flows (state_hash, browser, issuer, nonce, code_verifier, purpose, address)"
        " select lpad(n::text, 64, 'x'), 'b', 'i', 'n', 'v', 'login', n::text from generate_series(1, 9950) as n"
    )
    database.call("begin_provider_flow", state_hash="y" * 64, address="192.0.2.2", **flow)
    assert rows("select count(*) from provider_flows") == [(10_000,)]


@pytest.fixture
def office(app: Any, issuer: Issuer) -> Web:
    """A desk to which one address may leave for the provider once, or try one password."""
    config = app.extensions["config"]
    limits = {"limit_logins_per_address": (1, 900), "limit_logins": (3, 900)}
    app.extensions["config"] = config.__class__(**{**vars(config), **limits})
    return Web(app)


def test_who_leaves_for_the_provider_too_often_from_an_address_is_told_to_wait(office: Web) -> None:
    browser = office.visitor()
    assert browser.post("/agent/login/provider").status_code == 200
    again = browser.post("/agent/login/provider")
    assert (again.status_code, "Too many attempts to log in" in again.text) == (429, True)
    assert int(again.headers["Retry-After"]) > 0


def test_whoever_uses_up_an_address_at_the_provider_keeps_nobody_from_logging_in_there(office: Web) -> None:
    stranger = office.visitor()
    while stranger.post("/agent/login/provider").status_code == 200:
        pass
    alice = office.agent("alice")
    assert [alice.post("/agent/login/provider").status_code for _ in range(4)] == [200, 200, 200, 429]
