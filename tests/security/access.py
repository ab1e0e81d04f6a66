"""Who may call which route: classed here by hand, and compared with what is written at the route.

A new route fails until it has a line in `CLASSES`, a new argument of a path until `ARGUMENTS` says whose it is, and a
new way to name a policy until `roles_of` knows it.
"""

from __future__ import annotations

from typing import Any

from flask import Flask

from tests.routes import ARGUMENT, policy_of, rules, written

STRANGER, AGENT, LEAD, ADMIN = "stranger", "agent", "lead", "admin"
AGENTS = frozenset({AGENT, LEAD, ADMIN})
LEADS = frozenset({LEAD, ADMIN})
ADMINS = frozenset({ADMIN})
ALL = AGENTS | {STRANGER}

# Who is let in. Whose conversation is meant is another question: for who may chat the key of the browser decides.
LETS_IN = {"anybody": ALL, "who may chat": ALL, "agents": AGENTS, "leads": LEADS, "admins": ADMINS}

CLASSES = {
    "/": "who may chat",
    "/chat": "who may chat",
    "/chat/closure": "who may chat",
    "/chat/handover": "who may chat",
    "/chat/handover/<token>": "who may chat",
    "/chat/pages": "who may chat",
    "/chat/unread": "who may chat",
    "/widget.js": "anybody",
    "/demo": "anybody",
    "/demo/<chosen>": "anybody",
    "/chat/identity": "who may chat",
    "/chat/images/<id>": "who may chat",
    "/chat/key/delete": "who may chat",
    "/chat/messages": "who may chat",
    "/chat/name": "who may chat",
    "/chat/people": "who may chat",
    "/chat/receipts": "who may chat",
    "/chat/typing": "who may chat",
    "/chat/ws": "who may chat",
    "/agent": "agents",
    "/agent/availability": "agents",
    "/agent/language": "agents",
    "/account/keys": "agents",
    "/agent/login": "anybody",
    "/agent/logout": "agents",
    "/agent/ws": "agents",
    "/tickets": "agents",
    "/tickets/drafts": "agents",
    "/tickets/<number>": "agents",
    "/tickets/<number>/drafts": "agents",
    "/search": "agents",
    "/search/views": "agents",
    "/search/views/<id>": "agents",
    "/search/views/<id>/count": "agents",
    "/search/views/<id>/delete": "agents",
    "/tickets/bulk": "agents",
    "/tickets/mentions": "agents",
    "/tags": "agents",
    "/tags/<tag_id>": "leads",
    "/tags/<tag_id>/delete": "leads",
    "/tags/names": "agents",
    "/tickets/order": "agents",
    "/tickets/<number>/assignment": "agents",
    "/tickets/<number>/priority": "agents",
    "/tickets/<number>/snooze": "agents",
    "/tickets/<number>/snooze/delete": "agents",
    "/tickets/<number>/tags": "agents",
    "/tickets/<number>/tags/delete": "agents",
    "/tickets/<number>/bans": "leads",
    "/tickets/<number>/held": "agents",
    "/tickets/<number>/held/<id>": "agents",
    "/tickets/<number>/held/<id>/picture": "agents",
    "/tickets/<number>/unsent/<id>": "agents",
    "/tickets/undo": "agents",
    "/tickets/<number>/hold": "agents",
    "/tickets/<number>/hold/delete": "agents",
    "/tickets/<number>/spam": "agents",
    "/tickets/<number>/assignment/delete": "agents",
    "/tickets/<number>/card": "agents",
    "/tickets/<number>/changes": "agents",
    "/tickets/<number>/closure": "agents",
    "/tickets/<number>/closure/delete": "agents",
    "/tickets/<number>/erasure": "admins",
    "/tickets/<number>/export": "admins",
    "/tickets/<number>/images/<id>": "agents",
    "/tickets/<number>/mentions": "agents",
    "/tickets/<number>/messages": "agents",
    "/tickets/<number>/notes": "agents",
    "/tickets/<number>/receipts": "agents",
    "/tickets/<number>/typing": "agents",
    "/tickets/<number>/replies": "agents",
    "/replies": "agents",
    "/replies/<id>": "agents",
    "/replies/<id>/delete": "agents",
    "/replies/<id>/picture": "agents",
    "/replies/<id>/uses": "agents",
    "/replies/export": "agents",
    "/replies/import": "agents",
    "/replies/new": "agents",
    "/replies/undo": "admins",
    "/account": "agents",
    "/account/name": "agents",
    "/account/password": "agents",
    "/account/password/strength": "agents",
    "/account/picture": "agents",
    "/account/picture/delete": "agents",
    "/account/provider": "agents",
    "/account/provider/delete": "agents",
    "/account/recovery-codes": "agents",
    "/account/sessions/delete": "agents",
    "/account/sessions/<id>/delete": "agents",
    "/account/two-factor": "agents",
    "/account/two-factor/delete": "agents",
    "/agent/login/callback": "anybody",
    "/agent/login/code": "anybody",
    "/agent/login/provider": "anybody",
    "/links/<token>": "anybody",
    "/links/<token>/provider": "anybody",
    "/links/<token>/strength": "anybody",
    "/pictures/<key>": "anybody",
    "/bans": "leads",
    "/bans/<id>/delete": "leads",
    "/bans/holding": "admins",
    "/alerts": "agents",
    "/alerts/arrived": "anybody",
    "/alerts/devices": "agents",
    "/alerts/devices/<id>/delete": "agents",
    "/alerts/devices/<id>/test": "agents",
    "/alerts/next": "admins",
    "/alerts/settings": "agents",
    "/alerts/sound": "agents",
    "/alerts/worker.js": "anybody",
    "/manifest.webmanifest": "anybody",
    "/audit": "admins",
    "/audit/export": "admins",
    "/people": "admins",
    "/people/<id>": "admins",
    "/people/<id>/access": "admins",
    "/people/<id>/access/delete": "admins",
    "/people/<id>/password": "admins",
    "/people/<id>/two-factor/delete": "admins",
    "/people/invitations": "admins",
    "/people/invitations/<id>": "admins",
    "/people/links/<id>/delete": "admins",
    "/people/two-factor": "admins",
    "/privacy": "admins",
    "/privacy/audit": "admins",
    "/privacy/retention": "admins",
    "/privacy/retention/delete": "admins",
    "/sites": "admins",
    "/sites/<key>": "admins",
    "/sites/<key>/archive": "admins",
    "/sites/<key>/archive/delete": "admins",
    "/sites/<key>/logo": "admins",
    "/sites/<key>/logo/delete": "admins",
    "/sites/<key>/look": "admins",
    "/sites/<key>/preview": "admins",
    "/look/<name>.css": "anybody",
    "/sites/<key>/identity": "admins",
    "/sites/<key>/identity/secrets": "admins",
    "/sites/<key>/identity/secrets/<id>/delete": "admins",
    "/status": "admins",
    "/healthz": "anybody",
    "/readyz": "anybody",
    "/static/<version>/<path:file>": "anybody",
}

# What may stand in a path.
ARGUMENTS = {
    "number",
    "image_id",
    "session_id",
    "person_id",
    "tag_id",
    "view_id",
    "link_id",
    "ban_id",
    "reply_id",
    "secret_id",
    "device_id",
    "token",
    "chosen",
    "key",
    "version",
    "name",
    "file",
}

# By right, as the routes name it.
POLICIES = {
    "anyone": ALL,
    "visitor": ALL,
    **dict.fromkeys(("agent", "person", "answer"), AGENTS),
    **dict.fromkeys(("reassign", "ban", "curate"), LEADS),
    **dict.fromkeys(("admin", "manage_people", "manage_desk", "see_status", "see_audit", "export", "erase"), ADMINS),
}


def roles_of(policy: str) -> frozenset[str]:
    """Return which roles a policy lets in: the only place here that knows how routes name it."""
    return POLICIES[policy]


def unclassed(app: Flask) -> list[str]:
    """Return what is wrong with the routes of an app: not classed, without a policy, or open to others than classed."""
    wrong = []
    for rule in rules(app):
        name = written(rule)
        policy = policy_of(app, rule)
        if name not in CLASSES:
            wrong.append(f"{name} has no class")
        elif policy == "none":
            wrong.append(f"{name} has no policy")
        elif roles_of(policy) != LETS_IN[CLASSES[name]]:
            wrong.append(f"{name} lets in {sorted(roles_of(policy))}")
        wrong += [
            f"{name}: whose is {argument}?" for argument in ARGUMENT.findall(rule.rule) if argument not in ARGUMENTS
        ]
    return wrong


# What processes, not people, write.
BOOKKEEPING = ("server_processes", "heartbeat")


def tables(rows: Any) -> dict[str, list[str]]:
    """Return every row of every table, as text."""
    names = [name for (name,) in rows("select tablename from pg_tables where schemaname = 'public' order by 1")]
    assert "ticket_reads" in names
    return {
        name: sorted(row for (row,) in rows(f"select {name}::text from {name}"))
        for name in names
        if name not in BOOKKEEPING
    }


def rows_about(rows: Any, *ids: str) -> dict[str, list[str]]:
    """Return the rows of every table in which one of these ids stands."""
    return {name: [row for row in found if any(each in row for each in ids)] for name, found in tables(rows).items()}
