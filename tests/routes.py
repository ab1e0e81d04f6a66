"""Every route of the app, to be tried by tests of what holds for all."""

from __future__ import annotations

import re

from flask import Flask
from werkzeug.routing import Rule

ARGUMENT = re.compile(r"<(?:\w+(?:\([^)]*\))?:)?(\w+)>")
# What a path is given unless somebody says otherwise: the first ticket, and a link and a key that nobody has made.
FIRST = {"number": "1001", "token": "t" * 43, "key": "f" * 64, "tag_id": "1"}


def rules(app: Flask) -> list[Rule]:
    """Return the rules of the app."""
    return list(app.url_map.iter_rules())


def written(rule: Rule) -> str:
    """Return the path of a rule as documents write it."""
    return re.sub(r"<uuid:\w+>", "<id>", re.sub(r"<(?:int|string)\([^)]*\):", "<", rule.rule))


def path_of(rule: Rule, image_id: str, **values: str) -> str:
    """Return a path that a rule takes, of the first ticket and of a picture, unless `values` say otherwise."""
    filled = {**dict.fromkeys(uuids_of(rule), image_id), **FIRST, **values}
    return ARGUMENT.sub(lambda argument: filled.get(argument[1], argument[0]), rule.rule)


def uuids_of(rule: Rule) -> list[str]:
    """Return the arguments of a rule that are ids."""
    return re.findall(r"<uuid:(\w+)>", rule.rule)


def policy_of(app: Flask, rule: Rule) -> str:
    """Return who may call a route, as it is written there."""
    return getattr(app.view_functions[rule.endpoint], "policy", "none")


def methods_of(rule: Rule) -> list[str]:
    """Return the methods of a rule that are its own."""
    return sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})


def calls(app: Flask, image_id: str, **values: str) -> list[tuple[str, str, str]]:
    """Return every method of every route, with the policy that is written at it; sockets are not among them."""
    return [
        (policy_of(app, rule), method, path_of(rule, image_id, **values))
        for rule in rules(app)
        for method in methods_of(rule)
        if not rule.websocket
    ]


def sockets(app: Flask) -> list[str]:
    """Return the path of every socket."""
    return [rule.rule for rule in rules(app) if rule.websocket]
