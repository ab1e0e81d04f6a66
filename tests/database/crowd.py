"""A process whose standard library gevent has patched, as a worker's is, with more calls than there are places.

It is run by a test, prints nothing, and fails when a call does not do what it should.
"""

from __future__ import annotations

import gevent.monkey

gevent.monkey.patch_all()

from collections.abc import Callable, Iterable  # noqa: E402
from typing import Any  # noqa: E402

import gevent  # noqa: E402
import gevent.event  # noqa: E402
import gevent.pywsgi  # noqa: E402

import supportchat.supabase.database as door  # noqa: E402
import supportchat.supabase.images as images  # noqa: E402
from supportchat.database import Unavailable  # noqa: E402
from supportchat.images.stores import StoreUnavailable  # noqa: E402
from supportchat.supabase.client import open_project  # noqa: E402

CROWD = 100
healthy = {"rest": gevent.event.Event(), "storage": gevent.event.Event()}
waiting = {"rest": 0, "storage": 0}


def serve(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer as soon as the service that is asked is well."""
    service = environ["PATH_INFO"].split("/")[1]
    waiting[service] += 1
    healthy[service].wait()
    waiting[service] -= 1
    kind = {"rest": "application/json", "storage": "image/webp"}[service]
    start_response("200 OK", [("Content-Type", kind)])
    return [b"[]"]


def main() -> None:
    """Let each service hang in turn, and then heal it."""
    server = gevent.pywsgi.WSGIServer(("127.0.0.1", 0), serve, log=None)
    server.start()
    project = open_project(f"http://127.0.0.1:{server.server_port}", "sb_secret_x")
    database, store = door.SupabaseDatabase(project), images.SupabaseStore(project)

    def attempt(act: Callable[[], Any]) -> Any:
        try:
            return act()
        except (Unavailable, StoreUnavailable) as error:
            return error

    def crowd(act: Callable[[], Any]) -> list[Any]:
        return [gevent.spawn(attempt, act) for _ in range(CROWD)]

    def answers(calls: list[Any]) -> list[Any]:
        return [call.get() for call in gevent.joinall(calls)]

    def list_agents() -> Any:
        return database.call("list_agents")

    door.CALL_SECONDS = 0.5
    for _ in range(2):
        # Something long-winded, so that the limits of many calls are reached at one and the same moment.
        gevent.spawn_later(0.4, gevent.monkey.get_original("time", "sleep"), 0.5)
        assert all(isinstance(answer, Unavailable) for answer in answers(crowd(list_agents)))
    door.CALL_SECONDS = 10.0
    healthy["rest"].set()
    gevent.sleep(0.1)
    assert answers(crowd(list_agents)) == [[]] * CROWD

    reads = crowd(lambda: store.open("a" * 64))
    gevent.sleep(0.5)
    assert waiting["storage"] == images.PLACES
    assert list_agents() == []
    healthy["storage"].set()
    assert not any(isinstance(answer, Exception) for answer in answers(reads))


if __name__ == "__main__":
    main()
