"""What the worker of a browser does with a push, run by Node.js: a browser without a screen shows no notifications."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from supportchat.config import ROOT

# Stands in for the browser: prints what the worker has it do.
BROWSER = """
import { readFileSync } from "node:fs";
import { createContext, runInContext } from "node:vm";
const [, , script, event, pages] = process.argv;
const did = [], listeners = {};
const shown = [{ tag: "ticket-1001", close: () => did.push(["close", "ticket-1001"]) }];
const page = (url) => ({
  url,
  focus: async () => did.push(["focus", url]),
  postMessage: (message) => did.push(["post", message]),
});
const self = {
  addEventListener: (name, listener) => (listeners[name] = listener),
  skipWaiting: () => null,
  registration: {
    showNotification: async (title, options) => did.push(["show", title, options]),
    getNotifications: async ({ tag }) => shown.filter((each) => each.tag === tag),
    pushManager: { subscribe: async () => ({ toJSON: () => ({ endpoint: "e", keys: { p256dh: "p", auth: "a" } }) }) },
  },
  clients: {
    matchAll: async () => JSON.parse(pages).map(page),
    openWindow: async (address) => did.push(["open", address]),
  },
};
const fetch = async (path, { body }) => did.push(["fetch", path, Object.fromEntries(body)]);
runInContext(readFileSync(script, "utf8"), createContext({ self, fetch, URL, URLSearchParams }));
const { type, ...detail } = JSON.parse(event);
let work;
listeners[type]({
  ...detail,
  data: { json: () => detail.data },
  notification: { close: () => did.push(["closed"]), data: detail.notification },
  waitUntil: (promise) => (work = promise),
});
await work;
console.log(JSON.stringify(did));
"""


def done(event: dict[str, Any], *pages: str) -> Any:
    """Return what the worker has its browser do because of an event."""
    script = ROOT / "static" / "js" / "alerts" / "worker.js"
    command = ["node", "--input-type=module", "-", str(script), json.dumps(event), json.dumps(pages)]
    ran = subprocess.run(command, input=BROWSER, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def push(**message: Any) -> dict[str, Any]:
    return {"type": "push", "data": message}


def test_a_push_is_shown_then_said_to_have_arrived_and_pages_are_told() -> None:
    shown = {"title": "Vera", "body": "#1001: new message", "tag": "ticket-1001", "navigate": "https://desk/agent"}
    assert done(push(kind="alert", push="7", notification=shown), "https://desk/alerts") == [
        [
            "show",
            "Vera",
            {"body": "#1001: new message", "tag": "ticket-1001", "data": {"address": "https://desk/agent"}},
        ],
        ["fetch", "/alerts/arrived", {"push": "7"}],
        ["post", {"arrived": "7"}],
    ]


def test_an_end_takes_the_notification_of_its_ticket_away_and_shows_nothing() -> None:
    assert done(push(kind="end", tag="ticket-1001")) == [["close", "ticket-1001"]]
    assert done(push(kind="end", tag="ticket-1002")) == []


@pytest.mark.parametrize("pages", [(), ("https://desk/account",)])
def test_a_click_opens_the_ticket_in_a_new_window(pages: tuple[str, ...]) -> None:
    click = {"type": "notificationclick", "notification": {"address": "/agent?ticket=1001"}}
    assert done(click, *pages) == [["closed"], ["open", "/agent?ticket=1001"]]


def test_a_click_opens_the_ticket_at_a_desk_that_is_open() -> None:
    click = {"type": "notificationclick", "notification": {"address": "/agent?ticket=1001"}}
    desk = "https://desk/agent?view=all"
    assert done(click, desk) == [["closed"], ["focus", desk], ["post", {"open": "/agent?ticket=1001"}]]


def test_a_subscription_that_changes_is_said_to_the_desk() -> None:
    change = {"type": "pushsubscriptionchange", "oldSubscription": {"options": {}}}
    assert done(change) == [["fetch", "/alerts/devices", {"endpoint": "e", "p256dh": "p", "auth": "a"}]]


def test_the_worker_stands_between_no_page_and_the_desk() -> None:
    source = (ROOT / "static" / "js" / "alerts" / "worker.js").read_text()
    assert '"fetch"' not in source
    assert "caches" not in source
