"""What gunicorn logs, written as every other line is."""

from __future__ import annotations

from logging.config import dictConfig
from typing import Any

from gunicorn.glogging import Logger

from . import logs


class GunicornLog(Logger):  # type: ignore[misc]
    """gunicorn's loggers, whose handlers get our lines. An access log is written only where one is asked for."""

    def setup(self, cfg: Any) -> None:
        """Set everything up, in gunicorn and outside of it."""
        super().setup(cfg)
        kind = logs.chosen_format()
        for logger in (self.error_log, self.access_log):
            for handler in logger.handlers:
                handler.setFormatter(logs.OneLine(kind))
        dictConfig(logs.settings(kind))
        logs.catch_the_rest()
