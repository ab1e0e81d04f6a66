"""`python -m slow`: answers questions on stdin, a socket, one JSON a line, until the desk closes it.

Not in a thread of the desk: Python code that runs there at a low priority keeps everything else from running when it is
interrupted at a bad moment.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from typing import Any

import argon2

hasher = argon2.PasswordHasher(parallelism=1)


def verify(password_hash: str, password: str) -> bool:
    """Whether a password is the one of this hash."""
    try:
        return hasher.verify(password_hash, password)
    except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
        return False


def score(password: str, known: list[str]) -> int:
    """Return how hard a password is to guess, from 0 to 4."""
    from zxcvbn import matching, zxcvbn  # its lists of words take a second to load on a busy machine

    # It tries every combination of what digits and signs may stand for: 72 characters took 8 seconds. Now there are 8.
    matching.L33T_TABLE.update({"c": ["("], "g": ["6"], "i": ["1", "!"], "l": ["|"], "t": ["7"]})
    scored: int = zxcvbn(password, user_inputs=known)["score"] if password else 0
    return scored


QUESTIONS: dict[str, Callable[..., Any]] = {"hash": hasher.hash, "verify": verify, "score": score}


def main() -> None:
    """Answer one question after the other."""
    with socket.socket(fileno=0) as desk, desk.makefile("rwb") as lines:
        desk.setblocking(True)
        for line in lines:
            name, *arguments = json.loads(line)
            lines.write(json.dumps(QUESTIONS[name](*arguments)).encode() + b"\n")
            lines.flush()


if __name__ == "__main__":
    main()
