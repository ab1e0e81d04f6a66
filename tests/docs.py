"""Writes the reference part of docs/sql.md from the scripts: `python -m tests.docs`. A test holds it up to date."""

from __future__ import annotations

import re

from supportchat.config import ROOT
from supportchat.database.migrations import SCRIPTS, script_text

PAGE = ROOT / "docs" / "sql.md"
MARK = "<!-- What follows is written by python -m tests.docs from the comments in sql/functions. -->\n"
FUNCTION = re.compile(
    r"((?:^-- [^\n]*\n)+)create or replace function public\.(\w+)\((.*?)\)\nreturns ([^\n]+)\n",
    re.MULTILINE | re.DOTALL,
)


def reference() -> str:
    """Give an entry for each function: its arguments (those in brackets may be left out), its result, its comment."""
    parts = []
    for script in SCRIPTS:
        if script.startswith("functions/"):
            text = script_text(script)
            title = text.splitlines()[0].removeprefix("-- ").removesuffix(" Safe to run again.").rstrip(".")
            parts.append(f"\n## {title}\n")
            parts.extend(_entry(*match.groups()) for match in FUNCTION.finditer(text))
    return "\n".join(parts) + "\n"


def _entry(comment: str, name: str, arguments: str, result: str) -> str:
    names = []
    for argument in re.split(r",\s*(?=p_)", arguments.strip()):
        if argument:
            given = argument.split()[0]
            names.append(f"[{given}]" if " default " in argument else given)
    sentence = " ".join(line.removeprefix("-- ") for line in comment.strip().splitlines())
    return f"- `{name}({', '.join(names)})` → `{result}`. {sentence}"


def main() -> None:
    """Write the reference below the mark."""
    text = PAGE.read_text()
    PAGE.write_text(text[: text.index(MARK) + len(MARK)] + reference())


if __name__ == "__main__":
    main()
