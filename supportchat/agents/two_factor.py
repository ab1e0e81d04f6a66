"""The second step of a login: codes of an authenticator app (RFC 6238), and recovery codes."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from time import time
from typing import NamedTuple

import pyotp
import segno

from ..config import current_config
from ..database import Invalid, call
from ..database.rows import CodeCheck

SECONDS = 30  # of a step
SECRET = re.compile(r"[A-Z2-7]{32}")
RECOVERY_CODES = 10
CODE_CHARACTERS = 64  # of what is typed
_CODE = re.compile(r"[0-9]{6}|[a-z2-7]{16}")
_SEPARATORS = re.compile(r"[\s\u2010-\u2015-]+")


class Proof(NamedTuple):
    """A code that is right: the step of one from the app, or else the hash of a recovery code."""

    step: int | None
    code_hash: str | None


def new_secret() -> str:
    """Return a secret for an app: 160 random bits, in base32."""
    return pyotp.random_base32()


def setup_address(secret: str, email: str, desk: str) -> str:
    """Return the address that apps read out of a QR code."""
    return pyotp.TOTP(secret).provisioning_uri(name=email, issuer_name=desk)


def qr_path(text: str) -> tuple[str, int]:
    """Return a text as a QR code: the dark modules as the path of an SVG, and how many modules a side has."""
    rows = list(segno.make(text, micro=False).matrix_iter(border=4))
    runs = (
        f"M{run.start()} {y}h{run.end() - run.start()}v1h-{run.end() - run.start()}z"
        for y, row in enumerate(rows)
        for run in re.finditer("1+", "".join("1" if is_dark else "0" for is_dark in row))
    )
    return "".join(runs), len(rows)


def new_recovery_codes() -> list[str]:
    """Return codes of 80 random bits each, as they are shown: abcd-efgh-ijkl-mnop."""
    texts = (base64.b32encode(secrets.token_bytes(10)).decode().lower() for _ in range(RECOVERY_CODES))
    return ["-".join(text[start : start + 4] for start in range(0, 16, 4)) for text in texts]


def code_hash(code: str) -> str:
    """Return what the database keeps of a recovery code, however it is written."""
    return hashlib.sha256(_plain(code).encode()).hexdigest()


def proof_of(secret: str, last_step: int, code: str) -> Proof | None:
    """Return what a typed code proves; None for a wrong one. Only the database knows the recovery codes."""
    typed = _plain(code[:CODE_CHARACTERS])
    if len(typed) == 16:
        return Proof(None, code_hash(typed))
    step = right_step(secret, last_step, typed)
    return Proof(step, None) if step is not None else None


def right_step(secret: str, last_step: int, code: str) -> int | None:
    """Return the step of a right code, now or one beside it, as clocks differ; None for a wrong or an earlier one."""
    now, totp = int(time()) // SECONDS, pyotp.TOTP(secret)
    typed = _plain(code[:CODE_CHARACTERS]).encode(errors="replace")
    matching = [
        step
        for step in (now - 1, now, now + 1)
        if step > last_step and hmac.compare_digest(totp.generate_otp(step).encode(), typed)
    ]
    return matching[0] if matching else None


def is_like_a_code(text: str) -> bool:
    """Whether what is typed may be a code: most passwords have signs that a code has not, or another length."""
    return _CODE.fullmatch(_plain(text[:CODE_CHARACTERS])) is not None


def begin_code(agent_id: str, browser: str, code: str) -> Proof | None:
    """Count an attempt at a code, and return what it proves; None for a wrong one.

    :raise TooFast: when there were too many.
    """
    known: CodeCheck | None = call(
        "begin_code", agent_id=agent_id, browser=browser, limits={"codes": current_config().limit_codes}
    )
    return proof_of(known["secret"], known["step"], code) if known else None


def is_right_code(agent_id: str, browser: str, code: str) -> bool:
    """Count an attempt at a code, and use it up if it is right.

    :raise TooFast: when there were too many.
    """
    proof = begin_code(agent_id, browser, code)
    if proof is None:
        return False
    try:
        call("use_code", agent_id=agent_id, browser=browser, **proof._asdict())
    except Invalid:
        return False
    return True


def _plain(code: str) -> str:
    return _SEPARATORS.sub("", code).lower()
