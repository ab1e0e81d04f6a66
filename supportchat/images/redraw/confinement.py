"""The sandbox in which the program reads the file."""

from __future__ import annotations

import contextlib
import os
import resource
import sys

from .limits import CPU_SECONDS, MEMORY, MOST_OUTPUT

# Unused user ids (systemd's dynamic users come from this range). Not "nobody": on some systems the embedded Postgres
# runs as that user.
FIRST_USER = 61184
USERS = 4000
NOBODY = 65534


def close_files() -> None:
    """Close what the desk has left open for its children: the socket that it listens on, for one."""
    for name in os.listdir("/dev/fd"):
        if int(name) > 2:
            with contextlib.suppress(OSError):  # the folder itself, which has been closed
                os.close(int(name))


def confine(with_threads: bool) -> None:
    """Drop every privilege that decoding does not need: root, memory, time, files, processes.

    :param with_threads: whether the decoder needs a thread, which the kernel counts as a process.
    :raise OSError: if root cannot be dropped.
    """
    stop_being_root()
    if sys.platform != "darwin":  # which refuses this one
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (MOST_OUTPUT, MOST_OUTPUT))
    if not with_threads:
        resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def stop_being_root() -> None:
    """Switch to a user that owns nothing, if this is root."""
    if os.geteuid() != 0:
        return
    os.setgroups([])
    user = FIRST_USER + os.getpid() % USERS
    try:
        os.setgid(user)
        os.setuid(user)
    except OSError:  # a container with few user ids
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    if 0 in (os.getuid(), os.geteuid(), os.getgid(), os.getegid()):
        raise PermissionError("still root")
