"""How templates read what they are given."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from flask.templating import Environment

METHODS = frozenset(dir(dict))


class DeskEnvironment(Environment):
    """Jinja's, but nearly everything that templates read is a row, so a name after a dot is the key of a dict first."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Return the key, or else the attribute."""
        if type(obj) is dict:
            if attribute in obj:
                return obj[attribute]
            if attribute not in METHODS:
                return self.undefined(obj=obj, name=attribute)
        return super().getattr(obj, attribute)

    def make_globals(self, d: MutableMapping[str, Any] | None) -> MutableMapping[str, Any]:
        """Return the globals of a template. Each rendering copies them, and a ChainMap takes ten times as long."""
        return super().make_globals(d) if d else self.globals
