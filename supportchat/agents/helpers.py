"""Processes at low priority for what takes long to compute about passwords, so that it keeps nobody waiting."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

from ..server.background import put_behind
from ..server.places import Places

PROGRAM = Path(__file__).parent


class Helpers:
    """A few processes, started when they are needed. Those who wait take turns by their group, one of each at once."""

    def __init__(self, most: int, most_waiting: int) -> None:
        """:param most_waiting: how many of one group may wait."""
        self._places = Places(most, 1, most_waiting)
        self._idle: list[Helper] = []

    def ask(self, group: str, *question: Any) -> Any:
        """Have a process answer a question: a function of `slow`, and its arguments.

        :param group: who take one turn together, as those at one address.
        :raise Full: at once, when too many of the group wait already. :raise OSError: if no process can be started.
        """
        with self._places.place(group):
            helper = self._ready()
            try:
                answer = helper.answer(question)
            except BaseException:
                helper.end()  # what it still says would be taken for the answer to the next question
                raise
            self._idle.append(helper)
            return answer

    def is_full(self, group: str) -> bool:
        """Whether too many of a group wait already."""
        return self._places.is_full(group)

    def close(self) -> None:
        """End the processes that nobody uses."""
        while self._idle:
            self._idle.pop().end()

    def _ready(self) -> Helper:
        while self._idle:
            helper = self._idle.pop()
            if helper.is_alive():
                return helper
            helper.end()
        return Helper()


class Helper:
    """A process that answers one question after the other. It ends with the process that started it."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair()
        with theirs:
            # Not `subprocess`: see `images.decoders`.
            self._pid = os.posix_spawn(
                sys.executable,
                [sys.executable, "-P", "-m", "slow"],
                {"PATH": os.environ.get("PATH", ""), "PYTHONPATH": str(PROGRAM)},
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, theirs.fileno(), 0),
                    (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                ],
                setsid=True,
            )
        self.owner = os.getpid()
        put_behind(self._pid)
        self._answers = self._socket.makefile("rb")

    def answer(self, question: tuple[Any, ...]) -> Any:
        """Return what it says to a question.

        :raise OSError: if it ends before it has answered.
        """
        self._socket.sendall(json.dumps(question).encode() + b"\n")
        answer = self._answers.readline()
        if not answer:
            raise ConnectionResetError("a process that was asked about a password has ended")
        return json.loads(answer)

    def is_alive(self) -> bool:
        """Whether it still runs, and belongs to this process."""
        if self.owner != os.getpid():
            return False
        with contextlib.suppress(ChildProcessError):
            return os.waitid(os.P_PID, self._pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None
        return False

    def end(self) -> None:
        """End it."""
        self._answers.close()
        self._socket.close()
        if self.owner == os.getpid():
            with contextlib.suppress(ProcessLookupError, ChildProcessError):
                os.kill(self._pid, signal.SIGKILL)
                os.waitpid(self._pid, 0)


helpers = Helpers(most=2, most_waiting=8)
atexit.register(helpers.close)
