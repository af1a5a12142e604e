"""The letter that brings somebody's mail to where people read."""

from newsletter.i18n import translate
from newsletter.notices.letters.paper import Letter, Parts, shape
from newsletter.settings import Settings


def reply(
    settings: Settings, locale: str, *, sender: str, subject: str, text: str, whole: bool
) -> Letter:
    """`text` is what can be read of it, or empty; `whole`: the mail itself is a file with it."""
    subject = subject or translate(locale, "Mail zonder onderwerp")
    who = sender or translate(locale, "iemand zonder afzender")
    before = [translate(locale, "Van: %(who)s", who=who), *text.split("\n\n")]
    after = []
    if whole:
        after.append(translate(locale, "De mail zelf zit als bestand bij deze brief."))
    else:
        after.append(
            translate(
                locale,
                "Bijlagen zitten er niet bij: de mailserver weigerde de mail zoals ze was.",
            )
        )
    if sender:
        after.append(translate(locale, "Antwoord je op deze brief, dan schrijf je naar %(who)s.",
                               who=sender))  # fmt: skip
    heading = translate(locale, "Een lezer schreef naar Fiabel-nieuws")
    shown = [part for part in before if part.strip()]
    return shape(settings, locale, Parts(subject, heading, shown, None, after))
