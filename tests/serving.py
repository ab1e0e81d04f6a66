"""Desks for the tests, forked from a process that has loaded everything: a start takes 0.04 CPU seconds instead of 0.7.

What is forked goes on as `python -m gunicorn` does: gunicorn reads its configuration and forks its workers, and each of
those makes the app from its settings and opens its own connections. Only the imports are done, and templates compiled.
"""

from __future__ import annotations

import atexit
import functools
import gc
import importlib
import json
import os
import pkgutil
import signal
import ssl
import subprocess
import sys
from pathlib import Path
from types import CodeType, MethodType
from typing import Any, NoReturn

from babel import localedata
from gevent import monkey
from gunicorn.app.wsgiapp import WSGIApplication
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket
from werkzeug.routing import Rule
from whitenoise import WhiteNoise

import supportchat
from supportchat.alerts import reach, sender
from supportchat.app import create_app
from supportchat.config import ROOT, Config
from supportchat.rendering.environment import DeskEnvironment
from supportchat.server.embedded import die_with_parent

from .worker.stalls import Watch


class CompiledTemplates(BytecodeCache):
    """What Jinja has made of the templates, kept in memory."""

    def __init__(self) -> None:
        self._code: dict[tuple[str, str], CodeType | None] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """Fill a bucket, when its template was compiled before."""
        bucket.code = self._code.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep what was compiled."""
        self._code[bucket.key, bucket.checksum] = bucket.code


@functools.cache
def compile_once() -> None:
    """Have all apps of this process share compiled templates and routes, and what is known of the files in `static/`.

    It is nine tenths of what an app and a page cost.
    """
    make_environment, templates = DeskEnvironment.__init__, CompiledTemplates()
    compile_route, find_files = Rule.compile, WhiteNoise.update_files_dictionary
    compiled: dict[tuple[Any, ...], Rule] = {}
    found: dict[tuple[str, str], dict[str, Any]] = {}

    def environment_of_all(environment: DeskEnvironment, *arguments: Any, **options: Any) -> None:
        make_environment(environment, *arguments, bytecode_cache=templates, **options)

    def compile_like_another(rule: Rule) -> None:
        key = (rule.rule, rule.host, rule.subdomain, rule.merge_slashes, repr(rule.defaults))
        like = compiled.setdefault(key, rule)
        if like is rule:
            compile_route(rule)
            return
        rule._parts, rule._trace, rule._converters = like._parts, like._trace, like._converters
        rule.arguments = {*like.arguments}
        for name in ("_build", "_build_unknown"):
            setattr(rule, name, MethodType(vars(like)[name].__func__, rule))

    def find_files_once(files: WhiteNoise, root: str, prefix: str) -> None:
        if (root, prefix) not in found:
            find_files(files, root, prefix)
            found[root, prefix] = {**files.files}
        files.files.update(found[root, prefix])

    DeskEnvironment.__init__ = environment_of_all  # type: ignore[assignment, method-assign]
    Rule.compile = compile_like_another  # type: ignore[assignment, method-assign]
    WhiteNoise.update_files_dictionary = find_files_once


class Nursery:
    """The process that desks are forked from. It ends with the one that made it, and every desk with it."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            # Patched before the first import, as a worker does it.
            [sys.executable, "-m", "gevent.monkey", "--module", __name__],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def fork(self, environ: dict[str, str], log: Path) -> int:
        """Start a desk with this environment, and return its process id."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([environ, str(log)]) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def close(self) -> None:
        """End it."""
        self._process.communicate()


@functools.cache
def nursery() -> Nursery:
    """Return the one of this test process, made when it is asked for first."""
    made = Nursery()
    atexit.register(made.close)
    return made


def main() -> None:
    """Fork a desk for each line that comes in, and say its process id."""
    compile_once()
    load_everything()
    # gevent's own would start an event loop here, for the children to inherit.
    set_handler, fork = monkey.get_original("signal", "signal"), monkey.get_original("os", "fork")
    set_handler(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for them
    for line in sys.stdin:
        pid = fork()
        if not pid:
            set_handler(signal.SIGCHLD, signal.SIG_DFL)
            die_with_parent()
            serve(*json.loads(line))
        print(pid, flush=True)


def load_everything() -> None:
    """Import all modules, compile all routes and templates and read what English needs, for the children to share."""
    importlib.import_module("gunicorn.arbiter")
    for module in pkgutil.walk_packages(supportchat.__path__, "supportchat."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    app = create_app(Config(database_url="dbname=none"))
    for name in app.jinja_env.list_templates():
        app.jinja_env.get_template(name)
    localedata.load("en")
    gc.freeze()


def serve(environ: dict[str, str], log: str) -> NoReturn:
    """Become gunicorn."""
    os.environ.clear()
    os.environ.update(environ)
    output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    for number, source in enumerate((os.open(os.devnull, os.O_RDONLY), output, output)):
        os.dup2(source, number)
    sys.argv = ["gunicorn", "--config", "gunicorn.conf.py", "wsgi:app"]
    Gunicorn().run()
    sys.exit()


def let_pushes_go_to(certificate: str) -> None:
    """Let notifications reach the push service of the tests, which is on this machine and has this certificate."""
    trusted = ssl.create_default_context(cafile=certificate)
    sender.open_pool = functools.partial(reach.open_pool, {"127.0.0.1", "::1"}.__contains__, trusted)  # type: ignore[attr-defined]


class Gunicorn(WSGIApplication):  # type: ignore[misc]
    """What `gunicorn` runs, which a test may have watched."""

    def __init__(self) -> None:
        super().__init__("%(prog)s [OPTIONS] [APP_MODULE]", prog="gunicorn")

    def load(self) -> Any:
        """Load the app, in a worker."""
        if "PUSHES" in os.environ:
            let_pushes_go_to(os.environ["PUSHES"])
        app = super().load()
        if "STALLS" in os.environ:
            self._watch = Watch(Path(os.environ["STALLS"]))
        return app


if __name__ == "__main__":
    main()
