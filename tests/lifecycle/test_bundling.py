"""bin/bundle: when it makes the files for browsers, and which of them it leaves."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from supportchat.config import ROOT

DAY = 86400
ADDED = "/* added */ .added { color: red }\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of what goes into the files, bundled once."""
    for name in ("bin/bundle", "bundle.js", "package.json", "package-lock.json", "static/favicon.svg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy2(ROOT / name, tmp_path / name)
    for name in ("css", "js", "icons"):
        shutil.copytree(ROOT / "static" / name, tmp_path / "static" / name)
    (tmp_path / "node_modules").symlink_to(ROOT / "node_modules")
    assert bundled(tmp_path).returncode == 0
    return tmp_path


def bundled(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([folder / "bin" / "bundle"], capture_output=True, text=True, check=False)


def newest(folder: Path) -> dict[str, Path]:
    built = folder / "static" / "built"
    return {name: built / path for name, path in json.loads(built.with_suffix(".json").read_text()).items()}


def test_what_is_edited_is_made_anew_and_the_rest_keeps_its_address(folder: Path) -> None:
    first, listed = newest(folder), folder / "static" / "built.json"
    made = listed.stat().st_mtime_ns
    assert bundled(folder).returncode == 0
    assert listed.stat().st_mtime_ns == made
    with (folder / "static" / "css" / "queue.css").open("a") as queue:
        queue.write(ADDED)
    assert bundled(folder).returncode == 0
    second = newest(folder)
    assert {name for name in first if first[name] != second[name]} == {"for_agents.css"}
    assert ".added{color:red}" in second["for_agents.css"].read_text()


def test_a_running_desk_keeps_the_files_that_it_serves(folder: Path) -> None:
    first, old = newest(folder), folder / "static" / "built" / "OLD"
    old.mkdir()
    for path in (old, *(file.parent for file in first.values())):
        os.utime(path, (0, path.stat().st_mtime - 8 * DAY))
    (folder / "static" / "css" / "queue.css").write_text(ADDED)
    assert bundled(folder).returncode == 0
    assert newest(folder)["for_agents.css"] != first["for_agents.css"]
    assert all(file.exists() for file in first.values())
    assert not old.exists()


def test_a_mistake_is_named_and_what_was_made_before_stays(folder: Path) -> None:
    before = newest(folder)
    (folder / "static" / "js" / "shared.js").write_text('import "./missing.js";\n')
    done = bundled(folder)
    assert done.returncode != 0
    assert 'Could not resolve "./missing.js"' in done.stderr
    assert "node:internal" not in done.stderr
    assert newest(folder) == before
