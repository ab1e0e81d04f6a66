"""What the widget costs the page of a site: `pytest -s tests/widget/figures.py` prints the table of docs/widget.md.

No pass and no fail but by the 3 KB: the machine may be busy.
"""

from __future__ import annotations

from statistics import median
from typing import Any

from playwright.sync_api import Request, expect

from .conftest import SHOP_BODY, SNIPPET, Shop

ROUNDS = 15
WATCH = """
window.seen = { shift: 0, long: 0, paint: 0 };
new PerformanceObserver((list) => list.getEntries().forEach((entry) => (seen.shift += entry.value)))
  .observe({ type: "layout-shift", buffered: true });
new PerformanceObserver((list) => list.getEntries().forEach((entry) => (seen.long += Math.max(0, entry.duration - 50))))
  .observe({ type: "longtask", buffered: true });
new PerformanceObserver((list) => list.getEntries().forEach((entry) => (seen.paint = entry.startTime)))
  .observe({ type: "largest-contentful-paint", buffered: true });
"""
PARTS = ("ScriptDuration", "LayoutDuration", "RecalcStyleDuration", "TaskDuration")


def test_figures(shop: Shop) -> None:
    rows = {name: [] for name in ("without", "closed", "open")}  # type: dict[str, list[dict[str, float]]]
    wire = on_the_wire(shop)
    shop.page.add_init_script(WATCH)
    for _ in range(ROUNDS):
        shop.context.clear_cookies()
        shop.page.evaluate("localStorage.clear(); sessionStorage.clear()")
        for name, body in (("without", SHOP_BODY), ("closed", SHOP_BODY + SNIPPET)):
            shop.page.goto("about:blank")
            rows[name].append(measured(shop, lambda body=body, name=name: shop.open(body, wait=name == "closed")))
        rows["open"].append(measured(shop, lambda: open_chat(shop)))
    print()
    for name, found in rows.items():
        print(name, {key: round(median(row[key] for row in found), 4) for key in found[0]})
    script = wire.pop("the script alone")
    print("script", script, "wire", wire, "open", sum(wire.values()) - wire["/widget.js"], len(wire) - 1)
    assert script <= 3072


def open_chat(shop: Shop) -> None:
    shop.button.click()
    expect(shop.frame.get_by_label("Your message")).to_be_visible()


def on_the_wire(shop: Shop) -> dict[str, int]:
    """Return how many bytes each answer of the desk has on its way, when a page is loaded and the chat opened.

    With their heads, as Chromium counts them (`encodedDataLength`), and in the frame too, which is another process.
    """
    answered: list[Request] = []

    def note(request: Request) -> None:
        answered.append(request)

    shop.page.on("requestfinished", note)
    shop.open()
    open_chat(shop)
    shop.page.wait_for_load_state("networkidle")
    shop.page.remove_listener("requestfinished", note)
    found = {}
    for request in answered:
        if request.url.startswith(shop.desk):
            sizes = request.sizes()
            found[request.url.removeprefix(shop.desk)] = sizes["responseHeadersSize"] + sizes["responseBodySize"]
    body = shop.page.request.get(f"{shop.desk}/widget.js", headers={"Accept-Encoding": "gzip"})
    return {**found, "the script alone": int(body.headers["content-length"])}


def measured(shop: Shop, act: Any) -> dict[str, float]:
    """Return the milliseconds of the page's main thread that something takes, and what moved."""
    client = shop.context.new_cdp_session(shop.page)
    client.send("Performance.enable")

    def read() -> dict[str, float]:
        metrics = client.send("Performance.getMetrics")["metrics"]
        return {each["name"]: each["value"] for each in metrics if each["name"] in PARTS}

    before = read()
    act()
    after = read()
    seen = shop.page.evaluate("window.seen")
    client.detach()
    taken = {name: 1000 * (after[name] - before[name]) for name in PARTS}
    return {**taken, **{name: float(value) for name, value in seen.items()}}
