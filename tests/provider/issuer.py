"""An OpenID Connect provider for the tests, written from the specification, which can be told to misbehave.

Discovery, the authorization code flow with PKCE (S256), tokens, a JWK set, and userinfo; by http, on this machine.
"""

from __future__ import annotations

import base64
import functools
import gzip
import hashlib
import hmac
import json
import secrets
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jws
from joserfc.jwk import ECKey, RSAKey

CLIENT, SECRET = "desk", "a secret of the desk"
CLIENT_IDS = {CLIENT: SECRET}
SECONDS = 60  # of a code


class Issuer:
    """A provider. `user` is who agrees at its page; `faults` is what it does wrong, by name."""

    def __init__(self, redirect_path: str = "/agent/login/callback") -> None:
        self.user: dict[str, Any] = {"sub": "248289761001"}
        self.faults: dict[str, Any] = {}
        self.asked: list[str] = []  # the paths that were asked for
        self.more: dict[str, Any] = {}  # what discovery says besides
        self.in_id_token: tuple[str, ...] = ()  # claims that the ID token has, and userinfo not only
        self.auth_methods = ["client_secret_basic"]
        self._redirect_path = redirect_path
        self._codes: dict[str, dict[str, str]] = {}
        self._tokens: dict[str, dict[str, Any]] = {}
        self.key: RSAKey | ECKey = _first_key()
        self.algorithm = "RS256"
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Own", (Handler,), {"issuer": self}))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def start(self) -> Issuer:
        """Begin to answer."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def rotate(self, kind: str = "RSA", kid: str | None = None) -> None:
        """Sign with a new key from now on: 'RSA' or 'EC'."""
        name = kid or secrets.token_hex(4)
        if kind == "RSA":
            self.key, self.algorithm = RSAKey.generate_key(2048, {"kid": name, "use": "sig"}), "RS256"
        else:
            self.key, self.algorithm = ECKey.generate_key("P-256", {"kid": name, "use": "sig"}), "ES256"

    # The endpoints

    def discovery(self) -> Any:
        """OpenID Connect Discovery 1.0, 4.2."""
        return {
            "issuer": self.faults.get("issuer", self.url),
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "userinfo_endpoint": f"{self.url}/userinfo",
            "jwks_uri": f"{self.url}/jwks",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256", "ES256"],
            "token_endpoint_auth_methods_supported": self.auth_methods,
            "code_challenge_methods_supported": ["S256"],
            **self.more,
        }

    def jwks(self) -> Any:
        """RFC 7517, 5: with keys of kinds that nobody knows."""
        others = [{"kty": "AKP", "kid": "later"}, {"kty": "oct", "kid": "shared", "k": "c2hhcmVk"}, "no key"]
        return {"keys": [*others, self.key.as_dict(private=False)]}

    def authorize(self, query: dict[str, list[str]]) -> str:
        """OpenID Connect Core 1.0, 3.1.2: return where the browser goes, with a code of who agrees."""
        asked = {name: values[0] for name, values in query.items()}
        assert [name for name, values in query.items() if len(values) > 1] == []
        assert (asked["client_id"], asked["response_type"], "openid" in asked["scope"].split()) == (
            CLIENT,
            "code",
            True,
        )
        assert urlsplit(asked["redirect_uri"]).path == self._redirect_path
        assert (asked["code_challenge_method"], len(asked["code_challenge"])) == ("S256", 43)
        assert min(len(asked[name]) for name in ("state", "nonce")) >= 32
        answer = {"state": asked["state"], **self.faults.get("redirect", {"code": self._code(asked)})}
        if "iss" in self.faults.get("without", ()):
            return f"{asked['redirect_uri']}?{urlencode(answer)}"
        return f"{asked['redirect_uri']}?{urlencode({'iss': self.url, **answer})}"

    def _code(self, asked: dict[str, str]) -> str:
        code = secrets.token_urlsafe(24)
        self._codes[code] = {**asked, "until": str(time.time() + SECONDS), "user": json.dumps(self.user)}
        return code

    def token(self, form: dict[str, list[str]], authorization: str) -> tuple[int, Any]:
        """OpenID Connect Core 1.0, 3.1.3: who asks is checked, and a code counts once."""
        given = {name: values[0] for name, values in form.items()}
        if not self._is_our_client(given, authorization):
            return 401, {"error": "invalid_client"}
        flow = self._codes.pop(given.get("code", ""), None)
        challenge = _base64(hashlib.sha256(given.get("code_verifier", "").encode()).digest())
        if (
            flow is None
            or given.get("grant_type") != "authorization_code"
            or given.get("redirect_uri") != flow["redirect_uri"]
            or challenge != flow["code_challenge"]
            or float(flow["until"]) < time.time()
        ):
            return 400, {"error": "invalid_grant", "error_description": given.get("code", "")}
        access_token, user = secrets.token_urlsafe(24), json.loads(flow["user"])
        self._tokens[access_token] = user
        return 200, {
            "access_token": access_token,
            "token_type": "Bearer",
            "expires_in": 3600,
            "id_token": self._id_token(user, flow["nonce"], access_token),
        }

    def _is_our_client(self, given: dict[str, str], authorization: str) -> bool:
        if self.auth_methods == ["client_secret_post"]:
            return CLIENT_IDS.get(given.get("client_id", "")) == given.get("client_secret")
        return authorization == "Basic " + base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()

    def _id_token(self, user: dict[str, Any], nonce: str, access_token: str) -> str:
        now = int(time.time())
        claims: dict[str, Any] = {
            "iss": self.url,
            "sub": user["sub"],
            "aud": CLIENT,
            "iat": now,
            "exp": now + 300,
            "nonce": nonce,
            "at_hash": _base64(hashlib.sha256(access_token.encode()).digest()[:16]),
            **{name: user[name] for name in self.in_id_token if name in user},
            **self.faults.get("claims", {}),
        }
        claims = {name: value for name, value in claims.items() if name not in self.faults.get("without", ())}
        return self.faults.get("sign", self.sign)(claims)  # type: ignore[no-any-return]

    def sign(self, claims: dict[str, Any]) -> str:
        """Return a token as it has to be."""
        header = {"alg": self.algorithm, "kid": self.key.kid, "typ": "JWT"}
        return jws.serialize_compact(header, json.dumps(claims).encode(), self.key, [self.algorithm])

    def userinfo(self, authorization: str) -> tuple[int, Any]:
        """OpenID Connect Core 1.0, 5.3."""
        user = self._tokens.get(authorization.removeprefix("Bearer "))
        if user is None:
            return 401, {"error": "invalid_token"}
        return 200, {**user, **self.faults.get("userinfo", {})}


class Handler(BaseHTTPRequestHandler):
    """One connection to a provider."""

    issuer: Issuer

    def do_GET(self) -> None:
        """Answer whoever looks."""
        url, issuer = urlsplit(self.path), self.issuer
        issuer.asked.append(url.path)
        match url.path:
            case "/authorize":
                self.send_response(302)
                self.send_header("Location", issuer.authorize(parse_qs(url.query)))
                self.end_headers()
            case "/userinfo":
                self._answer("userinfo_answer", *issuer.userinfo(self.headers.get("Authorization", "")))
            case "/jwks":
                self._answer("jwks", 200, issuer.jwks())
            case "/.well-known/openid-configuration":
                self._answer("discovery", 200, issuer.discovery())
            case _:
                self._answer("none", 404, {"error": "not_found"})

    def do_POST(self) -> None:
        """Answer whoever asks for tokens."""
        self.issuer.asked.append(self.path)
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        assert self.headers["Content-Type"] == "application/x-www-form-urlencoded"
        self._answer("token", *self.issuer.token(parse_qs(body), self.headers.get("Authorization", "")))

    def _answer(self, name: str, status: int, content: Any) -> None:
        fault: Callable[[Handler], None] | None = self.issuer.faults.get(name)
        if fault is not None:
            fault(self)
            return
        self.answer(status, json.dumps(content).encode())

    def answer(self, status: int, body: bytes, **headers: str) -> None:
        """Answer with a body."""
        self.send_response(status)
        for header, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(header.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@functools.cache
def _first_key() -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": "first", "use": "sig"})


def unsigned(claims: dict[str, Any]) -> str:
    """Return a token of `alg: none`."""
    return f"{_part({'alg': 'none'})}.{_part(claims)}."


def by_shared_key(key: bytes) -> Callable[[dict[str, Any]], str]:
    """Return what signs with HS256 and a key that is not secret, or is our own."""

    def sign(claims: dict[str, Any]) -> str:
        head = f"{_part({'alg': 'HS256', 'kid': 'shared'})}.{_part(claims)}"
        return f"{head}.{_base64(hmac.digest(key, head.encode(), 'sha256'))}"

    return sign


def by_key_of_its_own(claims: dict[str, Any]) -> str:
    """Return a token that brings the key that it is signed with."""
    key = RSAKey.generate_key(2048, {"kid": "mine"})
    registry = jws.JWSRegistry(algorithms=["RS256"], strict_check_header=False)
    header = {"alg": "RS256", "kid": "mine", "jwk": key.as_dict(private=False)}
    return jws.serialize_compact(header, json.dumps(claims).encode(), key, registry=registry)


def slowly(seconds: float) -> Callable[[Handler], None]:
    """Return a fault: one byte of the answer at a time."""

    def trickle(handler: Handler) -> None:
        handler.send_response(200)
        handler.end_headers()
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            try:
                handler.wfile.write(b" ")
                handler.wfile.flush()
            except OSError:
                return
            time.sleep(0.02)

    return trickle


_PACKED = gzip.compress(b" " * 10_000_000, 1)


def packed(handler: Handler) -> None:
    """Answer with 10 MB that are 10 KB on the way."""
    handler.answer(200, _PACKED, Content_Encoding="gzip")


def _part(value: dict[str, Any]) -> str:
    return _base64(json.dumps(value).encode())


def _base64(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).decode().rstrip("=")
