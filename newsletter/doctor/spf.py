"""SPF: who may send for a domain (RFC 7208).

A record is read with all it includes, as a receiver would that finds no match: so every look-up
counts. What depends on each message (macros, but for the domain itself) cannot be looked up.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Literal

from newsletter.doctor.asking import Asker

LOOKUPS = 10  # terms that ask the DNS; one more, and receivers give up (4.6.4)
VOIDS = 2  # of those that find nothing (4.6.4)
MX_NAMES = 10  # of one mx (4.6.4)
OCTETS = 450  # of all TXT records at a name, so that they fit in one packet (3.4)
ENOUGH = 30  # look-ups after which we stop counting

Network = IPv4Network | IPv6Network
Result = Literal["pass", "fail", "softfail", "neutral", "unknown"]
RESULTS: dict[str, Result] = {"+": "pass", "-": "fail", "~": "softfail", "?": "neutral"}
MECHANISM = re.compile(
    r"([+?~-]?)(all|include|a|mx|ptr|ip4|ip6|exists)"
    r"(?::([^ ]+?))?(?:/(\d{1,3}))?(?://(\d{1,3}))?",
    re.IGNORECASE,
)
MODIFIER = re.compile(r"([a-z][a-z0-9_.-]*)=([^ ]*)", re.IGNORECASE)
BEGIN = re.compile(r"v=spf1( |$)", re.IGNORECASE)


@dataclass(slots=True)
class Term:
    """A mechanism: what it matches, and what follows from that."""

    qualifier: str
    name: str
    networks: list[Network] = field(default_factory=list)
    inner: "Policy | None" = None  # of an include
    unknowable: bool = False


@dataclass(slots=True)
class Policy:
    """One record: its terms in order, and where it goes on."""

    terms: list[Term] = field(default_factory=list)
    redirect: "Policy | None" = None

    def result(self, address: str) -> Result:
        """What a receiver makes of mail from this IP address."""
        ip, perhaps = ip_address(address), set[Result]()
        final: Result = "neutral"
        for term in self.terms:
            inner = term.inner.result(address) if term.inner else None
            if term.unknowable or inner == "unknown":
                perhaps.add(RESULTS[term.qualifier])
            elif term.name == "all" or inner == "pass" or any(ip in net for net in term.networks):
                final = RESULTS[term.qualifier]
                break
        else:
            final = self.redirect.result(address) if self.redirect else "neutral"
        return final if perhaps <= {final} else "unknown"

    @property
    def allows_somebody(self) -> bool:
        """Is there an address that passes?"""
        return any(
            term.qualifier == "+" and (term.inner is None or term.inner.allows_somebody)
            for term in self.terms
        ) or bool(self.redirect and self.redirect.allows_somebody)

    @property
    def end(self) -> str:
        """The qualifier of `all` (of the record it redirects to, if that goes on); "": none."""
        ends = [term.qualifier for term in self.terms if term.name == "all"]
        return ends[0] if ends else self.redirect.end if self.redirect else ""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with a record; when it is grave, receivers give up on SPF (permerror)."""

    grave: bool
    said: str
    mend: str


@dataclass(slots=True)
class Read:
    """All of a domain's SPF; without a record `policy` is None."""

    domain: str
    policy: Policy | None = None
    record: str = ""
    lookups: int = 0
    voids: int = 0
    faults: list[Fault] = field(default_factory=list)

    @property
    def broken(self) -> bool:
        """Do receivers give up on it?"""
        return any(fault.grave for fault in self.faults)


def read(asker: Asker, domain: str) -> Read:
    """Read the record of `domain` and all it leads to. Raises Unanswered."""
    found = Read(domain)
    reader = _Reader(asker, found)
    found.policy = reader.policy(domain, ())
    reader.count()
    return found


class _Reader:
    def __init__(self, asker: Asker, found: Read) -> None:
        self._asker, self._found = asker, found

    def count(self) -> None:
        """Receivers count, and give up."""
        found = self._found
        if found.lookups > LOOKUPS:
            more = "or more " if found.lookups >= ENOUGH else ""
            said = f"it takes {found.lookups} {more}look-ups; receivers stop after {LOOKUPS}"
            self._grave(said, "Replace names and includes by ip4: and ip6: networks.")
        if found.voids > VOIDS:
            gone = "Take names out that do not exist any more."
            self._grave(f"{found.voids} look-ups find nothing; receivers stop after {VOIDS}", gone)

    def policy(self, domain: str, above: Sequence[str]) -> Policy | None:
        """The record of a domain, which was reached by way of those `above`."""
        texts = self._asker.texts(domain)
        records = [text for text in texts if BEGIN.match(text)]
        if len(records) > 1:
            one = "Make one record of them: v=spf1, the mechanisms of all, one “all” at the end."
            self._grave(f"{domain} has {len(records)} SPF records, and one only may be there", one)
        if len(records) != 1:
            return None
        if not above:
            self._found.record = records[0]
        if sum(map(len, texts)) > OCTETS:
            said = f"the TXT records of {domain} have more than {OCTETS} octets together"
            self._light(said, "Shorten them, so that the answer fits in one packet.")
        return self._parsed(domain, records[0], (*above, domain.lower()))

    def _parsed(self, domain: str, record: str, above: Sequence[str]) -> Policy:
        policy, redirect = Policy(), ""
        for word in record.split()[1:]:
            if match := MECHANISM.fullmatch(word):
                if term := self._term(domain, word, match, above):
                    policy.terms.append(term)
            elif match := MODIFIER.fullmatch(word):
                redirect = match[2] if match[1].lower() == "redirect" else redirect
            else:
                self._meaningless(domain, word)
        names = [term.name for term in policy.terms]
        if "all" in names and (redirect or names[-1] != "all"):
            said = f"what follows “all” in the record of {domain} is ignored"
            self._light(said, "Put “all” at the end, and take redirect= out.")
        elif redirect:
            policy.redirect = self._lead_on(f"redirect={redirect}", domain, redirect, above)
        return policy

    def _term(
        self, domain: str, word: str, match: re.Match[str], above: Sequence[str]
    ) -> Term | None:
        term, value = Term(match[1] or "+", match[2].lower()), match[3] or ""
        lengths = (int(match[4] or 32), int(match[5] or 128))
        if term.name == "all":
            return term
        if term.name in ("ip4", "ip6"):
            return self._with_network(domain, term, word, match)
        if lengths > (32, 128) or (not value and term.name in ("include", "exists")):
            self._meaningless(domain, word)
            return None
        if term.name == "include":
            term.inner = self._lead_on(word, domain, value, above)
        elif self._may_ask():
            target = _expanded(value, domain) or domain
            term.unknowable = "%" in target or term.name == "ptr"
            if not term.unknowable:
                term.networks = self._networks(term.name, target, lengths)
        if term.name == "ptr":
            said = f"“{word}” in the record of {domain} is slow, and many receivers skip it"
            self._light(said, "Replace it by ip4: and ip6: networks (RFC 7208 5.5).")
        return term

    def _with_network(
        self, domain: str, term: Term, word: str, match: re.Match[str]
    ) -> Term | None:
        try:
            network = ip_network("/".join(filter(None, match.group(3, 4))), strict=False)
        except ValueError:
            self._meaningless(domain, word)
            return None
        if f"ip{network.version}" != term.name:
            self._meaningless(domain, word)
            return None
        if network.prefixlen == 0 and term.qualifier == "+":
            self._grave(f"“{word}” allows the whole Internet", "Name your own networks only.")
        term.networks.append(network)
        return term

    def _lead_on(self, word: str, domain: str, value: str, above: Sequence[str]) -> Policy | None:
        """The record that an include or a redirect names."""
        target = _expanded(value, domain)
        if not self._may_ask():
            return None
        if "%" in target:
            return Policy([Term("+", "include", unknowable=True)])
        if target.lower() in above:
            said = f"“{word}” in the record of {domain} leads back to where it came from"
            self._grave(said, "Take it out.")
            return None
        before = len(self._found.faults)
        inner = self.policy(target, above)
        if inner is None and len(self._found.faults) == before:
            said = f"“{word}” in the record of {domain} leads to a domain without SPF"
            self._grave(said, "Mend the name, or take it out.")
        return inner

    def _networks(self, name: str, target: str, lengths: tuple[int, int]) -> list[Network]:
        hosts = [target]
        if name == "mx":
            found = self._asker.ask(target, "MX").records
            hosts = [one.exchange.to_text() for one in found if one.exchange.to_text() != "."]
            if len(hosts) > MX_NAMES:
                said = (
                    f"“mx” leads to {len(hosts)} hosts of {target}; receivers stop after {MX_NAMES}"
                )
                self._grave(said, "Replace it by ip4: and ip6: networks.")
        addresses = [found for host in hosts[:MX_NAMES] for found in self._asker.addresses(host)]
        if not addresses:
            self._found.voids += 1
        if name == "exists":  # what it finds does not matter: it matches every address, or none
            return [ip_network("0.0.0.0/0"), ip_network("::/0")] if addresses else []
        return [ip_network(f"{ip}/{lengths[':' in ip]}", strict=False) for ip in addresses]

    def _may_ask(self) -> bool:
        self._found.lookups += 1
        return self._found.lookups < ENOUGH

    def _meaningless(self, domain: str, word: str) -> None:
        mend = "Mend it. Strings of one TXT record are joined without a blank."
        self._grave(f"“{word}” in the record of {domain} means nothing", mend)

    def _grave(self, said: str, mend: str) -> None:
        self._found.faults.append(Fault(True, said, mend))

    def _light(self, said: str, mend: str) -> None:
        self._found.faults.append(Fault(False, said, mend))


def _expanded(value: str, domain: str) -> str:
    """The one macro that is the same for each message; a % is left when there are others."""
    return re.sub(r"(?i)%\{d\}", domain, value).rstrip(".")
