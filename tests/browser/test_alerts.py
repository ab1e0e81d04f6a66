"""Sounds, the count on the icon, and the page that shows what is in the way. The browser of these tests shows no
notifications: for those see test_notifications.py and tests/alerts/test_worker.py."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from .conftest import DESK, LOOKS_ELSEWHERE, Agent, Customer, Opener

SOUNDS = """
document.addEventListener("alerts:sounded", () => {
  document.body.dataset.sounds = 1 + Number(document.body.dataset.sounds ?? 0);
});
"""

PLAIN = re.compile("favicon")


def come(windows: Opener, script: str) -> Agent:
    """Have alice come, and press a key: only then may a page sound."""
    desk: Agent = windows(Agent, **DESK)
    desk.context.add_init_script(script)
    desk.come("alice")
    desk.page.keyboard.press("x")
    return desk


def test_who_looks_elsewhere_hears_one_sound_and_sees_the_count_on_the_icon(windows: Opener, vera: Customer) -> None:
    desk = come(windows, SOUNDS + LOOKS_ELSEWHERE)
    icon = desk.page.locator('link[rel="icon"]')
    expect(icon).to_have_attribute("href", PLAIN)
    vera.visit().start("Is anybody there?", name="Vera")
    expect(desk.page.locator("body")).to_have_attribute("data-sounds", "1")
    expect(icon).to_have_attribute("href", re.compile("^blob:"))
    expect(desk.page).to_have_title("(1) Support desk")
    desk.open(1001)
    expect(icon).to_have_attribute("href", PLAIN)


def test_a_muted_desk_is_quiet_and_the_mute_is_remembered(windows: Opener, vera: Customer) -> None:
    desk = come(windows, SOUNDS + LOOKS_ELSEWHERE)
    desk.page.locator(".rail__me > summary").click()
    desk.page.get_by_role("button", name="Mute the sound").click()
    desk.is_live()
    desk.page.keyboard.press("x")
    vera.visit().start("Is anybody there?")
    other = windows(Agent, **DESK).come("alice")
    expect(desk.page).to_have_title("(1) Support desk")
    other.page.locator(".rail__me > summary").click()
    expect(other.page.get_by_role("button", name="Turn the sound on")).to_be_visible()
    expect(desk.page.locator("body")).not_to_have_attribute("data-sounds", "1")


@pytest.mark.parametrize("size", [DESK, {"viewport": {"width": 390, "height": 844}}])
def test_the_page_says_what_is_in_the_way_of_this_browser_and_plays_the_sound(
    windows: Opener, size: dict[str, object]
) -> None:
    desk = windows(Agent, **size)
    desk.context.add_init_script(SOUNDS)
    desk.log_in("alice", "/alerts")
    expect(desk.page.get_by_text("Notifications are blocked for this page.")).to_be_visible()
    expect(desk.page.get_by_text("Notifications are on here.")).to_be_hidden()
    desk.page.get_by_role("button", name="Play").click()
    expect(desk.page.locator("body")).to_have_attribute("data-sounds", "1")
    desk.page.get_by_label("All tickets").check()
    desk.page.get_by_label("From").fill("22:00")
    desk.page.get_by_role("button", name="Save").first.click()
    expect(desk.page.get_by_text("Enter both when quiet hours begin")).to_be_visible()
