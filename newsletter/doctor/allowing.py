"""Lines about SPF: is there one sound record, and does it allow what our mail leaves from?"""

import contextlib
import socket
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address

from newsletter.doctor import spf
from newsletter.doctor.asking import Asker
from newsletter.doctor.lines import Line, fail, found, ok, publish, warn
from newsletter.settings import LOOPBACK, Settings

FEW = 4  # addresses of a relay that may send from where it listens


@dataclass(frozen=True, slots=True)
class Outgoing:
    """The IP addresses that mail leaves from; `known`: we were told, else they are a guess."""

    addresses: tuple[str, ...]
    known: bool


def own_addresses() -> Iterator[str]:
    """The public addresses that this machine itself would leave from; no packet is sent."""
    for family, far in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((far, 9))  # of the kind for documentation: any route to the Internet
            if ip_address(probe.getsockname()[0]).is_global:
                yield probe.getsockname()[0]


def outgoing(
    asker: Asker, settings: Settings, own: Callable[[], Iterable[str]] = own_addresses
) -> Outgoing:
    """As MAIL_OUTGOING says; else the relay's own, since small relays send from where they listen.

    There may be none: a relay on this machine may sit behind NAT, and one with many addresses is a
    provider's, which sends from others. Raises Unanswered.
    """
    if settings.mail_outgoing:
        return Outgoing(settings.mail_outgoing, known=True)
    on_this_machine = settings.mail_server in LOOPBACK
    listed = tuple(own() if on_this_machine else asker.public_addresses(settings.mail_server))
    return Outgoing(listed if len(listed) <= FEW else (), known=False)


def lines(asker: Asker, settings: Settings) -> list[Line]:
    """The record of the return path's domain, which is what receivers look at (RFC 9989 4.4.2)."""
    domain, leaving = settings.bounce_domain, outgoing(asker, settings)
    read = spf.read(asker, domain)
    if read.policy is None and not read.faults:
        record = publish(domain, "TXT", _suggested(settings, leaving))
        return [fail("spf", f"{domain} has no SPF record.", f"Publish:\n{record}")]
    sound = ok("spf", f"{domain} has one record, with {read.lookups} look-ups: {read.record}")
    answer = found(_faults(read), sound)
    if read.policy is not None and not read.broken:
        answer += [_allowed(read, read.policy, ip, leaving) for ip in leaving.addresses]
    return answer


def _suggested(settings: Settings, leaving: Outgoing) -> str:
    allowed = [_network(ip) for ip in leaving.addresses] or ["mx"]
    if not leaving.known and settings.mail_server not in (*LOOPBACK, *leaving.addresses):
        allowed = [f"a:{settings.mail_server}"]
    return " ".join(["v=spf1", *allowed, "-all"])


def _network(ip: str) -> str:
    return f"ip{6 if ':' in ip else 4}:{ip}"


def _faults(read: spf.Read) -> Iterator[Line]:
    for fault in read.faults:
        make = fail if fault.grave else warn
        yield make("spf", f"{read.domain}: {fault.said}.", fault.mend)
    if read.policy is None or read.broken:
        return
    if read.policy.end == "+":
        said = f"{read.domain} allows everybody to send: {read.record}"
        yield fail("spf", said, "Let the record end in -all or ~all.")
    elif not read.policy.allows_somebody:
        said = f"{read.domain} allows nobody to send: {read.record}"
        yield fail("spf", said, "Name the addresses of your relay, before -all.")
    elif read.policy.end in ("", "?"):
        said = f"{read.domain} does not say what to do with the others: {read.record}"
        yield warn("spf", said, "Let the record end in -all or ~all.")


def _allowed(read: spf.Read, policy: spf.Policy, ip: str, leaving: Outgoing) -> Line:
    result = policy.result(ip)
    if result == "pass":
        return ok("spf-address", f"{read.domain} allows {ip}.")
    add = f"Add {_network(ip)} to the SPF record of {read.domain}"
    if result == "unknown":
        said = f"Whether {read.domain} allows {ip} depends on each message (a macro, or ptr)."
        return warn("spf-address", said, f"{add}, to be sure.")
    said = f"{read.domain} does not allow {ip} (the result is {result})."
    if leaving.known:
        return fail("spf-address", said, f"{add}.")
    return warn("spf-address", said, f"{add}, or set MAIL_OUTGOING if mail leaves elsewhere.")
