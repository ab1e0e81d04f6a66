"""The refusal of a picture."""

from __future__ import annotations


class ImageRefused(Exception):
    """The picture is refused. `code` says why, and `detail` what the file is instead."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail
