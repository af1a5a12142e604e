"""Lines about DMARC (RFC 9989), and alignment: do SPF and DKIM speak of the From domain?

The organizational domain is found by walking up the DNS (4.10), not in a list of suffixes.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from newsletter.doctor import tags
from newsletter.doctor.asking import Asker
from newsletter.doctor.lines import Line, fail, found, ok, publish, warn
from newsletter.settings import Settings

STEPS = 7  # labels to which a long name is cut for the second question (4.10, step 4)
POLICIES = ("none", "quarantine", "reject")
HISTORIC = ("pct", "rf", "ri")  # RFC 9989 appendix C
BEGIN = re.compile(r"\s*v\s*=\s*DMARC1\s*(;|$)")
MAILTO = re.compile(r"mailto:[^@\s,!]+@([^@\s,!?]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Record:
    """A policy record and the domain it stands at."""

    domain: str
    tags: dict[str, str]

    @property
    def reports_to(self) -> list[str]:
        """The domains of the addresses that aggregate reports go to."""
        return [one.lower().rstrip(".") for one in MAILTO.findall(self.tags.get("rua", ""))]

    def strict(self, tag: str) -> bool:
        """Does `adkim` or `aspf` ask for the very same domain?"""
        return self.tags.get(tag, "r").lower() == "s"


def at(asker: Asker, domain: str) -> Record | None:
    """The record at a domain; several are as good as none (4.10). Raises Unanswered."""
    texts = _candidates(asker, domain)
    return Record(domain.lower(), _lenient(texts[0])) if len(texts) == 1 else None


def walk(asker: Asker, domain: str) -> list[Record]:
    """The records on the way up from a domain, the longest name first. Raises Unanswered."""
    labels = domain.lower().rstrip(".").split(".")
    above = labels[-STEPS:] if len(labels) > STEPS else labels[1:]
    names = [labels, *(above[start:] for start in range(len(above)))]
    records = []
    for name in names:
        if record := at(asker, ".".join(name)):
            records.append(record)
            if record.tags.get("psd", "u").lower() in ("y", "n"):
                break
    return records


def organizational(asker: Asker, domain: str) -> str:
    """The domain that stands for the whole organisation (4.10.2). Raises Unanswered."""
    records = walk(asker, domain)
    for record in records:
        psd = record.tags.get("psd", "u").lower()
        if psd == "n":
            return record.domain
        if psd == "y" and record.domain != domain.lower():
            below = len(record.domain.split(".")) + 1
            return ".".join(domain.lower().split(".")[-below:])
    return records[-1].domain if records else domain.lower()


def applied(asker: Asker, domain: str) -> Record | None:
    """The record that receivers apply to mail From: this domain (4.10.1); that of a registry above
    it is not ours, and left out. Raises Unanswered.
    """
    return at(asker, domain) or at(asker, organizational(asker, domain))


def lines(asker: Asker, settings: Settings) -> list[Line]:
    """The policy, where reports go, and alignment. Raises Unanswered."""
    domain = settings.mail_domain
    record = applied(asker, domain)
    if record is None:
        return [_missing(asker, domain)]
    policy = _policy(record, domain)
    shown = "; ".join(f"{name}={value}" for name, value in record.tags.items())
    sound = ok("dmarc", f"{domain} is under the policy “{policy}” of {record.domain}: {shown}")
    faults = [*_faults(record, policy, settings), *_reporting(asker, record)]
    if len(_candidates(asker, domain)) > 1:
        faults.append(_several(domain))
    return [*found(faults, sound), *_alignment(asker, settings, record)]


def _candidates(asker: Asker, domain: str) -> list[str]:
    return [text for text in asker.texts(f"_dmarc.{domain}") if BEGIN.match(text)]


def _several(domain: str) -> Line:
    said = f"_dmarc.{domain} holds several records, so receivers use none of them."
    return fail("dmarc", said, "Leave one.")


def _missing(asker: Asker, domain: str) -> Line:
    if len(_candidates(asker, domain)) > 1:
        return _several(domain)
    place, value = f"_dmarc.{domain}", f"v=DMARC1; p=none; rua=mailto:dmarc@{domain}"
    mend = f"Publish (reports go to a mailbox that somebody reads):\n{publish(place, 'TXT', value)}"
    if texts := [text for text in asker.texts(place) if "dmarc" in text.lower()]:
        said = f"{place} does not begin with v=DMARC1, so receivers ignore it: {texts[0]}"
        return fail("dmarc", said, mend)
    return fail("dmarc", f"Neither {domain} nor a domain above it has a DMARC record.", mend)


def _policy(record: Record, domain: str) -> str:
    """What is asked for mail of `domain`, "" when it makes no sense (then: see 4.10.1)."""
    wanted = record.tags.get("p", "")
    if record.domain != domain.lower():
        wanted = record.tags.get("sp", wanted)
    named = (record.tags[tag] for tag in ("p", "sp", "np") if tag in record.tags)
    sound = "p" in record.tags and all(value.lower() in POLICIES for value in named)
    return wanted.lower() if sound else ""


def _faults(record: Record, policy: str, settings: Settings) -> Iterator[Line]:
    place = f"_dmarc.{record.domain}"
    if not policy and not record.reports_to:
        said = f"{place} has no valid p=, sp= or np=, so receivers apply no DMARC at all."
        yield fail("dmarc", said, f"Write p=none, p=quarantine or p=reject in {place}.")
    elif not policy:
        said = f"{place} has no valid p=, sp= or np=; receivers act as if it said p=none."
        yield warn("dmarc", said, f"Write p=none, p=quarantine or p=reject in {place}.")
    elif policy == "none":
        said = f"{place} asks for nothing (none), so anybody may use the name."
        yield warn("dmarc", said, "After a month of clean reports, write p=quarantine.")
    elif record.tags.get("t", "n").lower() == "y":
        said = f"{place} says t=y: a test, in which receivers do less than “{policy}”."
        yield warn("dmarc", said, "Take t=y out when the reports are clean.")
    if policy == "reject" and not settings.dkim_domain:
        said = f"{place} says reject, and no DKIM key of ours is set: forwarded mail is refused."
        yield warn("dmarc", said, "Make sure that the relay signs, or set DKIM_KEY_FILE.")
    if historic := [tag for tag in HISTORIC if tag in record.tags]:
        said = f"{place} has tags that mean nothing any more (RFC 9989): {', '.join(historic)}."
        yield warn("dmarc", said, "Take them out.")
    if record.tags.get("psd", "u").lower() == "y":
        said = f"{place} says psd=y: that strangers register names below {record.domain}."
        yield warn("dmarc", said, "Take psd=y out.")


def _reporting(asker: Asker, record: Record) -> Iterator[Line]:
    """Somebody has to get the reports, and another domain has to want them (RFC 9990)."""
    place = f"_dmarc.{record.domain}"
    if not record.reports_to:
        said = f"{place} has no rua=mailto:…, so nobody sees who mails in this name."
        mend = f"Add rua=mailto:dmarc@{record.domain}, a mailbox that somebody reads."
        yield warn("dmarc-reports", said, mend)
    whole = organizational(asker, record.domain)
    for domain in dict.fromkeys(record.reports_to):
        if organizational(asker, domain) == whole:
            continue
        name = f"{record.domain}._report._dmarc.{domain}"
        if not any(BEGIN.match(text) for text in asker.texts(name)):
            said = f"{domain} does not say that it takes reports about {record.domain}."
            mend = f"Let {domain} publish:\n{publish(name, 'TXT', 'v=DMARC1')}"
            yield warn("dmarc-reports", said, mend)


def _alignment(asker: Asker, settings: Settings, record: Record) -> Iterator[Line]:
    """The domains of SPF and DKIM against that of From; both should fit (RFC 9989 8)."""
    ours = settings.mail_domain
    domain = settings.bounce_domain
    if _aligned(asker, ours, domain, record.strict("aspf")):
        yield ok("spf-alignment", f"The return path ({domain}) fits the sender ({ours}).")
    else:
        said = f"The return path is of {domain}, the sender of {ours}: SPF does not count."
        yield fail("spf-alignment", said, f"Set RETURN_PATH to an address of {ours}.")
    if not settings.dkim_domain:
        return
    domain = settings.dkim_domain
    if _aligned(asker, ours, domain, record.strict("adkim")):
        yield ok("dkim-alignment", f"The signature ({domain}) fits the sender ({ours}).")
    else:
        said = f"The signature is of {domain}, the sender of {ours}: DKIM does not count."
        yield fail("dkim-alignment", said, f"Set DKIM_DOMAIN to {ours}, and publish the key there.")


def _aligned(asker: Asker, ours: str, domain: str, strict: bool) -> bool:
    if ours.lower() == domain.lower():
        return True
    return not strict and organizational(asker, ours) == organizational(asker, domain)


def _lenient(text: str) -> dict[str, str]:
    """The tags of a record; what makes no sense in it is left out, as receivers do (4.8)."""
    read: dict[str, str] = {}
    for part in text.split(";"):
        try:
            read |= {name: value for name, value in tags.read(part).items() if name not in read}
        except ValueError:
            continue
    return read
