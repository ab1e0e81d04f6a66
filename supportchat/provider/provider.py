"""The provider that the settings name, as a client of it: what it says of itself is kept for a while."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri, prepare_token_request
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.discovery import get_well_known_url
from flask import current_app

from ..config import Config
from .errands import BAD, UNREACHABLE, Errand, ProviderError
from .id_token import UnknownKeyError, claims_of
from .metadata import Key, Metadata, keys_of, metadata_of
from .people import Person, person_of, wanted_claims

KEPT_SECONDS = 600.0
FAILED_SECONDS = 5.0  # for so long nobody else waits for what has just failed
ANEW_SECONDS = 5.0  # between two looks for a key that is not known
SCOPE = " ".join(("openid", "email", "profile"))
T = TypeVar("T")


class Kept(Generic[T]):
    """What was asked of the provider: kept for `KEPT_SECONDS`, and asked by one at a time."""

    def __init__(self, load: Callable[[Errand], T]) -> None:
        self._load = load
        self._lock = threading.Lock()
        self._value: T | None = None
        self._until = self._loaded_at = float("-inf")
        self._error: ProviderError | None = None

    def get(self, errand: Errand, *, after: float = float("-inf")) -> T:
        """Return it, as it was loaded after a moment."""
        if not self._lock.acquire(timeout=errand.left):
            raise ProviderError(UNREACHABLE, "others are waiting for an answer")
        try:
            if time.monotonic() >= self._until or self._loaded_at < after:
                self._load_now(errand)
            if self._value is None:
                raise self._error or ProviderError(UNREACHABLE, "no answer")
            return self._value
        finally:
            self._lock.release()

    @property
    def loaded_at(self) -> float:
        """When it was loaded, by the monotonic clock."""
        return self._loaded_at

    def _load_now(self, errand: Errand) -> None:
        try:
            self._value, kept = self._load(errand), KEPT_SECONDS
        except ProviderError as error:
            self._error, kept = error, FAILED_SECONDS
            if (
                self._value is not None and time.monotonic() < self._until
            ):  # asked anew before its time: it is as good as before
                self._loaded_at = time.monotonic()
                return
            self._value = None
        self._loaded_at = time.monotonic()
        self._until = self._loaded_at + kept


class Provider:
    """What the desk asks of its provider."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self.issuer, self.name = config.oidc_issuer, config.oidc_name
        self._metadata: Kept[Metadata] = Kept(self._discover)
        self._keys: Kept[list[Key]] = Kept(self._fetch_keys)
        self._looked_at = float("-inf")

    def metadata(self, errand: Errand) -> Metadata:
        """Return what the provider says of itself. :raise ProviderError: when it cannot be asked."""
        return self._metadata.get(errand)

    def try_out(self, errand: Errand) -> None:
        """Ask the provider anew what it says of itself. :raise ProviderError: when that is not enough to log in."""
        if not keys_of(errand.ask("jwks_uri", self._discover(errand).keys)):
            raise ProviderError(BAD, "jwks_uri has no key for RS256, ES256 or the like")

    def authorization_address(self, state: str, nonce: str, code_verifier: str, redirect_uri: str) -> str:
        """Return where a browser is sent to. :raise ProviderError: when the provider cannot be asked."""
        address: str = prepare_grant_uri(
            self.metadata(Errand()).authorization,
            client_id=self._config.oidc_client_id,
            response_type="code",
            redirect_uri=redirect_uri,
            scope=SCOPE,
            state=state,
            nonce=nonce,
            code_challenge=create_s256_code_challenge(code_verifier),
            code_challenge_method="S256",
        )
        return address

    def person(self, code: str, nonce: str, code_verifier: str, redirect_uri: str, named: str | None) -> Person:
        """Return whom a code stands for. :param named: who has sent it, by its own word (RFC 9207).

        :raise ProviderError: when the provider cannot be asked, or anything that it says is wrong.
        """
        errand = Errand()
        metadata = self.metadata(errand)
        if named not in (None, self.issuer) or (named is None and metadata.names_itself):
            raise ProviderError(BAD, "the redirect names another issuer, or none")
        answer = self._tokens(errand, metadata, code, code_verifier, redirect_uri)
        access_token = answer.get("access_token")
        known = self._id_claims(errand, answer.get("id_token"), nonce, str(access_token or ""))
        return person_of(self._completed(errand, metadata, known, access_token), self._config)

    def _tokens(
        self, errand: Errand, metadata: Metadata, code: str, code_verifier: str, redirect_uri: str
    ) -> dict[str, Any]:
        body = prepare_token_request(
            "authorization_code", code=code, redirect_uri=redirect_uri, code_verifier=code_verifier
        )
        client = ClientAuth(self._config.oidc_client_id, self._config.oidc_client_secret, metadata.auth_method)
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        address, headers, body = client.prepare("POST", metadata.token, headers, body)
        return errand.ask("token endpoint", address, headers, body)

    def _id_claims(self, errand: Errand, token: Any, nonce: str, access_token: str) -> dict[str, Any]:
        expected = {"issuer": self.issuer, "client_id": self._config.oidc_client_id, "nonce": nonce}
        try:
            return claims_of(token, self._keys.get(errand), access_token=access_token, **expected)
        except UnknownKeyError:
            pass
        try:
            return claims_of(token, self._newer_keys(errand), access_token=access_token, **expected)
        except UnknownKeyError as error:
            raise ProviderError(BAD, "ID token: no key of the provider has signed it") from error

    def _newer_keys(self, errand: Errand) -> list[Key]:
        """Return the keys as they are now, unless others have just looked."""
        now = time.monotonic()
        if now - self._looked_at < ANEW_SECONDS:
            return self._keys.get(errand)
        self._looked_at = now
        return self._keys.get(errand, after=now)

    def _completed(
        self, errand: Errand, metadata: Metadata, known: dict[str, Any], access_token: Any
    ) -> dict[str, Any]:
        """Add what only the userinfo endpoint says. It must be about the same person: access tokens can be swapped."""
        if not metadata.userinfo or not wanted_claims(self._config) - known.keys():
            return known
        if not isinstance(access_token, str) or not (access_token.isascii() and access_token.isprintable()):
            raise ProviderError(BAD, "the token endpoint answers no usable access token")
        said = errand.ask("userinfo endpoint", metadata.userinfo, {"Authorization": f"Bearer {access_token}"})
        if said.get("sub") != known["sub"]:
            raise ProviderError(BAD, "the userinfo endpoint speaks of somebody else")
        # What one of them says of an address verifies no other one.
        is_same = said.get("email") == known.get("email")
        pair = {"email_verified": is_same and said.get("email_verified")} if "email" in known else {}
        others = known if "email" in known else {name: known[name] for name in known if name != "email_verified"}
        return {**said, **pair, **others}

    def _discover(self, errand: Errand) -> Metadata:
        return metadata_of(errand.ask("discovery", get_well_known_url(self.issuer, external=True)), self.issuer)

    def _fetch_keys(self, errand: Errand) -> list[Key]:
        return keys_of(errand.ask("jwks_uri", self.metadata(errand).keys))


def current_provider() -> Provider | None:
    """Return the provider of the app that serves this request; None where there is none."""
    provider: Provider | None = current_app.extensions["provider"]
    return provider
