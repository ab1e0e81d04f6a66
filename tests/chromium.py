"""Chromium for the tests in a browser."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator

from playwright.sync_api import Browser, sync_playwright

# A sandbox does not start as root, and the network is asked for nothing that no test needs. All tabs of a context share
# one process: a page in one that has been used before takes half the CPU time.
ARGUMENTS = [
    *("--no-sandbox", "--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--renderer-process-limit=1",
]


def chromium() -> str | None:
    """Return the path of an installed Chromium; None for the one that Playwright brings.

    The one that can do without a screen only is the first choice: a page costs it half as much.
    """
    names = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
    return next((path for name in names if (path := shutil.which(name))), None)


@contextlib.contextmanager
def opened() -> Iterator[Browser]:
    """Run Chromium for as long as the block lasts. Playwright allows for one at a time in a process."""
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        yield made
        made.close()
