"""What the desk calls states of an issue, and what happens next; Dutch, to be translated."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from babel.dates import format_timedelta

from newsletter import i18n
from newsletter.i18n import _, translate
from newsletter.issues.arranging import LeftOut
from newsletter.issues.foreseeing import Foreseen
from newsletter.models import Issue, IssueState
from newsletter.notices.letters import editors
from newsletter.web.answers import CADENCES
from newsletter.web.page import locale, moment, state

STATES = {
    IssueState.COMPILED: _("gemaakt"),
    IssueState.HELD: _("wacht"),
    IssueState.APPROVED: _("goedgekeurd"),
    IssueState.SCHEDULED: _("ingepland"),
    IssueState.SENDING: _("wordt verstuurd"),
    IssueState.PAUSED: _("gepauzeerd"),
    IssueState.STOPPED: _("gestopt"),
    IssueState.SENT: _("verstuurd"),
}
# By how the reason of an issue begins.
REASONS = {
    "preflight": _(
        "Bij het nakijken zijn fouten gevonden. Verbeter de stukken en maak het nummer opnieuw."
    ),
    "late": _("Het kon niet op tijd vertrekken. Nu beslist een mens."),
    "approval": _("Het mocht vertrekken, maar wat er nu in staat is nog niet goedgekeurd."),
    "the proof": _("De proef bereikte niemand van de redactie. Nu beslist een mens."),
    "reputation": _("Te veel mail kwam niet aan of werd spam genoemd. Nu beslist een mens."),
    "stopped": _("Iemand hield het tegen."),
}
LEFT_OUT = {
    LeftOut.DRAFT: _("nog een kladversie"),
    LeftOut.FUTURE: _("heeft een latere datum"),
    LeftOut.OVER: _("de deadline is voorbij"),
    LeftOut.WITHDRAWN: _("werd ingetrokken"),
    LeftOut.HAD: _("alle lezers hebben het al"),
}
PARTS = {
    "accepted": _("aangenomen door de mailserver"),
    "waiting": _("moet nog vertrekken"),
    "deferred": _("daarvan uitgesteld"),
    "refused": _("geweigerd"),
    "withdrawn": _("ingetrokken"),
    "in_doubt": _("twijfel: jij beslist"),
}


def said(text: str, **values: object) -> str:
    """A sentence of ours in the language of the page."""
    return translate(locale(), text, **values)


def number(value: float) -> str:
    """A count, as people here write it."""
    return i18n.number(round(value), locale())


def pace(per_minute: float) -> str:
    """How many go in a minute."""
    return said(_("minder dan 1")) if 0 < per_minute < 1 else number(per_minute)


def duration(value: timedelta | None) -> str:
    """How long something takes, roughly; a dash when nobody knows."""
    return format_timedelta(value, locale=i18n.region(locale())) if value else "–"


def cadence(name: str) -> str:
    """How often, as it stands in a sentence: "elke maand"."""
    words = said(CADENCES.get(name, name))
    return words[:1].lower() + words[1:]


def audience(issue: Issue) -> str:
    """For whom an issue is."""
    return cadence(issue.cadence) if issue.cadence else said(_("alle lezers"))


def reason(issue: Issue) -> str:
    """Why it is held, paused or stopped; empty when that is the mail server's own words."""
    why = issue.why or ""
    return next((said(text) for start, text in REASONS.items() if why.startswith(start)), "")


def warm_up(foreseen: Foreseen) -> list[str]:
    """Until when the warm-up makes an issue take, and what that is too late for."""
    until, day, late = foreseen.until, foreseen.deadline, foreseen.late
    settings = state().settings
    return editors.warm_up_sentences(settings, locale(), until=until, day=day, late=late)


def what_next(issue: Issue, lacking: int, now: datetime) -> str:
    """What happens with an issue next, and when, unless somebody does something."""
    if issue.state is IssueState.HELD and not issue.why:
        return _held(issue)
    text, at = _timed(issue, now)
    if at is None:
        return said(text)
    found = said(text, when=moment(at))
    if issue.state is IssueState.SCHEDULED and lacking:
        first = _("Daarvoor moet het nog goedgekeurd worden: %(count)s keer.")
        return f"{found} {said(first, count=lacking)}"
    return found


def _timed(issue: Issue, now: datetime) -> tuple[str, datetime | None]:
    """The sentence, and the moment it speaks of, if it does."""
    match issue.state:
        case IssueState.SCHEDULED if issue.send_at:
            return _("Het vertrekt op %(when)s."), issue.send_at
        case IssueState.APPROVED if issue.hold_until and issue.hold_until > now:
            return _("Het vertrekt op %(when)s."), issue.hold_until
        case IssueState.PAUSED if issue.ask_at:
            return _("We proberen het vanzelf opnieuw op %(when)s."), issue.ask_at
        case IssueState.SENT if issue.sent_at:
            return _("De laatste mail vertrok op %(when)s."), issue.sent_at
        case _:
            return NEXT[issue.state], None


NEXT: Mapping[IssueState, str] = {
    IssueState.COMPILED: _("Er gebeurt niets vanzelf: keur het goed, plan het in of verstuur het."),
    IssueState.HELD: _("Er gebeurt niets vanzelf."),
    IssueState.APPROVED: _("Het vertrekt binnen enkele minuten."),
    IssueState.SCHEDULED: _("Er gebeurt niets vanzelf."),
    IssueState.SENDING: _("De mails vertrekken nu."),
    IssueState.PAUSED: _("Er gebeurt niets vanzelf: hervat het als het opgelost is."),
    IssueState.STOPPED: _("Er gebeurt niets vanzelf: hervat het als het toch weg mag."),
    IssueState.SENT: _("Alles is verstuurd."),
}


def _held(issue: Issue) -> str:
    if state().settings.approvals:
        return said(_("Het wacht tot het goedgekeurd is."))
    if issue.hold_until:
        text = _("Zegt niemand nee, dan vertrekt het op %(when)s.")
        return said(text, when=moment(issue.hold_until))
    return said(_("De bedenktijd begint zodra de redactie de proef heeft."))
