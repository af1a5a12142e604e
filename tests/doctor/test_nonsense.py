"""Whatever strangers write into the DNS, it becomes a line and never an exception."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from newsletter.doctor import allowing, dkim, dmarc, domains
from newsletter.settings import Settings
from tests.delivery.keys import DOMAIN
from tests.doctor.zones import asker

OWNERS = [DOMAIN, f"_dmarc.{DOMAIN}", f"r2026._domainkey.{DOMAIN}", "other.example"]
WORDS = [
    *("v=spf1 ", "include:other.example ", f"redirect={DOMAIN} ", "a:%{i}.x/33//129 ", "mx/0 "),
    *("ip4:1.2.3.4/99 ", "ip6:::/0 ", "exists:%{d} ", "ptr:. ", "-all ", "?", "~", "+all "),
    *("v=DKIM1; ", "k=rsa; ", "k=ed25519;", "p=MIIB", "p=;", "t=y:s;", "h=::;", "s=;", "=;", ";;"),
    *("v=DMARC1;", "p=reject;", "sp=x;", "rua=mailto:a@b.example!9,mailto:@,http://x;", "psd=y;"),
]
ODD = st.characters(min_codepoint=1, max_codepoint=255)
TEXT = st.lists(st.sampled_from(WORDS) | st.text(ODD, max_size=9), max_size=12).map("".join)


@settings(
    max_examples=60,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(st.tuples(st.sampled_from(OWNERS), TEXT), max_size=5))
def test_any_text_is_read(sending: Settings, records: list[tuple[str, str]]) -> None:
    zone = "\n".join(f"{owner}. IN TXT {quoted(text)}" for owner, text in records)
    for look in (allowing.lines, dkim.lines, dmarc.lines, domains.existing, domains.receiving):
        assert look(asker(zone), sending)


def quoted(text: str) -> str:
    """As a zone file has it, each octet by its number."""
    octets = text.encode("latin-1")
    pieces = [octets[at : at + 200] for at in range(0, len(octets), 200)] or [b""]
    return " ".join('"' + "".join(f"\\{octet:03}" for octet in piece) + '"' for piece in pieces)
