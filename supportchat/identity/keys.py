"""The keys of issuers, read from the addresses that sites name (RFC 7517), and kept for a while."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from joserfc.jwk import ECKey

from ..provider.errands import Errand
from ..provider.metadata import Key, keys_of
from ..provider.provider import Kept

SECONDS = 5.0
ANEW_SECONDS = 30.0  # between two looks for a key that is not known: anybody can name one
MOST_ISSUERS = 50
MOST_TRIED = 10  # of a set, for a token that does not say which


class IssuerKeys:
    """Keeps the keys of each address. Sockets are gevent's: while one waits for an answer, the others go on."""

    def __init__(self) -> None:
        self._kept: dict[str, Kept[list[Key]]] = {}

    def fitting(self, url: str, kid: Any, algorithm: str) -> Sequence[Key]:
        """Return the keys of an address that may have signed with an algorithm, by their name where one is given.

        An unknown name has the keys read anew, since there may be new ones, but not more often than `ANEW_SECONDS`.

        :raise ProviderError: when they cannot be read.
        """
        errand, kept = Errand(SECONDS), self._of(url)
        found = _fitting(kept.get(errand), kid, algorithm)
        if not found and time.monotonic() - kept.loaded_at >= ANEW_SECONDS:
            found = _fitting(kept.get(errand, after=time.monotonic()), kid, algorithm)
        return found

    def _of(self, url: str) -> Kept[list[Key]]:
        if url not in self._kept:
            if len(self._kept) >= MOST_ISSUERS:
                del self._kept[next(iter(self._kept))]
            self._kept[url] = Kept(lambda errand: keys_of(errand.ask("keys of an issuer", url)))
        return self._kept[url]


def _fitting(keys: list[Key], kid: Any, algorithm: str) -> list[Key]:
    return [
        key
        for key in keys
        if isinstance(key, ECKey) == algorithm.startswith("ES")
        and key.get("alg") in (None, algorithm)
        and kid in (None, key.kid)
    ][:MOST_TRIED]
