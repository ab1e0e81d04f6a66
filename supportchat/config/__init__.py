"""The settings of a server process, read once from the environment and `.env`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from flask import current_app

from ..server.buckets import Limit
from ..server.hosts import host_and_port, is_loopback
from . import values
from .oidc import provider_settings
from .values import ConfigError

ROOT = Path(__file__).resolve().parent.parent.parent

__all__ = ["ROOT", "Config", "ConfigError", "current_config"]

LIMITS = (
    *("limit_logins", "limit_logins_per_address", "limit_codes", "limit_starts", "limit_starts_per_address"),
    *("limit_messages", "limit_typing", "limit_receipts", "limit_pictures", "limit_pages"),
    *("limit_sockets", "limit_hellos", "limit_requests"),
)
COUNTS = ("connections_per_address", "sockets_per_browser", "sockets_per_address")
# What LIMITS=off sets, unless it is set itself.
NO_LIMITS = dict.fromkeys((name.upper() for name in COUNTS + LIMITS), "0")


@dataclass(frozen=True, kw_only=True)
class Config:
    """Every setting, with its default. `docs/self-hosting.md` describes each."""

    host: str = "127.0.0.1"
    port: int = 3000
    workers: int = 1
    data_dir: Path = ROOT / "data"
    database_url: str = ""
    supabase_url: str = ""
    supabase_secret_key: str = ""
    public_url: str = ""
    trusted_proxies: int = 0
    embed_origins: tuple[str, ...] = ()
    demo: bool = False
    log_format: str = "text"
    oidc_issuer: str = ""
    oidc_client_id: str = ""
    oidc_client_secret: str = field(default="", repr=False)
    oidc_name: str = ""
    oidc_accounts: tuple[str, ...] = ()
    oidc_role_claim: str = ""
    oidc_roles: tuple[tuple[str, str], ...] = ()
    header_seconds: int = 5
    body_seconds: int = 20
    answer_seconds: int = 20
    connections_per_address: int = 256
    sockets_per_browser: int = 20
    sockets_per_address: int = 1000
    limit_logins: Limit = field(default=Limit(20, 900))
    limit_logins_per_address: Limit = field(default=Limit(100, 900))
    limit_codes: Limit = field(default=Limit(5, 900))
    limit_starts: Limit = field(default=Limit(10, 600))
    limit_starts_per_address: Limit = field(default=Limit(100, 600))
    limit_messages: Limit = field(default=Limit(100, 60))
    limit_typing: Limit = field(default=Limit(60, 60))
    limit_receipts: Limit = field(default=Limit(300, 60))
    limit_pictures: Limit = field(default=Limit(30, 300))
    limit_pages: Limit = field(default=Limit(60, 60))
    limit_sockets: Limit = field(default=Limit(60, 60))
    limit_hellos: Limit = field(default=Limit(30, 15))
    limit_requests: Limit = field(default=Limit(100, 20))

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Config:
        """Read the settings from `environ`, by default the process' own on top of `.env`.

        :raise ConfigError: when a value cannot be used.
        """
        if environ is None:
            environ = {**values.settings_in(ROOT / ".env"), **os.environ}
        limits_are_off = not values.is_on("LIMITS", environ.get("LIMITS", ""), default=True)
        if limits_are_off:
            environ = {**NO_LIMITS, **environ}
        supabase_url = values.origin_of("SUPABASE_URL", environ.get("SUPABASE_URL", "").rstrip("/"))
        config = cls(
            host=environ.get("HOST") or cls.host,
            port=values.whole_number(environ, "PORT", cls.port, 1, 65535),
            workers=values.whole_number(environ, "WORKERS", cls.workers, 1, 64),
            data_dir=values.folder("DATA_DIR", environ.get("DATA_DIR") or str(cls.data_dir)),
            database_url=values.conninfo("DATABASE_URL", environ.get("DATABASE_URL", "")),
            supabase_url=supabase_url,
            supabase_secret_key=values.supabase_key(supabase_url, environ.get("SUPABASE_SECRET_KEY", "").strip()),
            public_url=values.origin_of("PUBLIC_URL", environ.get("PUBLIC_URL", "")),
            trusted_proxies=values.whole_number(environ, "TRUSTED_PROXIES", 0, 0, 10),
            embed_origins=tuple(values.origin_of("EMBED_ORIGINS", o) for o in environ.get("EMBED_ORIGINS", "").split()),
            log_format=values.one_of(environ, "LOG_FORMAT", ("text", "json")),
            header_seconds=values.whole_number(environ, "HEADER_SECONDS", cls.header_seconds, 1, 300),
            body_seconds=values.whole_number(environ, "BODY_SECONDS", cls.body_seconds, 1, 300),
            answer_seconds=values.whole_number(environ, "ANSWER_SECONDS", cls.answer_seconds, 1, 300),
            **provider_settings(environ),
            **_limits(environ),
        )
        # By default only where nobody else can see it.
        is_default = config.mode == "embedded" and not config.is_reachable
        config = replace(config, demo=values.is_on("DEMO", environ.get("DEMO", ""), default=is_default))
        if limits_are_off and config.is_reachable:
            raise ConfigError(
                "LIMITS=off is for measurements on this machine: remove it, or set HOST to 127.0.0.1 without a"
                " PUBLIC_URL."
            )
        if config.demo and config.is_reachable:
            raise ConfigError(
                "DEMO=on is for trying the desk on this machine: remove it, or set HOST to 127.0.0.1 without a"
                " PUBLIC_URL."
            )
        if config.oidc_issuer and config.is_reachable and not config.public_url:
            raise ConfigError("PUBLIC_URL is not set: a provider (OIDC_ISSUER) sends people back to one address only.")
        return config

    @property
    def is_reachable(self) -> bool:
        """Whether others than the users of this machine may reach the desk."""
        return bool(self.public_url) or not is_loopback(self.host)

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
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::", "") else self.host  # noqa: S104 - compared, and not listened on
        return self.public_url or f"http://{host_and_port(host, self.port)}"


def _limits(environ: Mapping[str, str]) -> dict[str, Any]:
    counts = {name: values.whole_number(environ, name.upper(), getattr(Config, name), 0, 10_000) for name in COUNTS}
    return counts | {name: values.limit(environ, name.upper(), getattr(Config, name)) for name in LIMITS}


def current_config() -> Config:
    """Return the settings of the app that serves this request."""
    config: Config = current_app.extensions["config"]
    return config
