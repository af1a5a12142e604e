"""SOA, MX and PTR on good and bad zones (AUT-11, AUT-12)."""

from dataclasses import replace

import pytest

from newsletter.doctor import domains
from newsletter.settings import Settings
from tests.delivery.keys import DOMAIN
from tests.doctor.conftest import OUTGOING, good_zone, graded, said, without
from tests.doctor.zones import asker

MX = f"{DOMAIN}. IN MX"
PTR = "1.0.0.11.in-addr.arpa."

# What stands there instead, the grades that are not ok, words.
HOSTS: dict[str, tuple[list[str], list[str], str]] = {
    "one": ([f"{MX} 10 mx.vvsg.example."], [], "takes bounces"),
    "none at all": ([], ["mx fail"], f"\n{MX} 10 the-server-that-takes-your-mail."),
    "its own address": ([f"{DOMAIN}. IN A 11.0.0.2"], ["mx warn"], "go to its own address"),
    "null": ([f"{MX} 0 ."], ["mx fail"], "a null MX"),
    "null beside one": ([f"{MX} 0 .", f"{MX} 5 mx.vvsg.example."], ["mx fail"], "a null MX"),
    "a name without address": ([f"{MX} 10 gone.example."], ["mx fail"], "has an address"),
    "one of two gone": (
        [f"{MX} 10 gone.example.", f"{MX} 20 mx.vvsg.example."],
        ["mx warn"],
        "The MX gone.example of",
    ),
    "an alias": (
        [f"{MX} 10 alias.example.", "alias.example. IN CNAME mx.vvsg.example."],
        ["mx warn"],
        "is an alias",
    ),
    "a private address": (
        [f"{MX} 10 in.vvsg.example.", "in.vvsg.example. IN A 192.168.1.2"],
        ["mx warn"],
        "a private address",
    ),
    "IPv6 only": ([f"{MX} 10 six.example.", "six.example. IN AAAA 2a00::25"], [], ""),
}


@pytest.mark.parametrize(("records", "expected", "words"), HOSTS.values(), ids=HOSTS)
def test_aut_11_bounces_can_come_in(
    records: list[str], expected: list[str], words: str, sending: Settings
) -> None:
    zone = "\n".join([without(good_zone(), MX), *records])
    lines = domains.receiving(asker(zone), sending)
    assert graded(lines) == expected, said(lines)
    assert words in said(lines)


def test_aut_11_each_domain_is_looked_at_once(sending: Settings) -> None:
    mine = replace(sending, return_path="b@bounce.vvsg.example", reply_to="r@vvsg.example")
    lines = domains.receiving(asker(good_zone()), mine)
    assert graded(lines) == ["mx fail"]
    assert "bounce.vvsg.example has neither MX nor address, so bounces are lost" in said(lines)
    assert "vvsg.example takes replies" in said(lines)
    assert f"{DOMAIN} takes letters to the sender" in said(lines)
    same = replace(sending, reply_to="")
    (line,) = domains.receiving(asker(good_zone()), same)
    assert "takes bounces and replies" in line.said


@pytest.mark.parametrize(
    ("zone", "expected", "words"),
    [
        (good_zone(), [], f"{DOMAIN} is of the zone vvsg.example"),
        (without(good_zone(), "vvsg.example. IN SOA"), ["soa fail"], "of no zone"),
        ("example. IN SOA a. b. 1 2 3 4 5", ["soa fail"], "does not exist"),
        (f"{DOMAIN}. IN SOA a. b. 1 2 3 4 5", [], f"of the zone {DOMAIN}"),
    ],
    ids=["a zone above", "no zone", "no such name", "its own zone"],
)
def test_aut_11_the_domain_is_of_a_zone(
    zone: str, expected: list[str], words: str, sending: Settings
) -> None:
    lines = domains.existing(asker(zone), sending)
    assert graded(lines) == expected
    assert words in said(lines)


NAMES: dict[str, tuple[list[str], list[str], str]] = {
    "one that leads back": ([f"{PTR} IN PTR mail.vvsg.example."], [], "leads back"),
    "none": ([], ["ptr fail"], "has no name (PTR)"),
    "one that leads elsewhere": ([f"{PTR} IN PTR mx.vvsg.example."], ["ptr fail"], "lead back"),
    "one that leads nowhere": ([f"{PTR} IN PTR gone.example."], ["ptr fail"], "lead back"),
    "the number": (
        [f"{PTR} IN PTR 11-0-0-1.isp.example.", f"11-0-0-1.isp.example. IN A {OUTGOING}"],
        ["ptr warn"],
        "as a home connection",
    ),
    "of a pool": (
        [f"{PTR} IN PTR x7.dsl.isp.example.", f"x7.dsl.isp.example. IN A {OUTGOING}"],
        ["ptr warn"],
        "as a home connection",
    ),
    "one of two": ([f"{PTR} IN PTR gone.example.", f"{PTR} IN PTR mail.vvsg.example."], [], ""),
}


@pytest.mark.parametrize(("records", "expected", "words"), NAMES.values(), ids=NAMES)
def test_aut_12_an_outgoing_address_has_a_name(
    records: list[str], expected: list[str], words: str, sending: Settings
) -> None:
    zone = "\n".join([without(good_zone(), PTR), *records])
    lines = domains.reverse(asker(zone), sending)
    assert graded(lines) == expected, said(lines)
    assert words in said(lines)


def test_aut_12_ipv6_too(sending: Settings) -> None:
    reverse = "1." + "0." * 27 + "0.0.a.2.ip6.arpa."
    zone = f"{reverse} IN PTR six.example.\nsix.example. IN AAAA 2a00::1"
    mine = replace(sending, mail_outgoing=("2a00::1",))
    assert graded(domains.reverse(asker(zone), mine)) == []


def test_aut_12_a_guess_only_warns_and_nothing_known_is_said(sending: Settings) -> None:
    mine = replace(sending, mail_outgoing=())
    zone = asker("relay.vvsg.example. IN A 11.0.0.5")
    assert graded(domains.reverse(zone, mine)) == ["ptr warn"]
    (line,) = domains.reverse(asker(""), mine)
    assert line.grade == "warn"
    assert "is not known" in line.said
