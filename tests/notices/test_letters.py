"""What the letters say, and that every reader can read them."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest

from newsletter.i18n import LOCALES
from newsletter.notices.letters import arriving, editors, readers, signup
from newsletter.notices.letters.paper import Letter
from newsletter.settings import Settings

ASKED = datetime(2026, 11, 23, 8, 30, tzinfo=UTC)
NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
URL = "https://nieuws.test/nl/confirm/" + "x" * 36
NEVER = "https://nieuws.test/nl/never/" + "y" * 36
EDITION = Letter(
    "Nummer 12 & meer",
    "De tekst van nummer 12.",
    '<!DOCTYPE html><html lang="nl"><head><title>Nummer 12 &amp; meer</title></head>'
    '<body class="b"><h1>Nummer 12</h1></body></html>',
)
JAN = "jan@example.be"


def _confirm(settings: Settings, locale: str, source: str | None = None) -> Letter:
    return signup.confirm(
        settings,
        locale,
        email=JAN,
        link=URL,
        never=NEVER,
        asked_at=ASKED,
        now=NOW,
        source=source,
    )


def _welcome(settings: Settings, locale: str) -> Letter:
    read = signup.read_issue(locale, 12, "https://nieuws.test/nl/issues/12")
    return signup.welcome(settings, locale, read=read, preferences=URL, unsubscribe=URL + "u")


LETTERS: dict[str, Callable[[Settings, str], Letter]] = {
    "confirm": _confirm,
    "invite": lambda s, locale: _confirm(s, locale, "Studiedag 2025"),
    "reminder": lambda s, locale: signup.reminder(
        s, locale, email=JAN, link=URL, never=NEVER, asked_at=ASKED, sent_at=NOW
    ),
    "unapproved": lambda s, locale: editors.unapproved(s, locale, number=12),
    "warm_up": lambda s, locale: editors.warm_up(
        s, locale, number=12, until=NOW, day=NOW.date(), late=True
    ),
    "alarm": lambda s, locale: editors.alarm(s, locale, count=6000, seconds=3600, at=NOW),
    "unreachable": lambda s, locale: arriving.unreachable(s, locale, words=f"({locale})"),
    "astray": lambda s, locale: arriving.astray(
        s, locale, number=12, places=[("imap.example", "spam"), ("mail.example", "missing")]
    ),
    "already": lambda s, locale: signup.already(s, locale, email=JAN, link=URL, asked_at=ASKED),
    "preferences": lambda s, locale: readers.preferences(s, locale, link=URL, data=URL + "d"),
    "welcome": _welcome,
    "goodbye": lambda s, locale: readers.goodbye(s, locale, home="https://nieuws.test/nl/"),
    "new_address": lambda s, locale: readers.new_address(
        s, locale, link=URL, asked_at=ASKED, now=NOW
    ),
    "address_changed": lambda s, locale: readers.address_changed(s, locale, changed_at=ASKED),
    "erased": readers.erased,
}
KINDS = tuple(LETTERS)


def write(kind: str, settings: Settings, locale: str) -> Letter:
    return LETTERS[kind](settings, locale)


class Reader(HTMLParser):
    """What a screen reader would meet."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def all(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag == name]


def test_sec_06_the_confirm_letter_says_who_asked_when_and_how_to_do_nothing(
    settings: Settings,
) -> None:
    letter = write("confirm", settings, "nl")
    assert letter.subject == "Bevestig je inschrijving op Fiabel-nieuws"
    text = " ".join(letter.text.split())
    for part in (
        "Op maandag 23 november 2026 om 09:30 vroeg iemand op nieuws.test",
        "naar jan@example.be te sturen",
        URL,
        "7 dagen geldig, tot maandag 30 november 2026 om 10:00",
        "Dan hoef je niets te doen",
        f"Ik vroeg dit niet: schrijf me nooit meer: {NEVER}",
    ):
        assert part in text
    assert text.count("http") == 3  # the two links, and the association's site: no promotion


def test_sec_06_the_reminder_is_the_last_and_says_until_when_its_link_works(
    settings: Settings,
) -> None:
    text = " ".join(write("reminder", settings, "nl").text.split())
    for part in (
        "Op maandag 23 november 2026 om 09:30 vroeg iemand op nieuws.test",
        "Je krijgt hierover geen mail meer. De link blijft geldig tot maandag 30 november 2026",
        URL,
        NEVER,
    ):
        assert part in text
    assert text.count("http") == 3


def test_sec_05_the_alarm_says_what_is_full_and_what_to_do(settings: Settings) -> None:
    text = " ".join(write("alarm", settings, "nl").text.split())
    assert "6.000 aanvragen in 1 uur" in text
    assert "SIGNUP_RATE" in text
    assert "6,000 requests in 1 hour" in " ".join(write("alarm", settings, "en").text.split())


def test_an_invitation_says_where_the_address_comes_from(settings: Settings) -> None:
    text = " ".join(write("invite", settings, "nl").text.split())
    assert "nam de redactie van Fiabel-nieuws het adres jan@example.be over" in text
    assert "uit: Studiedag 2025." in text


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("locale", LOCALES)
def test_prv_16_every_letter_says_who_we_are_in_both_parts(
    settings: Settings, kind: str, locale: str
) -> None:
    letter = write(kind, settings, locale)
    for part in (
        settings.org_name,
        settings.org_legal_form,
        settings.org_address,
        settings.org_number,
        settings.org_court,
        settings.org_email,
        settings.org_website,
    ):
        assert part in letter.text
        assert part in letter.html


@pytest.mark.parametrize("kind", KINDS)
def test_french_stops_keep_their_space_in_both_parts(settings: Settings, kind: str) -> None:
    letter = write(kind, settings, "fr")
    words = re.sub(
        r"https?://\S+|<style>.*?</style>|<[^>]*>", "", letter.text + letter.html, flags=re.S
    )
    assert not re.findall(r"\w[:;?!](?!\w|\d).*| [:;?!»].*|« .*", words)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("locale", LOCALES)
def test_htm_every_letter_is_an_accessible_page(settings: Settings, kind: str, locale: str) -> None:
    letter = write(kind, settings, locale)
    page = Reader(letter.html)
    assert page.all("html") == [{"lang": locale, "dir": "ltr"}]  # HTM-01
    wrapper = page.tags[[tag for tag, _ in page.tags].index("body") + 1]
    assert wrapper[0] == "div"
    assert (wrapper[1]["lang"], wrapper[1]["dir"]) == (locale, "ltr")
    assert all(table["role"] == "presentation" for table in page.all("table"))  # HTM-02
    assert len(page.all("h1")) == 1  # HTM-03
    assert not page.all("img") + page.all("script") + page.all("link")  # HTM-26
    assert f"<title>{letter.subject}</title>" in letter.html  # HTM-07
    assert all("underline" in (a["style"] or "") for a in page.all("a"))  # HTM-09
    sizes = [int(size) for size in re.findall(r"font-size:(\d+)px", letter.html)]
    assert min(sizes) >= 16  # HTM-15
    assert "user-scalable" not in letter.html  # HTM-10
    urls = {a["href"] for a in page.all("a")}
    assert all(url in letter.text for url in urls if url and not url.startswith("mailto:"))


def test_htm_14_the_button_is_at_least_44_pixels_high(settings: Settings) -> None:
    button = re.search(
        r'class="button-label"[^>]*style="([^"]*)"', write("confirm", settings, "nl").html
    )
    assert button is not None
    padding = re.search(r"padding:(\d+)px", button[1])
    line = re.search(r"line-height:(\d+)px", button[1])
    assert padding is not None
    assert line is not None
    assert 2 * int(padding[1]) + int(line[1]) >= 44


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize(
    ("text", "ground"),
    [
        ("#1B2B2A", "#FFFFFF"),
        ("#0B5A52", "#FFFFFF"),
        ("#FFFFFF", "#0B5A52"),
        ("#566361", "#F7F3EA"),
        ("#0B5A52", "#F7F3EA"),
        ("#E9E4D8", "#1B2B2A"),
        ("#7FD1C4", "#1B2B2A"),
        ("#7FD1C4", "#12201F"),
        ("#A9B5B2", "#12201F"),
        ("#12201F", "#7FD1C4"),
    ],
)
def test_htm_05_the_colours_can_be_read_by_day_and_by_night(
    settings: Settings, text: str, ground: str
) -> None:
    html = write("confirm", settings, "nl").html
    assert text in html
    assert ground in html
    lighter, darker = sorted((luminance(text), luminance(ground)), reverse=True)
    assert (lighter + 0.05) / (darker + 0.05) >= 4.5


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("locale", ["fr", "en", "de"])
def test_prv_20_every_letter_is_wholly_translated(
    settings: Settings, kind: str, locale: str
) -> None:
    dutch, letter = write(kind, settings, "nl"), write(kind, settings, locale)
    assert letter.subject != dutch.subject
    same = set(sentences(dutch.text)) & set(sentences(letter.text))
    own = (settings.org_name, settings.org_address, settings.org_email, settings.org_website)
    assert [line for line in same if not line.startswith((*own, "http", "mailto:", "--"))] == []


def sentences(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def test_the_lines_of_a_text_are_short_and_its_links_whole(settings: Settings) -> None:
    for kind in KINDS:
        for line in write(kind, settings, "de").text.splitlines():
            assert len(line) <= 72 or line.startswith("http")


def test_what_people_typed_is_escaped_in_html_only(settings: Settings) -> None:
    letter = signup.confirm(
        settings,
        "nl",
        email="o'neil&co@example.be",
        link=URL,
        never=NEVER,
        asked_at=ASKED,
        now=NOW,
        source="<b>list</b>",
    )
    assert "o&#39;neil&amp;co@example.be" in letter.html
    assert "&lt;b&gt;list&lt;/b&gt;" in letter.html
    assert "o'neil&co@example.be" in letter.text


def test_the_welcome_leads_to_the_newest_issue_or_else_to_all(settings: Settings) -> None:
    assert signup.read_issue("nl", 12, "u").label == "Lees nummer 12"
    assert signup.read_issue("nl", None, "u").label == "Bekijk alle nummers"
    text = write("welcome", settings, "nl").text
    assert "Uitschrijven:\n" + URL + "u" in text


def test_the_proof_is_the_issue_with_a_line_above_it(settings: Settings) -> None:
    letter = editors.proof(
        settings, "nl", number=12, content=EDITION, stop="https://n.test/stop", leaves_at=NOW
    )
    assert letter.subject == "Proef: Nummer 12 & meer"
    assert letter.text.endswith(EDITION.text)
    assert "Houd dit nummer tegen:\nhttps://n.test/stop" in letter.text
    assert "Het vertrekt op maandag 23 november 2026 om 10:00." in " ".join(letter.text.split())
    assert "<title>Proef: Nummer 12 &amp; meer</title>" in letter.html
    body, banner, heading = (letter.html.index(x) for x in ('class="b"', "https://n.test", "<h1>"))
    assert body < banner < heading


def test_a_proof_that_does_not_leave_by_itself_says_no_time(settings: Settings) -> None:
    letter = editors.proof(settings, "nl", number=12, content=EDITION, stop="https://n.test/stop")
    assert "vertrekt" not in letter.text
