"""What the log of changes says, in sentences; Dutch, to be translated."""

import contextlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from newsletter import audit, i18n
from newsletter.i18n import LOCALES, _, translate
from newsletter.models import Role
from newsletter.web.desk.ground import ROLES
from newsletter.web.desk.issues import words
from newsletter.web.page import locale, moment

ACTIONS = {
    "delivery.decide": _("Over een mail in twijfel is beslist."),
    "editor.codes": _("De app met codes is gekoppeld, vervangen of ontkoppeld."),
    "editor.deactivate": _("Een account is uitgeschakeld."),
    "editor.invite": _("Een medewerker is uitgenodigd."),
    "editor.login": _("Een account is verbonden met de aanmelding van de vereniging."),
    "editor.passkey_added": _("Een toegangssleutel is gekoppeld."),
    "editor.passkey_removed": _("Een toegangssleutel is verwijderd."),
    "editor.password": _("Een wachtwoord is gekozen."),
    "editor.reactivate": _("Een account werkt weer."),
    "editor.recovery": _("Er zijn nieuwe herstelcodes gemaakt."),
    "editor.recovery_used": _("Een herstelcode is gebruikt."),
    "editor.reset": _("Alles om mee aan te melden is gewist; er vertrok een uitnodiging."),
    "editor.role": _("Een medewerker kreeg een andere rol."),
    "editor.sign_in": _("Een medewerker meldde zich aan."),
    "editor.sign_in_ended": _("Een andere browser is afgemeld."),
    "editor.sign_ins_ended": _("Alle andere browsers zijn afgemeld."),
    "editor.sign_out": _("Een medewerker meldde zich af."),
    "endpoint.disable": _("Een meldadres is uitgeschakeld."),
    "endpoint.enable": _("Een meldadres werkt weer."),
    "endpoint.make": _("Een meldadres is toegevoegd."),
    "endpoint.remove": _("Een meldadres is verwijderd."),
    "issue.approve": _("Een nummer is goedgekeurd."),
    "issue.compile": _("Een nummer is gemaakt."),
    "issue.intro": _("De inleiding van een nummer is gewijzigd."),
    "issue.order": _("De volgorde van een nummer is gewijzigd."),
    "issue.pause": _("De verzending van een nummer is gepauzeerd."),
    "issue.proof": _("Een proef is verstuurd naar de redactie."),
    "issue.resume": _("De verzending van een nummer gaat verder."),
    "issue.retry": _("Wat geweigerd werd, vertrekt opnieuw."),
    "issue.schedule": _("Een nummer is ingepland."),
    "issue.send": _("De verzending van een nummer is begonnen."),
    "issue.sent": _("Alle mails van een nummer zijn verstuurd."),
    "issue.stop": _("Een nummer is gestopt."),
    "item.delete": _("Een tekst is verwijderd."),
    "item.make": _("Een nieuw artikel is bewaard."),
    "item.picture": _("Een foto is toegevoegd."),
    "item.save": _("Een tekst is bewaard."),
    "retention.run": _("Persoonsgegevens zijn gewist, want de bewaartijd is om."),
    "subscriber.add": _("Een ander programma voegde een abonnee toe."),
    "subscriber.erase": _("De gegevens van een abonnee zijn gewist."),
    "subscriber.export": _("De gegevens van een abonnee zijn opgevraagd."),
    "subscriber.invite": _("Een abonnee is met de hand toegevoegd en moet nog bevestigen."),
    "subscriber.leave": _("Een abonnee is uitgeschreven."),
    "subscriber.lift": _("De blokkering van een abonnee is opgeheven."),
    "subscriber.suppress": _("Een abonnee is geblokkeerd."),
    "subscribers.import": _("Abonnees zijn overgenomen uit een lijst."),
    "suppression.add": _("Een adres is geblokkeerd."),
    "suppression.apply": _("Een lijst van geblokkeerde adressen is opnieuw toegepast."),
    "suppression.forget": _("Een geblokkeerd adres is helemaal vergeten."),
    "suppression.lift": _("De blokkering van een adres is opgeheven."),
    "token.make": _("Een token is gemaakt."),
    "token.revoke": _("Een token is ingetrokken."),
}
ACTORS = {
    audit.CLOCK: _("de klok"),
    audit.COMMAND_LINE: _("de opdrachtregel"),
    audit.PROOF_LETTER: _("de knop in een proef"),
}
# What a line is about: the first word of its subject, or all of it.
KINDS = {
    "delivery": _("mail"),
    "editor": _("medewerker"),
    "endpoint": _("meldadres"),
    "issue": _("nummer"),
    "item": _("artikel"),
    "subscriber": _("abonnee"),
    "subscribers": _("abonnees"),
    "suppression": _("geblokkeerd adres"),
    "a suppression": _("geblokkeerd adres"),
    "suppressions": _("geblokkeerde adressen"),
    "token": _("token"),
    "personal data": _("persoonsgegevens"),
}
FACTS = {
    "added": _("toegevoegd"),
    "address": _("met e-mailadressen"),
    "again": _("opnieuw geblokkeerd of gewist"),
    "at": _("vertrekt op"),
    "by": _("met"),
    "cadence": _("voor lezers van"),
    "choice": _("beslist"),
    "confirmed": _("meteen ingeschreven"),
    "deliveries": _("mails"),
    "days": _("geldig, in dagen"),
    "editors": _("aan"),
    "events": _("meldingen"),
    "host": _("server"),
    "entries": _("adressen op de lijst"),
    "files": _("bestanden"),
    "hash": _("vingerafdruk"),
    "issue": _("nummer"),
    "language": _("taal"),
    "order": _("volgorde"),
    "outcome": _("laatste antwoord"),
    "picture": _("foto"),
    "role": _("rol"),
    "scopes": _("mag"),
    "told": _("kreeg een bericht"),
    "version": _("vingerafdruk"),
    # What the night removed, by rule.
    "IP addresses and browsers of consents, cut short": _("ingekorte IP-adressen en browsers"),
    "addresses of people who left or must not be mailed, erased": _("adressen van wie wegging"),
    "requests of the forms that were never settled": _("aanvragen die niemand bevestigde"),
    "new addresses that nobody confirmed": _("nieuwe adressen die niemand bevestigde"),
    "sent notices": _("verstuurde berichten"),
    "marks of replies that were passed on": _("kenmerken van doorgestuurde antwoorden"),
    "the relay's words about deliveries": _("antwoorden van de mailserver"),
    "used limits of the forms": _("tellers van de formulieren"),
    "browsers that editors signed in with": _("browsers van medewerkers"),
    "mails that came back": _("teruggekomen mails"),
    "answers kept for programs": _("antwoorden aan andere programma’s"),
}
WORDS = {
    "again": _("opnieuw versturen"),
    "leave": _("zo laten"),
    "password": _("wachtwoord"),
    "webauthn": _("toegangssleutel"),
    "oidc": _("aanmelding van de vereniging"),
    "change": _("nieuw wachtwoord"),
}
HASHES = ("hash", "version")
SHORT = 8  # digits of a hash, enough to see whether two are the same


def said(text: str) -> str:
    """A text of ours in the language of the page."""
    return translate(locale(), text)


def action(name: str) -> str:
    """What happened; the log's own word when we have no sentence for it."""
    return said(ACTIONS[name]) if name in ACTIONS else name


def actor(name: str, editors: Mapping[str, str]) -> str:
    """Who did it; `editors` are names by actor."""
    return said(ACTORS[name]) if name in ACTORS else editors.get(name, name)


def subject(text: str, editors: Mapping[str, str]) -> str:
    """What it was done to: "nummer 12"."""
    if text in editors or text in KINDS:
        return editors.get(text) or said(KINDS[text])
    kind, _blank, name = text.partition(" ")
    return f"{said(KINDS[kind])} {name}" if kind in KINDS else text


def facts(found: Mapping[str, Any], editors: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """What else is known: name, value, and the whole value where only its beginning is shown."""
    return [
        (said(FACTS.get(name, name)), _value(name, value, editors), _whole(name, value))
        for name, value in found.items()
    ]


def meant(typed: str) -> tuple[str, list[str]]:
    """What was typed as the log writes it ("nummer 12" is "issue 12"), and the actions whose
    sentence holds it in the language of the page."""
    wanted = typed.casefold()
    actions = [name for name in ACTIONS if wanted and wanted in action(name).casefold()]
    for kind, text in KINDS.items():
        start = said(text).casefold()
        if wanted == start or wanted.startswith(f"{start} "):
            return kind + typed[len(start) :], actions
    return typed, actions


def _value(name: str, value: Any, editors: Mapping[str, str]) -> str:
    if isinstance(value, bool):
        return said(_("ja")) if value else said(_("nee"))
    if name in HASHES:
        return str(value)[:SHORT] or "–"
    if isinstance(value, list):
        who = [audit.editor(one) for one in value] if name == "editors" else map(str, value)
        return ", ".join(editors.get(one, one) for one in who)
    if isinstance(value, int):
        return str(value) if name == "issue" else i18n.number(value, locale())
    return _word(name, str(value))


def _word(name: str, value: str) -> str:
    match name:
        case "role" if value in set(Role):
            value = said(ROLES[Role(value)])
        case "language" if value in LOCALES:
            value = i18n.own_name(value)
        case "cadence":
            value = words.cadence(value)
        case "at":
            with contextlib.suppress(ValueError):  # tampered with: shown as it stands
                value = moment(datetime.fromisoformat(value))
        case "by" | "choice":
            value = ", ".join(said(WORDS.get(one, one)) for one in value.split(", "))
    return value


def _whole(name: str, value: Any) -> str:
    return str(value) if name in HASHES and len(str(value)) > SHORT else ""
