"""Every route of the app, to be tried by tests of what holds for all."""

from __future__ import annotations

import re

from flask import Flask
from werkzeug.routing import Rule

ARGUMENT = re.compile(r"<(?:[^<>:]+:)?(\w+)>")
FIRST_TICKET = 1001


def rules(app: Flask) -> list[Rule]:
    """Return the rules of the app."""
    return list(app.url_map.iter_rules())


def path_of(rule: Rule, image_id: str, **values: str) -> str:
    """Return a path that a rule takes: of the first ticket, and of a picture, unless `values` say otherwise."""
    filled = {"number": str(FIRST_TICKET), "image_id": image_id, **values}
    return ARGUMENT.sub(lambda argument: filled.get(argument[1], argument[0]), rule.rule)


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
