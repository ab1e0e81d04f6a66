"""What people send is checked against what their browsers know."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from supportchat.config import ROOT

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
    script = f"from supportchat.forms import known_time_zone; print(*map(known_time_zone, {[*ZONES, 'Mars/Base']}))"
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
