"""Requests to the provider: bounded in time and size, and never redirected."""

from __future__ import annotations

import functools
import json
import re
import ssl
import time
from typing import Any

import gevent
import httpx

SECONDS = 5.0  # of all requests that one step of a login needs
MOST_BYTES = 256 * 1024
ERROR = re.compile(r"[a-z_]{1,40}")
UNREACHABLE, BAD = "provider_unreachable", "provider_answer_bad"


class ProviderError(Exception):
    """A login by the provider that does not go on. `code` is that of a sentence, `reason` is for the log."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(code)
        self.code = code
        self.reason = reason


class Errand:
    """The requests of one step, which share its time."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self._until = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """How many seconds are left."""
        return max(0.0, self._until - time.monotonic())

    def ask(
        self, name: str, url: str, headers: dict[str, str] | None = None, form: str | None = None
    ) -> dict[str, Any]:
        """Return the JSON object that an endpoint answers to a GET, or to a POST of a form.

        :param name: of the endpoint, for the log. :raise ProviderError: when there is no such answer in time.
        """
        # Packed, a small answer could be a large one.
        headers = {"accept": "application/json", "Accept-Encoding": "identity", **(headers or {})}
        try:
            # The first for a worker, where sockets are gevent's; the second for what comes without waiting.
            with gevent.Timeout(self.left, TimeoutError("no answer in time")), self._client() as client:
                method = "GET" if form is None else "POST"
                with client.stream(method, url, headers=headers, content=form) as response:
                    return self._object(name, response)
        except (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError) as error:
            raise ProviderError(UNREACHABLE, f"{name}: {type(error).__name__}") from error

    def _client(self) -> httpx.Client:
        transport = httpx.HTTPTransport(verify=_trusted(), http2=False)
        return httpx.Client(transport=transport, timeout=max(0.01, self.left), follow_redirects=False, trust_env=False)

    def _object(self, name: str, response: httpx.Response) -> dict[str, Any]:
        found = _object_of(self._body(name, response))
        if response.status_code != 200:
            error = found.get("error") if found else None
            said = error if isinstance(error, str) and ERROR.fullmatch(error) else ""
            code = UNREACHABLE if response.status_code >= 500 else BAD
            raise ProviderError(code, f"{name} answers {response.status_code} {said}".rstrip())
        if found is None:
            raise ProviderError(BAD, f"{name} answers no JSON object")
        return found

    def _body(self, name: str, response: httpx.Response) -> bytes:
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise ProviderError(BAD, f"{name} answers in an encoding that was not asked for")
        body = bytearray()
        for part in response.iter_raw():
            body += part
            if len(body) > MOST_BYTES:
                raise ProviderError(BAD, f"{name} answers more than {MOST_BYTES} bytes")
            if not self.left:
                raise TimeoutError
        return bytes(body)


def _object_of(body: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


@functools.cache
def _trusted() -> ssl.SSLContext:
    # The certificates of the system: a provider of one's own may have one of the company's.
    return ssl.create_default_context()
