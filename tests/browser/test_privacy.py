"""A customer's copy and erasure, with both of their pages open."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

from playwright.sync_api import expect

from tests.browser.conftest import DESK, Agent, Customer, Opener


def test_an_admin_downloads_what_there_is_and_erases_it_while_both_look_at_it(
    vera: Customer, alice: Agent, windows: Opener, photo: Path
) -> None:
    vera.start("My secret", name="Vera Lindt", picture=photo)
    vera.is_live()
    vera.box.fill("Half a line")
    alice.open()
    carol: Agent = windows(Agent, **DESK)
    carol.come("carol", "/agent?view=all&ticket=1001")
    with carol.page.expect_download() as download:
        carol.press("Download")
    with zipfile.ZipFile(download.value.path()) as archive:
        assert archive.testzip() is None
        [chat] = json.loads(archive.read("conversation.json"))["conversations"]
        assert [name.partition(".")[0] for name in archive.namelist()] == ["conversation", "pictures/1001-1"]
    assert chat["messages"][0]["text"] == "My secret"

    carol.page.get_by_role("link", name="Erase…").click()
    carol.sees("1 chat, 1 message, and 1 picture")
    carol.press("Erase for good")
    vera.sees("Your earlier chat was deleted, and we have no copy of it.", seconds=2)
    alice.sees("This chat was erased.", seconds=2)
    for window in (vera, alice):
        window.does_not_see("My secret")
        window.does_not_see("Vera Lindt")
    assert vera.page.evaluate("JSON.stringify(localStorage) + JSON.stringify(sessionStorage)").count("Half a line") == 0
    expect(alice.row()).to_contain_text("Erased")

    carol.sees("The chat of #1001")
    expect(carol.page.get_by_text("left in the store")).to_have_count(0)
