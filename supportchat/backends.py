"""The places where a desk can live. A mode is a database, a stream of events and a store of images; nothing else knows
which one it is."""

from __future__ import annotations

from .config import Config
from .database import Database
from .database.postgres import PostgresDatabase
from .images.stores import FileStore, ImageStore
from .realtime.events import Events, PostgresEvents
from .server.embedded import EmbeddedPostgres


def open_mode(config: Config) -> tuple[Database, Events, ImageStore]:
    """Return the three parts of the configured mode. Nothing connects yet."""
    if config.mode == "supabase":
        return open_supabase(config)
    conninfo = config.database_url or EmbeddedPostgres(config.data_dir).conninfo
    return PostgresDatabase(conninfo), PostgresEvents(conninfo), FileStore(config.data_dir / "images")


def open_supabase(config: Config) -> tuple[Database, Events, ImageStore]:
    """Return the parts of a desk on a Supabase project. The client is loaded in this mode only: it takes a second."""
    from .supabase.client import open_project
    from .supabase.database import SupabaseDatabase
    from .supabase.events import SupabaseEvents
    from .supabase.images import SupabaseStore

    project = open_project(config.supabase_url, config.supabase_secret_key)
    events = SupabaseEvents(config.supabase_url, config.supabase_secret_key)
    return SupabaseDatabase(project, config.database_url), events, SupabaseStore(project)
