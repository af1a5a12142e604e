"""Guesses at the door of the desk are slowed down, and only for who guesses.

A browser in which an editor signed in before proves that by a cookie (OWASP: device cookies), and
has limits of its own. So a stranger can use up what strangers have, and never locks anybody out.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from newsletter import limits
from newsletter.settings import Settings
from newsletter.settings.parsing import Rate
from newsletter.tokens import Purpose, parse, tokens_of

DEVICE_DAYS = 365  # how long a browser is known
STRANGERS = 3  # times DESK_GUESSES, for all browsers that are not known


@dataclass(frozen=True, slots=True)
class Attempt:
    """Somebody tries to be an editor: `who` is the address typed, or the editor's number."""

    who: str
    ip: str
    device: str | None  # what `known` found


def device(settings: Settings, editor_id: int, now: datetime) -> str:
    """The cookie by which a browser is known to be this editor's."""
    name = secrets.token_hex(16)
    return f"{name}.{tokens_of(settings).issue(Purpose.DEVICE, editor_id, now, name)}"


def known(settings: Settings, editor_id: int, cookie: str, now: datetime) -> str | None:
    """The name of the browser that sent this cookie, if it is this editor's."""
    name, _dot, token = cookie.partition(".")
    claim = parse(token)
    if claim is None or claim.id != editor_id or claim.older_than(timedelta(DEVICE_DAYS), now):
        return None
    return name if tokens_of(settings).verify(Purpose.DEVICE, claim, name) else None


def count(session: Session, settings: Settings, attempt: Attempt, now: datetime) -> int:
    """Count one try, before anything is compared; 0, or the seconds until there is room. Then
    nothing is compared, and the transaction is to be rolled back: it may have counted in part."""
    waits = (limits.admit(session, *one, now) for one in _limits(settings, attempt))
    return next((wait for wait in waits if wait), 0)


def give_back(session: Session, settings: Settings, attempt: Attempt, now: datetime) -> None:
    """Take a try back that was right, at once: only wrong ones use anything up. Those that are
    being compared count meanwhile, so many at once find no more room than one after the other."""
    for name, rate in _limits(settings, attempt):
        limits.give_back(session, name, rate, now)


def _limits(settings: Settings, attempt: Attempt) -> list[tuple[str, Rate]]:
    """What a try uses up: the names of limits, and how much they allow."""
    per, net = settings.desk_guesses, limits.network(attempt.ip)
    if attempt.device:
        rates = {f"{attempt.who} {attempt.device}": per}
    else:
        rates = {
            net: settings.desk_network_guesses,
            f"{attempt.who} {net}": per,
            attempt.who: Rate(per.count * STRANGERS, per.seconds),
        }
    return [(limits.hidden(settings, "desk", what), rate) for what, rate in rates.items()]
