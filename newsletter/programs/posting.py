"""Posting a letter to an endpoint, signed as Standard Webhooks say, and never to a place inside.

The address is looked at after its name is resolved, and that very address is connected to: a name
that leads elsewhere the second time (DNS rebinding) leads nowhere. http.client follows no redirect
and knows no proxy.
"""

import base64
import contextlib
import hmac
import http.client
import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import datetime
from functools import cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from time import monotonic
from urllib.parse import SplitResult, urlsplit

from newsletter.programs.events import Letter

SECONDS = 15  # for all of one post
AGENT = "fiabel-newsletter"
# Addresses that lead on to an IPv4 one: NAT64 (RFC 6052, RFC 8215) and 6to4 (RFC 3056).
WRAPPING = tuple(map(ip_network, ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16")))
# Site-local (RFC 3879) and documentation (RFC 9637), which older Pythons take for global.
NOWHERE = tuple(map(ip_network, ("fec0::/10", "3fff::/20")))


class Inside(OSError):
    """The name of an endpoint leads to an address that is not on the public internet."""


def post(letter: Letter, now: datetime, *, inside: bool = False) -> str:
    """Post it once; the status ("204"), or in English why there is none. Never raises for what is
    the receiver's. `inside`: addresses of our own network will do."""
    parts = urlsplit(letter.url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection = _Connection(parts, inside=inside)
    try:
        with _in_time(connection):
            connection.request("POST", path, letter.body, headers(letter, now))
            return str(connection.getresponse().status)
    except Inside:
        return "the address is not public"
    except ssl.SSLError:
        return "TLS failed"
    except (OSError, http.client.HTTPException, ValueError):
        return "no answer"
    finally:
        connection.close()


def headers(letter: Letter, now: datetime) -> dict[str, str]:
    """The headers of Standard Webhooks: id, seconds since 1970, and a signature by each key."""
    seconds = str(int(now.timestamp()))
    signed = b".".join((letter.name.encode(), seconds.encode(), letter.body))
    made = (hmac.digest(key, signed, "sha256") for key in letter.keys)
    return {
        "Content-Type": "application/json",
        "User-Agent": AGENT,
        "webhook-id": letter.name,
        "webhook-timestamp": seconds,
        "webhook-signature": " ".join(f"v1,{base64.b64encode(one).decode()}" for one in made),
    }


def is_public(address: str) -> bool:
    """Is it an address of the public internet, also when it is wrapped in another?"""
    found: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped is not None:
            found = found.ipv4_mapped
        elif any(found in network for network in WRAPPING + NOWHERE):
            return False
    return found.is_global and not (found.is_multicast or found.is_reserved)


class _Connection(http.client.HTTPConnection):
    """A connection to an address that was looked at; verified TLS, where the endpoint has it."""

    def __init__(self, parts: SplitResult, *, inside: bool) -> None:
        self._inside, self._secure = inside, parts.scheme == "https"
        self._until = monotonic() + SECONDS
        self.default_port = 443 if self._secure else 80
        super().__init__(parts.hostname or "", parts.port or self.default_port, timeout=SECONDS)

    def connect(self) -> None:
        """Open it; at each moment `sock` is what there is to be cut. While there was none, time
        may have run out."""
        self.sock = _reach(self.host, self.port, self._until, inside=self._inside)
        if self._secure:
            plain, name = self.sock, self.host
            self.sock = tls = _context().wrap_socket(
                plain, server_hostname=name, do_handshake_on_connect=False
            )
            _remainder(self._until)
            tls.do_handshake()
        _remainder(self._until)


@cache
def _context() -> ssl.SSLContext:
    return ssl.create_default_context()


def _remainder(until: float) -> float:
    """How many seconds there are left. Raises TimeoutError when there are none."""
    left = until - monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _reach(host: str, port: int, until: float, *, inside: bool) -> socket.socket:
    """A connection to the first address of a host that takes one; all of them must be public."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = list(dict.fromkeys(str(one[4][0]) for one in found))
    if not inside and not all(map(is_public, addresses)):
        raise Inside(host)
    problem = OSError(f"{host} has no address")
    for address in addresses:
        left = _remainder(until)
        try:
            return socket.create_connection((address, port), left)
        except OSError as error:
            problem = error
    raise problem


@contextlib.contextmanager
def _in_time(connection: _Connection) -> Iterator[None]:
    """An answer that comes a byte at a time ends too."""
    timer = threading.Timer(SECONDS, _cut, [connection])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _cut(connection: _Connection) -> None:
    if connection.sock is not None:
        with contextlib.suppress(OSError):
            connection.sock.shutdown(socket.SHUT_RDWR)
