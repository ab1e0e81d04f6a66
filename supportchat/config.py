"""The settings of a server process, read once from the environment and `.env`."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from click import ClickException
from dotenv import dotenv_values
from flask import current_app
from psycopg.conninfo import conninfo_to_dict

from .limits import Limit
from .origins import origin

ROOT = Path(__file__).resolve().parent.parent
# It is sent as a header, which nothing else may be in.
KEY = re.compile(r"(?!sb_secret_$)[A-Za-z0-9._-]+")


LIMITS = (
    *("limit_logins", "limit_logins_per_address", "limit_starts", "limit_starts_per_address"),
    *("limit_messages", "limit_typing", "limit_receipts", "limit_pictures"),
)


class ConfigError(ClickException):
    """A setting is missing or wrong. The text is one sentence that says what to do; `flask` says it as well."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """Every setting, with its default. `docs/self-hosting.md` describes each."""

    host: str = "127.0.0.1"
    port: int = 3000
    workers: int = 1
    data_dir: Path = ROOT / "data"
    secret_key: str = ""
    database_url: str = ""
    supabase_url: str = ""
    supabase_secret_key: str = ""
    public_url: str = ""
    trusted_proxies: int = 0
    embed_origins: tuple[str, ...] = ()
    header_seconds: int = 5
    body_seconds: int = 20
    answer_seconds: int = 20
    connections_per_address: int = 256
    limit_logins: Limit = field(default=Limit(20, 900))
    limit_logins_per_address: Limit = field(default=Limit(100, 900))
    limit_starts: Limit = field(default=Limit(10, 600))
    limit_starts_per_address: Limit = field(default=Limit(100, 600))
    limit_messages: Limit = field(default=Limit(100, 60))
    limit_typing: Limit = field(default=Limit(60, 60))
    limit_receipts: Limit = field(default=Limit(300, 60))
    limit_pictures: Limit = field(default=Limit(30, 300))

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Config:
        """Read the settings from `environ`, by default the process' own on top of `.env`.

        :raise ConfigError: when a value cannot be used.
        """
        if environ is None:
            environ = {**_settings_in(ROOT / ".env"), **os.environ}
        supabase_url = _origin("SUPABASE_URL", environ.get("SUPABASE_URL", "").rstrip("/"))
        return cls(
            host=environ.get("HOST") or cls.host,
            port=_whole_number(environ, "PORT", cls.port, 1, 65535),
            workers=_whole_number(environ, "WORKERS", cls.workers, 1, 64),
            data_dir=_folder("DATA_DIR", environ.get("DATA_DIR") or str(cls.data_dir)),
            secret_key=_secret_key(environ.get("SECRET_KEY", "")),
            database_url=_conninfo("DATABASE_URL", environ.get("DATABASE_URL", "")),
            supabase_url=supabase_url,
            supabase_secret_key=_supabase_key(supabase_url, environ.get("SUPABASE_SECRET_KEY", "").strip()),
            public_url=_origin("PUBLIC_URL", environ.get("PUBLIC_URL", "")),
            trusted_proxies=_whole_number(environ, "TRUSTED_PROXIES", 0, 0, 10),
            embed_origins=tuple(_origin("EMBED_ORIGINS", o) for o in environ.get("EMBED_ORIGINS", "").split()),
            header_seconds=_whole_number(environ, "HEADER_SECONDS", cls.header_seconds, 1, 300),
            body_seconds=_whole_number(environ, "BODY_SECONDS", cls.body_seconds, 1, 300),
            answer_seconds=_whole_number(environ, "ANSWER_SECONDS", cls.answer_seconds, 1, 300),
            connections_per_address=_whole_number(
                environ, "CONNECTIONS_PER_ADDRESS", cls.connections_per_address, 0, 10_000
            ),
            **{name: _limit(environ, name.upper(), getattr(cls, name)) for name in LIMITS},
        )

    @property
    def mode(self) -> str:
        """Where the desk keeps its data: 'embedded', 'postgres' or 'supabase'."""
        if self.supabase_url or self.supabase_secret_key:
            return "supabase"
        return "postgres" if self.database_url else "embedded"

    @property
    def is_https(self) -> bool:
        """Whether browsers reach the desk by https, so that cookies may be `Secure`."""
        return self.public_url.startswith("https://")

    @property
    def address(self) -> str:
        """Where a browser on this machine finds the desk."""
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::", "") else self.host  # noqa: S104
        return self.public_url or f"http://{f'[{host}]' if ':' in host else host}:{self.port}"


def current_config() -> Config:
    """Give the settings of the app that serves this request."""
    config: Config = current_app.extensions["config"]
    return config


def kept_secret_key(data_dir: Path) -> str:
    """Give the secret key that is kept under `data_dir`, made when it is asked for first.

    :raise ConfigError: when it cannot be read or made.
    """
    path = data_dir / "secret_key"
    try:
        data_dir.mkdir(mode=0o711, parents=True, exist_ok=True)
        with _held(data_dir):  # two processes have to agree on one key
            key = path.read_text().strip() if path.exists() else ""
            return key or _make_secret_key(path)
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise ConfigError(
            f"The secret key cannot be kept in {path} ({reason}): remove it, if it is there, and allow a new one to be"
            " made, or set SECRET_KEY."
        ) from error


@contextlib.contextmanager
def _held(folder: Path) -> Iterator[None]:
    opened = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX)
        yield
    finally:
        os.close(opened)


def _make_secret_key(path: Path) -> str:
    # Under another name until it is on the disk: a power cut could leave an empty file, or one of zeros, with which
    # anybody could sign.
    fresh, key = path.with_name("secret_key.new"), secrets.token_urlsafe(48)
    fresh.unlink(missing_ok=True)
    fresh.touch(mode=0o600)
    with fresh.open("w") as file:
        file.write(key)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    return key


def _settings_in(path: Path) -> dict[str, str]:
    try:
        return {name: value or "" for name, value in dotenv_values(path).items()}
    except UnicodeError as error:
        raise ConfigError(f"{path} holds characters of another encoding: save it as UTF-8.") from error
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror}): allow it, or remove it.") from error


def _folder(name: str, value: str) -> Path:
    try:
        return Path(value).expanduser().absolute()
    except RuntimeError as error:
        raise ConfigError(f"{name} is {value!r}: nobody's home is there, so write the whole path.") from error


def _conninfo(name: str, value: str) -> str:
    try:
        conninfo_to_dict(value)
    except psycopg.ProgrammingError as error:
        # Not in the words of the driver, which may hold the password.
        if "pgbouncer=" in value:
            raise ConfigError(
                f"{name} is written for Prisma: leave ?pgbouncer=true out, and take the string of the session pooler"
                " (port 5432)."
            ) from error
        raise ConfigError(
            f"{name} is not a connection string for Postgres: write it like postgresql://user:password@host/database,"
            " with %25 for % and so on."
        ) from error
    return value


def _whole_number(environ: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    text = environ.get(name) or str(default)
    if not text.isdecimal() or not least <= int(text) <= most:
        raise ConfigError(f"{name} is {text!r}: set it to a whole number from {least} to {most}.")
    return int(text)


def _limit(environ: Mapping[str, str], name: str, default: Limit) -> Limit:
    text = environ.get(name, "").strip()
    if not text:
        return default
    if text == "0":
        return Limit(0, 1)
    found = re.fullmatch(r"([1-9]\d{0,5})/([1-9]\d{0,5})", text, re.ASCII)
    if not found:
        raise ConfigError(
            f"{name} is {text!r}: write how many in how many seconds, like {default.most}/{default.seconds}, or 0 for"
            " no limit."
        )
    return Limit(int(found[1]), int(found[2]))


def _secret_key(value: str) -> str:
    if value and len(value) < 32:
        raise ConfigError("SECRET_KEY is too short: set it to 32 random characters or more, or leave it out.")
    return value


def _supabase_key(url: str, key: str) -> str:
    """Give the key of the project, if it is one that the server may work with."""
    where = "You find it in the project's dashboard under Settings, API Keys."
    if bool(url) != bool(key):
        missing = "SUPABASE_SECRET_KEY" if url else "SUPABASE_URL"
        raise ConfigError(f"{missing} is not set: the desk needs both the project's URL and its secret key. {where}")
    role = _role_of(key)
    if not key or (KEY.fullmatch(key) and (key.startswith("sb_secret_") or role == "service_role")):
        return key
    if key.startswith("sb_publishable_") or role not in ("", "service_role"):
        raise ConfigError(
            "SUPABASE_SECRET_KEY holds a key that is made for browsers (publishable, or anon), which may not read our"
            f" tables: set it to the secret key, sb_secret_..., or to the legacy service_role key. {where}"
        )
    raise ConfigError(
        "SUPABASE_SECRET_KEY is no key of a Supabase project: it begins with sb_secret_, and"
        f" has letters, digits, dots, _ and - in it and nothing else. {where}"
    )


def _role_of(key: str) -> str:
    """Give the role that a legacy key, a JSON Web Token, is made for; '' for what is none. Nothing is verified."""
    try:
        claims = key.split(".")[1]
        role = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["role"]
    except (IndexError, ValueError, KeyError, TypeError):
        return ""
    return str(role)


def _origin(name: str, value: str) -> str:
    if not value.strip():
        return ""
    try:
        kept = origin(value.strip(), wildcard=name == "EMBED_ORIGINS")
        # Flask knows no host with an underscore. Containers have some, so a Supabase project may be at one.
        if name == "PUBLIC_URL" and "_" in kept:
            raise ValueError("an underscore")
    except ValueError as error:
        several = "; separate several of them with spaces" if name == "EMBED_ORIGINS" else ""
        raise ConfigError(
            f"{name} is {value!r}: write it like https://chat.example.com, without a path{several}."
        ) from error
    return kept
