"""What a route demands: the policy stands at the route. A test finds every route without one."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from flask import abort, request
from flask.typing import ResponseReturnValue

from ..agents.logins import current_agent, is_page_of
from ..database import Conflict
from .redirects import to_login, to_two_factor

P = ParamSpec("P")
R = TypeVar("R")


def open_to_all(view: Callable[P, R]) -> Callable[P, R]:
    """Mark a route that anybody may call."""
    return _marked(view, "anyone")


def for_visitors(view: Callable[P, R]) -> Callable[P, R]:
    """Mark a route that shows and changes the conversation of the calling browser only, found by its key."""
    return _marked(view, "visitor")


def for_agents(view: Callable[P, ResponseReturnValue]) -> Callable[P, ResponseReturnValue]:
    """Let only agents who are logged in call a route."""
    return _demanding(view, "agent")


def for_agents_without_two_factor(view: Callable[P, ResponseReturnValue]) -> Callable[P, ResponseReturnValue]:
    """Let agents call a route also while they have to set up two-factor before anything else."""
    return _demanding(view, "agent", is_open_before_two_factor=True)


def for_admins(view: Callable[P, ResponseReturnValue]) -> Callable[P, ResponseReturnValue]:
    """Let only admins call a route."""
    return _demanding(view, "admin")


def _demanding(
    view: Callable[P, ResponseReturnValue], role: str, *, is_open_before_two_factor: bool = False
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
        if role == "admin" and agent["role"] != "admin":
            abort(403, "admins_only")
        return view(*args, **kwargs)

    return _marked(guarded, role)


def _marked(view: Callable[P, R], policy: str) -> Callable[P, R]:
    view.policy = policy  # type: ignore[attr-defined]
    return view
