"""What pages look like in other languages, in the other direction and on phones: nothing is cut, covered or turned."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from supportchat.database import Database
from supportchat.rendering.languages import SHIPPED
from tests.browser.conftest import DESK, Agent, Customer, Opener
from tests.browser.test_accessibility import small_targets
from tests.browser.test_held import hold

PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


def speak(agent: Agent, language: str, path: str = "/agent") -> None:
    """Show a page in a language."""
    agent.send_unseen("/agent/language", {"language": language})
    agent.page.goto(f"{agent.url}{path}")


def edges(place: Locator) -> dict[str, float]:
    """Return where something stands."""
    found: dict[str, float] = place.evaluate("element => element.getBoundingClientRect().toJSON()")
    return found


def is_beside(one: Locator, other: Locator) -> bool:
    a, b = edges(one), edges(other)
    return a["right"] <= b["left"] or b["right"] <= a["left"]


def lines(place: Locator) -> int:
    """Return on how many lines a text stands."""
    count: int = place.evaluate(
        """(element) => {
            const range = document.createRange();
            range.selectNodeContents(element);
            return new Set([...range.getClientRects()].map(({ bottom }) => Math.round(bottom / 6))).size;
        }"""
    )
    return count


def test_the_views_of_the_queue_stand_in_one_row_in_every_language(alice: Agent, vera: Customer) -> None:
    vera.start()
    wrapped = {}
    for language in SHIPPED:
        speak(alice, language)
        alice.is_live()
        alice.page.evaluate("document.querySelectorAll('.tab__count').forEach((count) => (count.textContent = 88))")
        tops = {edges(tab)["top"] for tab in alice.page.locator(".segments .tab").all()}
        if len(tops) > 1:
            wrapped[language] = tops
    assert wrapped == {}


@pytest.mark.parametrize(("language", "text"), [("en", "مرحبا"), ("ar", "Hello")])
def test_what_is_written_in_the_other_direction_stands_beside_the_choice_of_reply_or_note(
    alice: Agent, vera: Customer, language: str, text: str
) -> None:
    vera.start()
    speak(alice, language, "/agent?ticket=1001")
    for name in ("reply", "note"):
        alice.page.locator(f".mode:has([value='{name}'])").click()
        box = alice.page.locator(f"#{name}-text")
        box.fill(text)
        assert is_beside(box, alice.page.locator(".modes"))
        assert is_beside(box, alice.page.locator(f"#{name} .composer__actions"))


def test_on_a_phone_a_toast_has_room_for_its_sentence(
    vera: Customer, windows: Opener, database: Database, alice: Agent
) -> None:
    hold(database, 30)
    vera.start(name="Vera Lindt")
    phone: Agent = windows(Agent, **PHONE, reduced_motion="reduce").come()
    speak(phone, "de", "/agent?ticket=1001")
    phone.page.locator("#reply-text").fill("Hallo")
    phone.page.locator("#reply [data-send]").click()
    toast = phone.page.locator("#toast .toast > span")
    expect(toast).to_be_visible()
    assert lines(toast) <= 2


def test_on_a_narrow_phone_the_number_of_somebody_without_a_name_is_not_cut(
    alice: Agent, vera: Customer, windows: Opener
) -> None:
    vera.start()
    phone: Agent = windows(Agent, **PHONE | {"viewport": {"width": 360, "height": 760}}).come()
    speak(phone, "de", "/agent?ticket=1001")
    title = phone.page.locator("#ticket-title")
    assert title.inner_text() == "#1001"
    assert title.evaluate("element => element.scrollWidth <= element.clientWidth")
    speak(alice, "de", "/agent?ticket=1001")
    assert alice.page.locator("#ticket-title").inner_text() == "Besucher 1001"


def test_escape_closes_a_menu_of_chosen_tickets_and_only_then_chooses_none(alice: Agent, vera: Customer) -> None:
    vera.start()
    alice.row().hover()
    alice.page.locator("[data-pick]").check()
    alice.page.locator("#bulk-priority-menu").click()
    alice.page.keyboard.press("Escape")
    expect(alice.page.locator("#bulk-priority-1")).to_be_hidden()
    expect(alice.page.locator("[data-pick]")).to_be_checked()
    alice.page.keyboard.press("Escape")
    expect(alice.page.locator("[data-pick]")).not_to_be_checked()


def test_faces_of_colleagues_stay_in_a_row_that_is_chosen(alice: Agent, vera: Customer, windows: Opener) -> None:
    vera.start()
    bob: Agent = windows(Agent, **DESK)
    bob.come("bob", "/agent?view=all&ticket=1001")
    face = alice.row().locator(".looker .avatar")
    expect(face).to_be_visible()
    alice.row().hover()
    alice.page.locator("[data-pick]").check()
    expect(face).to_have_css("opacity", "1")
    expect(alice.row().locator(".row__link > .avatar")).to_have_css("opacity", "0.25")


def test_the_field_of_another_time_to_snooze_shows_the_day_and_the_time(alice: Agent, vera: Customer) -> None:
    vera.start()
    speak(alice, "de", "/agent?ticket=1001")
    alice.page.locator("#snooze-menu").click()
    assert edges(alice.page.locator("#snooze-at"))["width"] >= 216
    alice.page.keyboard.press("Escape")
    alice.row().hover()
    alice.page.locator("[data-pick]").check()
    alice.page.locator("#bulk-snooze-menu").click()
    field = alice.page.locator("#bulk-snooze-at")
    assert edges(field)["width"] >= 216
    panel = alice.page.locator("#bulk-snooze-menu + .menu__panel")
    assert panel.evaluate("element => element.scrollWidth <= element.clientWidth")


def test_keys_that_are_pressed_together_stand_from_left_to_right_in_arabic(alice: Agent) -> None:
    speak(alice, "ar")
    alice.page.keyboard.press("?")
    keys = alice.page.locator("[data-fixed-keys='Shift+Enter'] kbd")
    expect(keys).to_have_count(2)
    assert edges(keys.first)["left"] < edges(keys.last)["left"]


def test_whose_line_was_found_and_how_a_search_is_written_follow_the_direction_of_the_page(
    alice: Agent, vera: Customer
) -> None:
    vera.start("مرحبا E4", name="Vera")
    speak(alice, "ar", "/search?q=e4")
    by = alice.page.locator(".hit__by")
    assert by.locator("bdi").inner_text() == "Vera"
    assert edges(by)["left"] < edges(by.locator("bdi"))["left"]
    alice.page.locator("#search-hint summary").click()
    first = alice.page.locator(".search__operators")
    assert edges(first.locator("dd").first)["right"] < edges(first.locator("dt").first)["right"]


def test_a_note_that_begins_with_a_name_in_another_script_runs_in_its_own_direction(
    alice: Agent, vera: Customer
) -> None:
    vera.start()
    alice.open().note("@Bob Ortiz هل ما زال في المخزن؟")
    text = alice.page.locator(".message--note .bubble > [dir='auto']").filter(has=alice.page.locator(".mention"))
    assert text.evaluate("element => element.matches(':dir(rtl)')")


def test_what_is_set_and_imported_at_saved_replies_is_read_on_a_phone(windows: Opener, alice: Agent) -> None:
    carol: Agent = windows(Agent, **PHONE).come("carol")
    speak(carol, "de", "/replies")
    carol.page.locator("#held-seconds").select_option("30")
    chosen = carol.page.locator("#held-seconds")
    whole = """(select) => {
        const text = document.createElement("canvas").getContext("2d");
        const { font, paddingInlineStart, paddingInlineEnd } = getComputedStyle(select);
        text.font = font;
        const room = select.clientWidth - parseFloat(paddingInlineStart) - parseFloat(paddingInlineEnd) - 18;
        return text.measureText(select.selectedOptions[0].text).width <= room;
    }"""
    assert chosen.evaluate(whole)
    wrong = {"name": "x.csv", "mimeType": "text/csv", "buffer": b"name,text\n,Hallo\n"}
    carol.page.locator("input[name=file]").set_input_files(wrong)  # type: ignore[arg-type]
    carol.page.locator("#import .button").click()
    problem = carol.page.locator("#import-error")
    assert is_beside(problem.locator(".icon"), problem.locator("ul"))
    carol.page.goto(f"{carol.url}/replies/new")
    assert small_targets(carol.page) == []


def test_a_hint_that_is_longer_than_its_field_ends_in_dots(windows: Opener, alice: Agent) -> None:
    phone: Agent = windows(Agent, **PHONE).come(path="/search")
    phone.page.locator("#search-hint summary").focus()
    expect(phone.page.locator("#search-box")).to_have_css("text-overflow", "ellipsis")


def test_on_a_phone_the_palette_says_in_full_what_it_asks_for(vera: Customer, windows: Opener, alice: Agent) -> None:
    vera.start(name="Vera Lindt")
    phone: Agent = windows(Agent, **PHONE).come()
    speak(phone, "de", "/agent?ticket=1001")
    phone.is_live()
    phone.page.locator("#ticket-title").focus()
    phone.page.keyboard.press("Control+k")
    box = phone.page.locator("[data-palette-input]")
    expect(box).to_be_visible()
    whole = """(input) => {
        const text = document.createElement("canvas").getContext("2d");
        text.font = getComputedStyle(input).font;
        return text.measureText(input.placeholder).width <= input.clientWidth;
    }"""
    assert box.evaluate(whole)


def test_what_can_be_ticked_has_the_colour_of_the_desk(alice: Agent) -> None:
    alice.page.goto(f"{alice.url}/alerts")
    for name in ("scope", "sound"):
        box = alice.page.locator(f"[name='{name}']:checked").first
        save = alice.page.get_by_role("button", name="Save").first
        colour = save.evaluate("button => getComputedStyle(button).backgroundColor")
        expect(box).to_have_css("accent-color", colour)


def test_the_words_of_the_rail_stay_in_their_places_in_every_language(windows: Opener) -> None:
    carol: Agent = windows(Agent, **DESK).come("carol")
    wide = {}
    for language in SHIPPED:
        speak(carol, language, "/replies")
        beyond = "words => words.filter((e) => e.offsetWidth > e.closest('.rail').clientWidth).map((e) => e.innerText)"
        if words := carol.page.locator(".rail__link > :not(.rail__count)").evaluate_all(beyond):
            wide[language] = words
    assert wide == {}
