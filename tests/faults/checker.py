"""Compares what was promised, what the database holds, and what each screen has shown."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import psycopg

from .ledger import KIND_OF_SENDER, TOKEN, Ledger, Screen, Shown

FINE = {200, 204, 303, 409, 429}  # 422 would be about what was written, and that is in order


@dataclass(frozen=True)
class Row:
    """A stored line. `seq` is the number of a note, which is counted by itself; `cid` is '' for the system's lines."""

    mark: str
    seq: int
    cid: str
    kind: str
    at: float


@dataclass
class Verdict:
    """What a run has come to. Each list names what broke the contract, in words."""

    sent: int = 0
    acked: int = 0
    unacked_but_stored: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    disordered: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    # Answers that no page expects: no 503 without Retry-After, no 500, nothing unknown.
    strange: list[str] = field(default_factory=list)
    # Seconds from a commit to the last open screen that showed it, and between two acknowledgements.
    longest_silence: float = 0.0
    longest_without_ack: float = 0.0
    slowest_answer: float = 0.0
    # Seconds from the close of a socket to the page's being caught up again; infinite when it never was.
    longest_reconnect: float = 0.0
    resets: int = 0

    @property
    def broken(self) -> dict[str, list[str]]:
        """What of the contract was not kept; the first few of each kind."""
        kinds = ("lost", "doubled", "disordered", "foreign", "strange")
        return {kind: getattr(self, kind)[:5] for kind in kinds if getattr(self, kind)}


def stored_rows(conninfo: str) -> list[Row]:
    """Read every line and note of the conversations that a load has made."""
    with psycopg.connect(conninfo) as connection:
        lines = connection.execute(
            "select session_id, seq, sender, message, extract(epoch from created_at)::float from chat_messages"
            " order by session_id, seq"
        ).fetchall()
        notes = connection.execute(
            "select session_id, note_no, 'note', note, extract(epoch from created_at)::float from ticket_notes"
            " order by session_id, note_no"
        ).fetchall()
    marks = {session: token[2] for session, _, _, text, _ in lines if (token := TOKEN.fullmatch(text))}
    return [_row(marks[values[0]], *values[1:]) for values in (*lines, *notes) if values[0] in marks]


def _row(mark: str, seq: int, sender: str, text: str, at: float) -> Row:
    token = TOKEN.fullmatch(text)
    return Row(mark, seq, token[1] if token else "", KIND_OF_SENDER.get(sender, sender), at)


def check(ledger: Ledger, rows: Iterable[Row]) -> Verdict:
    """Return the verdict on one run, whose screens had the time to catch up."""
    rows = list(rows)
    verdict = Verdict(sent=len(ledger.sent), acked=sum(message.acked_at is not None for message in ledger.sent))
    _check_rows(ledger, rows, verdict)
    conversations: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        conversations[row.mark].append(row)
    for screen in ledger.screens:
        _check_screen(screen, conversations[screen.mark], verdict)
        verdict.longest_reconnect = max(verdict.longest_reconnect, _reconnect_seconds(screen))
        verdict.resets += screen.resets
    _check_answers(ledger, verdict)
    return verdict


def _check_rows(ledger: Ledger, rows: list[Row], verdict: Verdict) -> None:
    stored: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row.cid:
            stored[row.cid].append(row)
    for cid, found in stored.items():
        verdict.doubled += [f"{cid} is stored as {row.seq} as well" for row in found[1:]]
    for mark, kind, numbers in _numbered(rows):
        holes = [(before, after) for before, after in pairwise(numbers) if after != before + 1]
        verdict.disordered += [f"{kind} {after} follows {before} in {mark}" for before, after in holes]
    _check_acks(ledger, stored, verdict)
    _check_writers(ledger, stored, verdict)


def _check_acks(ledger: Ledger, stored: dict[str, list[Row]], verdict: Verdict) -> None:
    for message in ledger.sent:
        found = stored[message.cid]
        if message.acked_at is None:
            verdict.unacked_but_stored += bool(found)
        elif not found:
            verdict.lost.append(f"{message.kind} {message.cid} was acknowledged and is not stored")
        elif message.seq != found[0].seq:
            verdict.disordered.append(f"{message.cid} was acknowledged as {message.seq}, stored as {found[0].seq}")


def _check_writers(ledger: Ledger, stored: dict[str, list[Row]], verdict: Verdict) -> None:
    # Who writes waits for the answer before writing on, so each sender's messages stand in the order they were sent in.
    written: dict[tuple[str, str], list[int]] = defaultdict(list)
    for message in sorted(ledger.sent, key=lambda m: m.at):
        if stored[message.cid]:
            written[message.sender, message.kind].append(stored[message.cid][0].seq)
    for (sender, _), numbers in written.items():
        back = [(before, after) for before, after in pairwise(numbers) if after < before]
        verdict.disordered += [f"{sender} wrote {after} after {before}" for before, after in back]


def _numbered(rows: list[Row]) -> Iterator[tuple[str, str, list[int]]]:
    numbers: dict[tuple[str, str], list[int]] = defaultdict(list)
    for row in rows:
        numbers[row.mark, "note" if row.kind == "note" else "line"].append(row.seq)
    for (mark, kind), found in numbers.items():
        yield mark, kind, found


def _check_screen(screen: Screen, rows: list[Row], verdict: Verdict) -> None:
    lines, notes = [r for r in rows if r.kind != "note"], [r for r in rows if r.kind == "note"]
    _check_list(screen, "line", screen.shown, lines, screen.first_seq, verdict)
    if screen.audience == "agent":
        _check_list(screen, "note", screen.notes, notes, screen.first_note, verdict)
    for (one, before), (other, after) in pairwise(screen.frames):
        if one == other and after <= before:
            verdict.disordered.append(f"{screen.name} was sent {after} after {before}")
    verdict.foreign += [f"{screen.name} was sent {what}" for what in screen.foreign]


def _check_list(screen: Screen, kind: str, shown: list[Shown], stored: list[Row], first: int, verdict: Verdict) -> None:
    times: dict[int, float] = {}
    for line in shown:
        if line.seq in times:
            verdict.doubled.append(f"{screen.name} shows {kind} {line.seq} twice")
        times.setdefault(line.seq, line.at)
    counts = Counter(line.cid for line in shown if line.cid)
    verdict.doubled += [f"{screen.name} shows {cid} {count} times" for cid, count in counts.items() if count > 1]
    missing = [row for row in stored if row.seq not in times and row.seq >= first]
    verdict.lost += [f"{screen.name} does not show {kind} {row.seq} {row.cid}" for row in missing]
    waits = [times[row.seq] - row.at for row in stored if row.seq in times and row.at > screen.opened_at]
    verdict.longest_silence = max(verdict.longest_silence, *waits, 0.0)
    truth = {row.seq: row for row in stored}
    for line in shown:
        if line.seq not in truth:
            verdict.foreign.append(f"{screen.name} shows {kind} {line.seq} that is not stored")
        elif line.cid != truth[line.seq].cid:
            verdict.disordered.append(f"{screen.name} shows {line.cid} in place {line.seq}")


def _reconnect_seconds(screen: Screen) -> float:
    gone = [(closed, min((t for t in screen.caught_up if t > closed), default=math.inf)) for closed, _ in screen.closed]
    return max((back - closed for closed, back in gone), default=0.0)


def _check_answers(ledger: Ledger, verdict: Verdict) -> None:
    for answer in ledger.answers:
        if answer.status == 503 and not answer.has_retry_after:
            verdict.strange.append(f"{answer.what}: 503 without Retry-After")
        elif answer.status and answer.status != 503 and answer.status not in FINE:
            verdict.strange.append(f"{answer.what}: {answer.status}")
        if answer.status:
            verdict.slowest_answer = max(verdict.slowest_answer, answer.seconds)
    acks = sorted(message.acked_at for message in ledger.sent if message.acked_at is not None)
    verdict.longest_without_ack = max((after - before for before, after in pairwise(acks)), default=0.0)
