"""Letters around signing up. Nothing but `confirm` goes to an address before it is confirmed."""

from datetime import datetime, timedelta
from urllib.parse import urlsplit

from newsletter import i18n
from newsletter.i18n import translate
from newsletter.notices.letters.paper import Letter, Link, Parts, moment, shape
from newsletter.settings import Settings


def confirm(
    settings: Settings,
    locale: str,
    *,
    email: str,
    link: str,
    never: str,
    asked_at: datetime,
    now: datetime,
    source: str | None = None,
) -> Letter:
    """The letter before consent: who asked and when, the link, how to do nothing, or stop us."""
    valid = translate(
        locale,
        "De link is %(period)s geldig, tot %(until)s.",
        period=i18n.days(settings.confirm_days, locale),
        until=moment(settings, locale, now + timedelta(days=settings.confirm_days)),
    )
    return shape(
        settings,
        locale,
        Parts(
            subject=translate(locale, "Bevestig je inschrijving op Fiabel-nieuws"),
            heading=translate(locale, "Bevestig je inschrijving"),
            before=[_who_asked(settings, locale, email, asked_at, source)],
            button=Link(translate(locale, "Ja, schrijf mij in"), link),
            after=[valid, *_not_you(locale, never)],
        ),
    )


def reminder(
    settings: Settings,
    locale: str,
    *,
    email: str,
    link: str,
    never: str,
    asked_at: datetime,
    sent_at: datetime,
) -> Letter:
    """The only other letter before consent; `sent_at` is when the first went, with this link."""
    until = moment(settings, locale, sent_at + timedelta(days=settings.confirm_days))
    last = translate(
        locale,
        "Je krijgt hierover geen mail meer. De link blijft geldig tot %(until)s.",
        until=until,
    )
    return shape(
        settings,
        locale,
        Parts(
            subject=translate(locale, "Wil je Fiabel-nieuws nog krijgen?"),
            heading=translate(locale, "Je inschrijving is nog niet bevestigd"),
            before=[_who_asked(settings, locale, email, asked_at, None)],
            button=Link(translate(locale, "Ja, schrijf mij in"), link),
            after=[last, *_not_you(locale, never)],
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
    return shape(
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


def welcome(
    settings: Settings, locale: str, *, read: Link, preferences: str, unsubscribe: str
) -> Letter:
    """After confirming; `read` leads to the newest issue, or to the archive."""
    done = translate(
        locale,
        "Je inschrijving is bevestigd, bedankt. Het volgende nummer van Fiabel-nieuws komt vanzelf "
        "in je mailbox.",
    )
    return shape(
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


def _not_you(locale: str, never: str) -> list[str | Link]:
    nothing = translate(
        locale,
        "Wil je dit niet, of was jij het niet? Dan hoef je niets te doen: "
        "je krijgt geen nieuwsbrief en we wissen dit adres.",
    )
    return [nothing, Link(translate(locale, "Ik vroeg dit niet: schrijf me nooit meer"), never)]


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
    when, site = moment(settings, locale, asked_at), urlsplit(settings.base_url).netloc
    return {"when": when, "site": site, "email": email}
