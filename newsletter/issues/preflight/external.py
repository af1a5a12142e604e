"""Do links to other sites still work? Asked of those sites, with limits; never a reason to stop.

Everything else of preflight is pure; this alone uses the network, so never in a transaction. What
is asked for stands in texts of editors, so only public addresses are dialled, also after a redirect
and whatever a name resolves to at that moment (no requests to our own network: SSRF).
"""

import contextlib
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Mapping
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from ipaddress import IPv6Address, ip_address, ip_network
from queue import Empty, SimpleQueue
from threading import Thread
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from newsletter.delivery.message import GAP
from newsletter.i18n import Said
from newsletter.issues.preflight.finding import PreflightFinding, warn
from newsletter.issues.preflight.tree import parse

PATIENCE = 8.0  # seconds for one connection or answer
ALL_PATIENCE = 40.0  # seconds for all links together
POOL = 8  # links at a time
REDIRECTS = 5
NAT64 = ip_network("64:ff9b::/96")
PORTS = {"http": 80, "https": 443}
# Sites that do not let programs in, or not now: the page may well be there.
SHY = {401, 403, 406, 429, 451, 503, 999}

Dial = Callable[[str, int, float], socket.socket]


class _NoAddress(ValueError):
    """A redirect to what is no web address."""


class _Endless(Exception):
    """More redirects than browsers follow, or in a ring."""


LATE = Said("geen antwoord op tijd; open de pagina zelf voor je verstuurt.")
TROUBLES: Mapping[type[Exception], Said] = {
    TimeoutError: LATE,
    ssl.SSLError: Said("het certificaat klopt niet; verwijs naar een andere pagina."),
    socket.gaierror: Said("geen enkele site heet zo; verbeter de link of haal hem weg."),
    _Endless: Said("leidt eindeloos van pagina naar pagina; verwijs naar waar het moet eindigen."),
}


def external_links(html: str, base_url: str) -> list[str]:
    """The links of a mail to other sites, each once, in order; not those of one reader."""
    links = (node.attributes.get("href", "") for node in parse(html).find("a"))
    return [
        url
        for url in dict.fromkeys(links)
        if url.lower().startswith(("http://", "https://"))
        and not GAP.search(url)
        and not f"{url}/".startswith(f"{base_url}/")
    ]


def check_links(
    urls: Iterable[str],
    dial: Dial | None = None,
    limit: float = ALL_PATIENCE,
    progress: Callable[[int], None] = lambda count: None,
) -> list[PreflightFinding]:
    """A warning for each link that did not answer well within `limit` seconds for all; in order.

    `dial` opens a connection to host and port (default: to public addresses only). `progress` is
    told of every link that is done.
    """
    wanted = list(dict.fromkeys(urls))
    todo, done = SimpleQueue[str](), SimpleQueue[tuple[str, Said | None]]()
    for url in wanted:
        todo.put(url)

    def work() -> None:
        with contextlib.suppress(Empty):
            while True:
                url = todo.get_nowait()
                done.put((url, _fault(url, dial or dial_public)))

    # Daemons: a name that takes minutes to resolve must not hold up the end of the program.
    for _one in range(min(POOL, len(wanted))):
        Thread(target=work, daemon=True).start()
    answers: dict[str, Said | None] = dict.fromkeys(wanted, LATE)
    end = time.monotonic() + limit
    with contextlib.suppress(Empty):
        for _url in wanted:
            url, fault = done.get(timeout=max(0.001, end - time.monotonic()))
            answers[url] = fault
            progress(1)
    return [
        warn("LINK", Said("link %(url)s", url=url), fault)
        for url, fault in answers.items()
        if fault
    ]


def dial_public(host: str, port: int, patience: float) -> socket.socket:
    """A connection to a public address of `host`; PermissionError when it has another one."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    addresses = [str(address[0]) for *_kind, address in found]
    if not addresses or not all(is_public(address) for address in addresses):
        raise PermissionError("not a public address")
    return socket.create_connection((addresses[0], port), patience)


def is_public(address: str) -> bool:
    """Is an IP address one of the Internet's, and not of this machine or a private network?"""
    ip = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address):
        # Addresses that carry an IPv4 one are only as public as that one.
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo[1] if ip.teredo else None)
        if inner or ip in NAT64:
            return is_public(str(inner or ip_address(int(ip) & 0xFFFFFFFF)))
    return ip.is_global and not ip.is_multicast


def _fault(url: str, dial: Dial) -> Said | None:
    """What is wrong with a link; None: it works."""
    try:
        status = _ask("HEAD", url, dial)
        if status >= 400:  # many sites know GET only
            status = _ask("GET", url, dial)
    except (OSError, HTTPException, ValueError, _Endless) as error:
        return _trouble(error)
    if status in SHY:
        return Said(
            "antwoordt %(status)s, misschien enkel aan programma’s; open de pagina zelf voor je "
            "verstuurt.",
            status=status,
        )
    if status < 400:
        return None
    return Said("antwoordt %(status)s; verbeter de link of haal hem weg.", status=status)


def _trouble(error: Exception) -> Said:
    for kind, words in TROUBLES.items():
        if isinstance(error, kind):
            return words
    if isinstance(error, _NoAddress):
        return Said("is geen webadres, en lezers kunnen het niet openen; haal de link weg.")
    if isinstance(error, PermissionError):
        return Said("is geen openbaar adres, en lezers kunnen het niet openen; haal de link weg.")
    return Said(
        "is niet bereikbaar (%(error)s); verbeter de link of haal hem weg.",
        error=type(error).__name__,
    )


def _ask(method: str, url: str, dial: Dial) -> int:
    """The status at the end of all redirects."""
    for _step in range(REDIRECTS + 1):
        parts = urlsplit(url)
        if parts.scheme.lower() not in PORTS or not parts.hostname:
            raise _NoAddress
        connection = _connection(parts, dial)
        try:
            headers = {"User-Agent": "newsletter-link-check", "Accept": "*/*"}
            connection.request(method, _target(parts), headers=headers)
            response = connection.getresponse()
        finally:
            connection.close()
        onward = response.headers.get("Location")
        if response.status not in (301, 302, 303, 307, 308) or not onward:
            return response.status
        url = urljoin(url, onward)
    raise _Endless


def _target(parts: SplitResult) -> str:
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    query = quote(parts.query, safe="/%:@!$&'()*+,;=~-._?")
    return f"{path}?{query}" if query else path


def _connection(parts: SplitResult, dial: Dial) -> HTTPConnection:
    host, scheme = (parts.hostname or "").encode("idna").decode(), parts.scheme.lower()
    port = parts.port or PORTS[scheme]
    kind = HTTPSConnection if scheme == "https" else HTTPConnection
    connection = kind(host, port, timeout=PATIENCE)
    dialled = dial(host, port, PATIENCE)
    if scheme == "https":
        dialled = ssl.create_default_context().wrap_socket(dialled, server_hostname=host)
    connection.sock = dialled
    return connection
