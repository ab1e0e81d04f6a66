"""The widget on pages of another site, in a real browser: what it shows, and what it leaves alone."""

from __future__ import annotations

import time
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from supportchat.database import Database
from supportchat.web.cookies import token_hash
from tests.browser.test_accessibility import AXE, run_axe
from tests.cast import Agent
from tests.server import Server

from .conftest import SHOP, SHOP_BODY, SNIPPET, Shop

STRICT = (
    "default-src 'none'; script-src {desk}; frame-src {desk}; connect-src {desk}; style-src 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)


def test_a_link_becomes_a_button_and_nothing_is_loaded_until_somebody_points_at_it(shop: Shop, rows: Any) -> None:
    page = shop.open()
    expect(shop.button).to_have_attribute("aria-expanded", "false")
    expect(page.get_by_role("button", name="Chat with us", exact=True)).to_be_visible()
    expect(page.get_by_role("link", name="Chat with us")).to_have_count(0)
    assert shop.requests == [f"{SHOP}/machines", f"{shop.desk}/widget.js"]
    shop.button.hover()
    expect(page.locator("support-chat iframe")).to_have_count(1)
    shop.start()
    expect(shop.button).to_have_attribute("aria-expanded", "true")
    assert rows("select count(*) from user_sessions") == [(1,)]
    assert shop.complaints == []


@pytest.mark.parametrize("what", ["scripts off", "script forbidden", "script not there"])
def test_without_the_script_the_link_stays_one(browser: Browser, desk: str, what: str) -> None:
    shop = Shop(browser, desk, java_script_enabled=what != "scripts off")
    forbidding = {"Content-Security-Policy": "script-src 'none'"} if what == "script forbidden" else {}
    if what == "script not there":
        shop.page.route(f"{desk}/widget.js", lambda route: route.abort())
    page = shop.open(wait=False, headers=forbidding)
    page.get_by_role("link", name="Chat with us").click()
    expect(page.get_by_label("Your message")).to_be_visible()
    assert page.url == f"{desk}/chat"
    shop.close()


def test_esc_in_the_chat_closes_it_and_the_focus_and_the_scroll_are_where_they_were(shop: Shop) -> None:
    page = shop.open("<div style='block-size: 4000px'>" + SHOP_BODY + "</div>" + SNIPPET)
    page.evaluate("scrollTo(0, 900)")
    shop.button.focus()
    page.keyboard.press("Enter")
    expect(shop.frame.get_by_label("Your message")).to_be_focused()
    page.keyboard.type("typed at once")
    expect(shop.frame.get_by_label("Your message")).to_have_value("typed at once")
    page.keyboard.press("Escape")
    expect(shop.button).to_be_focused()
    expect(shop.button).to_have_attribute("aria-expanded", "false")
    expect(page.locator("support-chat iframe")).to_be_hidden()
    assert page.evaluate("scrollY") == 900
    page.keyboard.press("Space")
    expect(shop.frame.get_by_label("Your message")).to_have_value("typed at once")


def test_a_strict_policy_and_trusted_types_stop_nothing(shop: Shop) -> None:
    policy = STRICT.replace("{desk}", shop.desk)
    page = shop.open(headers={"Content-Security-Policy": policy})
    assert (
        page.evaluate(
            "getComputedStyle(document.querySelector('support-chat').shadowRoot.querySelector('button')).width"
        )
        == "56px"
    )
    shop.start()
    assert shop.complaints == []


@pytest.mark.parametrize("policy", ["require-corp", "credentialless"])
def test_a_site_that_embeds_only_who_agrees_gets_the_chat(shop: Shop, policy: str) -> None:
    headers = {"Cross-Origin-Embedder-Policy": policy, "Cross-Origin-Opener-Policy": "same-origin"}
    page = shop.open(headers=headers)
    assert page.evaluate("crossOriginIsolated") is True
    shop.start()
    assert shop.complaints == []


def test_nothing_on_the_site_moves(shop: Shop) -> None:
    page = shop.open(wait=False)
    page.evaluate(
        "window.shifts = [];"
        "new PerformanceObserver((list) => shifts.push(...list.getEntries().map((entry) => entry.value)))"
        ".observe({ type: 'layout-shift', buffered: true })"
    )
    before = page.evaluate("document.querySelector('main').getBoundingClientRect().toJSON()")
    shop.button.click()
    expect(shop.frame.get_by_label("Your message")).to_be_visible()
    assert page.evaluate("document.querySelector('main').getBoundingClientRect().toJSON()") == before
    assert page.evaluate("document.documentElement.scrollHeight <= innerHeight")
    assert page.evaluate("shifts") == []


def test_what_is_unread_is_counted_before_there_is_a_frame(shop: Shop, database: Database, alice: Agent) -> None:
    page = shop.open()
    shop.start()
    shop.button.click()
    page.evaluate("sessionStorage.clear()")  # another visit
    page.goto("about:blank")
    shop.requests.clear()
    alice.reply(1001, "Hello, how can I help?")
    alice.reply(1001, "Are you there?")
    shop.open()
    expect(page.get_by_role("button", name="Chat with us (2)", exact=True)).to_be_visible()
    assert shop.requests.index(f"{shop.desk}/chat/unread?site=main") < shop.requests.index(f"{shop.desk}/chat")
    assert database.call("conversation_of_visitor", visitor=visitor_of(shop))["customer_read_seq"] < 3
    shop.button.click()
    expect(page.get_by_role("button", name="Chat with us", exact=True)).to_be_visible()


def visitor_of(shop: Shop) -> str:
    """Return the hash of the key that the frame has."""
    [key] = [cookie["value"] for cookie in shop.context.cookies() if "f-" in cookie["name"]]
    return token_hash(key)


def test_agents_see_where_the_customer_is_and_has_been(shop: Shop, rows: Any) -> None:
    page = shop.open(at=f"{SHOP}/machines?from=ads#top")
    page.goto(f"{SHOP}/machines/cm-410")
    shop.start()
    sees_pages(rows, [f"{SHOP}/machines", f"{SHOP}/machines/cm-410"])
    page.evaluate("history.pushState({}, '', '/grinders'); document.title = 'Grinders'")
    sees_pages(rows, [f"{SHOP}/machines", f"{SHOP}/machines/cm-410", f"{SHOP}/grinders"])
    assert rows("select pages -> 2 ->> 'title' from customer_pages") == [("Grinders",)]
    shop.frame.locator("body").press("Escape")
    page.goto(f"{SHOP}/beans")  # a page later the chat is closed, and goes along
    sees_pages(rows, [f"{SHOP}/{path}" for path in ("machines", "machines/cm-410", "grinders", "beans")])
    page.evaluate("for (let i = 0; i < 1000; i++) history.pushState({}, '', `/flood/${i}`)")
    pages = ("machines", "machines/cm-410", "grinders", "beans", "flood/999")
    sees_pages(rows, [f"{SHOP}/{path}" for path in pages])


def sees_pages(rows: Any, addresses: list[str]) -> None:
    """Wait until the desk knows these pages."""
    deadline, seen = time.monotonic() + 20, None
    while seen != addresses and time.monotonic() < deadline:
        time.sleep(0.1)
        seen = [url for (url,) in rows("select jsonb_array_elements(pages) ->> 'url' from customer_pages")]
    assert seen == addresses


def test_a_chat_that_was_open_is_so_on_the_next_page_and_the_page_keeps_its_focus(shop: Shop) -> None:
    page = shop.open(SHOP_BODY + "<input id=search autofocus>" + SNIPPET)
    shop.start("From page to page")
    page.goto(f"{SHOP}/next")
    expect(shop.frame.locator("[data-messages] .bubble")).to_have_text("From page to page")
    expect(page.locator("#search")).to_be_focused()


def test_a_link_elsewhere_on_the_page_opens_the_chat_and_stays_a_link(shop: Shop) -> None:
    page = shop.open("<nav><a href='{desk}/chat' id=help>Help</a></nav>" + SNIPPET)
    expect(page.get_by_role("link", name="Help")).to_be_visible()
    page.get_by_role("link", name="Help").click()
    expect(shop.frame.get_by_label("Your message")).to_be_visible()
    with shop.context.expect_page() as opened:
        page.get_by_role("link", name="Help").click(modifiers=["ControlOrMeta"])
    expect(opened.value.get_by_label("Your message")).to_be_visible()


STUB = """
window.supportchat ??= new Proxy([], {
  get: (calls, name) => (name === "calls" ? calls : (...values) => calls.push([name, ...values])),
});
const kept = window.supportchat, said = [];
for (const name of ["open", "close", "identified"]) kept.on(name, (detail) => said.push([name, detail]));
kept.open();
"""


def test_calls_made_before_the_script_has_loaded_are_played_in_their_order(shop: Shop) -> None:
    page = shop.open(head=f"<script>{STUB}</script>")
    expect(shop.frame.get_by_label("Your message")).to_be_visible()
    page.evaluate("kept.close(); supportchat.toggle(); supportchat.toggle(); supportchat.hide()")
    expect(shop.button).to_be_hidden()
    page.evaluate("kept.show()")
    expect(shop.button).to_be_visible()
    names = [name for name, _ in page.evaluate("said")]
    assert names == ["open", "close", "open", "close"]


def test_a_token_goes_into_the_frame_and_never_into_an_address(shop: Shop) -> None:
    page = shop.open(head=f"<script>{STUB}kept.identify('secret.token')</script>")
    expect(shop.frame.get_by_label("Your message")).to_be_visible()
    page.wait_for_function("said.some(([name]) => name === 'identified')")
    assert page.evaluate("said.find(([name]) => name === 'identified')[1]") is False  # no route takes it yet
    assert not [url for url in shop.requests if "secret" in url]


def test_who_logs_out_leaves_nothing_in_the_browser(shop: Shop) -> None:
    page = shop.open()
    shop.start("A secret")
    page.evaluate("supportchat.logout()")
    expect(shop.frame.get_by_label("Your message")).to_be_visible()
    expect(shop.frame.get_by_text("A secret")).to_have_count(0)
    assert not shop.stored("supportchat:main")
    page.goto(f"{SHOP}/again")
    expect(shop.frame.get_by_label("Your message")).to_be_visible()


def test_the_script_twice_and_a_page_that_changes_its_body_leave_one_widget(shop: Shop) -> None:
    page = shop.open(SHOP_BODY + SNIPPET + "<script async src='{desk}/widget.js'></script>")
    shop.start("Still here")
    # As Turbo does it: a new body, whose scripts are made anew so that they run.
    page.evaluate(
        """() => {
        const body = document.createElement("body");
        body.append(document.querySelector("main").cloneNode(true), document.querySelector("a").cloneNode(true));
        const script = document.createElement("script");
        script.async = true;
        script.src = document.querySelector("script[src]").src;
        body.append(script);
        document.documentElement.replaceChild(body, document.body);
    }"""
    )
    expect(page.locator("support-chat")).to_have_count(1)
    expect(shop.frame.locator("[data-messages] .bubble")).to_have_text("Still here")
    expect(page.get_by_role("link", name="Chat with us")).to_have_count(0)
    page.evaluate("document.querySelector('support-chat').remove(); supportchat.page()")
    expect(shop.button).to_be_visible()


def test_the_chat_goes_along_into_a_window_of_its_own(shop: Shop) -> None:
    shop.open()
    frame = shop.start("Take me along")
    frame.locator("details.menu summary").click()
    with shop.context.expect_page() as opened:
        frame.get_by_role("link", name="Open in its own window").click()
    window = opened.value
    window.get_by_role("button", name="Continue the chat").click()
    expect(window.locator("[data-messages] .bubble")).to_have_text("Take me along")
    assert window.evaluate("opener") is None
    expect(shop.button).to_have_attribute("aria-expanded", "false")
    # Each has a cookie of its own kind.
    kinds = {cookie["sameSite"]: cookie.get("partitionKey") for cookie in shop.context.cookies(shop.desk)}
    assert kinds == {"None": SHOP, "Lax": None}


def test_in_a_sandbox_without_an_origin_the_button_opens_a_tab(shop: Shop) -> None:
    shop.open(headers={"Content-Security-Policy": "sandbox allow-scripts allow-popups allow-popups-to-escape-sandbox"})
    with shop.context.expect_page() as opened:
        shop.button.click()
    expect(opened.value.get_by_label("Your message")).to_be_visible()


def test_a_page_that_may_not_show_it_gets_a_link_in_its_place(shop: Shop) -> None:
    page = shop.open(at="https://elsewhere.example/")
    shop.button.click()
    link = page.locator("support-chat").get_by_role("link", name="Chat with us")
    expect(link).to_be_visible()
    expect(link).to_be_focused()
    shop.button.click()
    with shop.context.expect_page() as opened:
        shop.button.click()
    expect(opened.value.get_by_label("Your message")).to_be_visible()


def test_the_button_is_named_and_leads_a_screen_reader_into_the_chat(shop: Shop) -> None:
    page = shop.open()
    expect(shop.button).to_have_accessible_name("Chat with us")
    page.keyboard.press("Tab")
    expect(shop.button).to_be_focused()
    page.keyboard.press("Enter")
    expect(shop.frame.get_by_label("Your message")).to_be_focused()
    assert page.locator("support-chat iframe").get_attribute("title") == "Chat with us"
    page.keyboard.press("Escape")
    expect(shop.button).to_be_focused()


def test_axe_finds_nothing_on_the_page_and_in_its_frame(browser: Browser, desk: str) -> None:
    shop = Shop(browser, desk, bypass_csp=True)  # axe-core writes styles while it looks
    page = shop.open()
    shop.start()
    [chat] = [frame for frame in page.frames if frame.url.startswith(desk)]
    for each in (page.main_frame, chat):
        each.evaluate(AXE.read_text())
    assert run_axe(page, {}) + run_axe(chat, {}) == []
    shop.close()


def test_on_paper_there_is_no_button(shop: Shop) -> None:
    page = shop.open()
    page.emulate_media(media="print")
    expect(shop.button).to_be_hidden()


FORGED = """([type, more]) => {
    const isChat = location.hostname === "localhost"; // which may speak to the page around it
    const others = isChat ? [] : [parent, ...Array.from({ length: parent.length }, (_, i) => parent[i])];
    for (const target of [window, ...others]) {
        for (let i = 0; i < 500; i++) target.postMessage({ supportchat: type, ...more }, "*");
        for (const junk of [null, 7, "x".repeat(1e6), [], { supportchat: {} }, { supportchat: "__proto__" }]) {
            target.postMessage(junk, "*");
        }
    }
}"""
LIES = [
    ["close", {}],
    ["unread", {"unread": 9}],
    ["ready", {"canWork": False, "unread": 9}],
    ["hello", {}],
    ["logout", {}],
]


def test_no_other_window_speaks_for_the_chat_or_for_the_site(shop: Shop) -> None:
    page = shop.page
    page.route("https://evil.example/**", lambda route: route.fulfill(content_type="text/html", body="<p>An ad"))
    shop.open(SHOP_BODY + "<iframe src='https://evil.example/' id=ad></iframe>" + SNIPPET)
    shop.start("Only mine")
    ad = next(frame for frame in page.frames if "evil" in frame.url)
    chat = next(frame for frame in page.frames if frame.url.startswith(shop.desk))
    for lie in LIES:
        for frame in (ad, page.main_frame, chat):
            frame.evaluate(FORGED, lie)
    # What the chat itself says, and what the site does, is heard after all that.
    page.evaluate("supportchat.page()")
    expect(shop.button).to_have_accessible_name("Chat with us")
    expect(shop.button).to_have_attribute("aria-expanded", "true")
    expect(shop.frame.locator("[data-messages] .bubble")).to_have_text("Only mine")
    assert shop.stored("supportchat:main") == "1"
    shop.frame.get_by_role("button", name="Close").click()
    expect(shop.button).to_have_attribute("aria-expanded", "false")
    assert [said for said in shop.complaints if "supportchat" in said] == []


def test_a_link_that_a_visitor_of_the_site_has_written_changes_nothing_on_its_page(shop: Shop) -> None:
    comment = """<a href='{desk}/chat?"],*{display:none}a[x="'>By a visitor</a>"""
    page = shop.open(SHOP_BODY + comment + "<p>And more</p><script async src='{desk}/widget.js'></script>")
    expect(page.get_by_text("And more")).to_be_visible()
    expect(page.get_by_role("link", name="By a visitor")).to_be_visible()


def test_a_page_that_says_nonsense_to_the_chat_is_still_followed(shop: Shop, rows: Any) -> None:
    page = shop.open()
    shop.start()
    page.evaluate(
        """desk => { for (const pages of [[null], [{}], [{ url: 7, title: 7 }], {}, "x"])
        for (const type of ["page", "hello"])
        document.querySelector("support-chat").shadowRoot.querySelector("iframe").contentWindow
        .postMessage({ supportchat: type, isOpen: true, visit: { pages, referrer: 7 } }, desk) }""",
        shop.desk,
    )
    page.evaluate("history.pushState({}, '', '/grinders')")
    deadline = time.monotonic() + 20
    while [f"{SHOP}/machines", f"{SHOP}/grinders"] != [
        url for (url,) in rows("select jsonb_array_elements(pages) ->> 'url' from customer_pages")
    ]:
        assert time.monotonic() < deadline
        page.evaluate("new Promise(requestAnimationFrame)")


def test_where_cookies_of_other_sites_are_blocked_the_chat_has_one_of_its_own(shop: Shop) -> None:
    page = shop.open()
    client = shop.context.new_cdp_session(page)
    client.send("Network.enable")
    client.send(
        "Network.setCookieControls",
        {
            "enableThirdPartyCookieRestriction": True,
            "disableThirdPartyCookieMetadata": True,
            "disableThirdPartyCookieHeuristics": True,
        },
    )
    page.reload()
    shop.start("Blocked elsewhere")


def test_where_a_frame_keeps_no_cookie_at_all_it_says_so_and_leads_to_a_tab(
    browser: Browser, server: Server, rows: Any
) -> None:
    rows("update sites set allowed_origins = array['http://localhost:8999']")
    shop = Shop(browser, server.url)  # by http a cookie for frames on other sites cannot be set
    page = shop.open(at="http://localhost:8999/")
    shop.button.click()
    expect(shop.frame.get_by_text("The chat can’t run inside this page.")).to_be_visible()
    expect(shop.frame.get_by_label("Your message")).to_be_hidden()
    with shop.context.expect_page() as opened:
        shop.frame.get_by_role("link", name="Open the chat in its own window").click()
    expect(opened.value.get_by_label("Your message")).to_be_visible()
    page.bring_to_front()
    shop.button.click()
    with shop.context.expect_page() as opened:
        shop.button.click()  # now it is known
    expect(opened.value.get_by_label("Your message")).to_be_visible()
    shop.close()


def test_on_a_phone_the_chat_has_the_whole_screen_and_a_button_that_closes_it(browser: Browser, desk: str) -> None:
    shop = Shop(browser, desk, viewport={"width": 390, "height": 844}, has_touch=True)
    page = shop.open("<div style='block-size: 4000px'>" + SHOP_BODY + "</div>" + SNIPPET)
    page.evaluate("scrollTo(0, 700)")
    shop.button.tap()
    expect(shop.frame.get_by_label("Your message")).to_be_visible()
    box = page.locator("support-chat iframe").bounding_box()
    assert box == {"x": 0, "y": 0, "width": 390, "height": 844}
    expect(shop.button).to_be_hidden()
    shop.frame.get_by_role("button", name="Close").tap()
    expect(shop.button).to_be_visible()
    assert page.evaluate("scrollY") == 700
    shop.close()


def test_on_a_phone_a_chat_that_fails_later_leaves_the_button_that_closes_it(browser: Browser, desk: str) -> None:
    shop = Shop(browser, desk, viewport={"width": 390, "height": 844})
    page = shop.open()
    shop.start()
    page.route(f"{desk}/chat", lambda route: route.fulfill(status=502, body="Bad gateway"))
    chat = next(frame for frame in page.frames if frame.url.startswith(desk))
    chat.evaluate("location.reload()")
    expect(page.locator("support-chat").get_by_role("link", name="Chat with us")).to_be_visible()
    shop.button.click()
    expect(shop.button).to_have_attribute("aria-expanded", "false")
    shop.close()


def test_from_right_to_left_and_in_the_dark_it_follows_the_page(browser: Browser, desk: str) -> None:
    shop = Shop(browser, desk, color_scheme="dark", locale="ar")
    page = shop.open("<script>document.documentElement.dir = 'rtl'</script>" + SHOP_BODY + SNIPPET)
    assert shop.button.bounding_box()["x"] == 24
    dark = "getComputedStyle(document.querySelector('support-chat').shadowRoot.querySelector('.panel')).backgroundColor"
    assert page.evaluate(dark) == "rgb(255, 255, 255)"  # of a page that has no dark theme
    page.evaluate("document.documentElement.style.colorScheme = 'light dark'")
    assert page.evaluate(dark) != "rgb(255, 255, 255)"
    # The frame is told as much: prefers-color-scheme in it is what its element uses, unless a test has set it.
    frame = "getComputedStyle(document.querySelector('support-chat').shadowRoot.querySelector('iframe')).colorScheme"
    for declared, used in (("light dark", "light dark"), ("", "light")):
        page.evaluate("scheme => { document.documentElement.style.colorScheme = scheme }", declared)
        page.evaluate("supportchat.open()")
        assert page.evaluate(frame) == used
        page.evaluate("supportchat.close()")
    shop.close()
