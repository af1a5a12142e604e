"""A DNS in memory behind dnspython's own resolver: zones as text, and names that are broken."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import dns.message
import dns.name
import dns.nameserver
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.resolver
import dns.rrset

from newsletter.doctor.asking import Asker

Kind = dns.rdatatype.RdataType


@dataclass
class Zones(dns.nameserver.Nameserver):
    """Answers as a recursive resolver does: aliases followed, NXDOMAIN, an empty answer, SERVFAIL.

    `text` has absolute names, one record a line. `broken`: names that give SERVFAIL; `down`: no
    name answers at all, as without a network.
    """

    text: str
    broken: Iterable[str] = ()
    down: bool = False
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._known: dict[tuple[dns.name.Name, dns.rdatatype.RdataType], dns.rrset.RRset] = {}
        for line in filter(None, self.text.splitlines()):
            owner, _in, kind, value = line.split(" ", 3)
            name, rdtype = dns.name.from_text(owner), dns.rdatatype.from_text(kind)
            known = dns.rrset.RRset(name, dns.rdataclass.IN, rdtype)
            known = self._known.setdefault((name, rdtype), known)
            known.add(dns.rdata.from_text(dns.rdataclass.IN, rdtype, value), ttl=300)

    def __str__(self) -> str:
        return "zones of a test"

    def kind(self) -> str:
        return "memory"

    def is_always_max_size(self) -> bool:
        return True

    def answer_nameserver(self) -> str:
        return "memory"

    def answer_port(self) -> int:
        return 53

    def query(
        self, request: dns.message.QueryMessage, *_unused: object, **_more: object
    ) -> dns.message.Message:
        question = request.question[0]
        self.asked.append(f"{question.name} {dns.rdatatype.to_text(question.rdtype)}")
        if self.down:
            raise OSError("Network is unreachable")
        reply = dns.message.make_response(request, recursion_available=True)
        if question.name.to_text(omit_final_dot=True) in self.broken:
            reply.set_rcode(dns.rcode.SERVFAIL)
        else:
            self._fill(reply, question.name, question.rdtype)
        return dns.message.from_wire(reply.to_wire())

    def _fill(self, reply: dns.message.Message, name: dns.name.Name, kind: Kind) -> None:
        for _step in range(20):
            alias = self._known.get((name, dns.rdatatype.CNAME))
            found = self._known.get((name, kind), alias)
            if found is None:
                break
            reply.answer.append(found)
            if found is not alias or alias is None:
                return
            name = alias[0].target
        if not any(known.is_subdomain(name) for known, _kind in self._known):
            reply.set_rcode(dns.rcode.NXDOMAIN)


def resolver(zones: Zones) -> dns.resolver.Resolver:
    """dnspython's resolver, which asks nobody but `zones`."""
    found = dns.resolver.Resolver(configure=False)
    found.nameservers = [zones]
    return found


def asker(text: str, broken: Iterable[str] = (), *, down: bool = False) -> Asker:
    """What the checks ask."""
    return Asker(resolver(Zones(text, broken, down)))
