"""Pictures in the page: pasted, dropped, chosen, shown in the conversation and large."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from .conftest import SECOND, Agent, Customer, Opener

REDRAWN = 20 * SECOND
# A file goes to an element as a browser brings it; gives whether the browser may still do with it what it likes.
BRING = """async ([selector, event, files, texts]) => {
    const transfer = new DataTransfer();
    for (const [name, type, content] of files) {
        const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
        transfer.items.add(new File([bytes], name, { type }));
    }
    for (const [type, text] of Object.entries(texts)) transfer.setData(type, text);
    const options = { bubbles: true, cancelable: true };
    const made = event === "paste"
        ? new ClipboardEvent("paste", { ...options, clipboardData: transfer })
        : new DragEvent(event, { ...options, dataTransfer: transfer });
    return document.querySelector(selector).dispatchEvent(made);
}"""


def png(size: tuple[int, int] = (64, 48), colour: str = "teal") -> bytes:
    """Return a picture as a file."""
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, "PNG")
    return out.getvalue()


def file(name: str = "photo.png", kind: str = "image/png", content: bytes | None = None) -> list[str]:
    """Return a file as a browser knows it."""
    return [name, kind, base64.b64encode(png() if content is None else content).decode()]


def paste(page: Page, *files: list[str], on: str = "textarea:visible", **texts: str) -> bool:
    """Paste into an element; `plain` and `html` are texts of the clipboard."""
    page.locator(on).first.evaluate("element => element.setAttribute('data-target', '')")
    done = page.evaluate(BRING, ["[data-target]", "paste", files, {f"text/{kind}": texts[kind] for kind in texts}])
    page.evaluate("document.querySelector('[data-target]').removeAttribute('data-target')")
    return bool(done)


def drop(page: Page, selector: str, *files: list[str], **texts: str) -> bool:
    """Drag something over an element and let it go; gives whether the browser would do with it what it likes."""
    given = {f"text/{kind.replace('_', '-')}": text for kind, text in texts.items()}
    over = page.evaluate(BRING, [selector, "dragover", files, given])
    return bool(page.evaluate(BRING, [selector, "drop", files, given]) or over)


@pytest.fixture
def started(vera: Customer) -> Customer:
    """The customer, whose chat has begun."""
    return vera.start("Hello")


def test_a_text_is_pasted_as_text_and_a_picture_as_a_picture(started: Customer) -> None:
    page, preview = started.page, started.page.locator("[data-preview]")
    table = "<table><tr><td>4711</td><td>Anna</td></tr></table>"
    for texts in (
        {"plain": "4711\tAnna", "html": table},  # Excel
        {"plain": "One line", "html": "<p class=MsoNormal>One line</p>"},  # Word
        {"plain": "only plain"},
    ):
        assert paste(page, file("image.png"), **texts), texts  # left to the browser
        expect(preview).to_be_hidden()
    for texts in (
        {},  # a screenshot
        {"html": "<meta charset='utf-8'><img src='https://example.com/a.png'>"},  # "Copy image" in Chrome
        {"plain": "https://example.com/a.png", "html": "<img src='https://example.com/a.png'>"},  # and in Safari
        {"plain": "image.png"},  # a file, from the Finder
        {"plain": "/home/vera/image.png"},
        {"plain": " \r\n", "html": "<p><img src='file:///a.png'></p>"},  # a picture alone, from Word
    ):
        assert not paste(page, file("image.png"), **texts), texts
        expect(preview).to_be_visible()
        page.get_by_role("button", name="Remove the picture").click()
        expect(preview).to_be_hidden()


def test_the_bytes_of_a_file_decide_and_what_is_no_picture_is_named(started: Customer) -> None:
    page, preview = started.page, started.page.locator("[data-preview]")
    for kind in ("", "image/jpg", "application/octet-stream", "image/x-png", "text/plain"):
        drop(page, "#composer-text", file("photo", kind))
        expect(preview).to_be_visible()
        page.get_by_role("button", name="Remove the picture").click()
    for content, problem in (
        (b"II*\0" + bytes(50), "We cannot show TIFF files."),
        (b"BM" + bytes(50), "We cannot show BMP files."),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "We cannot show SVG files."),
        (b"%PDF-1.7", "This is a PDF file"),
        (b"\0\0\0\x20ftypqt  " + bytes(50), "This is a video"),
        (b"hello", "We cannot show this file."),
        (b"", "This file is empty."),
    ):
        drop(page, "#composer-text", file("photo.jpg", "image/jpeg", content))
        started.sees(problem)
        expect(preview).to_be_hidden()
    drop(page, "#composer-text", file("photo.heic", "", b"\0\0\0\x18ftypheic" + bytes(50)))
    expect(preview).to_be_visible()
    started.does_not_see("This file is empty.")
    expect(page.locator("[data-preview-picture]")).to_be_hidden()  # this browser cannot show it: it is named
    started.sees("photo.heic")
    page.get_by_role("button", name="Send").click()
    started.sees("Most Compatible", 20)


def test_of_several_files_one_picture_is_taken_and_that_is_said(started: Customer) -> None:
    page = started.page
    drop(page, "#composer-text", file("a.pdf", "", b"%PDF-1.7"), file("b.png"), file("c.png"))
    started.sees("b.png")
    started.sees("A message can have one picture")
    drop(page, "#composer-text", file("a.pdf", "", b"%PDF-1.7"), file("d.txt", "", b"hello"))
    started.sees("This is a PDF file")


def test_a_link_that_is_dropped_replaces_no_page_and_goes_into_a_text(started: Customer, alice: Agent) -> None:
    link = {"uri_list": "https://example.com/", "plain": "https://example.com/"}
    for selector in ("body", "[data-timeline]", ".chat__header"):
        assert not drop(started.page, selector, **link), selector
        assert not drop(started.page, selector, plain="some words"), selector
    assert drop(started.page, "#composer-text", **link)
    for selector in (".desk__queue", "#ticket", "nav"):
        assert not drop(alice.page, selector, **link), selector


def test_a_file_that_is_dropped_anywhere_never_replaces_the_page(
    alice: Agent, vera: Customer, windows: Opener, rows: Any
) -> None:
    page = alice.page
    for selector in ("body", ".desk__queue", "nav", "#customer", "#ticket"):
        assert not drop(page, selector, file()), selector
    alice.sees("Pictures can be added only where you write a message.")
    vera.visit()
    for selector in ("body", ".start", "#customer_name"):
        assert not drop(vera.page, selector, file("start.png")), selector
    vera.sees("start.png")
    vera.start("Hello")
    assert not drop(vera.page, ".chat__header", file("head.png"))
    vera.sees("head.png")

    alice.open()
    alice.box.fill("Half an answer")
    assert not drop(page, ".desk__queue", file("queue.png"))
    alice.sees("queue.png")
    page.get_by_role("button", name="Remove the picture").click()
    page.locator("label", has_text="Note").first.click()
    assert not drop(page, "#note-text", file())
    alice.sees("Notes can’t have pictures.")
    page.evaluate("document.getElementById('note-error').replaceChildren()")
    assert not paste(page, file(), on="#note-text")
    alice.sees("Notes can’t have pictures.")
    page.locator("label", has_text="Reply").first.click()
    expect(alice.box).to_have_value("Half an answer")
    expect(page.locator("#reply [data-preview]")).to_be_hidden()

    alice.press("Close")
    alice.open()  # closed, as it is now
    expect(page.get_by_role("button", name="Reopen")).to_be_visible()
    assert not drop(page, "#ticket", file())
    assert not drop(page, ".desk__queue", file())

    for path in ("/agent/login", "/nowhere"):
        other = windows(Customer)
        other.page.goto(f"{other.url}{path}")
        assert not drop(other.page, "body", file()), path
        other.sees("Pictures can be added only where you write a message.")


def test_every_shape_is_shown_in_its_box_before_and_after_it_has_loaded(
    vera: Customer, windows: Opener, tmp_path: Path
) -> None:
    shapes = {
        (40, 3000): (48, 360),
        (3000, 40): (298, 48),
        (1080, 4000): (240, 360),
        (1, 1): (1, 1),
        (360, 360): (298, 298),
    }
    phone: Customer = windows(Customer, viewport={"width": 390, "height": 844})
    phone.visit()
    phone.page.get_by_label("Your message").fill("Hello")
    phone.page.get_by_role("button", name="Start Chat").click()
    pictures = phone.page.locator("[data-messages] .picture img")
    for count, size in enumerate(shapes, 1):
        phone.page.locator("#composer-image").set_input_files(
            {"name": "a.png", "mimeType": "image/png", "buffer": png(size)}
        )
        phone.page.get_by_role("button", name="Send").click()
        expect(pictures).to_have_count(count, timeout=REDRAWN)
    boxes = "images => images.map((image) => [image.offsetWidth, image.offsetHeight])"
    phone.page.route("**/chat/images/*", lambda route: None)  # which loads for ever
    phone.page.goto(f"{phone.url}/chat", wait_until="domcontentloaded")
    assert pictures.evaluate_all(boxes) == [list(box) for box in shapes.values()]
    phone.page.unroute("**/chat/images/*")
    phone.page.reload()
    pictures.evaluate_all("images => Promise.all(images.map((image) => ((image.loading = 'eager'), image.decode())))")
    assert pictures.evaluate_all(boxes) == [list(box) for box in shapes.values()]
    smallest = phone.page.locator(".picture").evaluate_all(
        "links => Math.min(...links.flatMap((link) => [link.offsetWidth, link.offsetHeight]))"
    )
    assert smallest >= 44


def test_a_long_picture_is_scrolled_and_zoomed_in_the_viewer(vera: Customer, tmp_path: Path) -> None:
    path = tmp_path / "long.png"
    path.write_bytes(png((1080, 6000)))
    page = vera.start("", picture=path).page
    page.locator(".picture").click()
    view, picture = page.locator("[data-lightbox-view]"), page.locator("[data-lightbox-picture]")
    expect(page.locator("[data-lightbox]")).to_have_attribute("data-shape", "tall")
    width = "image => image.getBoundingClientRect().width"
    assert picture.evaluate(width) == pytest.approx(1080, abs=2)
    expect(view).to_be_focused()
    page.keyboard.press("End")
    view.evaluate(
        """view => new Promise((done) => {
            const look = () => (view.scrollTop > 3000 ? done() : requestAnimationFrame(look));
            look();
        })"""
    )
    page.keyboard.press("+")
    assert picture.evaluate(width) == pytest.approx(2160, abs=4)
    page.keyboard.press("-")
    picture.click(position={"x": 500, "y": 5500})
    assert picture.evaluate(width) == pytest.approx(2160, abs=4)
    picture.click(position={"x": 500, "y": 11_000})
    assert picture.evaluate(width) == pytest.approx(1080, abs=2)

    zoom = page.get_by_role("button", name="Actual size")
    zoom.click()
    expect(zoom).to_have_attribute("aria-pressed", "true")
    for _ in range(4):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement === document.body || !!document.activeElement.closest('dialog')")
    page.keyboard.press("Escape")
    expect(view).to_be_hidden()
    page.locator(".picture").click()
    expect(page.locator("[data-lightbox]")).to_have_attribute("data-zoom", "fit")
    # Another one at once: a dialog tells of its end in a task of its own, after the click.
    page.locator("[data-lightbox]").evaluate(
        """dialog => new Promise((done) => {
            dialog.addEventListener("close", () => setTimeout(done), { once: true });
            dialog.close();
            document.querySelector("[data-enlarge]").click();
        })"""
    )
    expect(picture).to_have_attribute("src", re.compile("/chat/images/"))
    page.get_by_role("button", name="Close the picture").click()
    expect(view).to_be_hidden()


def test_that_only_the_first_frame_was_kept_is_said(started: Customer, tmp_path: Path) -> None:
    frames = [Image.new("P", (3000, 2800), n) for n in range(2)]
    for n, frame in enumerate(frames):
        frame.putpixel((n, n), 9)
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    started.page.locator("#composer-image").set_input_files(tmp_path / "a.gif")
    started.page.get_by_role("button", name="Send").click()
    started.sees("so only its first frame was kept", 20)
