"""Addresses that must not be mailed."""

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import Session

from newsletter import suppression
from newsletter.addresses import parse
from newsletter.models import Suppression, SuppressionReason
from newsletter.settings import Settings
from newsletter.tokens import Tokens

JAN = "jan@example.be"


def reason(session: Session, tokens: Tokens) -> SuppressionReason | None:
    entry = suppression.is_suppressed(session, tokens, JAN)
    return entry.reason if entry else None


def test_prv_12_an_entry_is_a_keyed_hash_and_names_nobody(
    session: Session, settings: Settings, now: datetime
) -> None:
    tokens = Tokens(settings.secret_key)
    entry = suppression.add(
        session, tokens, JAN, SuppressionReason.STAFF, now, "asked by JAN@example.be"
    )
    assert "jan" not in f"{entry.address_key} {entry.why}".lower()
    assert suppression.is_suppressed(session, Tokens("another key of other people"), JAN) is None
    assert reason(session, tokens) is SuppressionReason.STAFF


def test_lifting_ends_it_and_keeps_the_reason(
    session: Session, settings: Settings, now: datetime
) -> None:
    tokens = Tokens(settings.secret_key)
    assert not suppression.lift(session, tokens, JAN, now, "never was")
    suppression.add(session, tokens, JAN, SuppressionReason.NEVER, now)
    assert suppression.lift(session, tokens, JAN, now, "they called, jan@example.be")
    assert reason(session, tokens) is None
    entry = session.scalars(select(Suppression)).one()
    assert (entry.lifted_at, entry.lifted_why) == (now, "they called, <address>")
    assert not suppression.lift(session, tokens, JAN, now, "again")


def test_a_lifted_entry_can_come_into_force_again(
    session: Session, settings: Settings, now: datetime
) -> None:
    tokens = Tokens(settings.secret_key)
    suppression.add(session, tokens, JAN, SuppressionReason.COMPLAINT, now)
    suppression.lift(session, tokens, JAN, now, "mended")
    suppression.add(session, tokens, JAN, SuppressionReason.BOUNCED, now)
    assert reason(session, tokens) is SuppressionReason.BOUNCED


def test_a_complaint_is_not_softened_by_a_bounce_or_an_erasure(
    session: Session, settings: Settings, now: datetime
) -> None:
    tokens = Tokens(settings.secret_key)
    suppression.add(session, tokens, JAN, SuppressionReason.COMPLAINT, now)
    for lesser in (SuppressionReason.BOUNCED, SuppressionReason.ERASED):
        suppression.add(session, tokens, JAN, lesser, now)
        assert reason(session, tokens) is SuppressionReason.COMPLAINT
    suppression.add(session, tokens, "piet@example.be", SuppressionReason.BOUNCED, now)
    suppression.add(session, tokens, "piet@example.be", SuppressionReason.NEVER, now)
    entry = suppression.is_suppressed(session, tokens, "piet@example.be")
    assert suppression.is_final(entry)


def test_the_list_is_oldest_first_and_says_what_was_lifted_and_why(
    session: Session, settings: Settings, now: datetime
) -> None:
    tokens = Tokens(settings.secret_key)
    for hours, name in enumerate(("c", "a", "b")):
        moment = now + timedelta(hours=hours)
        suppression.add(session, tokens, f"{name}@x.be", SuppressionReason.NEVER, moment)
    suppression.lift(session, tokens, "a@x.be", now, "why")
    listed = suppression.listed(session)
    assert [entry.since for entry in listed] == [now + timedelta(hours=n) for n in range(3)]
    assert [entry.lifted_why for entry in listed] == [None, "why", None]


def test_among_finds_those_of_many_in_one_go(
    session: Session, settings: Settings, now: datetime
) -> None:
    tokens = Tokens(settings.secret_key)
    suppression.add(session, tokens, JAN, SuppressionReason.NEVER, now)
    suppression.add(session, tokens, "off@x.be", SuppressionReason.NEVER, now)
    suppression.lift(session, tokens, "off@x.be", now, "why")
    assert suppression.among(session, tokens, [JAN, "off@x.be", "new@x.be"]) == {JAN}
    assert suppression.among(session, tokens, []) == set()


LABEL = st.text("abcdefghijklmnopqrstuvwxyzäéöüßñçø0123456789", min_size=1, max_size=20)


@given(
    local=st.from_regex(r"[a-z0-9]([a-z0-9._+-]{0,20}[a-z0-9])?", fullmatch=True).filter(
        lambda text: ".." not in text
    ),
    label=LABEL,
    upper=st.booleans(),
)
def test_one_person_has_one_key_however_the_address_is_typed(
    local: str, label: str, upper: bool
) -> None:
    typed = f"{local}@{label}.be"
    address, tokens = parse(typed), Tokens("a key for tests that is long enough")
    local_part = local.upper() if upper else local
    # ß has no single capital letter in use: its domain is compared as typed.
    domain = f"{label}.be" if "ß" in label else f"{label.upper()}.BE"
    for variant in (f"{local_part}@{domain}", address.typed, address.canonical, f" {typed} "):
        again = parse(variant)
        assert again.canonical == address.canonical
        assert tokens.address_key(again.canonical) == tokens.address_key(address.canonical)
    assert address.canonical == address.canonical.lower()
    assert address.canonical.isascii()
    assert parse(address.canonical).canonical == address.canonical
