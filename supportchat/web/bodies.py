"""The body of a request: read whole, within its bounds, before anything is made of it; or refused, and not parsed."""

from __future__ import annotations

import io
import re
import tempfile
from typing import IO, Any

import gevent
from flask import Request, abort, current_app, g, request
from gunicorn.http.errors import ParseException
from werkzeug.datastructures import ImmutableMultiDict
from werkzeug.sansio.http import parse_cookie
from werkzeug.utils import cached_property

from ..config import current_config
from ..server.deadline import Deadline
from ..server.turns import give_way

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
# Pages send a long message as multipart: escaped as %F0%9F..., 8000 characters of 4 bytes would be 96 KB.
FORM_BYTES = 64 * 1024
FORM_FIELDS = 20
MORE_FIELDS = {"tickets.change_many": 1000}  # one for each ticket that is chosen
URLENCODED = "application/x-www-form-urlencoded"
MEMORY_BYTES = 256 * 1024  # more than this goes into a temporary file
PIECE = 16 * 1024
SPACES = re.compile(r"[ \t]+")
ESCAPES = re.compile(rb"(?:%[0-9A-Fa-f]{2})+")


class Spool(tempfile.SpooledTemporaryFile[bytes]):
    """A body that is complete: in memory, or in a temporary file. Whoever reads much of it lets others in between."""

    def read(self, *args: Any) -> bytes:
        """Read as from any file."""
        give_way()
        return super().read(*args)

    def readinto(self, *args: Any) -> int:
        """Read as from any file. werkzeug parses what it gets in this way."""
        give_way()
        return super().readinto(*args)


class DeskRequest(Request):
    """A request whose form and cookies are read in a time that is linear in their length."""

    def _load_form_data(self) -> None:
        """Read a urlencoded form here: werkzeug takes half a second to unescape 128 KB of `%FF`, and long for any."""
        if "form" in self.__dict__ or self.mimetype != URLENCODED:
            super()._load_form_data()
            return
        pairs = (pair.partition(b"=") for pair in self.stream.read().split(b"&") if pair)
        fields = [(unescaped(name), unescaped(value)) for name, _, value in pairs]
        # As werkzeug does it: these are its cached properties.
        self.__dict__.update(form=ImmutableMultiDict(fields), files=ImmutableMultiDict())

    @cached_property
    def cookies(self) -> ImmutableMultiDict[str, str]:
        """The cookies. werkzeug (3.1.9) takes the square of each run of spaces: 8 KB of them half a second."""
        sent = SPACES.sub(" ", self.environ.get("HTTP_COOKIE", ""))
        return parse_cookie(sent, cls=self.dict_storage_class)  # type: ignore[return-value]


def unescaped(value: bytes) -> str:
    """Read a name or a value of a urlencoded form, run by run; what is no UTF-8 becomes U+FFFD."""
    value = ESCAPES.sub(lambda run: bytes.fromhex(run[0].replace(b"%", b"").decode()), value.replace(b"+", b" "))
    return value.decode(errors="replace")


def receive() -> None:
    """Have the whole body of this request, and its form, before a route looks at them.

    Chunked bodies get a length: werkzeug would cut them at its limit and take them for whole. The worker closes the
    connection after an answer to a body that was not read to its end.
    """
    environ = request.environ
    if request.method in SAFE_METHODS or request.routing_exception is not None:
        has_body = "HTTP_TRANSFER_ENCODING" in environ or environ.get("CONTENT_LENGTH", "") not in ("", "0")
        if has_body and "HTTP_UPGRADE" in environ:
            abort(400)  # it would be taken for the first frames
        _replace_body(io.BytesIO(), 0)
        return
    most, too_large = _bounds()
    length = None if "HTTP_TRANSFER_ENCODING" in environ else int(environ.get("CONTENT_LENGTH") or 0)
    if length is not None and length > most:
        abort(413, too_large)
    # A short one needs no file, and whoever reads it holds nobody up.
    spool: IO[bytes] = io.BytesIO() if length is not None and length <= PIECE else Spool(MEMORY_BYTES)
    g.body = spool
    size = _read_into(spool, length, most)
    if size > most:
        abort(413, too_large)
    if length is not None and size < length:
        abort(400)  # it has gone away
    spool.seek(0)
    _replace_body(spool, size)
    _check_form()


def is_form_taken() -> bool:
    """Whether the form of this request was taken, so that an answer may show what was in it."""
    return bool(g.get("is_form_taken"))


def forget(error: BaseException | None = None) -> None:
    """Give the memory of the body back."""
    if "body" in g:
        g.pop("body").close()


def _bounds() -> tuple[int, str]:
    if request.mimetype == "multipart/form-data":
        return current_app.config["MAX_CONTENT_LENGTH"], "body_too_large"
    return FORM_BYTES, "text_too_large"


def _read_into(spool: IO[bytes], length: int | None, most: int) -> int:
    """Read a body, and one byte more than it may have at most; give how much there was."""
    stream, deadline, size = request.environ["wsgi.input"], Deadline(current_config().body_seconds), 0
    end = most + 1 if length is None else length
    is_form = request.mimetype == URLENCODED
    fields, most_fields = 1, MORE_FIELDS.get(request.endpoint or "", FORM_FIELDS)
    while size < end and (piece := _read_some(stream, min(PIECE, end - size), deadline)):
        size += len(piece)
        deadline.moved(len(piece))
        fields += piece.count(b"&")
        if is_form and fields > most_fields:
            abort(413, "text_too_large")
        spool.write(piece)
    return size


def _read_some(stream: IO[bytes], size: int, deadline: Deadline) -> bytes:
    timeout = gevent.Timeout(deadline.left)
    try:
        with timeout:
            return stream.read(size)
    except gevent.Timeout as caught:
        if caught is not timeout:
            raise
        abort(408)
    except (OSError, ParseException):  # gone, or chunks that are none
        abort(400)


def _replace_body(stream: IO[bytes], size: int) -> None:
    # Of a request whose body nobody has asked for yet.
    environ = request.environ
    environ.update({"wsgi.input": stream, "CONTENT_LENGTH": str(size), "wsgi.input_terminated": True})
    environ.pop("HTTP_TRANSFER_ENCODING", None)


def _check_form() -> None:
    if None in request.form or None in request.files:  # parts without a name
        abort(400)
    g.is_form_taken = True
