"""Letters to who makes the newsletter: an invitation, a new password, and what was changed."""

from datetime import datetime

from newsletter.i18n import translate
from newsletter.notices.letters.paper import Letter, Link, Parts, moment, shape
from newsletter.settings import Settings


def invitation(settings: Settings, locale: str, *, name: str, link: str, until: datetime) -> Letter:
    """The link by which somebody who was invited chooses a password."""
    heading = translate(locale, "Maak mee Fiabel-nieuws")
    what = translate(
        locale,
        "Dag %(name)s, je bent uitgenodigd op de redactie van Fiabel-nieuws. Kies een wachtwoord; "
        "daarna koppel je een app of een toegangssleutel, zodat niemand anders in jouw naam "
        "werkt.",
        name=name,
    )
    parts = Parts(
        subject=translate(locale, "Je uitnodiging voor de redactie van Fiabel-nieuws"),
        heading=heading,
        before=[what],
        button=Link(translate(locale, "Kies je wachtwoord"), link),
        after=[
            _works_until(settings, locale, until),
            translate(locale, "Ken je ons niet? Dan hoef je niets te doen."),
        ],
    )
    return shape(settings, locale, parts)


def new_password(settings: Settings, locale: str, *, link: str, until: datetime) -> Letter:
    """The link for who forgot a password."""
    heading = translate(locale, "Kies een nieuw wachtwoord")
    what = translate(
        locale,
        "Iemand vroeg op de redactie van Fiabel-nieuws om een nieuw wachtwoord voor dit adres.",
    )
    parts = Parts(
        subject=heading,
        heading=heading,
        before=[what],
        button=Link(heading, link),
        after=[
            _works_until(settings, locale, until),
            translate(
                locale,
                "Was jij dat niet? Dan hoef je niets te doen: je wachtwoord blijft hetzelfde.",
            ),
        ],
    )
    return shape(settings, locale, parts)


def access_changed(settings: Settings, locale: str, *, changed_at: datetime, link: str) -> Letter:
    """That a password, an app or a passkey was changed: so that a thief cannot do it unseen."""
    heading = translate(locale, "Je manier van aanmelden is gewijzigd")
    what = translate(
        locale,
        "Op %(when)s is op de redactie je wachtwoord, je app of een toegangssleutel gewijzigd.",
        when=moment(settings, locale, changed_at),
    )
    parts = Parts(
        subject=heading,
        heading=heading,
        before=[what],
        button=Link(translate(locale, "Naar de redactie"), link),
        after=[
            translate(
                locale,
                "Was jij dat niet? Kies dan meteen een nieuw wachtwoord en verwittig je beheerder.",
            )
        ],
    )
    return shape(settings, locale, parts)


def _works_until(settings: Settings, locale: str, until: datetime) -> str:
    when = moment(settings, locale, until)
    return translate(locale, "De link werkt één keer, tot %(when)s.", when=when)
