"""The pages of HTTP errors below /desk: in the desk's own layout, with a way on."""

import math
from collections.abc import Mapping
from datetime import timedelta

from babel.dates import format_timedelta
from flask import Response, request
from werkzeug.exceptions import HTTPException, TooManyRequests

from newsletter import i18n
from newsletter.i18n import _
from newsletter.web import faults, page
from newsletter.web.accounts import typed
from newsletter.web.desk.ground import show
from newsletter.web.page import locale

LATE = {403, 404, 421, 422, 500, 503}  # what was typed came in good faith, and cannot be taken
FAULTS: Mapping[int, tuple[str, str]] = {
    **faults.FAULTS,
    403: (
        _("Dat mag je niet"),
        _("Je rol laat dit niet toe. Vraag het aan je beheerder."),
    ),
    404: (
        _("Deze pagina bestaat niet"),
        _("Misschien is het adres niet helemaal overgenomen, of is weg wat hier stond."),
    ),
    405: (
        _("Dat kan hier niet"),
        _("Deze pagina kan niet op die manier opgevraagd worden."),
    ),
    413: (
        _("Dat is te veel"),
        _("Wat je stuurde, is te groot. Er is niets bewaard."),
    ),
    421: (
        _("De artikels staan op een andere server"),
        _("Open de redactie op de server met de artikels; wie de site beheert, kent het adres."),
    ),
    422: (
        _("Dit kan de redactie niet tonen"),
        _("Dit bestand is geen leesbare tekst (UTF-8). Verbeter het in de map."),
    ),
    429: (
        _("Even geduld"),
        _("Er kwamen te veel pogingen na elkaar."),
    ),
}


def explained(error: HTTPException, code: int) -> Response:
    """The page of an error of the desk, with its status."""
    title, advice = faults.in_words(FAULTS, code)
    if code in LATE and typed.fields():  # so that it is not lost
        values = {"problem": advice, "typed": typed.fields(), "back": typed.way_back()}
        return page.show("accounts/old_form.html", code, indexed=False, **values)
    return show(
        "error.html",
        code,
        title=title,
        advice=advice,
        wait=_wait(error),
        back=typed.way_back() if request.method == "POST" else None,
    )


def _wait(error: HTTPException) -> str:
    """How long somebody who tried too often has to wait, in words: "9 minuten"."""
    seconds = error.retry_after if isinstance(error, TooManyRequests) else None
    if not isinstance(seconds, int):
        return ""
    whole = timedelta(minutes=math.ceil(seconds / 60))
    place = i18n.region(locale())
    return format_timedelta(whole, granularity="minute", threshold=1.5, locale=place)
