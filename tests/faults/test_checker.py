"""The checker itself: it finds nothing where nothing is wrong, and each planted fault by its name."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from .checker import Row, check
from .ledger import Answer, Ledger, Screen, Sent, Shown

MARK = "0" * 12
Run = tuple[Ledger, list[Row]]


def kept_run() -> Run:
    """A customer and an agent write 20 lines in turns, both screens show them, and the agent adds two notes."""
    ledger = Ledger(screens=[Screen("vera", MARK, "customer", 0.0), Screen("alice", MARK, "agent", 0.0)])
    rows = []
    for seq in range(1, 21):
        kind, sender = ("message", "vera") if seq % 2 else ("reply", "alice")
        cid, at = f"cid-{seq}", float(seq)
        ledger.sent.append(Sent(cid, MARK, kind, sender, at, seq, at + 0.01))
        rows.append(Row(MARK, seq, cid, kind, at))
        for screen in ledger.screens:
            screen.shown.append(Shown(seq, cid, at + 0.02))
            screen.frames.append((1, seq))
    for number in (1, 2):
        cid, at = f"note-{number}", 30.0 + number
        ledger.sent.append(Sent(cid, MARK, "note", "alice", at, number, at))
        rows.append(Row(MARK, number, cid, "note", at))
        ledger.screens[1].notes.append(Shown(number, cid, at))
    ledger.answers = [Answer("POST", status, 0.1, 1.0, has_retry_after=status == 503) for status in (200, 409, 503, 0)]
    return ledger, rows


def test_a_kept_contract_has_no_fault() -> None:
    verdict = check(*kept_run())
    assert verdict.broken == {}
    assert (verdict.sent, verdict.acked, verdict.unacked_but_stored) == (22, 22, 0)
    assert verdict.longest_silence == pytest.approx(0.02)


def test_a_ledger_is_read_as_it_was_written(tmp_path: Path) -> None:
    ledger, _ = kept_run()
    ledger.save(tmp_path / "ledger.json")
    assert Ledger.load(tmp_path / "ledger.json") == ledger


def lose_a_row(run: Run) -> None:
    ledger, rows = run
    del rows[4]
    for screen in ledger.screens:
        del screen.shown[4]


def lose_a_line_on_a_screen(run: Run) -> None:
    del run[0].screens[1].shown[19]


def lose_a_note_on_a_screen(run: Run) -> None:
    del run[0].screens[1].notes[0]


def double_a_row(run: Run) -> None:
    run[1].append(Row(MARK, 21, "cid-7", "message", 21.0))


def double_a_line_on_a_screen(run: Run) -> None:
    run[0].screens[0].shown.append(Shown(7, "cid-7", 22.0))


def swap_two_rows(run: Run) -> None:
    rows = run[1]
    rows[4], rows[6] = replace(rows[4], seq=7), replace(rows[6], seq=5)


def swap_two_lines_on_a_screen(run: Run) -> None:
    shown = run[0].screens[0].shown
    shown[4], shown[5] = replace(shown[4], cid="cid-6"), replace(shown[5], cid="cid-5")


def swap_two_frames(run: Run) -> None:
    frames = run[0].screens[0].frames
    frames[4], frames[5] = frames[5], frames[4]


def skip_a_number(run: Run) -> None:
    rows = run[1]
    rows[19] = replace(rows[19], seq=25)


def show_a_line_of_nobody(run: Run) -> None:
    run[0].screens[0].shown.append(Shown(99, "cid-of-another", 22.0))


def send_foreign_text(run: Run) -> None:
    run[0].screens[0].foreign.append("a note")


def answer_500(run: Run) -> None:
    run[0].answers.append(Answer("POST", 500, 0.1, 1.0))


def answer_503_without_a_time(run: Run) -> None:
    run[0].answers.append(Answer("POST", 503, 0.1, 1.0))


@pytest.mark.parametrize(
    ("plant", "kind"),
    [
        (lose_a_row, "lost"),
        (lose_a_line_on_a_screen, "lost"),
        (lose_a_note_on_a_screen, "lost"),
        (double_a_row, "doubled"),
        (double_a_line_on_a_screen, "doubled"),
        (swap_two_rows, "disordered"),
        (swap_two_lines_on_a_screen, "disordered"),
        (swap_two_frames, "disordered"),
        (skip_a_number, "disordered"),
        (show_a_line_of_nobody, "foreign"),
        (send_foreign_text, "foreign"),
        (answer_500, "strange"),
        (answer_503_without_a_time, "strange"),
    ],
)
def test_a_planted_fault_is_reported(plant: Callable[[Run], None], kind: str) -> None:
    run = kept_run()
    plant(run)
    assert kind in check(*run).broken


def test_a_message_that_was_stored_but_never_acknowledged_is_counted_and_must_be_shown_once() -> None:
    ledger, rows = kept_run()
    ledger.sent[4].acked_at = None
    assert check(ledger, rows).broken == {}
    assert check(ledger, rows).unacked_but_stored == 1
    del ledger.screens[0].shown[4]
    assert "lost" in check(ledger, rows).broken


def test_a_page_that_never_catches_up_again_has_no_end_of_waiting() -> None:
    ledger, rows = kept_run()
    ledger.screens[0].closed = [(5.0, 1006)]
    assert check(ledger, rows).longest_reconnect == math.inf
    ledger.screens[0].caught_up = [1.0, 7.0]
    assert check(ledger, rows).longest_reconnect == 2.0


def test_the_longest_silence_is_the_slowest_line_on_any_screen() -> None:
    ledger, rows = kept_run()
    ledger.screens[1].shown[19] = Shown(20, "cid-20", 29.0)
    verdict = check(ledger, rows)
    assert verdict.longest_silence == 9.0
    assert verdict.longest_without_ack == pytest.approx(11.0 - 0.01)
