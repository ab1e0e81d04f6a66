"""The settings of a server process, read once from the environment and `.env`."""

from __future__ import annotations

import base64
import json
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from dotenv import dotenv_values
from flask import current_app

ROOT = Path(__file__).resolve().parent.parent
# It is sent as a header, which nothing else may be in.
KEY = re.compile(r"(?!sb_secret_$)[A-Za-z0-9._-]+")


class ConfigError(Exception):
    """A setting is missing or wrong. The text is one sentence that says what to do."""


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

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Config:
        """Read the settings from `environ`, by default the process' own on top of `.env`.

        :raise ConfigError: when a value cannot be used.
        """
        if environ is None:
            environ = {**{k: v or "" for k, v in dotenv_values(ROOT / ".env").items()}, **os.environ}
        supabase_url = _origin("SUPABASE_URL", environ.get("SUPABASE_URL", "").rstrip("/"))
        return cls(
            host=environ.get("HOST") or cls.host,
            port=_whole_number(environ, "PORT", cls.port, 1, 65535),
            workers=_whole_number(environ, "WORKERS", cls.workers, 1, 64),
            data_dir=Path(environ.get("DATA_DIR") or cls.data_dir).expanduser().absolute(),
            secret_key=_secret_key(environ.get("SECRET_KEY", "")),
            database_url=environ.get("DATABASE_URL", ""),
            supabase_url=supabase_url,
            supabase_secret_key=_supabase_key(supabase_url, environ.get("SUPABASE_SECRET_KEY", "").strip()),
            public_url=_origin("PUBLIC_URL", environ.get("PUBLIC_URL", "")),
            trusted_proxies=_whole_number(environ, "TRUSTED_PROXIES", 0, 0, 10),
            embed_origins=tuple(_origin("EMBED_ORIGINS", o) for o in environ.get("EMBED_ORIGINS", "").split()),
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
    """Give the secret key that is kept under `data_dir`, made when it is asked for first."""
    path = data_dir / "secret_key"
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        # Made under another name and linked, so that two processes agree on one key.
        fresh = path.with_name(f"secret_key.{os.getpid()}")
        fresh.touch(mode=0o600)
        fresh.write_text(secrets.token_urlsafe(48))
        try:
            os.link(fresh, path)
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
        return path.read_text().strip()


def _whole_number(environ: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    text = environ.get(name) or str(default)
    if not text.isdecimal() or not least <= int(text) <= most:
        raise ConfigError(f"{name} is {text!r}: set it to a whole number from {least} to {most}.")
    return int(text)


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
    if not value:
        return ""
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.path not in ("", "/") or parts.query:
        raise ConfigError(f"{name} is {value!r}: write it like https://chat.example.com, without a path.")
    return f"{parts.scheme}://{parts.netloc.lower()}"
