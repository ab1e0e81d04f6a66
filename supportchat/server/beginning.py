"""Who can log in when a desk starts: demo accounts on a machine of one's own, or the first admin by a link."""

from __future__ import annotations

import secrets

from ..config import Config
from ..database import Database
from ..demo import create_demo_agents
from ..web.cookies import token_hash


def prepare_people(database: Database, config: Config) -> None:
    """Create the demo accounts in a new database, or close them where others can reach the desk.

    :raise DatabaseError: when the database cannot be asked.
    """
    if config.demo:
        create_demo_agents(database)
    elif config.is_reachable and (closed := database.call("close_demo_accounts")):
        print(f"  Disabled the demo accounts, because others can reach this desk: {', '.join(closed)}\n")


def offer_setup(database: Database, issuer: str = "") -> str:
    """Return the path under which the first admin is created, valid for an hour; '' when there is an admin.

    :param issuer: the provider with which agents log in, if there is one.
    :raise DatabaseError: when the database cannot be asked.
    """
    token = secrets.token_urlsafe(32)
    is_offered = database.call("offer_setup", token_hash=token_hash(token), issuer=issuer or None)["offered"]
    return f"/links/{token}" if is_offered else ""
