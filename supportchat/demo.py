"""The people of a new desk, so that it can be tried at once."""

from __future__ import annotations

import secrets

from .auth import hash_password
from .database import Database

DEMO_AGENTS = (
    ("Alice Kern", "alice@example.com", "agent"),
    ("Ben Ortiz", "ben@example.com", "agent"),
    ("Carol Tan", "carol@example.com", "admin"),
)


def create_demo_agents(database: Database) -> None:
    """Make the demo agents in a database without any, and print their passwords, this once."""
    if database.call("list_agents"):
        return
    print("\nMade three people to try the desk with. Their passwords are shown only now:\n")
    for name, email, role in DEMO_AGENTS:
        password = "-".join(secrets.token_hex(2) for _ in range(4))
        database.call("create_agent", name=name, email=email, role=role, password_hash=hash_password(password))
        print(f"  {role:5}  {email:18}  {password}")
