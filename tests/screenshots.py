"""`bin/screenshots`: every page, in both themes and three widths, with people in it."""

from __future__ import annotations

import shutil
import tempfile
import uuid
from pathlib import Path
from typing import Any

import psycopg
from PIL import Image, ImageDraw
from playwright.sync_api import Browser, sync_playwright

from supportchat.agents.passwords import hash_password
from supportchat.config import ROOT, Config
from supportchat.database import Database
from supportchat.database.migrations import migrate
from supportchat.database.postgres import PostgresDatabase
from supportchat.demo import AGENTS, create_demo_chats
from supportchat.server.embedded import EmbeddedPostgres
from supportchat.web.cookies import token_hash
from tests.browser.conftest import Agent, Customer
from tests.cast import PASSWORD, agent_id
from tests.chromium import ARGUMENTS, chromium
from tests.server import Server

FOLDER = ROOT / "screenshots"
WIDTHS = {360: 760, 768: 1024, 1440: 860}
KEY = "k" * 43


def main() -> None:
    """Take every picture."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    with tempfile.TemporaryDirectory() as folder:
        data_dir = Path(folder)
        data_dir.chmod(0o711)
        postgres = EmbeddedPostgres(data_dir, "fsync=off")
        postgres.start()
        try:
            take(postgres.conninfo, data_dir)
        finally:
            postgres.stop()
    print(f"{len(list(FOLDER.glob('*.png')))} pictures are in {FOLDER}")


def take(conninfo: str, data_dir: Path) -> None:
    """Fill a desk, open it, and go through its pages."""
    migrate(conninfo)
    database = PostgresDatabase(conninfo)
    password_hash = hash_password(PASSWORD)
    for name, email, role in AGENTS:
        database.call("create_agent", name=name, email=email, role=role, password_hash=password_hash)
    server = Server(Config(database_url=conninfo, data_dir=data_dir))
    server.start()
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
            for scheme in ("light", "dark"):
                for width, height in WIDTHS.items():
                    go_through(browser, server, database, conninfo, scheme, (width, height))
            browser.close()
    finally:
        server.stop()
        database.close()


def go_through(
    browser: Browser, server: Server, database: Database, conninfo: str, scheme: str, size: tuple[int, int]
) -> None:
    """Take the pictures of one theme and one width, on a desk made anew."""
    options: dict[str, Any] = {
        "color_scheme": scheme,
        "viewport": {"width": size[0], "height": size[1]},
        "locale": "en-GB",
        "timezone_id": "Europe/Berlin",
        "reduced_motion": "reduce",
    }

    def shot(window: Customer | Agent, name: str) -> None:
        window.page.mouse.move(0, 0)
        window.page.wait_for_timeout(350)
        # Hiding the caret leaves a style attribute, which htmx copies to what takes its place; the policy forbids that.
        window.page.screenshot(path=FOLDER / f"{name}-{size[0]}-{scheme}.png", caret="initial")

    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("truncate user_sessions, visitors, tickets, one_time_links cascade")
        connection.execute("alter sequence ticket_numbers restart with 1042")

        connection.execute("update agents set lease_expires_at = null")

        alice = Agent(browser.new_context(**options), server.url, database)
        alice.page.goto(f"{server.url}/agent/login")
        shot(alice, "login")
        alice.log_in()
        alice.is_live()
        shot(alice, "desk-empty")

        vera = Customer(browser.new_context(**options), server.url, database).visit()
        shot(vera, "start")
        vera.page.get_by_role("button", name="Start Chat").click()
        vera.sees("Write a message")
        vera.page.get_by_label("Name").fill("Vera")
        shot(vera, "start-error")

        numbers = create_demo_chats(database)
        connection.execute(
            "update tickets set awaiting_since = awaiting_since - interval '3 minutes' where number = 1043"
        )
        connection.execute(
            "update tickets set awaiting_since = awaiting_since - interval '8 minutes' where number = 1045"
        )
        connection.execute(
            "update visitors set token_hash = %s where visitor_id ="
            " (select visitor_id from user_sessions s join tickets t using (session_id) where t.number = %s)",
            (token_hash(KEY), numbers[0]),
        )
        vera.context.add_cookies([{"name": f"c-{server.port}", "value": KEY, "url": server.url}])
        vera.visit()
        vera.is_live()
        picture = data_dir_picture()
        vera.page.locator("#composer-image").set_input_files(picture)
        vera.write("")
        vera.page.locator(".picture img").wait_for()
        alice.page.goto(f"{server.url}/agent?ticket={numbers[0]}")
        alice.is_live()
        alice.box.press_sequentially("Thank you, that is")
        shot(vera, "chat")
        vera.box.press_sequentially("Is it")
        shot(alice, "desk")
        alice.page.locator("label", has_text="Note").first.click()
        shot(alice, "desk-note")
        if size[0] < 1200:
            alice.page.get_by_role("button", name="About the customer").click()
            shot(alice, "desk-customer")
            alice.page.keyboard.press("Escape")
        alice.page.locator("summary", has_text="Hand over").click()
        shot(alice, "desk-hand-over")
        alice.page.keyboard.press("Escape")
        for key, name in (("Control+k", "palette"), ("?", "keys")):
            alice.page.keyboard.press(key)
            shot(alice, name)
            alice.page.keyboard.press("Escape")
        for path in ("search?q=e4", "replies", "tags", "alerts"):
            alice.page.goto(f"{server.url}/{path}")
            shot(alice, path.partition("?")[0])
        alice.page.goto(f"{server.url}/agent?view=all")
        alice.is_live()
        alice.page.locator("[data-pick]").first.check(force=True)
        shot(alice, "desk-all")
        database.call("set_availability", agent_id=agent_id(database, "alice"), availability="away")
        waiting = Customer(browser.new_context(**options), server.url, database)
        waiting.start("Is anybody there?", name="Nils")
        shot(waiting, "chat-waiting")
        alice.page.goto(f"{server.url}/agent?view=unassigned")
        alice.is_live()
        shot(alice, "desk-unassigned")
        database.call("set_availability", agent_id=agent_id(database, "alice"), availability="available")
        database.call("close_chat", visitor=token_hash(KEY))
        shot(vera, "chat-ended")

        carol = Agent(browser.new_context(**options), server.url, database).log_in("carol", "/status")
        shot(carol, "status")
        connection.execute("alter table tickets drop constraint tickets_assigned_agent_id_fkey")
        carol.page.reload()
        shot(carol, "status-failing")
        connection.execute(
            "alter table tickets add constraint tickets_assigned_agent_id_fkey"
            " foreign key (assigned_agent_id) references agents (id)"
        )
        carol.page.goto(f"{server.url}/people")
        shot(carol, "people")
        carol.page.get_by_placeholder("E-mail").fill("mira@example.com")
        carol.page.get_by_role("button", name="Create invitation link").click()
        link = carol.page.get_by_label("Link", exact=True).input_value()
        shot(carol, "people-invited")
        waiting.page.goto(link)
        shot(waiting, "link")
        carol.page.goto(f"{server.url}/bans")
        shot(carol, "bans")
        carol.page.goto(f"{server.url}/nowhere")
        shot(carol, "error")
        for window in (alice, vera, waiting, carol):
            window.context.close()


def data_dir_picture() -> Path:
    """Draw a picture of a label, as somebody might take it."""
    picture = Image.new("RGB", (900, 600), (196, 140, 96))
    draw = ImageDraw.Draw(picture)
    for row in range(600):
        draw.line([(0, row), (900, row)], fill=(206 - row // 9, 150 - row // 10, 110 - row // 14))
    draw.rounded_rectangle((180, 140, 720, 460), 18, fill=(236, 232, 222))
    for row, wide in ((200, 300), (250, 420), (300, 360), (350, 240)):
        draw.rectangle((230, row, 230 + wide, row + 22), fill=(70, 66, 60))
    path = Path(tempfile.gettempdir()) / f"label-{uuid.uuid4().hex[:8]}.png"
    picture.save(path)
    return path


if __name__ == "__main__":
    main()
