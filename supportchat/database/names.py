"""Which names the desk takes in a database, and the look at whose they are with which the first script begins.

Tables, and the functions that the web code calls, are in the schema public; the helpers have one of their own. The
names are read from the scripts themselves, so a new table or function is looked for without being listed anywhere.
`bin/migrate stamp` writes the look into every script, and `sql/remove.sql`.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
SEQUENCE = "ticket_numbers"
BEGIN = (
    "-- Looks whether what has our names is ours, and stops if not: see docs/sql.md. Written by bin/migrate stamp.\n"
)
END = "-- The check ends here.\n\n"
# The first script has looked at the names; the others only look whether it has run.
GUARD = """\
do $look$
begin
    if to_regprocedure('_supportchat.record_script(text, text)') is null then
        raise exception using errcode = 'SC001',
            message = 'Nothing was changed, because supportchat is not set up here. Run sql/supabase_schema.sql first.';
    end if;
end $look$;
"""
LOOK = re.compile(f"^{re.escape(BEGIN)}.*?^{re.escape(END)}", re.MULTILINE | re.DOTALL)
_HEAD = re.compile(r"\A(?:--[^\n]*\n)+\n?")
# The rows of declared_columns and declared_indexes.
_TABLE = re.compile(r"^ {8}(\w+) +\| \w+ +\| [\w\[\]]+ +\| (?:key|required|computed|) *\|", re.MULTILINE)
_INDEX = re.compile(r"^ {8}(\w+) +\| (?:unique|) *\| \w+ +\| (?:using \w+ )?\(", re.MULTILINE)
_FUNCTION = re.compile(r"^create or replace function public\.(\w+)\((.*?)\)\s+returns", re.MULTILINE | re.DOTALL)
_READING = re.compile(
    r"^create or replace function public\.(\w+)\([^)]*\)\nreturns [^\n]+\nlanguage \w+\n(?:stable|immutable)$",
    re.MULTILINE,
)
_DROPPED = re.compile(r"^drop function if exists public\.(\w+)\((.*?)\);", re.MULTILINE)
# As Postgres writes them.
_TYPES = {"timestamptz": "timestamp with time zone", "int": "integer", "bool": "boolean"}


@dataclass(frozen=True)
class Names:
    """What the scripts make in the schema public."""

    tables: list[str]
    indexes: list[str]
    called: list[str]  # the functions without the types of their arguments
    reading: list[str]  # those of them that change nothing
    functions: list[str]  # with the types of their arguments, and with those that earlier versions had
    # Those that would answer our calls in the place of one of ours: they lack only arguments that may be left out.
    overloads: list[str]


def names_in(scripts: Iterable[str]) -> Names:
    """Return the names that the texts of some scripts take."""
    text = "\n".join(scripts)
    functions: list[str] = []
    overloads: list[str] = []
    for name, arguments in _FUNCTION.findall(text):
        types, demanded = _types(arguments)
        functions.append(_signature(name, types))
        overloads.extend(_signature(name, types[:count]) for count in range(demanded, len(types)))
    dropped = [f"{name}({arguments})" for name, arguments in _DROPPED.findall(text)]
    return Names(
        tables=_unique(_TABLE.findall(text)),
        indexes=_unique(_INDEX.findall(text)),
        called=_unique(name for name, _ in _FUNCTION.findall(text)),
        reading=_READING.findall(text),
        functions=_unique(functions + dropped),
        overloads=_unique(signature for signature in overloads if signature not in functions + dropped),
    )


def look(names: Names) -> str:
    """Return the statement that fails with SC001 when something bears one of the names and is not ours."""
    text = (HERE / "look.sql").read_text(encoding="utf-8")
    for mark, listed, separator in (
        ("<tables>", names.tables, ", "),
        ("<indexes>", names.indexes, ", "),
        ("<functions>", [name.replace("public.", "") for name in names.functions], "; "),
        ("<overloads>", [name.replace("public.", "") for name in names.overloads], "; "),
    ):
        text = text.replace(mark, _wrapped(listed, separator))
    return text


def with_look(text: str, look: str = GUARD) -> str:
    """Return a script with a look below its first comment."""
    bare = LOOK.sub("", text)
    head = _HEAD.match(bare)
    rest = bare[head.end() if head else 0 :].removeprefix("begin;\n\n")
    return f"{head[0] if head else ''}begin;\n\n{BEGIN}{look}{END}{rest}"


def removal(names: Names) -> str:
    """Return the script that removes a desk."""
    tables, functions = (
        ",\n    ".join(f"public.{name}" for name in listed) for listed in (names.tables, names.functions)
    )
    return f"""\
-- remove.sql removes supportchat from a database: its tables with every row in them, and its functions.
-- Nothing else is touched. When something else needs one of them, a view say, it stops, says what, and removes nothing.
-- The bucket chat-images stays: delete it in the project's dashboard, under Storage.

begin;

select set_config('supportchat.adopt', '', true);

{BEGIN}{look(names)}{END}
do $$
begin
    if to_regnamespace('_supportchat') is null then
        raise exception 'Nothing was removed, because there is no supportchat of this version here.';
    end if;
end $$;

do $$
declare
    own record;
    helper regprocedure;
begin
    for own in
        select t.tgname, t.tgrelid::regclass as tgtable from pg_trigger t join pg_proc p on p.oid = t.tgfoid
        where p.pronamespace = '_supportchat'::regnamespace
    loop
        execute format('drop trigger %I on %s', own.tgname, own.tgtable);
    end loop;
    for helper in select oid from pg_proc where pronamespace = '_supportchat'::regnamespace loop
        execute format('drop function %s', helper);
    end loop;
end $$;
drop function if exists
    {functions};
drop table if exists
    {tables};
drop sequence if exists public.{SEQUENCE};
drop schema _supportchat;

notify pgrst, 'reload schema';

commit;
"""  # noqa: S608 - names of our own scripts, written into a script


def _types(arguments: str) -> tuple[list[str], int]:
    # And how many of the arguments have to be given.
    declared = [argument.split(None, 1)[1] for argument in re.split(r",\s*(?=p_)", arguments.strip()) if argument]
    types = [text.partition(" default ")[0].strip() for text in declared]
    return [_TYPES.get(name, name) for name in types], sum(" default " not in text for text in declared)


def _signature(name: str, types: list[str]) -> str:
    return f"{name}({', '.join(types)})"


def _unique(found: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(found))


def _wrapped(listed: list[str], separator: str) -> str:
    # No name may be torn in two, and a list of functions has spaces in it.
    glued = separator.join(name.replace(" ", "\0") for name in listed)
    lines = textwrap.wrap(glued, 112, break_long_words=False, break_on_hyphens=False)
    return "\n".join(f"        {line}" for line in lines).replace("\0", " ")
