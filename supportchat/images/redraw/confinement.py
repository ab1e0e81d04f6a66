"""What the program may still do once it reads the file."""

from __future__ import annotations

import os
import resource
import sys

from .limits import CPU_SECONDS, MEMORY, MOST_OUTPUT

# Users that are nobody's (systemd takes its dynamic ones from here): what runs as "nobody", the embedded Postgres on
# some systems, is somebody else then.
FIRST_USER = 61184
USERS = 4000
NOBODY = 65534


def confine(with_threads: bool) -> None:
    """Give up every right that drawing does not need: root, memory, time, files, processes.

    :param with_threads: whether the decoder needs one, which the kernel counts as a process.
    :raise OSError: when root cannot be given up.
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
    """Become a user that owns nothing, if this is root."""
    if os.geteuid() != 0:
        return
    os.setgroups([])
    user = FIRST_USER + os.getpid() % USERS
    try:
        os.setgid(user)
        os.setuid(user)
    except OSError:  # a container that maps few users
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    if 0 in (os.getuid(), os.geteuid(), os.getgid(), os.getegid()):
        raise PermissionError("still root")
