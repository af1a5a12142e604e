"""Letters to editors about mailboxes: the one of what comes back, and our own at providers."""

from newsletter.i18n import translate
from newsletter.notices.letters.paper import Letter, Parts, shape
from newsletter.settings import Settings


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
