"""DMARC and alignment on good and bad zones (AUT-01, AUT-07; RFC 9989, 9990)."""

from dataclasses import replace
from email.headerregistry import Address

import pytest

from newsletter.doctor import dmarc
from newsletter.doctor.asking import Asker
from newsletter.settings import Settings
from tests.delivery.keys import DOMAIN
from tests.doctor.conftest import good_zone, graded, said, without
from tests.doctor.zones import Zones, asker, resolver

ABOVE = "_dmarc.vvsg.example."
HERE = f"_dmarc.{DOMAIN}."
RUA = f"rua=mailto:d@{DOMAIN}"

# Records as "name value", the lines that are not ok, words.
CASES: dict[str, tuple[list[str], list[str], str]] = {
    "of the domain above": ([f"{ABOVE} v=DMARC1; p=reject; {RUA}"], [], "“reject” of vvsg.example"),
    "its own": ([f"{HERE} v=DMARC1;p=quarantine;{RUA}"], [], f"“quarantine” of {DOMAIN}"),
    "blanks and capitals": ([f"{ABOVE}  v = DMARC1 ; P = Reject ; {RUA} ;"], [], "“reject”"),
    "nothing": (
        [],
        ["dmarc fail"],
        f'\n{HERE} IN TXT "v=DMARC1; p=none; rua=mailto:dmarc@',
    ),
    "of the domain above, for its own only": (
        [f"{ABOVE} v=DMARC1; p=reject; sp=none; {RUA}"],
        ["dmarc warn"],
        "asks for nothing",
    ),
    "for domains below": ([f"{ABOVE} v=DMARC1; p=none; sp=reject; {RUA}"], [], "“reject”"),
    "sp at the domain itself is nothing": (
        [f"{HERE} v=DMARC1; p=reject; sp=none; {RUA}", f"{ABOVE} v=DMARC1; p=none"],
        [],
        "“reject”",
    ),
    "none": ([f"{HERE} v=DMARC1; p=none; {RUA}"], ["dmarc warn"], "asks for nothing"),
    "a test": ([f"{HERE} v=DMARC1; p=reject; t=y; {RUA}"], ["dmarc warn"], "t=y"),
    "no test": ([f"{HERE} v=DMARC1; p=reject; t=n; np=reject; {RUA}"], [], ""),
    "historic tags": (
        [f"{HERE} v=DMARC1; p=reject; pct=100; ri=86400; rf=afrf; {RUA}"],
        ["dmarc warn"],
        "pct, rf, ri",
    ),
    "no reports": ([f"{HERE} v=DMARC1; p=reject"], ["dmarc-reports warn"], "has no rua="),
    "no policy": ([f"{HERE} v=DMARC1; {RUA}"], ["dmarc warn"], "as if it said p=none"),
    "a wrong policy": ([f"{HERE} v=DMARC1; p=block; {RUA}"], ["dmarc warn"], "as if it said"),
    "a wrong policy below": ([f"{ABOVE} v=DMARC1; p=reject; np=no; {RUA}"], ["dmarc warn"], "np="),
    "no policy nor reports": (
        [f"{HERE} v=DMARC1; p=block"],
        ["dmarc fail", "dmarc-reports warn"],
        "no DMARC at all",
    ),
    "version not first": (
        [f"{HERE} p=reject; v=DMARC1"],
        ["dmarc fail"],
        "does not begin with v=DMARC1",
    ),
    "version in small letters": ([f"{HERE} v=dmarc1; p=reject"], ["dmarc fail"], "ignore it"),
    "two records": (
        [f"{HERE} v=DMARC1; p=reject; {RUA}", f"{HERE} v=DMARC1; p=none"],
        ["dmarc fail"],
        "several records",
    ),
    "two records, and one above": (
        [f"{HERE} v=DMARC1", f"{HERE} v=DMARC1; p=none", f"{ABOVE} v=DMARC1; p=reject; {RUA}"],
        ["dmarc fail"],
        "several records",
    ),
    "says it is a registry": (
        [f"{HERE} v=DMARC1; p=reject; psd=y; {RUA}"],
        ["dmarc warn"],
        "psd=y",
    ),
    "of a registry": (["_dmarc.example. v=DMARC1; p=reject; psd=y"], ["dmarc fail"], "Neither"),
    "nonsense among the tags": ([f"{HERE} v=DMARC1; p=reject; ???; {RUA}; x=1"], [], ""),
    "reports to strangers who want none": (
        [f"{HERE} v=DMARC1; p=reject; rua=mailto:a@reports.example!10m, mailto:b@{DOMAIN}"],
        ["dmarc-reports warn"],
        f'{DOMAIN}._report._dmarc.reports.example. IN TXT "v=DMARC1"',
    ),
    "reports to strangers who want them": (
        [
            f"{HERE} v=DMARC1; p=reject; rua=mailto:a@reports.example",
            f"{DOMAIN}._report._dmarc.reports.example. v=DMARC1",
        ],
        [],
        "",
    ),
    "strict, and the same": ([f"{HERE} v=DMARC1; p=reject; adkim=s; aspf=s; {RUA}"], [], ""),
}


@pytest.mark.parametrize(("records", "expected", "words"), CASES.values(), ids=CASES)
def test_aut_07_the_policy_is_found_as_receivers_do(
    records: list[str], expected: list[str], words: str, sending: Settings
) -> None:
    zone = without(good_zone(), ABOVE)
    zone += "".join('\n{} IN TXT "{}"'.format(*record.split(" ", 1)) for record in records)
    lines = dmarc.lines(asker(zone), sending)
    assert graded(lines) == expected, said(lines)
    assert words in said(lines)


def test_aut_07_reject_without_a_signature_of_our_own_is_told(
    sending: Settings, settings: Settings
) -> None:
    zone = asker(good_zone().replace("p=quarantine", "p=reject"))
    bare = replace(settings, mail_server="relay.vvsg.example")
    assert graded(dmarc.lines(zone, sending)) == []
    assert "forwarded mail is refused" in said(dmarc.lines(zone, bare))


@pytest.mark.parametrize(
    ("policy", "return_path", "dkim_domain", "expected"),
    [
        ("", "b@nieuws.vvsg.example", "nieuws.vvsg.example", []),
        ("", "b@bounce.vvsg.example", "vvsg.example", []),
        ("", "b@NIEUWS.vvsg.example", "Vvsg.Example", []),
        ("", "b@relay.example", "vvsg.example", ["spf-alignment fail"]),
        ("", "b@vvsg.example", "relay.example", ["dkim-alignment fail"]),
        ("; aspf=s", "b@bounce.vvsg.example", "vvsg.example", ["spf-alignment fail"]),
        ("; adkim=s", "b@bounce.vvsg.example", "vvsg.example", ["dkim-alignment fail"]),
        ("; aspf=s; adkim=S", "b@nieuws.vvsg.example", "nieuws.vvsg.example", []),
    ],
)
def test_aut_01_return_path_and_signature_fit_the_sender(
    policy: str, return_path: str, dkim_domain: str, expected: list[str], sending: Settings
) -> None:
    zone = asker(good_zone().replace("p=quarantine", f"p=quarantine{policy}"))
    mine = replace(sending, return_path=return_path, dkim_domain=dkim_domain)
    assert graded(dmarc.lines(zone, mine)) == expected


def test_capitals_make_no_difference(sending: Settings) -> None:
    zone = without(good_zone(), ABOVE) + f'\n{HERE} IN TXT "v=DMARC1; p=reject; sp=none; {RUA}"'
    sender = Address("Fiabel", "fiabel", DOMAIN.upper())
    assert graded(dmarc.lines(asker(zone), replace(sending, mail_default_sender=sender))) == []


WALKS = {  # from RFC 9989 4.10.2, with other names: domain, records, the organisation's domain
    "the shortest": ("a.mail.x.example", ["mail.x.example", "x.example"], "x.example"),
    "psd=n": ("a.mail.x.example", ["mail.x.example psd=n", "x.example"], "mail.x.example"),
    "psd=y": ("a.mail.x.example", ["example psd=y"], "x.example"),
    "psd=y at the start": ("x.example", ["x.example psd=y", "example psd=y"], "x.example"),
    "no record": ("a.mail.x.example", [], "a.mail.x.example"),
    "its own": ("x.example", ["x.example"], "x.example"),
}


@pytest.mark.parametrize(("domain", "records", "whole"), WALKS.values(), ids=WALKS)
def test_the_organizational_domain_is_found_by_walking_up(
    domain: str, records: list[str], whole: str
) -> None:
    zone = "\n".join(
        '_dmarc.{}. IN TXT "v=DMARC1; p=none; {}"'.format(*f"{record} ".split(" ")[:2])
        for record in records
    )
    assert dmarc.organizational(asker(zone), domain) == whole


def test_a_long_name_takes_eight_questions() -> None:
    zones = Zones("")
    dmarc.walk(Asker(resolver(zones)), "a.b.c.d.e.f.g.h.i.j.mail.example.test")
    assert zones.asked == [
        "_dmarc.a.b.c.d.e.f.g.h.i.j.mail.example.test. TXT",
        "_dmarc.g.h.i.j.mail.example.test. TXT",
        "_dmarc.h.i.j.mail.example.test. TXT",
        "_dmarc.i.j.mail.example.test. TXT",
        "_dmarc.j.mail.example.test. TXT",
        "_dmarc.mail.example.test. TXT",
        "_dmarc.example.test. TXT",
        "_dmarc.test. TXT",
    ]
