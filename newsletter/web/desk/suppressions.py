"""Who must not be mailed: keyed hashes with a reason. An address is looked up in a form."""

from datetime import datetime

from flask import Response, request
from werkzeug.wrappers import Response as AnyResponse

from newsletter import addresses, suppression
from newsletter.errors import FixRequest
from newsletter.i18n import _, translate
from newsletter.models import Role, Suppression, SuppressionReason
from newsletter.subscribers import consent, privacy
from newsletter.tokens import tokens_of
from newsletter.web.desk import subscriber_words as words
from newsletter.web.desk.ground import blueprint, done, needs, record, show
from newsletter.web.page import locale, now, state

ROWS = 50
NO_REASON = _("Schrijf op waarom.")


@blueprint.get("/suppressions")
@needs(Role.PUBLISHER)
def subscribers_suppressions() -> Response:
    """The list, newest first."""
    return _page({})


@blueprint.post("/suppressions")
@needs(Role.PUBLISHER)
def find_suppression() -> Response:
    """What the list says of one address."""
    sent = request.form.to_dict()
    try:
        canonical = addresses.parse(sent.get("email", ""), allow_utf8=True).canonical
    except FixRequest as error:
        return _page(sent, 422, {"email": str(error)})
    with state().database.read() as session:
        entry = suppression.about(session, tokens_of(state().settings), canonical)
    return _page(sent, entry=entry, searched=True)


@blueprint.post("/suppressions/add")
@needs(Role.PUBLISHER)
def add_suppression() -> AnyResponse:
    """Never mail an address, whether it is a subscriber's or not."""
    sent = request.form.to_dict()
    email, why = sent.get("blocked", ""), sent.get("blocked_why", "").strip()
    problems = _problems({"blocked": email}, {"blocked_why": why})
    if problems:
        return _page(sent, 422, problems)
    with state().database.write() as session:
        staff = SuppressionReason.STAFF
        privacy.suppress(session, state().settings, email, staff, now(), why)
        record(session, "suppression.add", _named(email))
    return done("desk.subscribers_suppressions", _("Dit adres krijgt geen mail meer."))


@blueprint.post("/suppressions/lift")
@needs(Role.ADMINISTRATOR)
def lift_suppression() -> AnyResponse:
    """Allow an address again."""
    sent = request.form.to_dict()
    email, why = sent.get("lifted", ""), sent.get("lifted_why", "").strip()
    if problems := _problems({"lifted": email}, {"lifted_why": why}):
        return _page(sent, 422, problems)
    canonical = addresses.parse(email, allow_utf8=True).canonical
    tokens, nameless = tokens_of(state().settings), consent.nameless(why, canonical)
    with state().database.write() as session:
        lifted = suppression.lift(session, tokens, canonical, now(), nameless)
        if lifted:
            record(session, "suppression.lift", _named(email))
    if not lifted:
        return _page(sent, 422, {"lifted": words.NOT_SUPPRESSED})
    return done("desk.subscribers_suppressions", words.LIFTED)


def _problems(emails: dict[str, str], reasons: dict[str, str]) -> dict[str, str]:
    """What is wrong with what was filled in, by field."""
    found = {}
    for field, email in emails.items():
        try:
            addresses.parse(email, allow_utf8=True)
        except FixRequest as error:
            found[field] = str(error)
    return found | {field: NO_REASON for field, why in reasons.items() if not why}


def _named(email: str) -> str:
    """A suppression, by the beginning of its keyed hash, as the list shows it."""
    canonical = addresses.parse(email, allow_utf8=True).canonical
    return f"suppression {tokens_of(state().settings).address_key(canonical)[:16]}"


def _page(
    sent: dict[str, str],
    status: int = 200,
    problems: dict[str, str] | None = None,
    *,
    entry: Suppression | None = None,
    searched: bool = False,
) -> Response:
    with state().database.read() as session:
        rows = suppression.page(session, _before(), ROWS + 1)
    return show(
        "suppressions.html",
        status,
        rows=rows[:ROWS],
        older=_place(rows[ROWS - 1]) if len(rows) > ROWS else None,
        sent=sent,
        problems={name: translate(locale(), text) for name, text in (problems or {}).items()},
        entry=entry,
        searched=searched,
        words=words,
    )


def _place(row: Suppression) -> str:
    """Where the list goes on: the moment and the hash of the last row shown."""
    return f"{row.since.isoformat()} {row.address_key}"


def _before() -> tuple[datetime, str] | None:
    since, _blank, key = request.args.get("before", "").partition(" ")
    try:
        moment = datetime.fromisoformat(since)
    except ValueError:
        return None
    return (moment, key) if moment.tzinfo else None
