"""Letters to editors about mailboxes: the one of what comes back, and our own at providers."""

from collections.abc import Mapping, Sequence

from newsletter.i18n import _, translate
from newsletter.notices.letters.paper import Letter, Parts, shape
from newsletter.settings import Settings

PLACES: Mapping[str, str] = {
    "spam": _("%(provider)s: bij de spam"),
    "missing": _("%(provider)s: niet aangekomen"),
    "unknown": _("%(provider)s: we konden niet in de mailbox kijken"),
}


def unreachable(settings: Settings, locale: str, *, words: str) -> Letter:
    """The mailbox of bounces cannot be read; `words`: why, in English."""
    heading = translate(locale, "We kunnen niet lezen wat terugkomt")
    what = translate(
        locale,
        "De mailbox met bounces, klachten en antwoorden van lezers is al een tijd onbereikbaar:",
    )
    then = translate(
        locale,
        "Er gaat niets verloren: we blijven het proberen. Maar tot dan zie je geen antwoorden, en "
        "mailen we ook naar adressen die niet meer bestaan. Vraag je beheerder om er iets aan te "
        "doen.",
    )
    parts = Parts(subject=heading, heading=heading, before=[what, words], after=[then])
    return shape(settings, locale, parts)


def astray(
    settings: Settings, locale: str, *, number: int, places: Sequence[tuple[str, str]]
) -> Letter:
    """An issue did not arrive as it should at our own readers; `places`: provider, and where."""
    heading = translate(locale, "Nummer %(number)s kwam niet overal goed aan", number=number)
    what = translate(
        locale,
        "Na elke verzending kijken we in enkele mailboxen van onszelf of het nummer er ligt. Dit "
        "keer niet overal:",
    )
    found = [translate(locale, PLACES[place], provider=name) for name, place in places]
    then = translate(
        locale,
        "Wellicht gaat het andere lezers bij dezelfde provider net zo. Vraag je beheerder om te "
        "kijken of onze mail daar geweigerd of als spam gezien wordt: newsletter doctor",
    )
    parts = Parts(subject=heading, heading=heading, before=[what, *found], after=[then])
    return shape(settings, locale, parts)
