"""What Lighthouse says of a site's page with and without the widget:

`LIGHTHOUSE=node_modules/lighthouse/cli/index.js CHROME_PATH=/usr/bin/chromium pytest -s tests/widget/lighthouse.py`,
after `npm install --no-save lighthouse`. It prints the medians; a difference of more than one point fails.
"""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from tests.server import Server

from .conftest import SNIPPET

pytestmark = [
    pytest.mark.mode("postgres"),
    pytest.mark.timeout(1200),
    pytest.mark.skipif("LIGHTHOUSE" not in os.environ, reason="LIGHTHOUSE says where its program is"),
]

ROUNDS = 5
FLAGS = "--headless=new --no-sandbox --disable-background-networking --disable-component-update --disable-sync"
AUDITS = {
    "total-blocking-time": "blocking ms",
    "bootup-time": "scripts ms",
    "mainthread-work-breakdown": "main thread ms",
    "total-byte-weight": "bytes",
    "largest-contentful-paint": "LCP ms",
    "cumulative-layout-shift": "CLS",
}
HEAD = (
    "<!doctype html><html lang=en><meta charset=utf-8><title>Coffee machines</title>"
    "<meta name=viewport content='width=device-width'><meta name=description content='A shop for coffee machines'>"
    "<main><h1>Coffee machines</h1><p>A shop.</p></main>"
)


@pytest.fixture
def shop(server: Server, rows: Any) -> Iterator[str]:
    """The address of a shop, whose page at /with has the widget."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            snippet = SNIPPET.replace("{desk}", server.url) if self.path == "/with" else ""
            body = (HEAD + snippet).encode() if self.path in ("/with", "/without") else b""
            self.send_response(200 if body else 204)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    pages = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=pages.serve_forever, daemon=True).start()
    rows("update sites set allowed_origins = array[%s]", f"http://127.0.0.1:{pages.server_port}")
    yield f"http://127.0.0.1:{pages.server_port}"
    pages.shutdown()
    pages.server_close()


def looked_at(address: str, folder: Path) -> dict[str, float]:
    """Return the scores of a page, of 100, and some of what they are made of."""
    report = folder / "report.json"
    command = ["node", os.environ["LIGHTHOUSE"], address, "--output=json", f"--output-path={report}", "--quiet"]
    subprocess.run([*command, f"--chrome-flags={FLAGS}"], check=True, capture_output=True)
    found = json.loads(report.read_text())
    scores = {name: 100 * (each["score"] or 0) for name, each in found["categories"].items()}
    values = {name: found["audits"][audit].get("numericValue") or 0 for audit, name in AUDITS.items()}
    return scores | values


def test_a_page_loses_one_point_at_most(shop: str, tmp_path: Path) -> None:
    rows: dict[str, list[dict[str, float]]] = {"/without": [], "/with": []}
    for _ in range(ROUNDS):
        for path, found in rows.items():
            found.append(looked_at(shop + path, tmp_path))
    medians = {
        path: {name: round(median(row[name] for row in found), 2) for name in found[0]} for path, found in rows.items()
    }
    print()
    for path, found_medians in medians.items():
        print(path, found_medians)
    for name in ("performance", "accessibility", "best-practices", "seo"):
        assert medians["/without"][name] - medians["/with"][name] <= 1, name
