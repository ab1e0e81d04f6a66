"""Every route of the app, to be tried by tests of what holds for all."""

from __future__ import annotations

import re

from flask import Flask
from werkzeug.routing import Rule


def rules(app: Flask) -> list[Rule]:
    """Return the rules of the app."""
    return list(app.url_map.iter_rules())


def written(rule: Rule) -> str:
    """Return the path of a rule as documents write it."""
    return re.sub(r"<uuid:\w+>", "<id>", re.sub(r"<(?:int|string)\([^)]*\):", "<", rule.rule))


def path_of(rule: Rule, image_id: str) -> str:
    """Return a path that a rule takes: of the first ticket, of a picture, and of a link that nobody has made."""
    path = written(rule).replace("<number>", "1001").replace("<token>", "t" * 43).replace("<key>", "f" * 64)
    return path.replace("<id>", image_id)


def policy_of(app: Flask, rule: Rule) -> str:
    """Return who may call a route, as it is written there."""
    return getattr(app.view_functions[rule.endpoint], "policy", "none")


def calls(app: Flask, image_id: str) -> list[tuple[str, str, str]]:
    """Return every method of every route, with the policy that is written at it; sockets are not among them."""
    return [
        (policy_of(app, rule), method, path_of(rule, image_id))
        for rule in rules(app)
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
        if not rule.websocket
    ]


def sockets(app: Flask) -> list[str]:
    """Return the path of every socket."""
    return [rule.rule for rule in rules(app) if rule.websocket]
