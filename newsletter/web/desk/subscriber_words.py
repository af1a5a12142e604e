"""What the desk calls states, proofs, ways and outcomes; msgids, which the templates translate."""

from datetime import datetime
from typing import Any

from newsletter.i18n import _
from newsletter.web.page import moment

STATES = {
    "pending": _("wacht op bevestiging"),
    "active": _("ingeschreven"),
    "left": _("uitgeschreven"),
    "suppressed": _("geblokkeerd"),
    "erased": _("gewist"),
}
EVENTS = {
    "asked": _("vroeg om Fiabel-nieuws"),
    "confirmed": _("bevestigde"),
    "changed": _("wijzigde de keuzes"),
    "withdrawn": _("trok de toestemming in"),
    "imported": _("werd overgenomen uit een lijst"),
    "erased": _("werd gewist"),
}
ROUTES = {
    "form": _("via het formulier"),
    "page": _("via een pagina van de site"),
    "mail": _("via een mail"),
    "one-click": _("via de knop van het mailprogramma"),
    "import": _("via een lijst"),
    "command": _("door het secretariaat"),
    "desk": _("door de redactie"),
    "api": _("door een ander programma"),
    "staff": _("door de redactie"),
    "complaint": _("met een klacht"),
    "never": _("met “schrijf me nooit meer”"),
    "restore": _("na het terugzetten van een kopie"),
}
OUTCOMES = {
    "pending": _("wacht om te vertrekken"),
    "claimed": _("vertrekt nu"),
    "deferred": _("uitgesteld, wordt opnieuw geprobeerd"),
    "accepted": _("aangenomen door de mailserver"),
    "refused": _("geweigerd door de mailserver"),
    "withdrawn": _("ingetrokken, niet verstuurd"),
}
BOUNCED = _("eerst aangenomen, later teruggekomen")
REASONS = {
    "bounced": _("mail kwam terug"),
    "complaint": _("klacht: dit is spam"),
    "never": _("“schrijf me nooit meer”"),
    "erased": _("gewist op eigen vraag"),
    "staff": _("door de redactie"),
}
UNTIL = {
    "bounced": _("tot de persoon zelf opnieuw inschrijft en bevestigt"),
    "complaint": _("tot de redactie het opheft"),
    "never": _("tot de redactie het opheft"),
    "erased": _("tot de persoon zelf opnieuw inschrijft en bevestigt"),
    "staff": _("tot de redactie het opheft"),
}
NOT_SUPPRESSED = _("Dit adres is niet geblokkeerd.")
LIFTED = _("De blokkering is opgeheven. De persoon moet zelf opnieuw inschrijven.")


def when(text: str) -> str:
    """A time of an export, in words."""
    return moment(datetime.fromisoformat(text))


def outcome(delivery: dict[str, Any]) -> str:
    """What became of a delivery."""
    if delivery["bounced_at"]:
        return BOUNCED
    return OUTCOMES[delivery["state"]]
