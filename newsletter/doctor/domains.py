"""Lines about names and addresses: do our domains exist, take mail, and know their own hosts?"""

import re
from collections.abc import Iterator
from ipaddress import ip_address

from newsletter.doctor.allowing import Outgoing, outgoing
from newsletter.doctor.asking import Asker
from newsletter.doctor.lines import Line, fail, found, ok, publish, warn
from newsletter.settings import Settings

GENERIC = re.compile(r"(?i)(^|[.-])(dyn|dynamic|dhcp|dsl|adsl|pool|dial|ppp|cable|client)\d*[.-]")


def existing(asker: Asker, settings: Settings) -> list[Line]:
    """Sender and return path are domains of a zone (SOA), as receivers ask. Raises Unanswered."""
    domains = dict.fromkeys((settings.mail_domain, settings.bounce_domain))
    return [_existing(asker, domain) for domain in domains]


def _existing(asker: Asker, domain: str) -> Line:
    if not asker.ask(domain, "SOA").exists:
        mend = "Register it, or have its records published (those that other lines ask for)."
        return fail("soa", f"{domain} does not exist in the DNS.", mend)
    labels = domain.split(".")
    for start in range(len(labels) - 1):  # a zone of one label is a registry's, not ours
        zone = ".".join(labels[start:])
        if asker.ask(zone, "SOA").records:
            return ok("soa", f"{domain} is of the zone {zone}.")
    return fail("soa", f"{domain} is of no zone with an SOA record.", "Ask who keeps your DNS.")


def receiving(asker: Asker, settings: Settings) -> list[Line]:
    """Bounces and replies can come in; and the sender's domain takes mail, without which some
    receivers take none of ours (AUT-11). Raises Unanswered.
    """
    purposes: dict[str, list[str]] = {settings.bounce_domain: ["bounces"]}
    reply_domain = settings.reply_to.rpartition("@")[2] or settings.mail_domain
    purposes.setdefault(reply_domain, []).append("replies")
    purposes.setdefault(settings.mail_domain, ["letters to the sender"])
    return [
        line
        for domain, what in purposes.items()
        for line in _receiving(asker, domain, " and ".join(what))
    ]


def _receiving(asker: Asker, domain: str, what: str) -> list[Line]:
    records = asker.ask(domain, "MX").records
    hosts = [one.exchange.to_text(omit_final_dot=True) for one in records]
    hosts = [host for host in hosts if host not in ("", "@", ".")]
    mend = f"Publish:\n{publish(domain, 'MX', '10 the-server-that-takes-your-mail.')}"
    if len(hosts) < len(records):
        said = f"{domain} says that it takes no mail (a null MX), so {what} are lost."
        return [fail("mx", said, mend)]
    if not hosts:
        if asker.addresses(domain):
            return [warn("mx", f"{domain} has no MX; {what} go to its own address.", mend)]
        return [fail("mx", f"{domain} has neither MX nor address, so {what} are lost.", mend)]
    if not any(asker.addresses(host) for host in hosts):
        said = f"No MX of {domain} has an address ({', '.join(hosts)}), so {what} are lost."
        return [fail("mx", said, mend)]
    faults = _bad_hosts(asker, domain, hosts)
    return found(faults, ok("mx", f"{domain} takes {what}, at {', '.join(hosts)}."))


def _bad_hosts(asker: Asker, domain: str, hosts: list[str]) -> Iterator[Line]:
    for host in hosts:
        if not asker.addresses(host):
            said = f"The MX {host} of {domain} has no address."
            yield warn("mx", said, "Mend the name, or take it out.")
        elif not asker.public_addresses(host):
            said = f"The MX {host} of {domain} has a private address, as this machine sees it."
            yield warn("mx", said, "Make sure that the Internet sees a public one.")
        elif asker.ask(host, "A").alias:
            said = f"The MX {host} of {domain} is an alias (CNAME), which it may not be."
            yield warn("mx", said, "Name the host itself (RFC 2181 10.3).")


def reverse(asker: Asker, settings: Settings) -> list[Line]:
    """What mail leaves from has a name that leads back to it (AUT-12). Raises Unanswered."""
    leaving = outgoing(asker, settings)
    if leaving.addresses:
        return [_reverse(asker, address, leaving) for address in leaving.addresses]
    said = "Which addresses mail leaves from is not known, so PTR and SPF were not tried for them."
    return [warn("ptr", said, "Set MAIL_OUTGOING to the public addresses of your relay.")]


def _reverse(asker: Asker, address: str, leaving: Outgoing) -> Line:
    names = asker.names_of(address)
    back = [name for name in names if address in map(_plain, asker.addresses(name))]
    mend = f"Ask who gave you {address} for a name (PTR) whose address is {address}"
    mend += "." if leaving.known else ", or set MAIL_OUTGOING if mail leaves elsewhere."
    make = fail if leaving.known else warn
    if not names:
        return make("ptr", f"{address} has no name (PTR); large receivers refuse its mail.", mend)
    if not back:
        said = f"{address} is named {', '.join(names)}, which does not lead back to it."
        return make("ptr", said, mend)
    if all(_generic(name, address) for name in back):
        said = f"{address} is named {back[0]}, as a home connection would be."
        return warn("ptr", said, "Ask for a name of your own, such as mail.your-domain.")
    return ok("ptr", f"{address} is named {back[0]}, which leads back to it.")


def _plain(address: str) -> str:
    return str(ip_address(address))


def _generic(name: str, address: str) -> bool:
    """Does a name say just the number, or that it is handed out for a while?"""
    numbers = address.split(".") if "." in address else []
    parts = re.split(r"[.-]|(?<=\D)(?=\d)", name)
    return bool(GENERIC.search(name)) or (bool(numbers) and all(n in parts for n in numbers))
