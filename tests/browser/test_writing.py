"""The box in which people write: nothing that was typed is lost."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import SECOND, Agent, Customer, Opener


@pytest.fixture
def started(vera: Customer) -> Customer:
    """A customer whose chat has begun."""
    vera.start("Hello")
    vera.is_live()
    return vera


def drop(page: Any, selector: str, photo: Path, event: str = "drop") -> None:
    """Drop a file on an element, or paste it there."""
    page.evaluate(
        """async ([selector, data, event]) => {
            const transfer = new DataTransfer();
            const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
            transfer.items.add(new File([bytes], "photo.png", { type: "image/png" }));
            const options = { bubbles: true, cancelable: true };
            const made = event === "paste"
                ? new ClipboardEvent("paste", { ...options, clipboardData: transfer })
                : new DragEvent(event, { ...options, dataTransfer: transfer });
            document.querySelector(selector).dispatchEvent(made);
        }""",
        [selector, base64.b64encode(photo.read_bytes()).decode(), event],
    )


def test_enter_sends_and_shift_enter_breaks_the_line(started: Customer) -> None:
    started.box.press_sequentially("First line")
    started.box.press("Shift+Enter")
    started.box.press_sequentially("second line")
    started.box.press("Enter")
    expect(started.messages.last).to_have_text("First line\nsecond line")
    expect(started.box).to_have_value("")


def test_the_enter_that_ends_a_composition_does_not_send(started: Customer) -> None:
    started.box.fill("\u3053\u3093")
    enter = "new KeyboardEvent('keydown', { key: 'Enter', keyCode: %d, bubbles: true, cancelable: true })"
    dispatch = "document.activeElement.dispatchEvent"
    started.box.focus()
    assert started.page.evaluate(f"{dispatch}({enter % 229})")  # as Safari sends it: nobody has taken it
    assert not started.page.evaluate(f"{dispatch}({enter % 13})")
    expect(started.messages).to_have_text(["Hello", "\u3053\u3093"])


def test_an_empty_message_is_answered_in_place(started: Customer) -> None:
    started.box.press("Enter")
    started.sees("Write a message or add a picture first.")


def test_a_draft_survives_a_reload(started: Customer) -> None:
    started.box.press_sequentially("Not finished")
    started.page.reload()
    expect(started.box).to_have_value("Not finished")
    started.box.press("Enter")
    expect(started.messages.last).to_have_text("Not finished")
    started.page.reload()
    expect(started.box).to_have_value("")


def test_the_start_form_keeps_what_was_typed_when_something_is_wrong(vera: Customer) -> None:
    vera.visit()
    vera.page.get_by_label("Name").fill("Vera")
    vera.page.get_by_role("button", name="Start Chat").click()
    vera.sees("Write a message or add a picture first.")
    expect(vera.page.get_by_label("Name")).to_have_value("Vera")
    vera.page.get_by_label("Your message").fill("Now I know what to say")
    vera.page.get_by_role("button", name="Start Chat").click()
    vera.sees("Ticket #1001")


@pytest.mark.parametrize("event", ["drop", "paste"])
def test_a_picture_can_be_dropped_and_pasted(started: Customer, photo: Path, event: str) -> None:
    drop(started.page, "#composer-text", photo, event)
    started.sees("photo.png")
    started.box.press("Enter")
    expect(started.page.locator("[data-messages] .picture img")).to_be_visible()
    expect(started.page.locator("[data-preview]")).to_be_hidden()


def test_a_chosen_picture_can_be_taken_away_again(started: Customer, photo: Path) -> None:
    started.page.locator("#composer-image").set_input_files(photo)
    started.sees("photo.png")
    started.page.get_by_role("button", name="Remove the picture").click()
    expect(started.page.locator("[data-preview]")).to_be_hidden()
    started.write("Only text")
    expect(started.messages.last).to_have_text("Only text")
    expect(started.page.locator(".picture")).to_have_count(0)


def test_an_upload_shows_how_far_it_is(started: Customer, tmp_path: Path) -> None:
    from PIL import Image

    path = tmp_path / "noise.png"
    Image.effect_noise((1600, 1600), 90).convert("RGB").save(path)
    assert path.stat().st_size > 1_000_000
    client = started.context.new_cdp_session(started.page)
    client.send("Network.enable")
    client.send(
        "Network.emulateNetworkConditions",
        {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 2_000_000},
    )
    started.page.evaluate(
        """() => {
            window.seen = [];
            const look = () => {
                const bar = document.querySelector("[data-pending] [data-progress]");
                if (bar && !bar.hidden && bar.value !== window.seen.at(-1)) window.seen.push(bar.value);
                requestAnimationFrame(look);
            };
            look();
        }"""
    )
    started.page.locator("#composer-image").set_input_files(path)
    started.page.get_by_role("button", name="Send").click()
    expect(started.page.locator("[data-messages] .picture img")).to_be_visible(timeout=20 * SECOND)
    seen = started.page.evaluate("window.seen")
    assert len(seen) > 2
    assert seen == sorted(seen)
    assert seen[-1] == 1


def test_an_error_at_the_start_leads_to_the_message_and_moves_nothing(vera: Customer) -> None:
    vera.visit()
    button = vera.page.get_by_role("button", name="Start Chat")
    before = button.bounding_box()
    button.click()
    vera.sees("Write a message or add a picture first.")
    message = vera.page.get_by_label("Your message")
    expect(message).to_be_focused()
    expect(message).to_have_attribute("aria-invalid", "true")
    assert button.bounding_box() == before


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [("a.pdf", b"%PDF-1.7", "This is a PDF file"), ("a.png", b"x" * 10_485_761, "larger than 10 MB")],
)
def test_a_file_that_cannot_be_taken_is_refused_before_it_is_sent(
    started: Customer, tmp_path: Path, name: str, content: bytes, problem: str
) -> None:
    (tmp_path / name).write_bytes(content)
    started.page.locator("#composer-image").set_input_files(tmp_path / name)
    started.sees(problem)
    expect(started.page.locator("#composer-error svg")).to_be_visible()
    expect(started.page.locator("[data-preview]")).to_be_hidden()


def test_what_looks_like_a_page_is_shown_as_text(alice: Agent, started: Customer) -> None:
    alice.open()
    bait = '"><img src=x onerror="document.title=1"><hx-partial hx-target="body">gone</hx-partial>{{7*7}}'
    started.write(bait)
    expect(alice.messages.last).to_have_text(bait)
    expect(started.messages.last).to_have_text(bait)
    assert alice.page.title() != "1"


def test_a_link_can_be_clicked_and_leads_outside_safely(started: Customer) -> None:
    started.write("See https://example.com/a?b=1&c=2 please")
    link = started.messages.last.get_by_role("link")
    expect(link).to_have_attribute("href", "https://example.com/a?b=1&c=2")
    assert "noopener" in str(link.get_attribute("rel"))


def test_on_a_touch_keyboard_enter_breaks_the_line(windows: Opener) -> None:
    vera: Customer = windows(Customer, has_touch=True, is_mobile=True, viewport={"width": 390, "height": 760})
    vera.start("Hello")
    expect(vera.box).not_to_have_attribute("enterkeyhint", "send")
    vera.box.press_sequentially("First")
    vera.box.press("Enter")
    vera.box.press_sequentially("second")
    expect(vera.box).to_have_value("First\nsecond")
    vera.page.get_by_role("button", name="Send").click()
    expect(vera.messages.last).to_have_text("First\nsecond")
