"""Starts the program that re-encodes pictures, before its picture comes: to load it takes longer than most pictures."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from ..server.background import put_behind

PROGRAM = Path(__file__).parent
MOST_ANSWER = 4096


class Decoders:
    """One process for each picture. The next one waits, with everything loaded, once there has been a picture."""

    def __init__(self, program: Path = PROGRAM) -> None:
        self._program = program
        self._spare: Decoder | None = None

    def redraw(self, kind: str, files: Sequence[IO[bytes]], seconds: float) -> tuple[bytes, int]:
        """Have a process read the first file and write the second.

        Return what it answers, and its exit code (negative: the signal that ended it).

        :raise TimeoutError: if it takes too long. :raise OSError: if no process can be started.
        """
        decoder = self._begun(kind, files)
        try:
            answer = decoder.answer(seconds)
        finally:
            code = decoder.end()
            with contextlib.suppress(OSError):  # too many processes, say: the next picture will try again
                self._spare = self._spare or Decoder(self._program)
        return answer, code

    def close(self) -> None:
        """End the process that waits for a picture."""
        if self._spare is not None:
            self._spare.end()
            self._spare = None

    def _begun(self, kind: str, files: Sequence[IO[bytes]]) -> Decoder:
        spare, self._spare = self._spare, None
        if spare is not None:
            try:
                spare.begin(kind, files)
            except OSError:  # something has killed it
                spare.end()
            else:
                return spare
        decoder = Decoder(self._program)
        decoder.begin(kind, files)
        return decoder


class Decoder:
    """A process that loads the program, then waits for one picture. It ends with the process that started it."""

    def __init__(self, program: Path) -> None:
        self._socket, theirs = socket.socketpair()
        with theirs:
            # Not `subprocess`: gevent's copies this whole process first, which stops everybody for milliseconds.
            self._pid = os.posix_spawn(
                sys.executable,
                [sys.executable, "-P", "-m", "redraw"],
                # There it is a package of its own: importing ours would take four times as long.
                {"PATH": os.environ.get("PATH", ""), "PYTHONPATH": str(program)},
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, theirs.fileno(), 0),
                    (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                    (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
                ],
                setsid=True,
            )
        # From its start: to load everything takes a processor for as long as half a picture does.
        put_behind(self._pid)

    def begin(self, kind: str, files: Sequence[IO[bytes]]) -> None:
        """Give it a picture.

        :raise OSError: if it is no longer there.
        """
        socket.send_fds(self._socket, [kind.encode()], [file.fileno() for file in files])

    def answer(self, seconds: float) -> bytes:
        """Return what it says, as far as it comes.

        :raise TimeoutError: if it has not said everything in time.
        """
        ends, answer = time.monotonic() + seconds, b""
        with contextlib.suppress(ConnectionError):
            while len(answer) < MOST_ANSWER:
                self._socket.settimeout(max(0.01, ends - time.monotonic()))
                piece = self._socket.recv(MOST_ANSWER)
                if not piece:
                    break
                answer += piece
        return answer

    def end(self) -> int:
        """End it if it still runs, and return its exit code."""
        self._socket.close()
        # Whatever a hostile picture has made of it, nobody waits for it. One that is ending keeps its exit code.
        os.kill(self._pid, signal.SIGKILL)
        return os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])
