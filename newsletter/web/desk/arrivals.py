"""Where an issue arrived at readers of our own, in words."""

from collections.abc import Mapping
from datetime import timedelta

from babel.dates import format_timedelta

from newsletter import i18n
from newsletter.i18n import _, translate
from newsletter.models import SeedPlace, Sighting
from newsletter.notices.letters.arriving import PLACES
from newsletter.web.page import locale

SEEN: Mapping[SeedPlace, str] = {
    SeedPlace.INBOX: _("%(provider)s: in de inbox na %(span)s"),
    SeedPlace.SPAM: _("%(provider)s: bij de spam na %(span)s"),
}


def words(sighting: Sighting) -> str:
    """Where, and how soon; or that it was not there."""
    provider = sighting.provider
    if sighting.seen_at is None:
        return translate(locale(), PLACES[sighting.place], provider=provider)
    after = max(sighting.seen_at - sighting.sent_at, timedelta(seconds=1))
    span = format_timedelta(after, locale=i18n.region(locale()))
    return translate(locale(), SEEN[sighting.place], provider=provider, span=span)
