"""Sends a picture: `python -m tests.faults.picture URL`. Ends with 0 when it was taken, else prints the answer."""

from __future__ import annotations

import io
import secrets
import sys

from PIL import Image

from .people import Customer


def noise(width: int = 150, height: int = 130) -> bytes:
    """Return a picture that does not compress: 58 KB unless told."""
    file = io.BytesIO()
    Image.frombytes("RGB", (width, height), secrets.token_bytes(width * height * 3)).save(file, "PNG")
    return file.getvalue()


def main() -> int:
    """Start a chat and send a picture into it."""
    with Customer(sys.argv[1], seconds=120) as customer:
        answer = customer.send("With a picture", files={"image": ("noise.png", noise(), "image/png")})
        if answer.status_code != 200:
            print(answer.status_code, answer.text)
        return int(answer.status_code != 200)


if __name__ == "__main__":
    sys.exit(main())
