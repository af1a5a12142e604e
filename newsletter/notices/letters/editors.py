"""Letters to editors: the proof of an issue, and what goes wrong."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

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

MOST = 20  # faults, or moments, in a letter
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


def late(settings: Settings, locale: str, *, number: int, slot: datetime, planned: bool) -> Letter:
    """To the editors: an issue did not begin in time and waits for one of them. `planned`: it has
    its readers, so that it is resumed and not sent."""
    heading = translate(locale, "Nummer %(number)s is te laat en wacht op jou", number=number)
    what = translate(
        locale,
        "Dit nummer was bedoeld voor %(when)s, maar kon niet op tijd vertrekken. Zo laat gaat het "
        "niet meer vanzelf weg: jij beslist. Nog niemand heeft het gekregen.",
        when=moment(settings, locale, slot),
    )
    verb = "resume" if planned else "send"
    go, stop = (f"newsletter issues {one} {number}" for one in (verb, "stop"))
    then = [
        translate(locale, "Mag het nog weg? %(command)s", command=go),
        translate(locale, "Liever niet meer? %(command)s", command=stop),
    ]
    parts = Parts(subject=heading, heading=heading, before=[what], after=then)
    return shape(settings, locale, parts)


def warm_up(
    settings: Settings,
    locale: str,
    *,
    number: int,
    until: datetime,
    day: date | None,
    late: bool,
) -> Letter:
    """To the editors: the warm-up makes an issue reach its last readers too late."""
    heading = translate(locale, "Nummer %(number)s komt bij sommige lezers te laat", number=number)
    stop = f"newsletter issues stop {number}"
    parts = Parts(
        subject=heading,
        heading=heading,
        before=[" ".join(warm_up_sentences(settings, locale, until=until, day=day, late=late))],
        after=[
            translate(
                locale,
                "Mag dat? Dan hoef je niets te doen: niemand wordt overgeslagen. Moet het sneller, "
                "vraag dan je systeembeheerder om de opwarming te beëindigen, met WARMUP_DAYS=0.",
            ),
            translate(locale, "Liever niet meer? %(command)s", command=stop),
        ],
    )
    return shape(settings, locale, parts)


def warm_up_sentences(
    settings: Settings, locale: str, *, until: datetime, day: date | None, late: bool
) -> list[str]:
    """Until when an issue takes, and why that is too late: for a `day` it speaks of, or `late`."""
    when = moment(settings, locale, until)
    told = [
        translate(
            locale,
            "Met de opwarming duurt dit nummer tot %(when)s: ons adres is nog nieuw voor "
            "mailservers, dus vertrekt er per dag maar een deel, en elke dag meer.",
            when=when,
        )
    ]
    if day is not None:
        shown = i18n.day_in_words(day, "full", i18n.region(locale))
        told.append(
            translate(
                locale,
                "Sommige lezers krijgen het pas na %(day)s, de eerste datum waarvan iets afhangt.",
                day=shown,
            )
        )
    if late:
        hours = i18n.number(settings.late_hours, locale)
        told.append(translate(locale, "Dat is meer dan %(hours)s uur na het begin.", hours=hours))
    return told


def unapproved(settings: Settings, locale: str, *, number: int) -> Letter:
    """To the editors: an issue may go, but nobody approved of what it is now."""
    heading = translate(locale, "Nummer %(number)s wacht op goedkeuring", number=number)
    what = translate(
        locale,
        "Dit nummer mocht nu vertrekken, maar wat er nu in staat is nog niet goedgekeurd. "
        "Een goedkeuring vervalt zodra het nummer verandert.",
    )
    approve, stop = (f"newsletter issues {one} {number}" for one in ("approve", "stop"))
    then = [
        translate(locale, "Is het in orde? %(command)s", command=approve),
        translate(locale, "Liever niet meer? %(command)s", command=stop),
    ]
    parts = Parts(subject=heading, heading=heading, before=[what], after=then)
    return shape(settings, locale, parts)


def faults(
    settings: Settings, locale: str, *, number: int, words: str, planned: bool, cadence: str | None
) -> Letter:
    """To the editors: preflight stopped an issue. `words`: its findings, one a line, in `locale`;
    `planned`: some of its readers have it."""
    heading = translate(locale, "Nummer %(number)s heeft fouten en vertrekt niet", number=number)
    what = translate(
        locale, "Bij het nakijken bleek dat er iets verbeterd moet worden. Dit vond het programma:"
    )
    found = words.splitlines()
    more = translate(locale, "En nog %(count)s.", count=len(found) - MOST)
    shown = found if len(found) <= MOST else [*found[:MOST], more]
    compile = f"newsletter issues compile{f' --cadence {cadence}' if cadence else ''}"
    if planned:
        resume = f"newsletter issues resume {number}"
        then = [
            translate(
                locale, "Is het opgelost, verzend dan verder met: %(command)s", command=resume
            )
        ]
    else:
        mend = translate(
            locale,
            "Verbeter de stukken en maak een nieuw nummer met: %(command)s",
            command=compile,
        )
        send = translate(
            locale,
            "Verstuur dat met het nummer dat je dan ziet: %(command)s",
            command="newsletter issues send",
        )
        then = [mend, send]
    parts = Parts(subject=heading, heading=heading, before=[what, *shown], after=then)
    return shape(settings, locale, parts)


def missed(
    settings: Settings, locale: str, *, cadence: str, slots: Sequence[datetime], gone: bool
) -> Letter:
    """To the editors: at due moments of a cadence no issue was made. `gone`: it is too late for
    that; else it is made as soon as it can be."""
    heading = translate(locale, "Er is geen nummer gemaakt voor %(cadence)s", cadence=cadence)
    shown = "; ".join(moment(settings, locale, slot) for slot in slots[-MOST:])
    what = translate(locale, "Er moest een nummer gemaakt worden op: %(when)s.", when=shown)
    if gone:
        why = translate(
            locale,
            "Toen liep het programma niet, of er waren fouten in de stukken. Er is niets verloren: "
            "wat klaarstond, komt in het volgende nummer.",
        )
    else:
        why = translate(
            locale,
            "Een kwartier later is het er nog niet. Meestal zijn er fouten in de stukken. Zijn die "
            "verbeterd, dan wordt het nummer vanzelf gemaakt.",
        )
    check = "newsletter items check"
    then = translate(locale, "Fouten in de stukken vind je met: %(command)s", command=check)
    parts = Parts(subject=heading, heading=heading, before=[what, why], after=[then])
    return shape(settings, locale, parts)


@dataclass(frozen=True, slots=True)
class Standing:
    """How an issue was received: messages with an answer, of which not delivered, called spam."""

    answered: int
    failed: int
    complaints: int


def reputation(
    settings: Settings, locale: str, *, number: int, counts: Standing, paused: bool
) -> Letter:
    """To the editors: so much of an issue came back, or was called spam, that all our mail suffers.
    `paused`: the rest of it waits."""
    if paused:
        heading = translate(locale, "Nummer %(number)s is gepauzeerd", number=number)
    else:
        heading = translate(locale, "Nummer %(number)s wordt slecht ontvangen", number=number)
    what = translate(
        locale,
        "Van %(sent)s mails kwamen er %(failed)s niet aan, en %(complaints)s keer noemde een lezer "
        "de mail spam.",
        sent=i18n.number(counts.answered, locale),
        failed=i18n.number(counts.failed, locale),
        complaints=i18n.number(counts.complaints, locale),
    )
    why = translate(
        locale,
        "Dat is veel. Mailproviders kijken daarnaar: blijft het zo, dan belandt ook onze andere "
        "mail bij de spam.",
    )
    look = translate(locale, "Op de redactie zie je bij de cijfers van welke domeinen het komt.")
    then = [look]
    if paused:
        resume = f"newsletter issues resume {number}"
        then.append(
            translate(
                locale,
                "Niemand wordt overgeslagen. Weet je wat er aan de hand is, dan gaat de verzending "
                "verder met: %(command)s",
                command=resume,
            )
        )
    parts = Parts(subject=heading, heading=heading, before=[what, why], after=then)
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
