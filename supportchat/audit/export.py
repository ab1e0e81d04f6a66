"""The audit log as a file, made batch by batch."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

from ..database import Database
from ..database.rows import AuditedPerson, AuditEntry, AuditPage
from ..rendering.sheets import safe_cell
from ..server.turns import give_way

BATCH = 500
FORMATS = {"csv": "text/csv; charset=utf-8", "json": "application/json"}
COLUMNS = (
    *("id", "at", "kind", "who", "who_email", "who_id", "whom", "whom_email", "whom_id"),
    *("address", "about"),
)


def parts(kind: str, database: Database, **asked: Any) -> Iterator[bytes]:
    """Yield the entries that were asked for, newest first.

    :param kind: one of `FORMATS`. :param asked: the arguments of `list_audit`.
    """
    yield from (_as_csv if kind == "csv" else _as_json)(_batches(database, asked))


def _batches(database: Database, asked: dict[str, Any]) -> Iterator[list[AuditEntry]]:
    before = None
    while True:
        page: AuditPage = database.call("list_audit", **asked, before=before, limit=BATCH, with_people=False)
        yield page["rows"]
        if len(page["rows"]) < BATCH:
            return
        before = page["rows"][-1]["id"]
        give_way()


def _as_csv(batches: Iterator[list[AuditEntry]]) -> Iterator[bytes]:
    head: tuple[tuple[str, ...], ...] = (COLUMNS,)
    for rows in batches:
        text = io.StringIO()
        csv.writer(text, quoting=csv.QUOTE_ALL).writerows(
            [*head, *([safe_cell(value) for value in _record(row).values()] for row in rows)]
        )
        yield text.getvalue().encode()
        head = ()


def _as_json(batches: Iterator[list[AuditEntry]]) -> Iterator[bytes]:
    is_first = True
    for rows in batches:
        texts = [json.dumps({**_record(row), "about": row["about"]}, ensure_ascii=False) for row in rows]
        yield (("[\n" if is_first else ",\n" if texts else "") + ",\n".join(texts)).encode()
        is_first = False
    yield b"\n]\n"


def _record(row: AuditEntry) -> dict[str, Any]:
    values = (
        *(row["id"], row["created_at"], row["kind"], *_known_by(row["agent"]), *_known_by(row["person"])),
        *(row["address"], json.dumps(row["about"], ensure_ascii=False, sort_keys=True)),
    )
    return dict(zip(COLUMNS, values, strict=True))


def _known_by(person: AuditedPerson | None) -> tuple[str | None, ...]:
    return (person["name"], person["email"], person["id"]) if person else (None, None, None)
