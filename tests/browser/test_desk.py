"""The agents' desk and the admin's page."""

from __future__ import annotations

import contextlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import Route, WebSocketRoute, expect

from supportchat.database import Database
from tests.browser.conftest import DESK, SECOND, Agent, Customer, Opener
from tests.browser.test_stream import Stream
from tests.cast import Cast

READ = "() => document.dispatchEvent(new CustomEvent('live:queue_changed'))"


@pytest.fixture
def bob(windows: Opener) -> Agent:
    """A colleague at the desk."""
    window: Agent = windows(Agent, **DESK)
    return window.come("bob")


def test_the_queue_follows_what_happens(alice: Agent, vera: Customer, windows: Opener) -> None:
    expect(alice.page.get_by_text("You have no open tickets").first).to_be_visible()
    vera.start("First", name="Vera Lindt")
    expect(alice.page.locator("#view-mine")).to_contain_text("1")
    expect(alice.page.locator("#load")).to_contain_text("1 of 3 tickets")
    expect(alice.page).to_have_title(re.compile(r"^\(1\) "))
    alice.open()
    expect(alice.row()).not_to_contain_text("new")
    expect(alice.page).not_to_have_title(re.compile(r"^\("))
    alice.write("An answer")
    expect(alice.row()).to_contain_text("You: An answer")


def test_the_queue_tells_who_does_not_see_it_what_has_come(alice: Agent, vera: Customer, windows: Opener) -> None:
    news = alice.page.locator("[data-queue-news]")
    vera.start("First")
    expect(news).to_have_text("1 unread message")
    alice.open()
    expect(alice.row()).not_to_contain_text("new")
    victor: Customer = windows(Customer)
    victor.start("Second")
    expect(alice.row(1002)).to_contain_text("1 new")
    expect(news).to_have_text("1 unread message")
    victor.write("And more")
    expect(news).to_have_text("2 unread messages")


def test_a_time_zone_that_this_browser_does_not_know_stops_nothing(alice: Agent, vera: Customer, rows: Any) -> None:
    vera.start("Hello")
    rows("update user_sessions set time_zone = 'Europe/Newtown'")
    alice.page.goto(f"{alice.url}/agent?ticket=1001")
    alice.is_live()
    alice.sees("Europe/Newtown")
    alice.write("An answer")
    expect(alice.messages.last).to_have_text("An answer")


def test_one_of_two_claims_wins_and_the_other_is_told_who(alice: Agent, bob: Agent, vera: Customer, rows: Any) -> None:
    rows("update agents set availability = 'away'")
    vera.start("Who takes me?")
    vera.sees("We’ll reply here")
    for agent in (alice, bob):
        agent.page.locator("#view-unassigned").click()
        agent.open()
    alice.press("Claim")
    alice.sees("Assigned to you")
    expect(bob.page.locator("#claim")).to_contain_text("Assigned to Alice Kern")
    vera.sees("You are now talking to Alice.")


def test_a_claim_that_comes_too_late_is_answered_with_who_was_faster(
    alice: Agent, bob: Agent, vera: Customer, rows: Any
) -> None:
    rows("update agents set availability = 'away'")
    vera.start("Who takes me?")
    bob.page.locator("#view-unassigned").click()
    bob.open()
    bob.page.route("**/tickets/1001/changes", lambda route: route.abort())  # he has not seen it yet
    alice.page.locator("#view-unassigned").click()
    alice.open()
    alice.press("Claim")
    alice.sees("Assigned to you")
    bob.press("Claim")
    bob.sees("Alice Kern already took this ticket.")
    bob.sees("Take over")
    with bob.page.expect_response("**/tickets?*"):
        bob.page.evaluate(READ)  # the queue is asked for anew, by the page itself
    vera.write("Thank you")
    bob.sees("Thank you")
    expect(bob.page.locator("#notice")).to_contain_text("Alice Kern already took this ticket")
    bob.page.locator("#view-all").click()
    expect(bob.page.locator("#notice")).to_be_empty()


def test_a_ticket_is_handed_over_to_a_colleague(alice: Agent, vera: Customer, windows: Opener) -> None:
    vera.start("Hello")
    alice.open()
    bob: Agent = windows(Agent).come("bob")
    expect(bob.page.get_by_text("You have no open tickets").first).to_be_visible()
    him = alice.page.get_by_role("button", name="Bob Ortiz")
    menu = alice.page.locator("summary", has_text="Hand over")
    for _ in range(10):  # who is here is looked up each time the menu opens
        with alice.page.expect_response("**/tickets/1001/assignment**"):
            menu.click()
        alice.page.wait_for_timeout(100)
        if him.is_enabled():
            break
        menu.click()
    him.click()
    expect(alice.page.locator("#claim")).to_contain_text("Assigned to Bob Ortiz")
    vera.sees("Bob has taken over from Alice.")
    expect(bob.row()).to_be_visible()


def test_after_a_closing_the_next_one_opens_and_the_way_back_stands_for_five_seconds(
    alice: Agent, vera: Customer, windows: Opener, rows: Any
) -> None:
    vera.start("One")
    windows(Customer).start("Two")
    windows(Customer).start("Three")
    rows("update tickets set awaiting_since = now() - interval '2 hours' where number = 1003")
    alice.open(1001)
    alice.press("Close")
    expect(alice.page.locator("#messages-1003")).to_be_visible()
    expect(alice.box).to_be_focused()
    expect(alice.page).to_have_url(re.compile(r"/agent\?ticket=1003$"))
    undo = alice.page.get_by_role("status").get_by_role("button", name="Undo")
    undo.focus()
    undo.press("Enter")
    expect(alice.page.locator("#messages-1001")).to_be_visible()
    expect(undo).to_have_count(0)
    expect(vera.page.get_by_role("button", name="End chat")).to_be_visible()
    alice.press("Close")
    expect(undo).to_be_visible()
    expect(undo).to_have_count(0, timeout=15 * SECOND)
    expect(alice.page.locator("#messages-1003")).to_be_visible()


def test_who_loses_a_ticket_in_the_middle_of_a_sentence_keeps_it(
    alice: Agent, bob: Agent, vera: Customer, rows: Any
) -> None:
    rows("update agents set availability = 'away' where name = 'Bob Ortiz'")
    vera.start("Hello", name="Vera Lindt")
    alice.open()
    bob.page.locator("#view-all").click()
    bob.open()
    alice.box.press_sequentially("I will send you a new sens")
    bob.page.get_by_role("button", name="Take over").click()
    question = bob.page.get_by_role("dialog", name="Take over from Alice Kern?")
    expect(question).to_contain_text("Vera Lindt (#1001) is assigned to Alice, who will see that you took over.")
    question.get_by_role("button", name="Cancel").click()
    expect(alice.box).to_have_value("I will send you a new sens")
    bob.take_over()
    expect(alice.page.locator("#claim")).to_contain_text("Bob took over this ticket. Your text is saved.")
    kept = alice.page.get_by_label("Your unsent reply")
    expect(kept).to_have_value("I will send you a new sens")
    expect(kept).to_be_focused()
    expect(alice.page.locator("[data-queue-news]")).to_contain_text("Bob took over this ticket.")
    alice.take_over()
    expect(alice.box).to_have_value("I will send you a new sens")
    expect(alice.box).to_be_focused()
    vera.page.get_by_role("button", name="End chat").click()
    vera.page.get_by_role("dialog").get_by_role("button", name="End chat").click()
    expect(alice.page.locator("#claim")).to_contain_text("The customer ended this chat.")
    expect(kept).to_be_focused()
    alice.press("Add as note")
    expect(alice.page.locator(".message--note .bubble")).to_have_text("I will send you a new sens")
    alice.page.locator(".mode", has_text="Reply").click()
    expect(kept).to_be_hidden()


def test_a_reply_that_somebody_else_s_ticket_refuses_is_edited_once_there_is_a_box_again(
    alice: Agent, bob: Agent, vera: Customer, rows: Any
) -> None:
    rows("update agents set availability = 'away' where name = 'Bob Ortiz'")
    vera.start("Hello")
    alice.open()
    bob.page.locator("#view-all").click()
    bob.open()
    alice.page.route("**/messages", lambda route: route.abort())
    alice.write("Too late")
    alice.sees("Not sent yet. Trying again…")
    bob.take_over()
    alice.page.unroute("**/messages")
    alice.sees("Bob Ortiz already took this ticket.", 15)
    buttons = alice.page.locator("[data-pending]").get_by_role("button")
    expect(buttons).to_have_text(["Retry", "Copy", "Delete"])
    alice.take_over()
    expect(buttons).to_have_text(["Retry", "Edit", "Copy", "Delete"])
    alice.press("Edit")
    expect(alice.box).to_have_value("Too late")


def test_who_is_away_gets_no_new_ticket_and_the_first_when_available_again(alice: Agent, vera: Customer) -> None:
    alice.switch.click()
    expect(alice.switch).not_to_be_checked()
    alice.sees("Away")
    vera.start("Anybody?")
    vera.sees("We’ll reply here")
    expect(alice.page).to_have_title("(1) Support desk")
    expect(alice.page.locator("[data-rail-count]")).to_have_text("1")
    alice.switch.click()
    expect(alice.row()).to_be_visible()
    vera.sees("You are now talking to Alice.")


def test_a_draft_waits_at_its_ticket(alice: Agent, vera: Customer, windows: Opener) -> None:
    vera.start("One")
    victor: Customer = windows(Customer)
    victor.start("Two")
    alice.open(1001)
    alice.box.press_sequentially("Half an answer")
    alice.open(1002)
    expect(alice.box).to_have_value("")
    expect(alice.row(1001)).to_contain_text("Draft")
    alice.open(1001)
    expect(alice.box).to_have_value("Half an answer")
    alice.box.press("Enter")
    victor.does_not_see("Half an answer")
    vera.sees("Half an answer")


def test_messages_of_one_ticket_do_not_appear_in_another(alice: Agent, vera: Customer, windows: Opener) -> None:
    vera.start("One")
    vera.is_live()
    victor: Customer = windows(Customer)
    victor.start("Two")
    alice.open(1001)
    alice.open(1002)
    vera.write("For the first ticket")
    expect(alice.row(1001)).to_contain_text("For the first ticket")
    expect(alice.messages).to_have_text(["Two"])


def test_a_logout_in_one_tab_ends_the_other(alice: Agent) -> None:
    alice.is_live()
    tab = alice.tab()
    tab.goto(f"{alice.url}/agent")
    tab.locator(".rail__me > summary").click()
    tab.get_by_role("button", name="Log out").click()
    alice.page.wait_for_url(re.compile(r"/agent/login\?next=(%2F|/)agent$"))


def test_of_two_tickets_the_one_that_was_chosen_last_is_shown(alice: Agent, vera: Customer, windows: Opener) -> None:
    vera.start("One")
    windows(Customer).start("Two")
    held: list[Route] = []
    alice.page.route("**/tickets/1001", lambda route: held.append(route))
    with alice.page.expect_request("**/tickets/1001"):
        alice.row(1001).get_by_role("link").click()
    alice.open(1002)
    alice.box.fill("For the second")
    with contextlib.suppress(PlaywrightError):  # it may have been given up already
        held[0].continue_()
    alice.page.reload()
    expect(alice.page.locator("#messages-1002")).to_be_visible()
    expect(alice.box).to_have_value("For the second")


def test_on_a_phone_there_is_one_pane_with_a_way_back(windows: Opener, vera: Customer) -> None:
    alice: Agent = windows(Agent, viewport={"width": 390, "height": 800}).come()
    vera.start("Hello", name="Vera Lindt", phone="+4930901820")
    alice.open()
    expect(alice.row()).to_be_hidden()
    alice.page.get_by_role("button", name="About the customer").click()
    expect(alice.page.get_by_role("link", name="+49 30 901820")).to_be_visible()
    alice.page.keyboard.press("Escape")
    expect(alice.page.locator("#customer")).to_be_hidden()
    alice.page.get_by_role("link", name="Back to the queue").click()
    expect(alice.row()).to_be_visible()


@pytest.mark.mode("postgres")
def test_the_way_back_on_a_phone_leads_to_the_view_that_one_came_from(
    windows: Opener, vera: Customer, rows: Any
) -> None:
    alice: Agent = windows(Agent, viewport={"width": 390, "height": 800}).come()
    rows("update agents set availability = 'away'")
    rows(
        "with new as (insert into user_sessions (customer_name) select 'c' || n from generate_series(1, 20) n"
        " returning session_id) insert into tickets (session_id) select session_id from new"
    )
    vera.start("Hello")
    alice.page.locator("#view-unassigned").click()
    alice.row(1010).scroll_into_view_if_needed()
    place = alice.page.locator("#queue").evaluate("queue => queue.scrollTop")
    assert place > 0
    alice.row(1010).get_by_role("link").click()
    alice.page.get_by_role("link", name="Back to the queue").click()
    expect(alice.row(1010)).to_be_in_viewport()
    alice.open(1021)
    for _ in range(2):
        alice.page.get_by_role("link", name="Back to the queue").click()
        expect(alice.row(1021)).to_be_visible()
        expect(alice.page.locator("#view-unassigned")).to_have_attribute("aria-current", "true")
        alice.open(1021)
        alice.page.reload()


@pytest.mark.mode("postgres")
def test_a_long_name_never_hides_the_number_of_the_ticket(windows: Opener, vera: Customer) -> None:
    vera.start("Hello", name="Vera Alexandra Lindt-Montgomery of Lower Saxony")
    alice: Agent = windows(Agent)
    alice.log_in_unseen("alice")
    for width in (360, 768, 1280):
        alice.page.set_viewport_size({"width": width, "height": 800})
        alice.page.goto(f"{alice.url}/agent?ticket=1001")
        alice.is_live()
        alice.sees("Assigned to you")  # the head of the ticket is drawn anew for that
        expect(alice.page.locator("[data-ticket-title] .muted")).to_have_text("#1001")
        assert alice.page.locator("[data-ticket-title]").evaluate(
            """(title) => {
                const number = title.querySelector(".muted");
                const fits = number.scrollWidth <= number.clientWidth || !number.clientWidth;
                return fits && number.getBoundingClientRect().right <= title.getBoundingClientRect().right + 1;
            }"""
        )


@pytest.mark.mode("postgres")
def test_the_page_of_a_proxy_takes_no_place_of_the_desk(alice: Agent, vera: Customer) -> None:
    vera.start("Hello", name="Vera Lindt")
    alice.row().wait_for()
    alice.page.route("**/tickets*", lambda route: route.fulfill(status=502, body="<h1>Bad Gateway</h1>"))
    alice.page.route("**/tickets/1001*", lambda route: route.fulfill(status=502, body="<h1>Bad Gateway</h1>"))
    alice.row().get_by_role("link").click()
    alice.sees("The desk could not be reached (502).")
    alice.page.get_by_role("link", name="All 1").click()
    expect(alice.row()).to_be_visible()
    alice.does_not_see("Bad Gateway")
    alice.page.unroute_all()
    alice.open()
    alice.does_not_see("The desk could not be reached")


@pytest.mark.mode("postgres")
def test_a_ticket_opened_by_keyboard_takes_the_focus(alice: Agent, vera: Customer, windows: Opener) -> None:
    vera.start("Hello")
    alice.row().get_by_role("link").press("Enter")
    expect(alice.box).to_be_focused()
    expect(alice.row().get_by_role("link")).to_have_attribute("aria-current", "true")
    bob: Agent = windows(Agent).come("bob")
    bob.page.locator("#view-all").click()
    bob.row().get_by_role("link").press("Enter")
    expect(bob.page.locator("#ticket-title")).to_be_focused()
    expect(bob.page.locator("#ticket-title")).to_have_accessible_name("Visitor 1001")


@pytest.mark.mode("postgres")
def test_a_view_that_was_chosen_is_not_replaced_by_an_answer_for_the_one_before(
    alice: Agent, vera: Customer, rows: Any
) -> None:
    rows("update agents set availability = 'away'")
    alice.is_live()
    vera.start("Hello")
    held: list[Route] = []
    alice.page.route(
        "**/tickets?*", lambda route: held.append(route) if "view=mine" in route.request.url else route.continue_()
    )
    with alice.page.expect_request("**/tickets?*"):
        alice.page.evaluate(READ)
    alice.page.locator("#view-unassigned").click()
    expect(alice.row()).to_be_visible()
    assert all(route.request.failure for route in held)  # given up, or it would come now


@pytest.mark.mode("postgres")
def test_a_desk_whose_socket_comes_back_reads_its_queue_again(windows: Opener) -> None:
    alice: Agent = windows(Agent)
    stream = Stream(alice.page, "**/agent/ws")
    alice.come()
    alice.is_live()
    alice.page.evaluate(
        "() => document.addEventListener('live:queue_changed', (event) => event.stopImmediatePropagation(), true)"
    )
    with alice.page.expect_request("**/tickets?*", timeout=10 * SECOND):
        stream.sockets[-1].close(code=1012)


@pytest.mark.mode("postgres")
def test_what_comes_while_the_queue_is_being_read_is_not_lost_with_the_older_answer(
    alice: Agent, vera: Customer, windows: Opener
) -> None:
    alice.is_live()
    late: list[tuple[Route, Any]] = []
    alice.page.route("**/tickets?*", lambda route: late.append((route, route.fetch())), times=1)
    with alice.page.expect_request("**/tickets?*"):
        alice.page.evaluate(READ)
    while not late:
        alice.page.evaluate("0")  # lets Playwright go on
    vera.start("One")
    expect(alice.row(1001)).to_be_visible()
    route, answer = late[0]
    with alice.page.expect_response("**/tickets?*"):
        route.fulfill(response=answer)
    windows(Customer).start("Two")
    expect(alice.row(1002)).to_be_visible()
    expect(alice.row(1001)).to_be_visible()
    expect(alice.page.locator("#view-mine")).to_contain_text("2")


@pytest.mark.mode("postgres")
def test_a_hundred_changes_are_told_and_not_asked_for(
    alice: Agent, bob: Agent, vera: Customer, database: Database, rows: Any
) -> None:
    rows("update agents set availability = 'away', max_tickets = 20 where name = 'Bob Ortiz'")
    vera.start("Hello", name="Vera Lindt")
    alice.row(1001).wait_for()
    bob.page.locator("#view-all").click()
    expect(bob.row(1001)).to_be_visible()
    for agent in (alice, bob):
        agent.is_live()
    asked: list[str] = []
    for agent in (alice, bob):
        agent.page.wait_for_load_state("networkidle")
        agent.page.on("request", lambda request: asked.append(request.url) if "/tickets?" in request.url else None)
    cast = Cast(database)
    for number in range(2, 12):
        visitor = cast.visitor()
        visitor.start(f"I am {number}")
        for n in range(8):
            visitor.post(f"Line {n} of {number}")
        database.call("close_chat", visitor=visitor.key)
    cast.visitor().start("The last one")
    for agent in (alice, bob):
        expect(agent.page.locator("[data-row]", has_text="The last one")).to_be_visible()
    expect(bob.page.locator("#queue-closed-rows > li")).to_have_count(10)
    expect(alice.page.locator("#view-all")).to_contain_text("2")
    assert asked == []


@pytest.mark.mode("postgres")
def test_a_row_finds_its_place_and_keeps_the_focus(alice: Agent, vera: Customer, database: Database) -> None:
    vera.start("First", name="Vera Lindt")
    cast = Cast(database)
    visitors = [cast.visitor() for _ in range(2)]
    for visitor in visitors:
        visitor.start("Next")
    numbers = alice.page.locator("#queue [data-group='reply'] .row__number, #queue [data-group='reply'] .row__name")
    expect(alice.page.locator("#queue-reply-rows > li")).to_have_count(3)
    link = alice.row(1001).get_by_role("link")
    link.focus()
    link.evaluate("link => (window.before = link)")
    cast.agent("alice").reply(1001, "One moment")
    expect(alice.page.locator("#queue-customer-rows > li")).to_have_count(1)
    expect(alice.row(1001)).to_contain_text("You: One moment")
    expect(numbers.first).to_have_text("Visitor 1002")
    expect(link).to_be_focused()
    assert link.evaluate("link => link === window.before")
    visitors[0].post("Are you there?")
    vera.write("And another thing")
    expect(alice.page.locator("#queue-reply-rows > li").last).to_contain_text("And another thing")
    expect(alice.page.locator("#queue-customer")).to_be_hidden()
    expect(link).to_be_focused()


@pytest.mark.mode("postgres")
def test_what_is_read_in_one_tab_is_read_in_the_other(alice: Agent, vera: Customer) -> None:
    vera.start("First")
    tab = alice.tab()
    tab.goto(f"{alice.url}/agent?view=all")
    vera.write("Second")
    expect(tab.locator("[data-row='1001']")).to_contain_text("2 new")
    expect(tab).to_have_title(re.compile(r"^\(2\) "))
    alice.open()
    expect(tab.locator("[data-row='1001'] .pill--count")).to_be_hidden()
    expect(tab).to_have_title("Support desk")


@pytest.mark.mode("postgres")
def test_a_row_that_came_by_itself_opens_its_ticket_and_in_another_tab_its_view(
    alice: Agent, vera: Customer, rows: Any
) -> None:
    rows("update agents set availability = 'away'")
    alice.page.locator("#view-unassigned").click()
    alice.is_live()
    vera.start("Hello")
    link = alice.row().get_by_role("link")
    expect(link).to_have_attribute("href", "/agent?view=unassigned&ticket=1001")
    with alice.context.expect_page() as opened:
        link.click(modifiers=["ControlOrMeta"])
    expect(opened.value.locator("#messages-1001")).to_be_visible()
    expect(alice.page.locator("#messages-1001")).to_have_count(0)
    link.click()
    expect(alice.page.locator("#messages-1001")).to_be_visible()
    expect(alice.page).to_have_url(re.compile(r"/agent\?view=unassigned&ticket=1001$"))


@pytest.mark.mode("postgres")
def test_what_was_switched_on_another_device_shows_here(alice: Agent, windows: Opener) -> None:
    alice.is_live()
    phone: Agent = windows(Agent).come()
    phone.switch.press("Enter")
    expect(alice.switch).not_to_be_checked()


@pytest.mark.mode("postgres")
def test_the_title_names_the_ticket_that_is_open(alice: Agent, vera: Customer, windows: Opener) -> None:
    vera.start("One")
    windows(Customer).start("Two")
    alice.open(1001)
    expect(alice.page).to_have_title("(1) #1001 · Support desk")
    alice.open(1002)
    expect(alice.page).to_have_title("#1002 · Support desk")


@pytest.mark.mode("postgres")
def test_a_press_that_never_reached_the_desk_is_said(alice: Agent, vera: Customer) -> None:
    vera.start("Hello")
    alice.open()
    alice.page.route("**/closure", lambda route: route.abort())
    alice.press("Close")
    alice.sees("The desk could not be reached. Try again in a moment.")
    alice.page.evaluate("dispatchEvent(new Event('online'))")
    expect(alice.page.locator("#notice")).to_be_empty()
    alice.page.unroute_all()
    alice.press("Close")
    vera.sees("Alice ended the chat.")


@pytest.mark.mode("postgres")
def test_an_answer_that_was_overtaken_does_not_take_the_reply_box_away(alice: Agent, vera: Customer, rows: Any) -> None:
    rows("update agents set availability = 'away'")
    vera.start("Hello")
    alice.page.locator("#view-unassigned").click()
    alice.open()
    late: list[tuple[Route, Any]] = []
    alice.page.route("**/tickets/1001/changes", lambda route: late.append((route, route.fetch())), times=1)
    with alice.page.expect_request("**/tickets/1001/changes"):
        rows("update tickets set version = version + 1")
    while not late:
        alice.page.evaluate("0")  # lets Playwright go on
    alice.page.route("**/tickets/1001/changes", lambda route: None)  # the next answer takes longer still
    alice.press("Claim")
    expect(alice.box).to_be_focused()
    alice.box.press_sequentially("Good mor")
    route, answer = late[0]
    with alice.page.expect_response("**/tickets/1001/changes"):
        route.fulfill(response=answer)
    alice.box.press_sequentially("ning")
    expect(alice.box).to_have_value("Good morning")
    expect(alice.box).to_be_focused()


@pytest.mark.mode("postgres")
def test_an_action_that_the_page_hears_of_before_its_answer_is_answered_all_the_same(
    alice: Agent, vera: Customer
) -> None:
    vera.start("Hello")
    alice.open()
    late: list[tuple[Route, Any]] = []
    alice.page.route("**/closure", lambda route: late.append((route, route.fetch())), times=1)
    alice.press("Close")
    while not late:
        alice.page.evaluate("0")  # lets Playwright go on
    expect(alice.page.locator("#queue-closed-rows > li")).to_have_count(1)
    route, answer = late[0]
    route.fulfill(response=answer)
    expect(alice.page.locator("[data-caught-up]")).to_be_focused()


@pytest.mark.mode("postgres")
def test_a_picture_that_was_chosen_waits_at_its_ticket(
    alice: Agent, vera: Customer, windows: Opener, photo: Path
) -> None:
    vera.start("One")
    windows(Customer).start("Two")
    alice.open(1001)
    alice.page.locator("#reply-image").set_input_files(photo)
    alice.sees("photo.png")
    alice.open(1002)
    expect(alice.page.locator("[data-preview]").first).to_be_hidden()
    alice.open(1001)
    alice.sees("photo.png")
    alice.write("As I said")
    expect(alice.page.locator(".message--mine .picture img")).to_be_visible(timeout=20 * SECOND)
    alice.open(1002)
    alice.open(1001)
    expect(alice.page.locator("[data-preview]").first).to_be_hidden()


CAME = """() => document.addEventListener("htmx:before:swap", ({ detail: { tasks } }) => {
    const row = tasks[0]?.fragment.querySelector("[data-marks]");
    if (row) document.documentElement.dataset.came = row.dataset.row;
}, true)"""
LOSE = "() => document.addEventListener('htmx:ws:before:message:incoming', (event) => event.preventDefault(), true)"
HELD = """(name) => document.addEventListener(name, (event) => {
    if (event.target.id === "queue") document.documentElement.dataset.held = event.defaultPrevented;
})"""


def point_at(alice: Agent, number: int) -> None:
    """Move the mouse over a ticket in the queue."""
    box = alice.row(number).bounding_box()
    assert box
    alice.page.mouse.move(box["x"] + 60, box["y"] + 20)


@pytest.mark.mode("postgres")
def test_a_new_chat_does_not_move_the_ticket_that_somebody_points_at(
    alice: Agent, vera: Customer, windows: Opener
) -> None:
    vera.start("One")
    alice.row(1001).wait_for()
    alice.page.evaluate(CAME)
    point_at(alice, 1001)
    windows(Customer).start("Two")
    expect(alice.page.locator("html")).to_have_attribute("data-came", "1002")
    expect(alice.row(1002)).to_have_count(0)
    alice.page.mouse.down()
    alice.page.mouse.up()
    expect(alice.page.locator("#messages-1001")).to_be_visible()
    expect(alice.row(1002)).to_be_visible(timeout=2000)


@pytest.mark.mode("postgres")
def test_a_queue_that_was_asked_for_before_comes_when_the_pointer_has_left(
    alice: Agent, vera: Customer, windows: Opener
) -> None:
    vera.start("One")
    alice.row(1001).wait_for()
    alice.page.evaluate(LOSE)
    windows(Customer).start("Two")
    alice.page.evaluate(HELD, "htmx:before:swap")
    held: list[Route] = []
    alice.page.route("**/tickets?*", lambda route: held.append(route), times=1)
    with alice.page.expect_request("**/tickets?*"):
        alice.page.evaluate(READ)
    point_at(alice, 1001)
    held[0].continue_()
    expect(alice.page.locator("html")).to_have_attribute("data-held", "true")
    expect(alice.row(1002)).to_have_count(0)
    alice.page.mouse.move(900, 400)
    expect(alice.row(1002)).to_be_visible(timeout=2000)


@pytest.mark.mode("postgres")
def test_a_wait_is_told_in_the_unit_that_says_enough(alice: Agent, vera: Customer, rows: Any) -> None:
    cases: list[tuple[str, str]] = [
        ("7 minutes", "waiting 7 mins"),
        ("5 hours", "waiting 5 hrs"),
        ("74 hours", "waiting 3 days"),
    ]
    vera.start("Hello")
    for ago, words in cases:
        rows(f"update tickets set awaiting_since = now() - interval '{ago}'")
        alice.page.reload()
        expect(alice.row().locator("[data-waits]")).to_have_text(words)


@pytest.mark.mode("postgres")
def test_the_focus_stays_where_one_acts(alice: Agent, vera: Customer, rows: Any) -> None:
    alice.switch.press("Enter")
    expect(alice.switch).not_to_be_checked()
    expect(alice.switch).to_be_focused()
    vera.start("Hello")
    alice.page.locator("#view-unassigned").click()
    alice.open()
    alice.page.get_by_role("button", name="Claim").press("Enter")
    expect(alice.box).to_be_focused()
    alice.page.get_by_role("button", name="Close", exact=True).press("Enter")
    expect(alice.page.locator("[data-caught-up]")).to_be_focused()
    alice.page.get_by_role("button", name="Undo").press("Enter")
    expect(alice.box).to_be_focused()
    title = alice.page.locator("[data-ticket-title]")
    alice.page.reload()
    alice.is_live()
    menu, back = alice.page.locator("summary", has_text="Hand over"), alice.page.get_by_text("Return to the queue")
    menu.press("Enter")
    menu.press("ArrowDown")  # the colleagues are offline
    expect(back).to_be_focused()
    back.press("Tab")
    expect(back).to_be_hidden()
    menu.press("ArrowUp")
    expect(back).to_be_focused()
    back.press("Enter")
    expect(alice.page.get_by_role("button", name="Claim")).to_be_visible()
    expect(title).to_be_focused()


@pytest.mark.mode("postgres")
def test_on_a_narrow_desk_the_customer_comes_with_the_focus_and_goes_with_a_click_beside(
    windows: Opener, vera: Customer, rows: Any
) -> None:
    vera.start("Hello")
    alice: Agent = windows(Agent, viewport={"width": 1000, "height": 800}).come(path="/agent?ticket=1001")
    alice.is_live()
    alice.sees("Assigned to you")  # the head of the ticket is drawn anew for that
    opener = alice.page.get_by_role("button", name="About the customer")
    opener.click()
    expect(alice.page.locator("[data-drawer-close]")).to_be_focused()
    alice.page.keyboard.press("Escape")
    expect(opener).to_be_focused()
    rows("update user_sessions set customer_name = 'Vera Holm'")
    rows("update tickets set given_back_by = null, version = version + 1")  # the head is drawn anew again
    alice.sees("Vera Holm")
    expect(opener).to_be_focused()
    opener.click()
    alice.box.click(position={"x": 20, "y": 10})
    expect(alice.page.locator("#customer")).to_be_hidden()
    expect(opener).to_have_attribute("aria-expanded", "false")
    expect(alice.box).to_be_focused()


@pytest.mark.mode("postgres")
def test_a_frame_for_a_ticket_that_is_not_open_any_more_is_let_go(windows: Opener, vera: Customer) -> None:
    vera.start("Hello")
    alice: Agent = windows(Agent, **DESK)
    sockets: list[WebSocketRoute] = []

    def late(socket: WebSocketRoute) -> None:
        socket.connect_to_server()
        sockets.append(socket)

    alice.page.route_web_socket("**/agent/ws", late)
    alice.log_in().open()
    for number, text in ((1999, "Late"), (1001, "In time")):
        frame = {"content": f"<p>{text}</p>", "target": f"#typing-{number}", "swap": "innerHTML"}
        sockets[-1].send(json.dumps(frame))
    alice.sees("In time")
    alice.does_not_see("Late")  # and no console has complained


@pytest.mark.mode("postgres")
def test_a_dragged_picture_is_shown_where_to_go(alice: Agent, vera: Customer) -> None:
    vera.start("Hello")
    alice.open()
    drag = """(name) => {
        const transfer = new DataTransfer();
        transfer.items.add(new File(["x"], "a.png", { type: "image/png" }));
        const options = { bubbles: true, cancelable: true, dataTransfer: transfer };
        document.querySelector("[data-timeline]").dispatchEvent(new DragEvent(name, options));
    }"""
    words = "getComputedStyle(document.querySelector('[data-drop-zone]'), '::after').content"
    for page in (alice.page, vera.page):
        page.evaluate(drag, "dragenter")
        assert page.evaluate(words) == '"Drop the picture here"'
        page.evaluate(drag, "dragleave")
        assert page.evaluate(words) == "none"


def test_the_browsers_back_button_leads_back_to_the_ticket_before(
    alice: Agent, vera: Customer, windows: Opener
) -> None:
    vera.start("One")
    windows(Customer).start("Two")
    alice.open(1001)
    alice.open(1002)
    alice.page.go_back()
    expect(alice.page.locator("#messages-1001")).to_be_visible()


def test_the_admin_sees_that_all_is_well_and_what_to_do_when_it_is_not(
    alice: Agent, vera: Customer, windows: Opener, rows: Any
) -> None:
    vera.start("Show me in the query")
    carol: Agent = windows(Agent).come("carol", "/status")
    carol.sees("Everything works")
    carol.sees("a test event arrived after")
    carol.page.get_by_text("Check messages").click()
    carol.sees("Show me in the query")
    carol.page.get_by_text("Check sessions").click()
    assert carol.page.locator(".desk-page").evaluate("element => element.scrollWidth <= element.clientWidth")
    rows("alter table tickets drop constraint tickets_assigned_agent_id_fkey")
    carol.page.get_by_role("link", name="Check again").first.click()
    carol.sees("1 problem needs attention")
    expect(carol.page.get_by_role("link", name="Check again").first).to_be_focused()
    carol.sees("The foreign key on assigned_agent_id is missing")
    expect(carol.page.get_by_role("button", name="Copy script")).to_be_visible()
    expect(carol.page.get_by_role("region", name="sql/fix_foreign_keys.sql")).to_be_hidden()
    carol.page.get_by_text("Show the script").click()
    expect(carol.page.get_by_role("region", name="sql/fix_foreign_keys.sql")).to_be_visible()
    rows(
        "alter table tickets add constraint tickets_assigned_agent_id_fkey"
        " foreign key (assigned_agent_id) references agents (id)"
    )
    carol.page.get_by_role("link", name="Check again").first.click()
    carol.sees("Everything works")
