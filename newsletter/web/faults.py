"""What an HTTP error is called, and what to do about it: the words of its page."""

from collections.abc import Mapping

from newsletter.i18n import _

FAULTS: Mapping[int, tuple[str, str]] = {
    400: (
        _("Dit verzoek klopt niet"),
        _("Je browser stuurde iets wat we niet begrijpen. Ga terug en probeer het opnieuw."),
    ),
    404: (
        _("Deze pagina bestaat niet"),
        _("Misschien is het adres niet helemaal overgenomen, of is de pagina verhuisd."),
    ),
    405: (
        _("Dat kan hier niet"),
        _("Deze pagina kan niet op die manier opgevraagd worden. Begin opnieuw op de voorpagina."),
    ),
    413: (
        _("Dat is te veel"),
        _("Het formulier dat je stuurde, is te groot. Er is niets bewaard."),
    ),
    429: (
        _("Even geduld"),
        _("Er komen nu te veel aanvragen binnen."),
    ),
    500: (
        _("Er ging iets mis bij ons"),
        _("Het ligt niet aan jou. Probeer het straks opnieuw."),
    ),
    503: (
        _("Even geduld"),
        _("Het is nu druk. Wacht een minuut en doe het dan opnieuw; er is niets verloren."),
    ),
}


def in_words(faults: Mapping[int, tuple[str, str]], code: int) -> tuple[str, str]:
    """Title and advice of an error, in Dutch; of one that is not named, those of its kind."""
    return faults.get(code, faults[400 if code < 500 else 500])
