"""Hosts with addresses of their own: network namespaces, each with a link to the database's and one
to the relay's address, that can be cut one without the other.

A cut drops packets and tells nobody, as when a switch dies: connections hang, they are not reset.
All of it is anchored by processes that end with the tests, so nothing of it stays behind.
"""

import ctypes
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Literal

from tests.faults.nursery import PARENT_DIED, enter_network

RANGE = "198.18.0.0/15"  # kept for such tests (RFC 2544)
DATABASE, RELAY = "198.18.255.1", "198.19.255.1"
Link = Literal["database", "relay"]


@dataclass(frozen=True)
class Host:
    """A namespace; `address` is the one by which the relay knows it."""

    number: int
    file: str
    center: str

    @property
    def address(self) -> str:
        return f"198.19.{self.number}.2"

    def cut(self, *links: Link) -> None:
        """Nothing gets through any more."""
        self._set(links, "down")

    def mend(self, *links: Link) -> None:
        """Everything gets through again."""
        self._set(links, "up")

    def _set(self, links: tuple[Link, ...], state: str) -> None:
        for link in links:
            _ip(self.center, f"link set {link}{self.number} {state}")


def missing() -> str:
    """Why there can be no hosts here; empty when there can."""
    if shutil.which("ip") is None or shutil.which("unshare") is None:
        return "there is no iproute2 or unshare (Debian: apt-get install iproute2 util-linux)"
    if os.geteuid() != 0 or subprocess.run(["unshare", "--net", "true"], check=False).returncode:
        return "only root may make network namespaces, where the system lets anybody"
    return ""


@contextmanager
def network(count: int) -> Iterator[tuple[str, list[Host]]]:
    """The namespace of database and relay, as a file, and so many hosts around it."""
    with ExitStack() as stack:
        center = stack.enter_context(_namespace())
        _ip(center, "link set lo up")
        for address in (DATABASE, RELAY):
            _ip(center, f"address add {address}/32 dev lo")
        hosts = [Host(n, stack.enter_context(_namespace()), center) for n in range(1, count + 1)]
        for host in hosts:
            _ip(host.file, "link set lo up")
            for link, net, there in (("database", 18, DATABASE), ("relay", 19, RELAY)):
                _join(host, link, f"198.{net}.{host.number}", there)
        yield center, hosts


def _join(host: Host, link: str, net: str, there: str) -> None:
    end, pid = f"{link}{host.number}", host.file.split("/")[2]
    _ip(host.center, f"link add {end} type veth peer name {link} netns {pid}")
    _ip(host.center, f"address add {net}.1/30 dev {end}")
    _ip(host.center, f"link set {end} up")
    _ip(host.file, f"address add {net}.2/30 dev {link}")
    _ip(host.file, f"link set {link} up")
    _ip(host.file, f"route add {there}/32 via {net}.1")


@contextmanager
def inside(file: str) -> Iterator[None]:
    """What this thread opens or starts meanwhile lives in that namespace."""
    own = f"/proc/self/task/{threading.get_native_id()}/ns/net"
    home = os.open(own, os.O_RDONLY)
    try:
        enter_network(file)
        yield
    finally:
        enter_network(f"/proc/self/fd/{home}")
        os.close(home)


@contextmanager
def _namespace() -> Iterator[str]:
    prctl = ctypes.CDLL(None).prctl
    command = ["unshare", "--net", "sh", "-c", "echo made; exec sleep infinity"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, preexec_fn=lambda: prctl(PARENT_DIED, signal.SIGKILL)
    ) as anchor:
        assert anchor.stdout
        assert anchor.stdout.readline() == b"made\n"
        try:
            yield f"/proc/{anchor.pid}/ns/net"
        finally:
            anchor.kill()


def _ip(file: str, words: str) -> None:
    subprocess.run(["nsenter", f"--net={file}", "ip", *words.split()], check=True)
