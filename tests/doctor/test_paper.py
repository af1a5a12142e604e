"""docs/DOCTOR.md explains every line, and the records it tells people to publish are good ones."""

import re

import config
from newsletter.doctor import allowing, dmarc, domains
from newsletter.settings import Settings
from tests.doctor.conftest import graded, rsa_record, said, strings
from tests.doctor.zones import asker

PAPER = (config.PROJECT_DIR / "docs/DOCTOR.md").read_text("utf-8")
CODE = "".join(
    file.read_text("utf-8") for file in (config.PROJECT_DIR / "newsletter/doctor").glob("*.py")
)
NAMED = re.compile(r'(?:ok|warn|fail|make|\)|_unanswered)\(\s*"([a-z0-9-]+)"')


def test_every_line_is_explained() -> None:
    told = re.findall(r"`([a-z0-9-]+)`", "".join(re.findall(r"(?m)^\|[^|]+\|", PAPER)))
    assert set(NAMED.findall(CODE)) == set(told)


def test_what_is_to_be_published_is_good(sending: Settings) -> None:
    found = re.search(r"```zone\n(.*?)```", PAPER, re.DOTALL)
    assert found
    # Addresses for documentation are not public ones.
    text = found[1].replace("nieuws.example", "nieuws.vvsg.example")
    text = text.replace("192.0.2.10", "11.0.0.1").replace("10.2.0.192.", "1.0.0.11.")
    text = text.replace('"v=DKIM1; k=rsa; p=…"', strings(rsa_record()))
    zone = asker(
        f"{text}vvsg.example. IN SOA a. b. 1 2 3 4 5",
    )
    for lines in (
        domains.existing(zone, sending),
        domains.receiving(zone, sending),
        domains.reverse(zone, sending),
        allowing.lines(zone, sending),
        dmarc.lines(zone, sending),
    ):
        assert graded(lines) == [], said(lines)
