"""What people send is checked against what their browsers know."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from werkzeug.test import EnvironBuilder

from supportchat.config import ROOT
from supportchat.web.bodies import DeskRequest

# Browsers go on using the old names for all of India, Ukraine and so on; Debian 13 has them in a package of its own.
ZONES = [
    "Asia/Calcutta",
    "Europe/Kiev",
    "Asia/Saigon",
    "America/Buenos_Aires",
    "Pacific/Kanton",
    "UTC",
    "Europe/Berlin",
]


@pytest.mark.parametrize("system", ["", "empty"])
def test_the_zones_that_browsers_send_are_known_whatever_the_system_knows(tmp_path: Path, system: str) -> None:
    script = (
        "from supportchat.chat.time_zones import known_time_zone;"
        f" print(*map(known_time_zone, {[*ZONES, 'Mars/Base']}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={**os.environ, "PYTHONTZPATH": system and str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == [*ZONES, "None"]


def test_the_package_with_the_zones_is_installed_with_the_desk() -> None:
    assert "tzdata==" in (ROOT / "requirements.txt").read_text()


def cookies_of(header: str) -> dict[str, str]:
    return DeskRequest(EnvironBuilder(headers=[("Cookie", header)]).get_environ()).cookies.to_dict()


@pytest.mark.parametrize(
    "hostile",
    [
        "a=1;a=" + 8000 * " " + "x y",
        "a=1;a=" + 8000 * "\t" + "x y",
        "a" + 4000 * " " + "=" + 4000 * " " + '"',
        ';a="\\' * 1600,
        ';a = "b' * 1100,
        '"' * 8000,
    ],
)
def test_cookies_of_any_kind_are_read_at_once(hostile: str) -> None:
    begun = time.process_time()
    cookies_of(",".join([hostile] * 50))  # gunicorn joins a header that comes several times
    assert time.process_time() - begun < 0.5


def test_cookies_are_read_as_browsers_send_them() -> None:
    assert cookies_of('c-3000=key; s=a.b-c_d;  other="x \\" y"; empty=') == {
        "c-3000": "key",
        "s": "a.b-c_d",
        "other": 'x " y',
        "empty": "",
    }
