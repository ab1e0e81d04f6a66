"""How gunicorn serves the desk: gevent workers, because every open page keeps a connection.

Nothing of the app is imported here: a worker patches the standard library first, and loads it then.
"""

from __future__ import annotations

import gc
from os import environ
from typing import Any

import gevent

from supportchat.server import logs
from supportchat.server.hosts import host_and_port

bind = host_and_port(environ.get("HOST") or "127.0.0.1", environ.get("PORT") or 3000)
workers = int(environ.get("WORKERS") or 1)
worker_class = "supportchat.server.worker.DeskWorker"
worker_connections = 10_000
keepalive = 5
timeout = 30
graceful_timeout = 10
control_socket_disable = True
forwarded_allow_ips = ""  # TRUSTED_PROXIES decides, in the app
loglevel = "warning"
logger_class = "supportchat.server.gunicorn_log.GunicornLog"
# Nobody asks for it here. With --access-logfile, a line has no query, no referrer and no name of a browser.
access_log_format = "%(h)s %(m)s %(U)s %(s)s %(B)s bytes %(M)s ms"

# How soon sockets learn that their worker stops.
WATCH_SECONDS = 0.1


def post_worker_init(worker: Any) -> None:
    """Start what the app does by itself, and stop it before gunicorn would cut the sockets.

    After its grace time gunicorn writes an HTTP error into connections that are still open, websockets among them.
    """
    from supportchat.images.orphans import sweep_for_ever

    logs.catch_greenlets()
    hub, images, database, eraser = (worker.wsgi.extensions[part] for part in ("hub", "images", "database", "eraser"))
    hub.start()
    gevent.spawn(worker.wsgi.extensions["ladder"].run)
    gevent.spawn(sweep_for_ever, images, database)
    gevent.spawn(eraser.run)

    def stop_with_worker() -> None:
        while worker.alive:
            gevent.sleep(WATCH_SECONDS)
        hub.stop()

    worker.farewell = gevent.spawn(stop_with_worker)
    # What is there by now stays. To look at it each time would make the garbage collector slow, and so rare.
    gc.collect()
    gc.freeze()


def worker_exit(server: Any, worker: Any) -> None:
    """Give the connections back in order, while there is still an event loop to do it in."""
    app = getattr(worker, "wsgi", None)
    if app is not None:
        app.extensions["database"].close()
