"""The record of processing (GDPR 30(1)), as Markdown in Dutch, for the association's own register.

Made from the settings and from the models, whose columns say themselves what they hold about people
(`info`): so it cannot fall behind the program.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

import config
from newsletter import i18n
from newsletter.models import Base
from newsletter.settings import Settings

LOCALE = "nl"
CONSENT = "toestemming (art. 6, lid 1, a AVG)"
INTEREST = "gerechtvaardigd belang (art. 6, lid 1, f AVG)"
DUTY = "aantoonplicht (art. 7, lid 1 AVG)"


@dataclass(frozen=True, slots=True)
class Purpose:
    """Why a table holds data about people, on which ground, and until when (both in Dutch).

    `until` may name settings in days, as `{left_days}`.
    """

    why: str
    ground: str
    until: str


PURPOSES: Mapping[str, Purpose] = {
    "subscribers": Purpose(
        "de nieuwsbrief sturen die iemand vroeg; wie vertrok niet opnieuw schrijven",
        f"{CONSENT}; na vertrek {INTEREST}",
        "tot de lezer om wissing vraagt, onbevestigd {confirm_days} dagen, "
        "na vertrek {left_days} dagen",
    ),
    "requests": Purpose(
        "een aanvraag van een formulier verwerken",
        INTEREST,
        "enkele seconden; bij storing hoogstens {confirm_days} dagen",
    ),
    "address_changes": Purpose(
        "nagaan of een nieuw adres van de lezer is", CONSENT, "{confirm_days} dagen"
    ),
    "consents": Purpose(
        "de toestemming bewijzen; deze rijen noemen niemand", DUTY, "onbeperkt, zonder persoon"
    ),
    "consent_details": Purpose(
        "de toestemming bewijzen",
        DUTY,
        "zo lang als de inschrijving, en na vertrek {left_days} dagen",
    ),
    "consent_origins": Purpose(
        "misbruik van de formulieren tegengaan en de toestemming bewijzen",
        f"{INTEREST}; {DUTY}",
        "{origin_days} dagen, daarna ingekort tot een netwerk en een programmanaam",
    ),
    "notices": Purpose(
        "brieven sturen waar iemand op wacht, zoals de bevestiging",
        f"{CONSENT}; {INTEREST}",
        "het adres tot de brief weg is, de rest {notice_days} dagen",
    ),
    "deliveries": Purpose(
        "niemand overslaan, niets dubbel sturen, stoppen met onbestelbare adressen",
        INTEREST,
        "het antwoord van de mailserver {reply_days} dagen; na wissing leidt de rij naar niemand",
    ),
    "setbacks": Purpose(
        "stoppen met adressen die niet werken, en met wie onze mail spam noemt",
        INTEREST,
        "{reply_days} dagen; een klacht zo lang als de zending: na wissing leidt ze naar niemand",
    ),
    "replies": Purpose(
        "mail van lezers doorgeven aan wie ze leest",
        INTEREST,
        "de mail tot ze doorgestuurd is, haar vingerafdruk {notice_days} dagen",
    ),
    "survey_answers": Purpose(
        "de nieuwsbrief verbeteren", CONSENT, "tot het adres van de lezer gewist wordt"
    ),
    "limits": Purpose(
        "misbruik van de formulieren tegengaan: niet te veel brieven naar één adres",
        INTEREST,
        "hoogstens {come_back_days} dagen",
    ),
    "editors": Purpose(
        "weten wie de nieuwsbrief maakt en wat die mag; aanmelden op de redactie",
        INTEREST,
        "zolang iemand meewerkt; daarna blijven naam en adres bij wat die deed",
    ),
    "passkeys": Purpose(
        "aanmelden zonder wachtwoord", INTEREST, "tot de medewerker de sleutel verwijdert"
    ),
    "sign_ins": Purpose(
        "een medewerker tonen waar die aangemeld is",
        INTEREST,
        "{origin_days} dagen nadat de browser laatst gezien werd",
    ),
    "events": Purpose(
        "een ander programma van de vereniging melden dat iemand zich in- of uitschreef, als "
        "een beheerder dat vroeg: met een nummer, en alleen als die dat aanvinkte met het adres",
        INTEREST,
        "tot het gemeld is, hoogstens twee dagen",
    ),
    "suppressions": Purpose(
        "een adres niet opnieuw schrijven na klacht, weigering, wissing of onbestelbaarheid",
        INTEREST,
        "tot de blokkering opgeheven wordt",
    ),
}


def record(settings: Settings, now: datetime) -> str:
    """The whole record, ready to be kept in a register of processing activities."""
    press = Environment(  # nosec B701 # Markdown, from our own settings
        loader=FileSystemLoader(config.PROJECT_DIR / "templates" / "record"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # noqa: S701
    )
    return press.get_template("processing.md").render(
        org=settings,
        contact=settings.privacy_contact or settings.org_email,
        day=i18n.long_date(now, LOCALE, settings.timezone),
        tables=[_row(settings, name, holds) for name, holds in personal_columns().items()],
        processors=[one.strip() for one in settings.processors.split(";") if one.strip()],
        tls=settings.mail_use_tls or settings.mail_use_ssl,
        dkim=bool(settings.dkim_domain),
    )


def personal_columns() -> dict[str, list[str]]:
    """By table, in Dutch: what its columns say they hold about people."""
    found: dict[str, list[str]] = {}
    for table in Base.metadata.sorted_tables:
        holds = [column.info["personal"] for column in table.columns if "personal" in column.info]
        if holds:
            found[table.name] = list(dict.fromkeys(holds))
    return found


def _row(settings: Settings, name: str, holds: list[str]) -> dict[str, Any]:
    purpose = PURPOSES[name]
    days = {name: getattr(settings, name) for name in settings.__slots__ if name.endswith("_days")}
    return {
        "table": name,
        "holds": ", ".join(holds),
        "why": purpose.why,
        "ground": purpose.ground,
        "until": purpose.until.format(**days),
    }
