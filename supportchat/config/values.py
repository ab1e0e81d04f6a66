"""Settings as they are written, made into values, or refused with a sentence that says how to write them."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import psycopg
from click import ClickException
from dotenv import dotenv_values
from psycopg.conninfo import conninfo_to_dict

from ..server.buckets import Limit
from ..web.origins import origin

# It is sent as a header, which nothing else may be in.
KEY = re.compile(r"(?!sb_secret_$)[A-Za-z0-9._-]+")


class ConfigError(ClickException):
    """A setting is missing or wrong. The text is one sentence that says what to do; `flask` says it as well."""


def settings_in(path: Path) -> dict[str, str]:
    """Return the settings of a `.env` file; none when there is no such file."""
    try:
        return {name: value or "" for name, value in dotenv_values(path).items()}
    except UnicodeError as error:
        raise ConfigError(f"{path} is not UTF-8: save it in that encoding.") from error
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror}): change its permissions, or remove it.") from error


def folder(name: str, value: str) -> Path:
    """Return the absolute path of a folder."""
    try:
        return Path(value).expanduser().absolute()
    except RuntimeError as error:
        raise ConfigError(f"{name} is {value!r}: there is no such home directory, so write the full path.") from error


def conninfo(name: str, value: str) -> str:
    """Return a connection string that the driver can read."""
    try:
        conninfo_to_dict(value)
    except psycopg.ProgrammingError as error:
        # Not in the words of the driver, which may hold the password.
        if "pgbouncer=" in value:
            raise ConfigError(
                f"{name} is written for Prisma: remove ?pgbouncer=true, and use the string of the session pooler (port"
                " 5432)."
            ) from error
        raise ConfigError(
            f"{name} is not a Postgres connection string: write it as postgresql://user:password@host/database, with"
            " %25 for % and so on."
        ) from error
    return value


def whole_number(environ: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    """Return a whole number of the environment within its bounds, or the default."""
    text = environ.get(name) or str(default)
    if not text.isdecimal() or not least <= int(text) <= most:
        raise ConfigError(f"{name} is {text!r}: set it to a whole number from {least} to {most}.")
    return int(text)


def one_of(environ: Mapping[str, str], name: str, choices: Sequence[str]) -> str:
    """Return the choice that was made, by default the first."""
    value = environ.get(name) or choices[0]
    if value not in choices:
        raise ConfigError(f"{name} is {value!r}: set it to {' or '.join(choices)}.")
    return value


def limit(environ: Mapping[str, str], name: str, default: Limit) -> Limit:
    """Return a limit written as count/seconds, 0 for none, or the default."""
    text = environ.get(name, "").strip()
    if not text:
        return default
    if text == "0":
        return Limit(0, 1)
    found = re.fullmatch(r"([1-9]\d{0,5})/([1-9]\d{0,5})", text, re.ASCII)
    if not found:
        raise ConfigError(
            f"{name} is {text!r}: write a count and a number of seconds, such as {default.most}/{default.seconds}, or 0"
            " for no limit."
        )
    return Limit(int(found[1]), int(found[2]))


def is_on(name: str, value: str, *, default: bool) -> bool:
    """Return whether a switch is on."""
    if value not in ("", "on", "off"):
        raise ConfigError(f"{name} is {value!r}: set it to on or off.")
    return value == "on" if value else default


def supabase_key(url: str, key: str) -> str:
    """Return the key of the project, if it is one that the server may work with."""
    where = "It is in the project's dashboard under Settings, API Keys."
    if bool(url) != bool(key):
        missing = "SUPABASE_SECRET_KEY" if url else "SUPABASE_URL"
        raise ConfigError(f"{missing} is not set: the desk needs both the project's URL and its secret key. {where}")
    role = _role_of(key)
    if not key or (KEY.fullmatch(key) and (key.startswith("sb_secret_") or role == "service_role")):
        return key
    if key.startswith("sb_publishable_") or role not in ("", "service_role"):
        raise ConfigError(
            "SUPABASE_SECRET_KEY is a key for browsers (publishable, or anon), which may not read our tables: set it"
            f" to the secret key, sb_secret_..., or to the legacy service_role key. {where}"
        )
    raise ConfigError(
        "SUPABASE_SECRET_KEY is not the key of a Supabase project: that begins with sb_secret_ and"
        f" contains only letters, digits, dots, _ and -. {where}"
    )


def _role_of(key: str) -> str:
    """Return the role that a legacy key, a JSON Web Token, is made for; '' for what is none. Nothing is verified."""
    try:
        claims = key.split(".")[1]
        role = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["role"]
    except (IndexError, ValueError, KeyError, TypeError):
        return ""
    return str(role)


def origin_of(name: str, value: str) -> str:
    """Return the origin of an address as browsers write it; '' for an empty setting."""
    if not value.strip():
        return ""
    try:
        kept = origin(value.strip(), wildcard=name == "EMBED_ORIGINS")
        # Flask knows no host with an underscore. Containers have some, so a Supabase project may be at one.
        if name == "PUBLIC_URL" and "_" in kept:
            raise ValueError("an underscore")
    except ValueError as error:
        several = "; separate several with spaces" if name == "EMBED_ORIGINS" else ""
        raise ConfigError(
            f"{name} is {value!r}: write it as https://chat.example.com, without a path{several}."
        ) from error
    return kept
