"""Letters to editors: the proof of an issue, and what goes wrong."""

import re
from datetime import datetime, timedelta

from babel.dates import format_timedelta
from markupsafe import escape

from newsletter import i18n
from newsletter.i18n import translate
from newsletter.notices.letters.paper import (
    TEXT_WIDTH,
    Letter,
    Link,
    Parts,
    environment,
    moment,
    shape,
    wrapped,
)
from newsletter.settings import Settings

BODY = re.compile(r"<body[^>]*>", re.IGNORECASE)


def proof(
    settings: Settings,
    locale: str,
    *,
    number: int,
    content: Letter,
    stop: str,
    leaves_at: datetime | None = None,
) -> Letter:
    """An issue as its readers will get it, with a line above it for the editor.

    `content` is the edition with its gaps filled; `leaves_at` when it goes by itself, if it does.
    """
    notice = translate(locale, "Dit is de proef van nummer %(number)s.", number=number)
    if leaves_at is not None:
        when = moment(settings, locale, leaves_at)
        notice += " " + translate(locale, "Het vertrekt op %(when)s.", when=when)
    link = Link(translate(locale, "Houd dit nummer tegen"), stop)
    banner = (
        environment(locale)
        .get_template("proof.html")
        .render(locale=locale, notice=notice, link=link)
    )
    subject = translate(locale, "Proef: %(subject)s", subject=content.subject)
    html = _below_body_tag(content.html, banner)
    old_title, title = f"<title>{escape(content.subject)}", f"<title>{escape(subject)}"
    lines = [
        wrapped(notice),
        "",
        translate(locale, "%(label)s:", label=link.label),
        link.url,
        "",
        "-" * TEXT_WIDTH,
        "",
        content.text,
    ]
    return Letter(subject, "\n".join(lines), html.replace(old_title, title, 1))


def trouble(settings: Settings, locale: str, *, number: int, words: str, paused: bool) -> Letter:
    """To the editors: the relay refuses our mail, not a reader. `words` are the relay's own."""
    if paused:
        heading = translate(locale, "Nummer %(number)s is gepauzeerd", number=number)
        what = translate(
            locale,
            "De verzending stopte vanzelf, omdat er te veel geweigerd werd. Dit was het antwoord:",
        )
        then = translate(
            locale,
            "Niemand wordt overgeslagen. Laat dit antwoord aan je systeembeheerder zien. Is het "
            "opgelost, dan gaat de verzending verder met: %(command)s",
            command=f"newsletter issues resume {number}",
        )
    else:
        heading = translate(locale, "Nummer %(number)s wordt traag aanvaard", number=number)
        what = translate(
            locale,
            "De verzending gaat verder, maar een ontvangende mailserver zegt dat er iets schort "
            "aan onze instellingen. Dit was het antwoord:",
        )
        then = translate(locale, "Laat dit antwoord aan je systeembeheerder zien.")
    parts = Parts(subject=heading, heading=heading, before=[what, words], after=[then])
    return shape(settings, locale, parts)


def alarm(settings: Settings, locale: str, *, count: int, seconds: int, at: datetime) -> Letter:
    """To the editors, at most once a day: the public forms are full (SEC-05)."""
    what = translate(
        locale,
        "Sinds %(when)s vragen er meer mensen of machines iets op de site dan we toelaten: "
        "%(count)s aanvragen in %(span)s. Wie nu iets invult, moet wachten.",
        when=moment(settings, locale, at),
        count=i18n.number(count, locale),
        span=format_timedelta(timedelta(seconds=seconds), locale=i18n.region(locale)),
    )
    then = translate(
        locale,
        "Er is niets mis met wie al ingeschreven is, en nummers vertrekken gewoon. Stond Fiabel "
        "net in de krant, dan kan je systeembeheerder de grens verhogen (SIGNUP_RATE). Anders "
        "vult een machine het formulier in: laat deze mail dan aan je systeembeheerder zien.",
    )
    heading = translate(locale, "Er komen te veel inschrijvingen binnen")
    parts = Parts(subject=heading, heading=heading, before=[what], after=[then])
    return shape(settings, locale, parts)


def _below_body_tag(html: str, banner: str) -> str:
    start = match.end() if (match := BODY.search(html)) else 0
    return html[:start] + banner + html[start:]
