"""A network of two namespaces, in which packets can be lost without anybody else noticing. Needs root and nftables."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator

import pytest

NEEDED = ("ip", "nft", "tc", "ss")
SERVER_ADDRESS = "10.77.0.1"
CLIENT_ADDRESS = "10.77.0.2"


def skip_unless_possible() -> None:
    """Skip a test, with the reason, where no namespace can be made."""
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if os.geteuid() != 0 or missing:
        why = f"install {', '.join(missing)}" if missing else "run as root"
        pytest.skip(f"network faults need namespaces, packet filters and shapers of their own: {why}")


class Network:
    """A server's side and a clients' side, with one cable between them."""

    def __init__(self) -> None:
        self.server = f"supportchat-{os.getpid()}-s"
        self.client = f"supportchat-{os.getpid()}-c"
        self._server_end = f"sc{os.getpid()}s"
        self._client_end = f"sc{os.getpid()}c"

    @property
    def at_server(self) -> tuple[str, ...]:
        """The command that runs another on the server's side."""
        return ("ip", "netns", "exec", self.server)

    @property
    def at_client(self) -> tuple[str, ...]:
        """The command that runs another on the clients' side."""
        return ("ip", "netns", "exec", self.client)

    def lay(self) -> None:
        """Make both sides and the cable."""
        for name in (self.server, self.client):
            _run("ip", "netns", "add", name)
            _run("ip", "-n", name, "link", "set", "lo", "up")
        _run("ip", "link", "add", self._server_end, "type", "veth", "peer", self._client_end)
        for name, end, address in (
            (self.server, self._server_end, SERVER_ADDRESS),
            (self.client, self._client_end, CLIENT_ADDRESS),
        ):
            _run("ip", "link", "set", end, "netns", name)
            _run("ip", "-n", name, "addr", "add", f"{address}/24", "dev", end)
            _run("ip", "-n", name, "link", "set", end, "up")

    def drop(self) -> None:
        """Lose every packet, both ways, without a word: what is open is half-open now."""
        self._filter("counter drop")

    def lose(self, percent: int) -> None:
        """Lose some of the packets to the server."""
        self._filter(
            f"tcp flags & (fin | syn | rst | psh | ack) != 0 numgen random mod 100 < {percent} counter drop", "output"
        )

    def dropped(self) -> int:
        """How many packets were lost so far."""
        rules = subprocess.run(
            [*self.at_client, "nft", "list", "ruleset"], capture_output=True, text=True, check=True
        ).stdout
        return sum(int(count) for count in re.findall(r"counter packets (\d+)", rules))

    def restore(self) -> None:
        """Let everything through again."""
        _run(*self.at_client, "nft", "flush", "ruleset")

    def make_thin(self, rate: str) -> None:
        """Let so much through and no more, both ways."""
        for side, end in ((self.at_server, self._server_end), (self.at_client, self._client_end)):
            shaper = ("root", "tbf", "rate", rate, "burst", "4kb", "latency", "2s")
            _run(*side, "tc", "qdisc", "add", "dev", end, *shaper)

    def make_wide(self) -> None:
        """Let everything through at once again."""
        for side, end in ((self.at_server, self._server_end), (self.at_client, self._client_end)):
            _run(*side, "tc", "qdisc", "del", "dev", end, "root")

    def reset(self, port: int) -> None:
        """Break every connection to the server with RST."""
        _run(*self.at_server, "ss", "-K", "state", "established", "sport", "=", f":{port}")

    def remove(self) -> None:
        """Take both sides and the cable away."""
        for name in (self.server, self.client):
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)

    def _filter(self, rule: str, *hooks: str) -> None:
        _run(*self.at_client, "nft", "add", "table", "inet", "faults")
        for hook in hooks or ("input", "output"):
            chain = f"{{ type filter hook {hook} priority 0; policy accept; }}"
            _run(*self.at_client, "nft", "add", "chain", "inet", "faults", hook, chain)
            _run(*self.at_client, "nft", "add", "rule", "inet", "faults", hook, rule)


@contextlib.contextmanager
def laid_network() -> Iterator[Network]:
    """Give a network, and take it away afterwards."""
    network = Network()
    try:
        network.lay()
        yield network
    finally:
        network.remove()


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
