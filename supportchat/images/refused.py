"""The answer to a picture that is not taken."""

from __future__ import annotations


class ImageRefused(Exception):
    """The picture is not taken. `code` says why, and `detail` what it is instead."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail
