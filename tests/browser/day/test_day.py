"""A day at the desk: everything once by keyboard alone; `bin/test --day` adds the crowd and the ten minutes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

from supportchat.database import Database
from tests.alerts.push_service import PushService
from tests.browser.conftest import Opener
from tests.browser.day.crowd import MINUTES, Crowd
from tests.browser.day.day import Day, expect_title, filled, until, wait_for_phone
from tests.server import Server

pytestmark = pytest.mark.mode("postgres")
PLAIN_ICON = re.compile("favicon")


@pytest.fixture
def day(windows: Opener, server: Server, database: Database, rows: Any, pushes: PushService) -> Iterator[Day]:
    """The day."""
    made = Day(windows, server.url, database, rows, pushes)
    made.prepare()
    yield made
    for customer in made.customers:
        customer.leave()


def test_everything_once(day: Day) -> None:
    begin(day)
    for part in PARTS:
        part(day)
    go_home(day)


@pytest.mark.long_day
@pytest.mark.timeout(1500)
def test_ten_minutes_of_it(day: Day) -> None:
    begin(day)
    crowd = Crowd(day)
    for part in PARTS:
        crowd.work_for(MINUTES * 60 / (len(PARTS) + 1))
        part(day)
    crowd.work_to_the_end()
    go_home(day)
    print(crowd.told())


def begin(day: Day) -> None:
    """Somebody writes before anybody is there: telephones ring once, until somebody has the ticket."""
    vera = day.customer("The machine shows E4", "Vera Lindt")
    for phone in day.phones.values():
        wait_for_phone(phone, "alert")
    alice = day.arrive("alice")
    assert day.agent_of(vera) is alice
    for name in ("bob", "carol"):
        wait_for_phone(day.phones[name], "end")
    expect_title(alice, 1)
    day.send_saved(vera, "Hello")
    vera.sees("Hi Vera, I will have a look.")
    expect_title(alice, 0)
    wait_for_phone(day.phones["alice"], "end")
    day.arrive("bob")
    day.arrive("carol")


def who_looks_elsewhere_hears_of_it(day: Day) -> None:
    """A sound, the title and the icon of the tab; a muted desk keeps quiet."""
    vera = day.customers[0]
    desk = day.agent_of(vera)
    icon = desk.page.locator('link[rel="icon"]')
    desk.go_back()
    desk.keys("j")  # before the first key nothing may sound
    desk.look_elsewhere()
    before = len(desk.noted("sounds"))
    vera.write("It still shows E4")
    expect_title(desk, 1)
    expect(icon).to_have_attribute("href", re.compile("^blob:"))
    until(lambda: len(desk.noted("sounds")) == before + 1, "no sound")
    desk.look_here()
    day.reply(vera, "Please unplug it for **30 seconds**, then hold `Rinse`")
    vera.sees("<strong>30 seconds</strong>")
    expect(icon).to_have_attribute("href", PLAIN_ICON)


def a_variable_stays_open(day: Day) -> None:
    """Nothing is sent before something stands in its place."""
    nobody = day.customer("Where is my order?")
    desk = day.agent_of(nobody)
    desk.send_saved(nobody.number, "Order")
    desk.sees("Write something in place of {{customer.name}}")
    desk.keys("Control+a")
    desk.type("Your order is on its way.")
    desk.keys("Enter")
    day.note_reply(nobody, "Your order is on its way.")
    day.send_saved(nobody, "Solved")
    until(lambda: is_closed(day, nobody.number), "the reply has closed nothing")


def a_draft_goes_on_elsewhere(day: Day) -> None:
    """What was begun on one device is sent from another."""
    eva = day.customer("Do you ship to Norway?", "Eva")
    desk = day.agent_of(eva)
    desk.write_in(eva.number)
    desk.type("Yes, we do")
    other = day.arrive(desk.name)
    expect(other.row(eva.number).get_by_text("Draft: Yes, we do")).to_be_visible()
    other.show(eva.number)
    expect(other.box).to_have_value("Yes, we do")
    other.type(", within a week.")
    other.keys("Control+Shift+Enter")
    day.note_reply(eva, "Yes, we do, within a week.")
    until(lambda: is_closed(day, eva.number), "sent, but not closed")
    expect(desk.row(eva.number)).to_have_attribute("data-status", "closed")
    other.page.close()
    day.windows.remove(other)


def somebody_else_is_there(day: Day) -> None:
    """A colleague looks and writes a note; then new messages come while the agent writes."""
    nora = day.customer("The pump is loud", "Nora")
    desk = day.agent_of(nora)
    other = next(each for each in day.desks.values() if each is not desk)
    other.run("All")
    other.show(nora.number)
    desk.show(nora.number)
    head = desk.page.locator(".ticket__lookers:not(.ticket__lookers--narrow)")
    expect(head).to_contain_text("is viewing")
    other.leave_the_box()
    other.keys("n")
    other.type("Known of this batch")
    expect(head).to_contain_text("is typing a note")
    other.keys("Enter")
    desk.sees("Known of this batch")
    other.run("Mine")

    desk.write_in(nora.number)
    desk.type("Is it new?")
    desk.context.set_offline(True)
    desk.keys("Enter")
    expect(desk.page.locator("[data-pending] li")).to_be_visible()
    for line in ("It is a CM-410", "and it is new"):
        nora.write(line)
    desk.context.set_offline(False)
    expect(desk.page.locator("#reply-error")).to_contain_text("2 new messages came while you wrote.")
    expect(desk.box).to_have_value("Is it new?")
    desk.keys("Control+a")
    desk.type("Thanks. We send you a new pump.")
    desk.keys("Enter")
    day.note_reply(nora, "Thanks. We send you a new pump.")


def it_is_sorted(day: Day) -> None:
    """A tag, a priority, a snooze until the customer writes, and one until a time."""
    ben, ida = day.customer("It leaks", "Ben"), day.customer("A question", "Ida")
    desk = day.agent_of(ben)
    desk.show(ben.number)
    desk.leave_the_box()
    desk.keys("t")
    expect(desk.page.locator("#tag-name")).to_be_focused()
    desk.type("Leaks")
    desk.keys("Enter")
    expect(desk.page.locator("#customer .tag__name")).to_have_text("Leaks")
    desk.leave_the_box()
    desk.run("Priority")
    expect(desk.page.locator("#priority")).to_be_focused()
    desk.type("U")
    expect(desk.row(ben.number).get_by_title("Urgent")).to_be_visible()

    day.reply(ben, "Please send a picture of it.")
    snooze(day, ben, "#snooze-customer")
    ben.write("Here it is")
    expect(desk.row(ben.number)).to_contain_text("Back")

    day.give(ida, desk.name)
    day.reply(ida, "I will ask, and write again later.")
    snooze(day, ida, "#snooze-hour")
    day.rows("update tickets set snoozed_until = now() where number = %s", ida.number)
    expect(desk.row(ida.number)).to_contain_text("Back")


def snooze(day: Day, customer: Any, choice: str) -> None:
    desk = day.agent_of(customer)
    desk.show(customer.number)
    desk.leave_the_box()
    desk.keys("s")
    desk.tab_to(desk.page.locator(choice), "ArrowDown")
    desk.keys("Enter")
    expect(desk.row(customer.number)).to_have_count(0)


def it_is_found_again(day: Day) -> None:
    """By words, at its line; and the search is kept as a view."""
    vera = day.customers[0]
    desk = day.agent_of(vera)
    desk.leave_the_box()
    desk.keys("/")
    expect(desk.page.locator("#find")).to_be_focused()
    desk.type("machine e4")
    desk.keys("Enter")
    hit = desk.page.locator(".hit__line").first
    desk.tab_to(hit)
    _, _, place = str(hit.get_attribute("href")).partition("#")
    desk.keys("Enter")
    expect(desk.page.locator(f"#{place}")).to_be_in_viewport()
    desk.is_live()

    desk.run("Search")
    desk.type("tag:leaks")
    desk.keys("Enter")
    desk.tab_to(desk.page.locator(".search__save summary"))
    desk.keys("Enter")
    desk.tab_to(desk.page.locator("#view-name"))
    desk.type("Leaks")
    desk.keys("Enter")
    expect(desk.page.locator(".views__link")).to_contain_text("Leaks")
    desk.go_back()
    desk.run("Views")
    view = desk.page.locator(".find .views .menu__item")
    expect(view).to_contain_text("1")
    desk.keys("Escape")


def the_queue_is_worked_off(day: Day) -> None:
    """Its order, hand over and close with Undo, and several closed at once."""
    desk = day.desks["bob"]
    three = [day.customer(f"Question {number}", f"Customer {number}") for number in range(3)]
    for customer in three:
        day.give(customer, "bob")
        day.reply(customer, f"An answer for {customer.name}.")
    for customer in three:
        customer.write("Thank you")
    until(lambda: {each.number for each in three} <= {*desk.queue}, "they do not stand in the queue")
    desk.run("Order of the queue")
    expect(desk.page.locator("#queue-order")).to_be_focused()
    desk.type("N")
    newest_first = [each.number for each in reversed(three)]
    until(lambda: [number for number in desk.queue if number in newest_first] == newest_first, "not the newest first")

    desk.show(three[0].number)
    desk.leave_the_box()
    desk.keys("a")
    expect(desk.page.locator("#hand-over-menu + .menu__panel :focus")).to_have_count(1)
    desk.keys("Enter")
    expect(desk.page.locator("#toast")).to_contain_text(f"Handed #{three[0].number} over")
    desk.undo()
    until(lambda: day.agent_of(three[0]) is desk, "the hand-over was not taken back")
    desk.write_in(three[0].number)
    desk.close(three[0].number)
    desk.undo()
    expect(desk.row(three[0].number)).to_have_attribute("data-status", "open")
    for customer in three:
        day.reply(customer, f"You are welcome, {customer.name}.")

    desk.leave_the_box()
    for customer in three:
        desk.walk_to(customer.number)
        desk.keys("Shift+Tab", "Space", "Tab")
    expect(desk.page.locator("[data-bulk-count]")).to_have_text("3 chosen")
    desk.tab_to(desk.page.locator("#bulk-close"))
    desk.keys("Enter")
    desk.tab_to(desk.page.locator("[data-question-yes]"))
    desk.keys("Enter")
    expect(desk.page.locator("#toast")).to_contain_text("Closed 3 tickets.")


def keys_are_listed_and_switched_off(day: Day) -> None:
    """The sheet, and the switch that WCAG 2.1.4 asks for."""
    desk = day.desks["carol"]
    desk.leave_the_box()
    desk.keys("?")
    sheet = desk.page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(sheet).to_contain_text("Search")
    desk.keys("Escape")
    desk.go_to("Your account", "/account")
    switch = desk.page.get_by_label("Single keys")
    desk.tab_to(switch)
    with desk.page.expect_navigation():
        desk.keys("ArrowDown")
    desk.keys("?")
    expect(sheet).to_be_hidden()
    desk.tab_to(switch)
    with desk.page.expect_navigation():
        desk.keys("ArrowUp")
    desk.keys("?")
    expect(sheet).to_be_visible()
    desk.keys("Escape")


def it_reaches_them(day: Day) -> None:
    """The page of alerts: the sound, and a test that ends green; then a muted desk."""
    desk, phone = day.desks["carol"], day.phones["carol"]
    desk.go_to("Alerts", "/alerts")
    before = len(desk.noted("sounds"))
    desk.tab_to(desk.page.locator("[data-sound-test]"))
    desk.keys("Enter")
    until(lambda: len(desk.noted("sounds")) == before + 1, "no sound")
    desk.tab_to(desk.page.get_by_role("button", name=re.compile("^Send a test")))
    desk.keys("Enter")
    wait_for_phone(phone, "test")
    day.say_that_it_arrived(phone)
    desk.sees("The test has arrived.")
    desk.run("Mute the sound")
    desk.sees("Alerts")
    desk.go_back()


PARTS = (
    who_looks_elsewhere_hears_of_it,
    a_variable_stays_open,
    a_draft_goes_on_elsewhere,
    somebody_else_is_there,
    it_is_sorted,
    it_is_found_again,
    the_queue_is_worked_off,
    keys_are_listed_and_switched_off,
    it_reaches_them,
)


def go_home(day: Day) -> None:
    """Everybody who is still there gets an answer, which closes their ticket."""
    for customer in day.customers:
        if not is_closed(day, customer.number):
            day.send_saved(customer, "Solved")
            until(lambda number=customer.number: is_closed(day, number), "not closed")  # type: ignore[misc]
            customer.sees(filled("Solved", customer))
    day.check()


def is_closed(day: Day, number: int) -> bool:
    return bool(day.rows("select 1 from tickets where number = %s and status = 'closed'", number))
