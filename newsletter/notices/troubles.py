"""Letters about trouble with an issue, from the facts of their notice."""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any, TypeAlias

from newsletter.notices.letters import arriving, editors
from newsletter.notices.letters.editors import Standing
from newsletter.notices.letters.paper import Letter
from newsletter.settings import Settings

Facts: TypeAlias = Mapping[str, Any]


def write(settings: Settings, locale: str, facts: Facts) -> Letter:
    """What is in the way: the relay, unless the facts name something else. KeyError for a fact that
    is not there: the notice is parked."""
    return TROUBLES.get(facts.get("what", ""), _relay)(settings, locale, facts)


def _relay(settings: Settings, locale: str, facts: Facts) -> Letter:
    number, paused = int(facts["issue"]), bool(facts["paused"])
    return editors.trouble(settings, locale, number=number, words=facts["words"], paused=paused)


def _late(settings: Settings, locale: str, facts: Facts) -> Letter:
    slot, planned = datetime.fromisoformat(facts["slot"]), bool(facts["planned"])
    return editors.late(settings, locale, number=int(facts["issue"]), slot=slot, planned=planned)


def _warm_up(settings: Settings, locale: str, facts: Facts) -> Letter:
    until, late = datetime.fromisoformat(facts["until"]), bool(facts["late"])
    day = date.fromisoformat(facts["day"]) if facts["day"] else None
    number = int(facts["issue"])
    return editors.warm_up(settings, locale, number=number, until=until, day=day, late=late)


def _unapproved(settings: Settings, locale: str, facts: Facts) -> Letter:
    return editors.unapproved(settings, locale, number=int(facts["issue"]))


def _faults(settings: Settings, locale: str, facts: Facts) -> Letter:
    return editors.faults(
        settings,
        locale,
        number=int(facts["issue"]),
        words=facts["words"],
        planned=bool(facts["planned"]),
        cadence=facts["cadence"],
    )


def _missed(settings: Settings, locale: str, facts: Facts) -> Letter:
    return editors.missed(
        settings,
        locale,
        cadence=facts["cadence"],
        slots=[datetime.fromisoformat(slot) for slot in facts["slots"]],
        gone=bool(facts["gone"]),
    )


def _reputation(settings: Settings, locale: str, facts: Facts) -> Letter:
    counts = Standing(*(int(facts[name]) for name in ("answered", "failed", "complaints")))
    number, paused = int(facts["issue"]), bool(facts["paused"])
    return editors.reputation(settings, locale, number=number, counts=counts, paused=paused)


def _mailbox(settings: Settings, locale: str, facts: Facts) -> Letter:
    return arriving.unreachable(settings, locale, words=facts["words"])


def _seeds(settings: Settings, locale: str, facts: Facts) -> Letter:
    places = [(place["provider"], place["place"]) for place in facts["places"]]
    return arriving.astray(settings, locale, number=int(facts["issue"]), places=places)


TROUBLES: Mapping[str, Callable[[Settings, str, Facts], Letter]] = {
    "late": _late,
    "warm-up": _warm_up,
    "approval": _unapproved,
    "faults": _faults,
    "slots": _missed,
    "reputation": _reputation,
    "mailbox": _mailbox,
    "seeds": _seeds,
}
