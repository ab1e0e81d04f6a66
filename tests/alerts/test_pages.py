"""The page of alerts, and what browsers load for them."""

from __future__ import annotations

import re
from typing import Any

import pytest

from supportchat.database import Database
from tests.cast import Agent, Cast, agent_id, new_id
from tests.web import Web

from .push_service import Subscriber

pytestmark = pytest.mark.mode("postgres")
ENDPOINT = "https://push.example.com/1"


@pytest.fixture
def subscription() -> dict[str, Any]:
    """What a browser says of itself."""
    return {"endpoint": ENDPOINT, **Subscriber("").keys}


def test_settings_are_kept_and_shown(web: Web, alice: Agent) -> None:
    desk = web.agent("alice")
    answer = desk.post(
        "/alerts/settings", scope="all", desktop="y", quiet_from="22:00", quiet_until="07:00", time_zone="Asia/Tokyo"
    )
    assert answer.status_code == 303
    assert alice.call("show_alerts")["settings"] == {
        **{"scope": "all", "sound": False, "desktop": True, "push": False, "shows_text": False},
        **{"quiet_from": "22:00", "quiet_until": "07:00", "time_zone": "Asia/Tokyo"},
    }
    assert 'value="22:00"' in desk.get("/alerts").text


@pytest.mark.parametrize(
    "fields",
    [
        {"scope": "none"},
        {"scope": "all", "quiet_from": "22:00"},
        {"scope": "all", "quiet_from": "x", "quiet_until": "y"},
    ],
)
def test_settings_that_make_no_sense_are_refused_with_a_sentence(web: Web, fields: dict[str, str]) -> None:
    answer = web.agent("alice").post("/alerts/settings", htmx=True, **fields)
    assert answer.status_code == 422
    assert re.search(r'id="alerts-error"[^>]*>.*<span>[^<]+</span>', answer.text, re.DOTALL)


def test_the_sound_is_muted_from_the_menu_and_on_again(web: Web) -> None:
    desk = web.agent("alice")
    assert "Mute the sound" in desk.get("/account").text
    assert desk.post("/alerts/sound", sound="off", next="/account").location == "/account"
    assert "Turn the sound on" in desk.get("/account").text
    assert desk.post("/alerts/sound", sound="on", next="https://evil.example/").location == "/agent"
    assert "Mute the sound" in desk.get("/account").text


def test_only_an_admin_says_when_the_next_one_is_told(web: Web, carol: Agent) -> None:
    assert "Minutes until the next agent is told" not in web.agent("alice").get("/alerts").text
    admin = web.agent("carol")
    assert admin.post("/alerts/next", minutes="10").status_code == 303
    assert carol.call("show_alerts")["next_minutes"] == 10
    admin.post("/alerts/next", minutes="")
    assert carol.call("show_alerts")["next_minutes"] is None
    assert admin.post("/alerts/next", minutes="61").status_code == 422


def test_a_browser_is_notified_from_now_on_tested_and_removed(web: Web, subscription: dict[str, Any]) -> None:
    desk = web.agent("alice")
    assert desk.post("/alerts/devices", **subscription).status_code == 204
    [device] = set(re.findall("/alerts/devices/([0-9a-f-]{36})/test", desk.get("/alerts").text))
    shown = desk.post(f"/alerts/devices/{device}/test", htmx=True).text
    assert "Waiting for the test" in shown
    assert 'hx-trigger="load delay:1s"' in shown
    assert "No device is notified" in desk.post(f"/alerts/devices/{device}/delete", htmx=True).text


@pytest.mark.parametrize(
    "wrong", [{"endpoint": "http://10.0.0.1/"}, {"p256dh": "AAAA"}, {"auth": "!"}, {"endpoint": ""}]
)
def test_what_no_push_service_has_is_refused(web: Web, subscription: dict[str, Any], wrong: dict[str, str]) -> None:
    answer = web.agent("alice").post("/alerts/devices", **{**subscription, **wrong})
    assert answer.status_code == 422
    assert "address that we do not know" in answer.text


def test_a_desk_that_opens_adds_no_browser_that_its_agent_has_removed(
    web: Web, alice: Agent, subscription: dict[str, Any]
) -> None:
    desk = web.agent("alice")
    desk.post("/alerts/devices", known="y", **subscription)
    assert alice.call("show_alerts")["devices"] == []
    desk.post("/alerts/devices", **subscription)
    desk.post("/alerts/devices", known="y", **subscription)
    assert len(alice.call("show_alerts")["devices"]) == 1
    web.agent("bob").post("/alerts/devices", known="y", **subscription)
    assert alice.call("show_alerts")["devices"] == []


def test_a_logout_ends_the_notifications_of_its_browser(web: Web, alice: Agent, subscription: dict[str, Any]) -> None:
    desk = web.agent("alice")
    desk.post("/alerts/devices", **subscription)
    desk.post("/agent/logout")
    assert alice.call("show_alerts")["devices"] == []


def test_who_knows_an_id_says_once_that_it_has_arrived(
    web: Web, database: Database, cast: Cast, subscription: dict[str, Any]
) -> None:
    alice = cast.agent("alice")
    device = alice.call("add_device", origin="https://desk.example.com", **subscription)
    alice.call("test_device", device_id=device)
    [push] = database.call("take_pushes")
    stranger = web.visitor()
    assert [stranger.post("/alerts/arrived", push=push["id"]).status_code for _ in range(2)] == [204, 404]
    assert stranger.post("/alerts/arrived", push=new_id()).status_code == 404
    assert stranger.post("/alerts/arrived", push="x").status_code == 422
    assert "The test has arrived." in web.agent("alice").get("/alerts").text


def test_the_worker_has_an_address_of_its_own_and_may_only_ask_the_desk(web: Web) -> None:
    answer = web.visitor().get("/alerts/worker.js")
    assert answer.mimetype == "text/javascript"
    assert "showNotification" in answer.text
    assert "connect-src 'self'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Cache-Control"].startswith("no-store")


def test_the_desk_can_be_put_on_a_home_screen(web: Web) -> None:
    desk = web.agent("alice")
    page = desk.get("/agent")
    assert "worker-src 'self'; manifest-src 'self'" in page.headers["Content-Security-Policy"]
    assert 'rel="manifest" href="/manifest.webmanifest"' in page.text
    answer = desk.get("/manifest.webmanifest")
    said: Any = answer.json
    assert (answer.mimetype, said["display"]) == ("application/manifest+json", "standalone")
    for icon in said["icons"]:
        assert desk.get(icon["src"]).mimetype == "image/png"
    assert "worker" not in web.visitor().get("/chat").headers["Content-Security-Policy"]


def test_status_says_how_devices_are_reached(web: Web, database: Database, rows: Any) -> None:
    who = agent_id(database, "carol")
    database.call("add_device", agent_id=who, endpoint=ENDPOINT, p256dh="k", auth="a", origin="https://x")
    admin = web.agent("carol")
    assert "1 device; within a day" in admin.get("/status").text
    rows("update agent_devices set problem = 'unreachable', problem_at = now()")
    assert "cannot be reached from the server" in admin.get("/status").text


def test_the_audit_log_says_in_words_what_became_of_a_device(web: Web, subscription: dict[str, Any]) -> None:
    admin = web.agent("carol")
    admin.post("/alerts/devices", **subscription)
    web.agent("bob").post("/alerts/devices", **subscription)
    page = admin.get("/audit").text
    assert "Turned on notifications in a browser" in page
    assert "No more notifications in a browser: somebody else logged in there" in page
