"""Writes the reference part of docs/sql.md from the scripts: `python -m tests.docs`. A test holds it up to date."""

from __future__ import annotations

import re

from supportchat.config import ROOT
from supportchat.database.names import SEQUENCE, names_in
from supportchat.database.scripts import SCRIPTS, own_names, script_text

PAGE = ROOT / "docs" / "sql.md"
MARK = "<!-- What follows is written by python -m tests.docs from the comments in sql/functions. -->\n"
FUNCTION = re.compile(
    r"((?:^-- [^\n]*\n)+)create or replace function (?:public\.)?([\w.]+)\((.*?)\)\nreturns ([^\n]+)\n",
    re.MULTILINE | re.DOTALL,
)


def reference() -> str:
    """Return an entry for each function: its arguments (those in brackets may be left out), its result, its comment."""
    parts = []
    for script in SCRIPTS:
        if script.startswith("functions/"):
            text = script_text(script)
            title = text.splitlines()[0].removeprefix("-- ").removesuffix(" Safe to run again.").rstrip(".")
            parts.append(f"\n## {title}\n")
            parts.extend(_entry(*match.groups()) for match in FUNCTION.finditer(text))
    return "\n".join(parts) + "\n" + _names()


def _names() -> str:
    own = own_names()
    undescribed = names_in(script_text(name) for name in SCRIPTS if not name.startswith("functions/")).functions
    tools = sorted(name.partition("(")[0] for name in undescribed)
    return "\n".join(
        (
            "\n## Names that the desk takes\n",
            "The schema `_supportchat`, and in `public`:\n",
            f"- Tables: {_listed(own.tables)}",
            f"- Sequence: `{SEQUENCE}`",
            f"- Indexes: {_listed(own.indexes)}",
            f"- Functions: those above that are shown without a schema, and {_listed(tools)}",
            "- In Supabase also the bucket `chat-images`, and the private topic `supportchat` of Realtime\n",
        )
    )


def _listed(names: list[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


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
