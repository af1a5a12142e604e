"""One pure function for each letter: what it says, in the reader's locale, as text and HTML.

Dutch is the source; every sentence stands here or in templates/mail/notice.*. No promotion: a
notice answers something its reader just did (SEC-06).
"""

import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from urllib.parse import urlsplit

from babel.dates import format_timedelta
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import escape

import config
from newsletter import i18n
from newsletter.i18n import translate
from newsletter.settings import Settings

TEXT_WIDTH = 72
BODY = re.compile(r"<body[^>]*>", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Letter:
    """What `delivery.message.letter` makes a mail of."""

    subject: str
    text: str
    html: str


@dataclass(frozen=True, slots=True)
class Link:
    """A link whose label says where it goes."""

    label: str
    url: str


@dataclass(frozen=True, slots=True)
class Parts:
    """A letter before it has a shape; `button` is the one thing to do, if there is one."""

    subject: str
    heading: str
    before: Sequence[str]
    button: Link | None = None
    after: Sequence[str | Link] = ()


def confirm(
    settings: Settings,
    locale: str,
    *,
    email: str,
    link: str,
    asked_at: datetime,
    now: datetime,
    source: str | None = None,
) -> Letter:
    """The one letter before consent: who asked and when, the link, and how to do nothing."""
    days = timedelta(days=settings.confirm_days)
    valid = translate(
        locale,
        "De link is %(period)s geldig, tot %(until)s.",
        period=format_timedelta(days, "day", threshold=settings.confirm_days + 1, locale=locale),
        until=_moment(settings, locale, now + days),
    )
    nothing = translate(
        locale,
        "Wil je dit niet, of was jij het niet? Dan hoef je niets te doen: "
        "je krijgt geen nieuwsbrief en we wissen dit adres.",
    )
    return _shape(
        settings,
        locale,
        Parts(
            subject=translate(locale, "Bevestig je inschrijving op Fiabel-nieuws"),
            heading=translate(locale, "Bevestig je inschrijving"),
            before=[_who_asked(settings, locale, email, asked_at, source)],
            button=Link(translate(locale, "Ja, schrijf mij in"), link),
            after=[valid, nothing],
        ),
    )


def already(
    settings: Settings, locale: str, *, email: str, link: str, asked_at: datetime
) -> Letter:
    """For somebody who signs up and is a reader already; `link` opens the preferences."""
    asked = translate(
        locale,
        "Op %(when)s vulde iemand %(email)s in op %(site)s om Fiabel-nieuws te krijgen.",
        **_asked(settings, locale, email, asked_at),
    )
    fine = translate(
        locale,
        "Dat adres is al ingeschreven: je krijgt het volgende nummer vanzelf. "
        "Je hoeft niets te doen.",
    )
    return _shape(
        settings,
        locale,
        Parts(
            subject=translate(locale, "Je bent al ingeschreven op Fiabel-nieuws"),
            heading=translate(locale, "Je bent al ingeschreven"),
            before=[asked, fine],
            button=Link(translate(locale, "Bekijk je voorkeuren"), link),
            after=[translate(locale, "Was jij dit niet? Er is niets veranderd.")],
        ),
    )


def preferences(settings: Settings, locale: str, *, link: str) -> Letter:
    """The link to one's own preferences."""
    what = translate(
        locale,
        "Hier kies je in welke taal, over welke onderwerpen en hoe vaak je Fiabel-nieuws krijgt. "
        "Uitschrijven kan er ook.",
    )
    secret = translate(
        locale, "Stuur deze mail niet door: wie de link heeft, kan je voorkeuren wijzigen."
    )
    return _shape(
        settings,
        locale,
        Parts(
            subject=translate(locale, "Je voorkeuren voor Fiabel-nieuws"),
            heading=translate(locale, "Je voorkeuren"),
            before=[what],
            button=Link(translate(locale, "Pas je voorkeuren aan"), link),
            after=[secret],
        ),
    )


def welcome(
    settings: Settings, locale: str, *, read: Link, preferences: str, unsubscribe: str
) -> Letter:
    """After confirming; `read` leads to the newest issue, or to the archive."""
    done = translate(
        locale,
        "Je inschrijving is bevestigd, bedankt. Het volgende nummer van Fiabel-nieuws komt vanzelf "
        "in je mailbox.",
    )
    return _shape(
        settings,
        locale,
        Parts(
            subject=translate(locale, "Welkom bij Fiabel-nieuws"),
            heading=translate(locale, "Fijn dat je meeleest"),
            before=[done, translate(locale, "Wil je daar niet op wachten?")],
            button=read,
            after=[
                Link(translate(locale, "Je voorkeuren aanpassen"), preferences),
                Link(translate(locale, "Uitschrijven"), unsubscribe),
            ],
        ),
    )


def read_issue(locale: str, number: int | None, url: str) -> Link:
    """The link of `welcome`: to issue `number`, or (None) to the archive."""
    if number is None:
        return Link(translate(locale, "Bekijk alle nummers"), url)
    return Link(translate(locale, "Lees nummer %(number)s", number=number), url)


def goodbye(settings: Settings, locale: str, *, home: str) -> Letter:
    """After leaving; the last one."""
    done = translate(
        locale,
        "Je bent uitgeschreven: je krijgt van ons geen Fiabel-nieuws meer. Bedankt voor het lezen.",
    )
    return _shape(
        settings,
        locale,
        Parts(
            subject=translate(locale, "Je bent uitgeschreven"),
            heading=translate(locale, "Tot ziens"),
            before=[
                done,
                translate(locale, "Was het een vergissing? Inschrijven kan altijd opnieuw."),
            ],
            after=[Link(translate(locale, "Naar de website van Fiabel-nieuws"), home)],
        ),
    )


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
        when = _moment(settings, locale, leaves_at)
        notice += " " + translate(locale, "Het vertrekt op %(when)s.", when=when)
    link = Link(translate(locale, "Houd dit nummer tegen"), stop)
    banner = (
        _environment(locale)
        .get_template("proof.html")
        .render(locale=locale, notice=notice, link=link)
    )
    subject = translate(locale, "Proef: %(subject)s", subject=content.subject)
    html = _below_body_tag(content.html, banner)
    old_title, title = f"<title>{escape(content.subject)}", f"<title>{escape(subject)}"
    lines = [
        _wrapped(notice),
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
    return _shape(settings, locale, parts)


def _who_asked(
    settings: Settings, locale: str, email: str, asked_at: datetime, source: str | None
) -> str:
    if source is None:
        return translate(
            locale,
            "Op %(when)s vroeg iemand op %(site)s om Fiabel-nieuws naar %(email)s te sturen. "
            "Was jij dat? Bevestig dan hieronder.",
            **_asked(settings, locale, email, asked_at),
        )
    return translate(
        locale,
        "Op %(when)s nam de redactie van Fiabel-nieuws het adres %(email)s over uit: %(source)s. "
        "Wil je de nieuwsbrief krijgen? Bevestig dan hieronder.",
        source=source,
        **_asked(settings, locale, email, asked_at),
    )


def _asked(settings: Settings, locale: str, email: str, asked_at: datetime) -> dict[str, str]:
    when, site = _moment(settings, locale, asked_at), urlsplit(settings.base_url).netloc
    return {"when": when, "site": site, "email": email}


def _moment(settings: Settings, locale: str, moment: datetime) -> str:
    return i18n.date_and_time(moment, locale, settings.timezone)


def _below_body_tag(html: str, banner: str) -> str:
    start = match.end() if (match := BODY.search(html)) else 0
    return html[:start] + banner + html[start:]


def _shape(settings: Settings, locale: str, parts: Parts) -> Letter:
    values = {"parts": parts, "locale": locale, "org": settings}
    environment = _environment(locale)
    return Letter(
        subject=parts.subject,
        text=environment.get_template("notice.txt").render(values).strip() + "\n",
        html=environment.get_template("notice.html").render(values),
    )


@cache
def _environment(locale: str) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(config.PROJECT_DIR / "templates" / "mail"),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["wrapped"] = _wrapped
    environment.tests["link"] = lambda value: isinstance(value, Link)
    environment.install_gettext_translations(i18n.translations(locale), newstyle=True)  # type: ignore[attr-defined]
    return environment


def _wrapped(paragraph: str) -> str:
    """Lines of at most 72 characters; an address or a word is never cut."""
    return textwrap.fill(paragraph, TEXT_WIDTH, break_long_words=False, break_on_hyphens=False)
