"""Proofs: what is written, that it is only added to, and that it can be checked."""

import hashlib
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from newsletter.errors import FixRequest
from newsletter.i18n import LOCALES
from newsletter.models import Consent, ConsentDetails
from newsletter.settings import Settings
from newsletter.subscribers import consent, preferences
from tests.subscribers.people import AGENT, IP, ask, form, reader

FROZEN = {
    "nl": "5eed6eaaef23ce02",
    "fr": "9d3072884fb0f0fc",
    "en": "74ad3f4cce800ba5",
    "de": "d159cd6007b88588",
}


def test_prv_02_the_proof_says_what_was_agreed_when_and_how(
    session: Session, settings: Settings, now: datetime
) -> None:
    ask(session, settings, now, form("Jan@Example.be", locale="fr", wording="signup-1.fr"))
    row = session.scalars(select(Consent)).one()
    sentence = consent.wording("fr")
    assert (row.event, row.at, row.route) == ("asked", now, "form")
    assert (row.wording, row.wording_hash) == (sentence.id, sentence.sha256)
    assert row.source == "https://nieuws.test/nl/"
    details = session.get_one(ConsentDetails, row.id)
    assert (details.email, details.ip, details.user_agent) == ("Jan@example.be", IP, AGENT)
    assert len(details.salt) >= 16


def test_every_locale_has_a_sentence_with_its_hash() -> None:
    for locale in LOCALES:
        sentence = consent.wording(locale)
        assert sentence.id == f"signup-1.{locale}"
        assert "Fiabel-nieuws" in sentence.text
        assert hashlib.sha256(sentence.text.encode()).hexdigest() == sentence.sha256
    assert len({consent.wording(locale).text for locale in LOCALES}) == len(LOCALES)


def test_a_sentence_people_agreed_to_is_never_changed() -> None:
    """If this fails: put the old text back and write signup-2 instead."""
    hashes = {locale: consent.wording(locale).sha256[:16] for locale in LOCALES}
    assert hashes == FROZEN


def test_an_id_that_never_was_is_refused() -> None:
    for wrong in ("signup-99.nl", "../../config", "signup-1.nl.txt", ""):
        with pytest.raises(FixRequest):
            consent.named(wrong)


@pytest.mark.parametrize("field", ["email", "ip", "user_agent", "salt"])
def test_details_that_were_altered_do_not_verify(
    session: Session, settings: Settings, now: datetime, field: str
) -> None:
    ask(session, settings, now)
    row = session.scalars(select(Consent)).one()
    details = session.get_one(ConsentDetails, row.id)
    assert consent.verify_details(row, details)
    setattr(details, field, b"0" * 16 if field == "salt" else "other")
    assert not consent.verify_details(row, details)


def test_each_event_adds_a_row_and_leaves_the_earlier_ones_as_they_were(
    session: Session, settings: Settings, now: datetime
) -> None:
    def rows() -> list[tuple[object, ...]]:
        session.flush()
        query = select(Consent.__table__).order_by(Consent.id)
        return [tuple(row) for row in session.execute(query)]

    someone = reader(session, settings, now)
    history = [rows()]
    preferences.change(session, someone, locale="en", topics=[], cadence="monthly", now=now)
    history.append(rows())
    preferences.leave(session, settings, someone, "page", now)
    history.append(rows())
    for before, after in pairwise(history):
        assert after[: len(before)] == before
        assert len(after) == len(before) + 1


def test_two_proofs_of_the_same_details_share_no_hash(
    session: Session, settings: Settings, now: datetime
) -> None:
    ask(session, settings, now)
    ask(session, settings, now, form(locale="en"))
    hashes = session.scalars(select(Consent.details_hash)).all()
    assert len(set(hashes)) == len(hashes) == 2


def test_the_wordings_are_plain_files_beside_the_code() -> None:
    folder = Path(consent.__file__).parent / "wordings"
    assert {file.name for file in folder.iterdir()} == {f"signup-1.{x}.txt" for x in LOCALES}
