"""What a route demands: the policy stands at the route. A test finds every route without one."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from flask import request
from flask.typing import ResponseReturnValue

from ..agents.logins import current_agent, is_page_of
from ..database import Conflict, Forbidden
from .redirects import to_login, to_two_factor

P = ParamSpec("P")
R = TypeVar("R")


def open_to_all(view: Callable[P, R]) -> Callable[P, R]:
    """Mark a route that anybody may call."""
    return _marked(view, "anyone")


def for_visitors(view: Callable[P, R]) -> Callable[P, R]:
    """Mark a route that shows and changes the conversation of the calling browser only, found by its key."""
    return _marked(view, "visitor")


def for_people(view: Callable[P, ResponseReturnValue]) -> Callable[P, ResponseReturnValue]:
    """Let only people who are logged in call a route, whatever their role."""
    return _demanding(view, None)


def for_people_before_two_factor(view: Callable[P, ResponseReturnValue]) -> Callable[P, ResponseReturnValue]:
    """Let people who are logged in call a route also while they have to set up two-factor before anything else."""
    return _demanding(view, None, is_open_before_two_factor=True)


def for_people_with(
    right: str,
) -> Callable[[Callable[P, ResponseReturnValue]], Callable[P, ResponseReturnValue]]:
    """Let only people with a right call a route. The function of the database that it calls asks for it as well."""
    return lambda view: _demanding(view, right)


def _demanding(
    view: Callable[P, ResponseReturnValue], right: str | None, *, is_open_before_two_factor: bool = False
) -> Callable[P, ResponseReturnValue]:
    @functools.wraps(view)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> ResponseReturnValue:
        agent = current_agent()
        if agent is None or not is_page_of(agent, request.headers.get("X-Agent")):
            return to_login()
        if not is_page_of(agent, request.form.get("page_of")):
            raise Conflict("page_of_another", agent["name"])  # a form without scripts, whose text is shown again
        if agent["needs_two_factor"] and not is_open_before_two_factor:
            return to_two_factor()
        if right and right not in agent["rights"]:
            raise Forbidden("right_missing", right)
        return view(*args, **kwargs)

    return _marked(guarded, right or "person")


def _marked(view: Callable[P, R], policy: str) -> Callable[P, R]:
    view.policy = policy  # type: ignore[attr-defined]
    return view
