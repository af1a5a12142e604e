"""SPF on good and bad zones (AUT-01, AUT-08; RFC 7208)."""

from dataclasses import replace

import pytest

from newsletter.doctor import allowing, spf
from newsletter.settings import Settings
from tests.doctor.conftest import good_zone, graded, said, without
from tests.doctor.zones import asker

DOMAIN = "nieuws.vvsg.example"
INCLUDES = "\n".join(f'i{n}.example. IN TXT "v=spf1 ip4:11.1.0.{n} -all"' for n in range(12))
HOSTS = "\n".join(f"many.example. IN MX 10 h{n}.example." for n in range(11))
CHAIN = "\n".join(f'c{n}.example. IN TXT "v=spf1 include:c{n + 1}.example -all"' for n in range(40))

# The record, what else there is, the lines that are not ok, and words that they say.
CASES = {
    "a network": ("v=spf1 ip4:11.0.0.0/24 -all", "", [], ""),
    "capitals": ("V=SPF1 IP4:11.0.0.1 ~ALL", "", [], ""),
    "an include": (
        "v=spf1 include:relay.example -all",
        'relay.example. IN TXT "v=spf1 ip4:11.0.0.1 -all"',
        [],
        "1 look-ups",
    ),
    "a redirect": (
        "v=spf1 redirect=relay.example",
        'relay.example. IN TXT "v=spf1 ip4:11.0.0.1 -all"',
        [],
        "1 look-ups",
    ),
    "an alias to a record": (
        "v=spf1 include:alias.example -all",
        'alias.example. IN CNAME relay.example.\nrelay.example. IN TXT "v=spf1 a:m.example -all"\n'
        "m.example. IN A 11.0.0.1",
        [],
        "2 look-ups",
    ),
    "a and mx": (
        "v=spf1 a mx:vvsg.example/24 ~all",
        f"{DOMAIN}. IN A 11.0.0.9",
        [],
        "2 look-ups",
    ),
    "the domain itself as macro": (
        "v=spf1 include:%{d}.relay.example -all",
        f'{DOMAIN}.relay.example. IN TXT "v=spf1 ip4:11.0.0.1 -all"',
        [],
        "",
    ),
    "exists": ("v=spf1 exists:m.example -all", "m.example. IN A 127.0.0.2", [], ""),
    "ten look-ups": (
        f"v=spf1 ip4:11.0.0.1 {' '.join(f'include:i{n}.example' for n in range(10))} -all",
        INCLUDES,
        [],
        "10 look-ups",
    ),
    "eleven look-ups": (
        f"v=spf1 ip4:11.0.0.1 {' '.join(f'include:i{n}.example' for n in range(11))} -all",
        INCLUDES,
        ["spf fail"],
        "takes 11 look-ups; receivers stop after 10",
    ),
    "a chain without end": (
        "v=spf1 ip4:11.0.0.1 include:c0.example -all",
        CHAIN,
        ["spf fail"],
        "takes 30 or more look-ups",
    ),
    "two void look-ups": ("v=spf1 ip4:11.0.0.1 a:x.example a:y.example -all", "", [], ""),
    "three void look-ups": (
        "v=spf1 ip4:11.0.0.1 a:x.example a:y.example mx:z.example -all",
        "",
        ["spf fail"],
        "3 look-ups find nothing",
    ),
    "two records": (
        "v=spf1 ip4:11.0.0.1 -all",
        f'{DOMAIN}. IN TXT "v=spf1 mx -all"',
        ["spf fail"],
        "2 SPF records",
    ),
    "a ring": (
        "v=spf1 ip4:11.0.0.1 include:ring.example -all",
        f'ring.example. IN TXT "v=spf1 include:{DOMAIN} -all"',
        ["spf fail"],
        "leads back to where it came from",
    ),
    "an include of nothing": (
        "v=spf1 ip4:11.0.0.1 include:nobody.example -all",
        "",
        ["spf fail"],
        "leads to a domain without SPF",
    ),
    "a redirect to nothing": (
        "v=spf1 redirect=nobody.example",
        "",
        ["spf fail"],
        "leads to a domain without SPF",
    ),
    "everybody": ("v=spf1 ip4:11.0.0.1 +all", "", ["spf fail"], "allows everybody"),
    "everybody, by default": ("v=spf1 all", "", ["spf fail"], "allows everybody"),
    "the whole Internet": ("v=spf1 ip4:0.0.0.0/0 -all", "", ["spf fail"], "the whole Internet"),
    "nobody": ("v=spf1 -all", "", ["spf fail", "spf-address fail"], "allows nobody"),
    "nothing": ("v=spf1", "", ["spf fail", "spf-address fail"], "allows nobody"),
    "no end": ("v=spf1 ip4:11.0.0.1", "", ["spf warn"], "does not say what to do"),
    "neutral end": ("v=spf1 ip4:11.0.0.1 ?all", "", ["spf warn"], "does not say what to do"),
    "ptr": ("v=spf1 ip4:11.0.0.1 ptr -all", "", ["spf warn"], "many receivers skip it"),
    "all in the middle": (
        "v=spf1 ip4:11.0.0.1 -all include:i1.example",
        INCLUDES,
        ["spf warn"],
        "is ignored",
    ),
    "redirect beside all": (
        "v=spf1 ip4:11.0.0.1 -all redirect=i1.example",
        INCLUDES,
        ["spf warn"],
        "is ignored",
    ),
    "a macro": (
        "v=spf1 exists:%{i}.spf.relay.example -all",
        "",
        ["spf-address warn"],
        "depends on each message",
    ),
    "a macro before a sure answer": (
        "v=spf1 exists:%{i}.spf.relay.example ip4:11.0.0.1 -all",
        "",
        [],
        "",
    ),
    "another address": (
        "v=spf1 ip4:11.0.0.77 ~all",
        "",
        ["spf-address fail"],
        "(the result is softfail). Add ip4:11.0.0.1 to",
    ),
    "a word of no meaning": (
        "v=spf1 ip4:11.0.0.1 ipv4:11.0.0.2 -all",
        "",
        ["spf fail"],
        "“ipv4:11.0.0.2” in the record of nieuws.vvsg.example means nothing",
    ),
    "no address": ("v=spf1 ip4:11.0.0.1 ip4:11.0.0.999 -all", "", ["spf fail"], "means nothing"),
    "a network of the other kind": (
        "v=spf1 ip4:11.0.0.1 ip6:11.0.0.1 -all",
        "",
        ["spf fail"],
        "means nothing",
    ),
    "a length too long": ("v=spf1 ip4:11.0.0.1 a/64 -all", "", ["spf fail"], "means nothing"),
    "include of no name": ("v=spf1 ip4:11.0.0.1 include: -all", "", ["spf fail"], "nothing"),
    "eleven hosts": ("v=spf1 ip4:11.0.0.1 mx:many.example -all", HOSTS, ["spf fail"], "11 hosts"),
    "names that cannot be": (
        f"v=spf1 ip4:11.0.0.1 a:{'x' * 70}.example a:a..b -all",
        "",
        [],
        "",
    ),
    "too much text": (
        "v=spf1 ip4:11.0.0.1 -all",
        "\n".join(f'{DOMAIN}. IN TXT "proof-{n}={"x" * 200}"' for n in range(3)),
        ["spf warn"],
        "more than 450 octets",
    ),
}


@pytest.mark.parametrize(("record", "more", "expected", "words"), CASES.values(), ids=CASES)
def test_aut_08_a_record_is_read_as_receivers_do(
    record: str, more: str, expected: list[str], words: str, sending: Settings
) -> None:
    zone = without(good_zone(), f"{DOMAIN}. IN TXT")
    lines = allowing.lines(asker(f'{zone}\n{DOMAIN}. IN TXT "{record}"\n{more}'), sending)
    assert graded(lines) == expected, said(lines)
    assert words in said(lines)


def test_without_a_record_there_is_one_to_paste(sending: Settings) -> None:
    zone = asker(without(good_zone(), f"{DOMAIN}. IN TXT"))
    (line,) = allowing.lines(zone, replace(sending, mail_outgoing=("11.0.0.1", "2c00::1")))
    assert (line.name, line.grade) == ("spf", "fail")
    assert f'\n{DOMAIN}. IN TXT "v=spf1 ip4:11.0.0.1 ip6:2c00::1 -all"' in line.mend


def test_strings_are_joined_without_a_blank(sending: Settings) -> None:
    zone = without(good_zone(), f"{DOMAIN}. IN TXT")
    split = f'{zone}\n{DOMAIN}. IN TXT "v=spf1 ip4:11.0.0.1" "include:i1.example -all"'
    lines = allowing.lines(asker(split), sending)
    assert graded(lines)[0] == "spf fail"
    assert "joined without a blank" in said(lines)


def test_ipv6_is_matched_with_ipv6() -> None:
    zone = asker('a.example. IN TXT "v=spf1 a:m.example//64 -all"\nm.example. IN AAAA 2c00::9')
    policy = spf.read(zone, "a.example").policy
    assert policy
    assert policy.result("2c00::1") == "pass"
    assert policy.result("11.0.0.1") == "fail"


def test_an_address_that_is_a_guess_only_warns(sending: Settings) -> None:
    zone = asker(f"{good_zone()}\nrelay.vvsg.example. IN A 11.0.0.5")
    lines = allowing.lines(zone, replace(sending, mail_outgoing=()))
    assert graded(lines) == ["spf-address warn"]
    assert "set MAIL_OUTGOING if mail leaves elsewhere" in said(lines)


@pytest.mark.parametrize(
    ("server", "own", "expected"),
    [
        ("relay.vvsg.example", [], ("11.0.0.5",)),
        ("11.0.0.7", [], ("11.0.0.7",)),
        ("10.0.0.7", [], ()),
        ("localhost", ["11.0.0.8"], ("11.0.0.8",)),
        ("127.0.0.1", [], ()),
        ("provider.example", [], ()),
    ],
)
def test_what_mail_leaves_from_is_guessed_honestly(
    server: str, own: list[str], expected: tuple[str, ...], sending: Settings
) -> None:
    many = "".join(f"provider.example. IN A 11.0.1.{n}\n" for n in range(5))
    zone = asker(f"{many}relay.vvsg.example. IN A 11.0.0.5\nrelay.vvsg.example. IN A 10.0.0.5")
    settings = replace(sending, mail_server=server, mail_outgoing=())
    found = allowing.outgoing(zone, settings, own=lambda: own)
    assert (found.addresses, found.known) == (expected, False)


def test_asking_for_our_own_address_sends_nothing() -> None:
    assert all(":" in ip or "." in ip for ip in allowing.own_addresses())
