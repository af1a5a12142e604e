"""Questions to the DNS, through any resolver of dnspython.

That there is no such name, or no such record, is an answer; only a resolver that says nothing, or
that something is broken, is Unanswered. CNAMEs are followed by the resolver.
"""

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

import dns.exception
import dns.name
import dns.resolver
import dns.reversename

SECONDS = 5.0  # for one question, with all its repeats
PAYLOAD = 1232  # octets over UDP (DNS flag day 2020); what is longer comes over TCP


class Unanswered(Exception):
    """A question that nobody answered; the message says which, and why."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The records of one kind at a name; `exists`: does the name, whatever it holds?"""

    exists: bool
    records: tuple[Any, ...] = ()
    alias: bool = False  # was a CNAME followed?


def system_resolver() -> dns.resolver.Resolver:
    """The resolver of this machine (/etc/resolv.conf). Raises Unanswered when it names none."""
    try:
        resolver = dns.resolver.Resolver()
    except dns.resolver.NoResolverConfiguration:
        raise Unanswered("/etc/resolv.conf names no resolver, so nothing could be asked") from None
    resolver.use_edns(0, payload=PAYLOAD)
    return resolver


class Asker:
    """Asks each question once; may be used by many threads."""

    def __init__(self, resolver: dns.resolver.Resolver) -> None:
        self._resolver = resolver
        if resolver.cache is None:
            resolver.cache = dns.resolver.LRUCache()

    def ask(self, name: str, kind: str) -> Answer:
        """The records of `kind` at `name`, which is taken as absolute. Raises Unanswered."""
        try:
            asked = dns.name.from_text(name)
        except dns.exception.DNSException:
            return Answer(exists=False)  # no such name can be
        try:
            answer = self._resolver.resolve(
                asked, kind, raise_on_no_answer=False, lifetime=SECONDS, search=False
            )
        except dns.resolver.NXDOMAIN:
            return Answer(exists=False)
        except dns.exception.DNSException as error:
            raise Unanswered(f"{kind} of {name} could not be asked: {_why(error)}") from None
        return Answer(True, tuple(answer), answer.canonical_name != asked)

    def texts(self, name: str) -> list[str]:
        """The TXT records at `name`, the strings of each joined without blanks."""
        found = self.ask(name, "TXT").records
        return [b"".join(one.strings).decode("ascii", "backslashreplace") for one in found]

    def addresses(self, name: str) -> list[str]:
        """The IP addresses of `name`, IPv4 first."""
        return [one.address for kind in ("A", "AAAA") for one in self.ask(name, kind).records]

    def public_addresses(self, host: str) -> list[str]:
        """Those of them that the Internet knows; of a name, or an IP address itself."""
        try:
            found = [str(ip_address(host))]
        except ValueError:
            found = self.addresses(host)
        return [address for address in found if ip_address(address).is_global]

    def names_of(self, address: str) -> list[str]:
        """The names that PTR gives an IP address, without the last dot."""
        reverse = dns.reversename.from_address(str(ip_address(address))).to_text()
        found = self.ask(reverse, "PTR").records
        return [one.target.to_text(omit_final_dot=True) for one in found]


def _why(error: dns.exception.DNSException) -> str:
    if isinstance(error, dns.exception.Timeout):
        return f"no answer within {SECONDS:.0f} s"
    if isinstance(error, dns.resolver.NoNameservers):
        return "the resolver says that something is broken there, or does not answer"
    return type(error).__name__
