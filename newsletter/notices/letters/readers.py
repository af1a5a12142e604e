"""Letters to readers about what they asked for: their link, their data, leaving."""

from datetime import datetime, timedelta

from newsletter import i18n
from newsletter.i18n import translate
from newsletter.notices.letters.paper import Letter, Link, Parts, moment, shape
from newsletter.settings import Settings


def preferences(settings: Settings, locale: str, *, link: str, data: str) -> Letter:
    """The link to one's own preferences, and the one to one's own data, which works a day."""
    what = translate(
        locale,
        "Hier kies je in welke taal, over welke onderwerpen en hoe vaak je Fiabel-nieuws krijgt. "
        "Even pauzeren of uitschrijven kan er ook.",
    )
    more = translate(
        locale,
        "Met de volgende link bekijk of wis je je gegevens, of kies je een ander e-mailadres. "
        "Die link werkt %(hours)s uur.",
        hours=f"{settings.data_link_hours:g}",
    )
    secret = translate(
        locale, "Stuur deze mail niet door: wie de link heeft, kan je voorkeuren wijzigen."
    )
    return shape(
        settings,
        locale,
        Parts(
            subject=translate(locale, "Je voorkeuren voor Fiabel-nieuws"),
            heading=translate(locale, "Je voorkeuren"),
            before=[what],
            button=Link(translate(locale, "Pas je voorkeuren aan"), link),
            after=[more, Link(translate(locale, "Je gegevens en je adres"), data), secret],
        ),
    )


def goodbye(
    settings: Settings, locale: str, *, home: str, undo: str = "", until: datetime | None = None
) -> Letter:
    """After leaving; the last one. `undo`: the link that undoes it, `until` then."""
    done = translate(
        locale,
        "Je bent uitgeschreven: je krijgt van ons geen Fiabel-nieuws meer. Bedankt voor het lezen.",
    )
    if undo and until:
        mistake = translate(
            locale,
            "Was het een vergissing? Tot %(until)s kun je het met één klik ongedaan maken.",
            until=i18n.long_date(until, locale, settings.timezone),
        )
        way = Link(translate(locale, "Schrijf me weer in"), undo)
    else:
        mistake = translate(locale, "Was het een vergissing? Inschrijven kan altijd opnieuw.")
        way = Link(translate(locale, "Naar de website van Fiabel-nieuws"), home)
    return shape(
        settings,
        locale,
        Parts(
            subject=translate(locale, "Je bent uitgeschreven"),
            heading=translate(locale, "Tot ziens"),
            before=[done, mistake],
            after=[way],
        ),
    )


def new_address(
    settings: Settings, locale: str, *, link: str, asked_at: datetime, now: datetime
) -> Letter:
    """To a new address, before anything else goes there (SEC-21); it does not name the old one."""
    asked = translate(
        locale,
        "Op %(when)s vroeg een lezer om Fiabel-nieuws voortaan naar dit adres te sturen. "
        "Was jij dat? Bevestig dan hieronder.",
        when=moment(settings, locale, asked_at),
    )
    until = translate(
        locale,
        "De link werkt tot %(until)s.",
        until=moment(settings, locale, now + timedelta(days=settings.confirm_days)),
    )
    nothing = translate(
        locale,
        "Was jij het niet? Dan hoef je niets te doen: je krijgt geen nieuwsbrief op dit adres.",
    )
    return shape(
        settings,
        locale,
        Parts(
            subject=translate(locale, "Bevestig je nieuwe adres voor Fiabel-nieuws"),
            heading=translate(locale, "Bevestig je nieuwe adres"),
            before=[asked],
            button=Link(translate(locale, "Ja, dit is mijn nieuwe adres"), link),
            after=[until, nothing],
        ),
    )


def address_changed(settings: Settings, locale: str, *, changed_at: datetime) -> Letter:
    """To the old address, after the change (SEC-21); it does not name the new one."""
    done = translate(
        locale,
        "Op %(when)s is het adres voor je Fiabel-nieuws gewijzigd. We sturen het nieuws voortaan "
        "naar het nieuwe adres, en niet meer naar dit.",
        when=moment(settings, locale, changed_at),
    )
    alarm = translate(
        locale, "Was jij dit niet? Laat het ons weten. Dan zetten we het samen recht."
    )
    mail = translate(locale, "Mail naar %(email)s", email=settings.org_email)
    return shape(
        settings,
        locale,
        Parts(
            subject=translate(locale, "Je adres voor Fiabel-nieuws is gewijzigd"),
            heading=translate(locale, "Je adres is gewijzigd"),
            before=[done],
            after=[alarm, Link(mail, f"mailto:{settings.org_email}")],
        ),
    )


def erased(settings: Settings, locale: str) -> Letter:
    """To an address that was erased by command or by staff (PRV-12); the last one."""
    gone = translate(
        locale,
        "We hebben gewist wat we over je bewaarden voor Fiabel-nieuws: je e-mailadres, je keuzes "
        "en waar je inschrijving vandaan kwam.",
    )
    kept = translate(
        locale,
        "Alleen een versleuteld kenmerk van je adres blijft, zodat we je niet opnieuw schrijven. "
        "Ook het adres waarop je deze mail krijgt, is nu gewist.",
    )
    alarm = translate(locale, "Had je dit niet gevraagd? Laat het ons weten.")
    contact = settings.privacy_contact or settings.org_email
    mail = translate(locale, "Mail naar %(email)s", email=contact)
    return shape(
        settings,
        locale,
        Parts(
            subject=translate(locale, "Je gegevens zijn gewist"),
            heading=translate(locale, "Je gegevens zijn gewist"),
            before=[gone, kept],
            after=[alarm, Link(mail, f"mailto:{contact}")],
        ),
    )
