"""Notifications on their way to a push service that checks each as the RFCs say."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from flask import Flask

from supportchat.alerts import reach
from supportchat.alerts.encryption import encrypt, padded
from supportchat.alerts.keys import PushKeys
from supportchat.alerts.sender import Sender, outcome_of, retry_after
from supportchat.database import Database
from tests.cast import Agent, Cast, new_id
from tests.server import Server

from .push_service import PushService, Subscriber, packed, unpacked

pytestmark = pytest.mark.mode("postgres")


@pytest.fixture
def service(tmp_path: Path) -> Iterator[PushService]:
    """The push service."""
    running = PushService(tmp_path).start()
    yield running
    running.stop()
    assert running.problems == []


@pytest.fixture
def keys(database: Database) -> PushKeys:
    """The desk's keys."""
    made = PushKeys(database)
    made.make()
    return made


@pytest.fixture
def sender(app: Flask, database: Database, service: PushService, keys: PushKeys) -> Iterator[Sender]:
    """What sends, and may reach this machine."""
    with reach.open_pool(lambda address: address in ("127.0.0.1", "::1"), service.trusted) as pool:
        yield Sender(database, app.extensions["fragments"], keys, pool)


class Devices:
    """Gives agents devices at the push service, and has everything sent that is due."""

    def __init__(self, database: Database, service: PushService, sender: Sender, rows: Any) -> None:
        self._database, self._service, self._sender, self._rows = database, service, sender, rows
        database.call("advance_alerts")

    def give(self, agent: Agent, name: str = "phone", **more: Any) -> Subscriber:
        """Have a browser of an agent notified."""
        made = self._service.subscribe(name)
        endpoint, origin = self._service.origin + made.path, "https://desk.example.com"
        agent.call("add_device", endpoint=endpoint, origin=origin, **made.keys, **more)
        return made

    def send(self) -> int:
        """Send what is due."""
        self._database.call("advance_alerts")
        return self._sender.send()

    def wait(self, seconds: float) -> None:
        """Have some time pass."""
        self._rows("update agent_pushes set due_at = due_at - make_interval(secs => %s)", seconds)


@pytest.fixture
def devices(database: Database, service: PushService, sender: Sender, rows: Any) -> Devices:
    """The devices."""
    return Devices(database, service, sender, rows)


def state(agent: Agent) -> Any:
    """Return what the page says of an agent's only device."""
    [device] = agent.call("show_alerts")["devices"]
    return device


def test_a_message_is_encrypted_as_the_example_of_rfc_8291_has_it() -> None:
    own = ec.derive_private_key(int.from_bytes(unpacked("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw")), ec.SECP256R1())
    body = encrypt(
        b"When I grow up, I want to be a watermelon",
        "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
        "BTBZMqHH6r4Tts7J_aSIgg",
        salt=unpacked("DGv6ra1nlYgDCS1FRnbzlw"),
        own_key=own,
    )
    assert packed(body) == (
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A"
        "_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
    )


def test_a_notification_says_who_in_the_language_of_the_device_and_not_what(
    devices: Devices, cast: Cast, bob: Agent
) -> None:
    phone = devices.give(bob, language="de")
    cast.visitor().start("My card is 4111", customer_name="Vera Lindt")
    assert devices.send() == 1
    [message] = phone.got
    [headers] = phone.headers
    shown = message["notification"]
    assert (message["web_push"], shown["title"], shown["tag"]) == (8030, "Vera Lindt", "ticket-1001")
    assert shown["navigate"] == "https://desk.example.com/agent?ticket=1001"
    assert (shown["lang"], shown["dir"]) == ("de", "ltr")
    assert "4111" not in str(message)
    assert (headers["urgency"], int(headers["ttl"]), len(headers["topic"])) == ("high", 3600, 32)


def test_who_wants_the_text_gets_its_beginning(devices: Devices, cast: Cast, bob: Agent) -> None:
    bob.call("change_alerts", values={"shows_text": True})
    phone = devices.give(bob)
    cast.visitor().start("It is  broken. " + "x" * 500)
    devices.send()
    body = phone.got[0]["notification"]["body"]
    assert body.startswith("It is broken. xxx")
    assert len(body) == 120


@pytest.mark.parametrize("text", [False, True])
def test_a_mention_says_by_whom_and_where_and_the_note_only_to_who_wants_it(
    devices: Devices, cast: Cast, alice: Agent, bob: Agent, text: bool
) -> None:
    bob.call("change_alerts", values={"shows_text": text, "scope": "mine"})
    phone = devices.give(bob)
    number = cast.visitor().start("My card is 4111", customer_name="Vera Lindt")["number"]
    alice.call("add_note", number=number, client_message_id=new_id(), note="@Bob Ortiz is that  fraud?")
    assert devices.send() == 1
    shown = phone.got[0]["notification"]
    assert (shown["title"], shown["tag"]) == ("Alice Kern mentioned you", "ticket-1001")
    assert shown["body"] == ("@Bob Ortiz is that fraud?" if text else "#1001: Vera Lindt")
    bob.call("read_mentions", number=number, note_no=1)
    devices.send()
    assert phone.got[1]["kind"] == "end"


def test_the_end_goes_after_it_under_the_same_topic_and_is_not_kept(devices: Devices, cast: Cast, bob: Agent) -> None:
    phone = devices.give(bob)
    number = cast.visitor().start()["number"]
    devices.send()
    bob.call("record_receipt", number=number, delivered=9, read=9)
    assert devices.send() == 1
    assert phone.got[1] == {"kind": "end", "tag": "ticket-1001"}
    assert phone.headers[0]["topic"] == phone.headers[1]["topic"]
    assert phone.headers[1]["ttl"] == "0"
    assert devices.send() == 0


def test_a_test_ends_green_once_the_device_says_that_it_has_arrived(
    devices: Devices, database: Database, alice: Agent
) -> None:
    phone = devices.give(alice)
    alice.call("test_device", device_id=state(alice)["id"])
    assert state(alice)["test"]["is_waiting"]
    devices.send()
    assert database.call("push_arrived", push_id=phone.got[0]["push"])
    assert state(alice)["test"]["arrived_at"]
    assert not state(alice)["test"]["is_waiting"]


@pytest.mark.parametrize("status", [404, 410])
def test_a_device_that_is_gone_is_forgotten(devices: Devices, cast: Cast, bob: Agent, status: int) -> None:
    devices.give(bob).answers = [(status, {})]
    cast.visitor().start()
    devices.send()
    assert bob.call("show_alerts")["devices"] == []


def test_a_busy_service_is_asked_again_when_it_says(devices: Devices, cast: Cast, bob: Agent) -> None:
    phone = devices.give(bob)
    phone.answers = [(429, {"Retry-After": "40"}), (503, {})]
    cast.visitor().start()
    for wait in (40, 30):
        assert devices.send() == 1
        assert state(bob)["problem"] in ("429", "503")
        devices.wait(wait - 2)
        assert devices.send() == 0
        devices.wait(2)
    assert devices.send() == 1
    assert len(phone.got) == 1
    assert state(bob)["problem"] is None


def test_what_a_service_refuses_is_not_tried_again_and_named(devices: Devices, cast: Cast, bob: Agent) -> None:
    devices.give(bob).answers = [(403, {})]
    cast.visitor().start()
    assert devices.send() == 1
    devices.wait(3600)
    assert devices.send() == 0
    assert state(bob)["problem"] == "403"


def test_a_service_that_cannot_be_reached_holds_up_no_other_device(
    devices: Devices, cast: Cast, bob: Agent, rows: Any
) -> None:
    devices.give(bob, "gone")
    rows("update agent_devices set endpoint = 'https://localhost:1/push'")
    phone = devices.give(bob)
    cast.visitor().start()
    assert devices.send() == 2
    assert len(phone.got) == 1
    assert {device["problem"] for device in bob.call("show_alerts")["devices"]} == {None, "unreachable"}


def test_nothing_is_sent_to_addresses_that_are_not_public(
    app: Flask, database: Database, service: PushService, keys: PushKeys, devices: Devices, cast: Cast, bob: Agent
) -> None:
    phone = devices.give(bob)
    cast.visitor().start()
    database.call("advance_alerts")
    Sender(database, app.extensions["fragments"], keys, reach.open_pool(trusted=service.trusted)).send()
    assert phone.got == []
    assert state(bob)["problem"] == "not_public"


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0"),
        *("224.0.0.1", "::1", "::", "fe80::1%eth0", "fc00::1", "ff02::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1"),
        *("2002:7f00:1::", "192.0.2.1", "2001:db8::1"),
    ],
)
def test_addresses_of_ones_own_network_are_not_public(address: str) -> None:
    assert not reach.is_public(address)


def test_addresses_of_the_internet_are_public() -> None:
    assert reach.is_public("142.250.1.1")
    assert reach.is_public("2a00:1450:4001::1")
    assert reach.is_public("64:ff9b::8efa:101")


@pytest.mark.parametrize(
    "endpoint",
    [
        *("http://push.example.com/x", "https://localhost/x", "https://127.0.0.1/x", "https://[::1]/x"),
        *("https://push.example.com:8443/x", "https://a@push.example.com/x", "https://push.example.com/ x"),
        *("https://push.example.com/" + "x" * 1000, "https://push.exämple.com/x", "https://2130706433/x", ""),
        *("https://push.example.com:x/", "file:///etc/passwd", "https://push.example.com/\r\nx: y"),
    ],
)
def test_only_https_at_a_name_is_the_address_of_a_push_service(endpoint: str) -> None:
    assert not reach.is_good_endpoint(endpoint)


def test_the_addresses_of_those_that_browsers_use_are_good() -> None:
    for host in (
        "fcm.googleapis.com",
        "updates.push.services.mozilla.com",
        "web.push.apple.com",
        "wns2.notify.windows.com",
    ):
        assert reach.is_good_endpoint(f"https://{host}/fcm/send/abc:def")


def test_the_keys_are_made_once_for_all_processes(database: Database, keys: PushKeys) -> None:
    PushKeys(database).make()
    assert PushKeys(database).public() == keys.public()
    assert database.call("push_keys", private_key="other", public_key="other")["public_key"] == keys.public()
    point = unpacked(keys.public())
    assert (len(point), point[0]) == (65, 4)


def test_a_server_makes_the_keys_when_it_starts(server: Server, database: Database) -> None:
    while not PushKeys(database).public():
        time.sleep(0.05)


def test_a_token_is_used_again_until_it_is_about_to_end(keys: PushKeys) -> None:
    first, again = (keys.authorization("https://push.example.com/a", "https://x.example") for _ in range(2))
    assert first == again
    assert keys.authorization("https://other.example.com/a", "https://x.example") != first


def test_what_is_sent_has_the_same_length_for_every_name() -> None:
    assert len(padded(b"x")) == len(padded(b"x" * 500)) == 512
    assert len(padded(b"x" * 513)) == 1024


def test_an_answer_says_when_to_come_back_in_seconds_or_by_a_date() -> None:
    assert retry_after("12") == 12
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    assert 55 < retry_after(soon) <= 60
    assert retry_after("nonsense") == retry_after("") == retry_after("-5") == 0
    assert outcome_of(500, {}, 1).seconds == 10
    assert outcome_of(503, {b"Retry-After": b"7"}, 9).seconds == 7
    assert outcome_of(413, {}, 1).outcome == "failed"


def test_any_number_of_devices_is_notified(devices: Devices, cast: Cast, bob: Agent, carol: Agent) -> None:
    phones = [devices.give(agent, f"{agent.name}-{number}") for agent in (bob, carol) for number in range(10)]
    cast.visitor().start()
    assert devices.send() == 20
    assert [len(phone.got) for phone in phones] == [1] * 20
    devices.give(bob, "one more")
    assert len(bob.call("show_alerts")["devices"]) == 10
