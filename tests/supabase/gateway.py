"""What stands before the services of a hosted project: PostgREST wants an API key, and the new kind is translated."""

from __future__ import annotations

from aiohttp import web

from .keys import Keys

BROWSER = "Mozilla/"
# The JWT that the service behind the gateway sees; absent when none was sent.
TOKEN = web.RequestKey("token", str)


def pass_gateway(request: web.Request, keys: Keys, *, hosted: bool) -> web.Response | None:
    """Leave the token under `TOKEN`; give the refusal when the request may not pass.

    :param hosted: whether new keys are known; a service without a gateway sees them as they are.
    """
    key = request.headers.get("apikey") or request.query.get("apikey") or ""
    scheme, _, bearer = request.headers.get("Authorization", "").partition(" ")
    bearer = bearer if scheme.lower() == "bearer" else ""
    token = bearer or (key if hosted or "/websocket" in request.path else "")
    if hosted and request.path.startswith("/rest/"):
        refusal = _refusal(request, keys, key, bearer)
        if refusal is not None:
            return refusal
    if token:
        request[TOKEN] = keys.translated(token) if hosted else token
    return None


def _refusal(request: web.Request, keys: Keys, key: str, bearer: str) -> web.Response | None:
    if not key:
        return _answer("No API key found in request", "No `apikey` request header or url param was found.")
    if not keys.is_known(key):
        return _answer("Invalid API key", "Double check your Supabase `anon` or `service_role` API key.")
    if key == keys.secret and request.headers.get("User-Agent", "").startswith(BROWSER):
        return _answer("Forbidden use of secret API key in browser", "Secret API keys can only be used in a server.")
    if bearer.startswith("sb_") and bearer != key:
        return _answer("Invalid API key", "A new API key is no token: send it as `apikey`, or the same in both.")
    return None


def _answer(message: str, hint: str) -> web.Response:
    return web.json_response({"message": message, "hint": hint}, status=401)
