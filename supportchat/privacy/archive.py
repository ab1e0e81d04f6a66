"""The copy of what we have of a customer: a ZIP with `conversation.json`, the pictures, and the notes if asked for.

docs/privacy.md describes every key.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import IO, Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from ..database import Database
from ..database.batches import is_cut
from ..database.rows import ExportedConversation, Message, Note, StoredPicture
from ..images.redraw.limits import EXTENSIONS
from ..images.stores import ImageStore
from ..rendering.names import called
from ..server.turns import give_way
from .streams import Sink

PIECE = 65536
FORMAT = "supportchat-conversations-1"


class Archive:
    """Makes the file piece by piece: one batch of lines, or one piece of a picture, is in memory at a time."""

    def __init__(
        self, conversations: list[ExportedConversation], database: Database, store: ImageStore, *, with_notes: bool
    ) -> None:
        self._conversations = conversations
        self._database = database
        self._store = store
        self._with_notes = with_notes
        self._pictures: list[tuple[str, str]] = []  # the names in the archive, and the keys in the store
        self._missing: list[str] = []
        self._moment = datetime.now(UTC)

    def parts(self) -> Iterator[bytes]:
        """Yield the bytes of the archive.

        :raise StoreUnavailable: when a picture cannot be read now; what has been sent by then is no whole archive.
        """
        sink = Sink()
        with ZipFile(sink, "w") as archive:  # type: ignore[call-overload]
            for _ in itertools.chain(
                self._write_lines(archive), self._write_notes(archive), self._write_pictures(archive)
            ):
                give_way()
                if sink.waiting >= PIECE:
                    yield sink.taken()
        yield sink.taken()

    def _write_lines(self, archive: ZipFile) -> Iterator[None]:
        with archive.open(self._entry("conversation.json", ZIP_DEFLATED), "w") as file:
            _write(file, f'{{"format": {json.dumps(FORMAT)}, "exported_at": {json.dumps(self._moment.isoformat())}, ')
            _write(file, '"conversations": [')
            for place, conversation in enumerate(self._conversations):
                head = json.dumps(_described(conversation), ensure_ascii=False).removesuffix("}")
                _write(file, f'{"," if place else ""}\n{head}, "messages": [')
                rows = self._batches("messages_after", conversation["session_id"], "seq")
                yield from _write_list(file, (self._line(row, conversation["number"]) for row in rows))
                _write(file, "]}")
            _write(file, "]}\n")

    def _write_notes(self, archive: ZipFile) -> Iterator[None]:
        if not self._with_notes:
            return
        with archive.open(self._entry("private-notes.json", ZIP_DEFLATED), "w") as file:
            _write(file, "[")
            yield from _write_list(file, self._notes())
            _write(file, "]\n")

    def _write_pictures(self, archive: ZipFile) -> Iterator[None]:
        for name, key in self._pictures:
            try:
                content = self._store.open(key)
            except FileNotFoundError:
                self._missing.append(name)
                continue
            with content, archive.open(self._entry(name, ZIP_STORED), "w") as file:
                while piece := content.read(PIECE):
                    file.write(piece)
                    yield
        if self._missing:
            archive.writestr(self._entry("missing-pictures.txt", ZIP_DEFLATED), "\n".join(self._missing) + "\n")

    def _entry(self, name: str, compression: int) -> ZipInfo:
        entry = ZipInfo(name, self._moment.timetuple()[:6])
        entry.compress_type = compression
        return entry

    def _batches(self, function: str, session_id: str, counter: str) -> Iterator[Any]:
        after = 0
        while rows := self._database.call(function, session_id=session_id, after=after):
            yield from rows
            if not is_cut(rows):
                return
            after = rows[-1][counter]

    def _line(self, row: Message, number: int) -> dict[str, Any]:
        return {
            "seq": row["seq"],
            "at": row["created_at"],
            "from": {"user": "customer"}.get(row["sender"], row["sender"]),
            # As customers see them: an agent by the first name.
            "agent": called(row["agent"]["name"]) if row["agent"] else None,
            # The text of an event is for readers of the table, and names agents in full.
            "text": "" if row["event"] else row["message"],
            "event": row["event"],
            "picture": self._picture(row, number),
        }

    def _picture(self, row: Message, number: int) -> dict[str, Any] | None:
        image = row["image"]
        if image is None:
            return None
        stored: StoredPicture | None = self._database.call("image_of_session", image_id=image["id"], number=number)
        if stored is None:  # erased meanwhile
            return None
        name = f"pictures/{number}-{row['seq']}.{EXTENSIONS[stored['content_type']]}"
        self._pictures.append((name, stored["key"]))
        return {"file": name, "width": image["width"], "height": image["height"]}

    def _notes(self) -> Iterator[dict[str, Any]]:
        for conversation in self._conversations:
            row: Note
            for row in self._batches("notes_after", conversation["session_id"], "note_no"):
                yield {
                    "ticket": conversation["number"],
                    "at": row["created_at"],
                    "agent": row["agent"]["name"] if row["agent"] else None,
                    "text": row["note"],
                }


def _described(conversation: ExportedConversation) -> dict[str, Any]:
    return {
        "ticket": conversation["number"],
        "started_at": conversation["created_at"],
        "closed_at": conversation["closed_at"],
        "status": conversation["status"],
        "channel": conversation["channel"],
        "page_around": conversation["framed_on"],
        "customer": {
            "name": conversation["customer_name"],
            "phone": conversation["customer_phone"],
            "time_zone": conversation["time_zone"],
            "network": conversation["address"],
            "verified": conversation["person"],
        },
        "visit": conversation["visit"],
        "bans": conversation["bans"],
        "received_up_to": conversation["customer_delivered_seq"],
        "read_up_to": conversation["customer_read_seq"],
    }


def _write_list(file: IO[bytes], rows: Iterator[dict[str, Any]]) -> Iterator[None]:
    for place, row in enumerate(rows):
        _write(file, ("," if place else "") + "\n" + json.dumps(row, ensure_ascii=False))
        yield


def _write(file: IO[bytes], text: str) -> None:
    file.write(text.encode("utf-8", "backslashreplace"))
