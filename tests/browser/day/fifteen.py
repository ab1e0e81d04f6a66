"""Fifteen chats as they come all day: 31 replies of seven texts. They are answered twice, by mouse with every text
typed, and by keys with saved replies, and what the hands do is counted: `pytest -s tests/browser/day/fifteen.py`.

Before there were saved replies and keys, they took 46 clicks and 2,447 keys, of which 1,676 typed a text once more.
"""

from __future__ import annotations

from itertools import chain
from typing import Any, NamedTuple

import pytest
from playwright.sync_api import expect

from supportchat.database import Database
from tests.browser.conftest import DESK, Agent, Opener
from tests.cast import Cast, Visitor

pytestmark = pytest.mark.mode("postgres")

# As long as those of then were, all together.
TEXTS = {
    "Where": "Your parcel left our warehouse this morning, and the carrier says it will be with you within"
    " the next two to three days.",
    "Heat": "Please unplug the machine for half a minute, then hold the rinse button while you plug it in,"
    " and let it run through once.",
    "Return": "You can send it back to us within thirty days. The label is in the box, and you have your money"
    " back a few days after that.",
    "Bill": "The invoice is attached to the mail that confirmed your order. I have just sent it to you once"
    " more, so please look there.",
    "Stock": "It is sold out at the moment. We expect it again in about two weeks, and if you order one"
    " today, yours will leave us first.",
    "Scale": "Please descale it with the powder that came with your machine: the pump gets loud when there is"
    " lime in the lines of water.",
    "Bye": "You're welcome! Have a nice day",
}
CHATS = [
    ("Where", "Heat", "Bye"),
    *((name, "Bye") for name in ("Where", "Heat", "Return", "Bill", "Stock", "Scale", "Return")),
    *((name, "Bye") for name in ("Where", "Heat", "Return", "Bill", "Stock", "Scale", "Where")),
]
COUNT = """
window.done = { clicks: 0, keys: 0 };
addEventListener("mousedown", () => (done.clicks += 1), true);
addEventListener("keydown", ({ key }) => (done.keys += !["Control", "Shift", "Alt"].includes(key)), true);
"""


class Done(NamedTuple):
    """What the hands have done."""

    clicks: int
    keys: int


@pytest.fixture
def visitors(database: Database, rows: Any) -> list[Visitor]:
    """Fifteen people who write."""
    cast = Cast(database)
    carol = cast.agent("carol")
    for name, text in TEXTS.items():
        values = {"name": name, "message": text, "is_shared": True, "close_after": name == "Bye"}
        carol.call("save_reply", values=values)
    rows("update agents set max_tickets = 20")
    return [cast.visitor() for _ in CHATS]


@pytest.fixture
def desk(windows: Opener, visitors: list[Visitor]) -> Agent:
    """The desk of who answers all of them."""
    window: Agent = windows(Agent, **DESK)
    window.context.add_init_script(COUNT)
    window.come()
    window.is_live()
    for number, visitor in enumerate(visitors):
        visitor.start(f"Question {number}", customer_name=f"Customer {number}")
    expect(window.page.locator("[data-group='reply'] [data-row]")).to_have_count(len(CHATS))
    return window


def done(desk: Agent) -> Done:
    counted: dict[str, int] = desk.page.evaluate("window.done")
    return Done(**counted)


def test_by_mouse_with_every_text_typed(desk: Agent, visitors: list[Visitor]) -> None:
    for number, (visitor, names) in enumerate(zip(visitors, CHATS, strict=True), 1001):
        desk.row(number).get_by_role("link").click()
        for name in names:
            expect(desk.box).to_be_focused()
            desk.page.keyboard.type(TEXTS[name])
            desk.page.keyboard.press("Enter")
            goes_on(desk, visitor, name)
        expect(desk.messages.last).to_have_text(TEXTS["Bye"])
        desk.page.locator("#ticket-close").click()
        expect(desk.page.locator("#toast")).to_contain_text(f"Closed #{number}")
    typed = list(chain(*CHATS))
    repeated = sum(len(TEXTS[name]) + 1 for name in typed) - sum(len(text) + 1 for text in TEXTS.values())
    assert (len(typed), repeated) == (31, 1676)
    assert done(desk).keys == 2447
    print(f"\nby mouse, every text typed: {done(desk)}")


def test_by_keys_with_saved_replies(desk: Agent, visitors: list[Visitor]) -> None:
    desk.page.keyboard.press("j")
    desk.page.keyboard.press("Enter")
    for number, (visitor, names) in enumerate(zip(visitors, CHATS, strict=True), 1001):
        for name in names:
            expect(desk.page.locator(f"#messages-{number}")).to_be_visible()
            expect(desk.box).to_be_focused()
            desk.page.keyboard.type(f"/{name[:2].lower()}")
            expect(desk.page.locator(".replies [aria-selected=true]")).to_contain_text(name)
            desk.page.keyboard.press("Enter")
            expect(desk.box).to_have_value(TEXTS[name])
            desk.page.keyboard.press("Enter")
            goes_on(desk, visitor, name)
    assert done(desk).clicks == 0
    assert done(desk).keys < 2447 / 3
    print(f"\nby keys, with saved replies: {done(desk)}")


def goes_on(desk: Agent, visitor: Visitor, name: str) -> None:
    """After a reply, all but the last, the customer writes again."""
    if name != "Bye":
        expect(desk.messages.last).to_have_text(TEXTS[name])
        visitor.post(f"And after {name}?")
        expect(desk.messages.last).to_have_text(f"And after {name}?")
