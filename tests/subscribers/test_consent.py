"""Proofs: what is written, that it is only added to, and that it can be checked."""

import hashlib
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session

from newsletter.db import Database, Plain
from newsletter.errors import FixRequest
from newsletter.i18n import LOCALES
from newsletter.models import Consent, ConsentDetails, ConsentEvent, ConsentOrigin
from newsletter.settings import Settings
from newsletter.subscribers import chain, consent, leaving, preferences
from newsletter.subscribers.consent import CONSENTS, Person
from tests.subscribers.people import AGENT, IP, ask, form, reader

# Each sentence that was ever published, with the start of its SHA-256.
FROZEN = {
    "signup-1.nl": "5eed6eaaef23ce02",
    "signup-1.fr": "9d3072884fb0f0fc",
    "signup-1.en": "74ad3f4cce800ba5",
    "signup-1.de": "d159cd6007b88588",
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
    origin = session.get_one(ConsentOrigin, row.id)
    assert (details.email, origin.ip, origin.user_agent) == ("Jan@example.be", IP, AGENT)
    assert len(details.salt) >= 16
    assert origin.salt is not None
    assert details.salt != origin.salt


def test_every_locale_has_a_sentence_with_its_hash() -> None:
    for locale in LOCALES:
        sentence = consent.wording(locale)
        assert sentence.id == f"signup-1.{locale}"
        assert "Fiabel-nieuws" in sentence.text
        assert hashlib.sha256(sentence.text.encode()).hexdigest() == sentence.sha256
    assert len({consent.wording(locale).text for locale in LOCALES}) == len(LOCALES)


def test_a_sentence_people_agreed_to_is_never_changed() -> None:
    """If this fails: put the old text back and write the next number instead."""
    folder = Path(consent.__file__).parent / "wordings"
    ids = {file.name.removesuffix(".txt") for file in folder.iterdir()}
    assert {id: consent.named(id).sha256[:16] for id in ids} == FROZEN


def test_an_id_that_never_was_is_refused() -> None:
    for wrong in ("signup-99.nl", "../../config", "signup-1.nl.txt", ""):
        with pytest.raises(FixRequest):
            consent.named(wrong)


def test_details_and_origins_that_were_altered_do_not_fit(
    session: Session, settings: Settings, now: datetime
) -> None:
    ask(session, settings, now)
    row = session.scalars(select(Consent)).one()
    details = session.get_one(ConsentDetails, row.id)
    origin = session.get_one(ConsentOrigin, row.id)
    address, place = {"email": details.email}, {"ip": IP, "user_agent": AGENT}
    assert origin.salt is not None
    assert consent.fits(details.salt, address, row.details_hash)
    assert consent.fits(origin.salt, place, row.origin_hash)
    assert not consent.fits(details.salt, {"email": "other"}, row.details_hash)
    assert not consent.fits(b"0" * 16, address, row.details_hash)
    assert not consent.fits(origin.salt, place | {"ip": "other"}, row.origin_hash)
    assert not consent.fits(origin.salt, place | {"user_agent": "other"}, row.origin_hash)
    assert not consent.fits(origin.salt, place, None)


@pytest.mark.parametrize("table", ["consents", "seals"])
def test_prv_02_the_database_itself_refuses_to_change_a_proof(
    database: Database, settings: Settings, now: datetime, table: str
) -> None:
    with database.write() as session:
        ask(session, settings, now)
        chain.seal(session, now, 0)
    column = "route" if table == "consents" else "hash"
    orders = [f"UPDATE {table} SET {column} = 'forged'", f"DELETE FROM {table}"]
    if database.engine.name == "postgresql":
        orders.append(f"TRUNCATE {table} CASCADE")
    for order in orders:
        refused = pytest.raises(DatabaseError, match="append-only")
        with refused, database.engine.begin() as connection:
            connection.execute(text(order))
    with database.read() as session:
        assert chain.verify(session).number == 1


def test_rows_are_what_record_all_writes(
    session: Session, settings: Settings, now: datetime
) -> None:
    """An import writes them another way: both ways must come to the same."""
    subscriber = reader(session, settings, now)
    people = [
        Person(subscriber.id, "a@x.be", "nl", "monthly", "", {"confirmed_at": "2020"}),
        Person(subscriber.id, None, "fr", "weekly", "sdg|water"),
    ]
    proof = consent.Proof("import", source="list of piet@x.be", ip="1.2.3.4", facts={"n": 1})
    made = consent.rows(people, ConsentEvent.IMPORTED, proof, now)
    ids = consent.record_all(session, people, ConsentEvent.IMPORTED, proof, now)
    written = [session.get_one(Consent, id) for id in ids]
    for row, values in zip(written, made.consents, strict=True):
        hashes = ("details_hash", "origin_hash")
        assert {n: getattr(row, n) for n in values if n not in hashes} == {
            n: value for n, value in values.items() if n not in hashes
        }
        assert row.source == "list of <address>"
    assert [row.facts for row in written] == [{"n": 1, "confirmed_at": "2020"}, {"n": 1}]
    assert made.details[0]["email"] == "a@x.be"
    assert made.origins[0]["ip"] == "1.2.3.4"
    assert (made.details[1], made.origins[1]) == ({}, {})  # nothing that would have to be erased
    salt = made.details[0]["salt"]
    assert consent.fits(salt, {"email": "a@x.be"}, made.consents[0]["details_hash"])
    assert session.get(ConsentDetails, ids[0]) is not None
    assert session.get(ConsentDetails, ids[1]) is None
    assert session.get(ConsentOrigin, ids[1]) is None


def test_plain_sql_writes_the_same_proofs(
    session: Session, settings: Settings, now: datetime
) -> None:
    """The hot path of one-click: columns and halves as `record_all` writes them."""
    subscriber = reader(session, settings, now)
    people = [
        Person(subscriber.id, email, "nl", "monthly", "", {"n": 1})
        for email in ("a@x.be", "é@x.be", None)
    ]
    proof = consent.Proof("one-click", ip="1.2.3.4", user_agent="b", issue_number=7)
    last = max(session.scalars(select(Consent.id)))
    consent.record_all(session, people, ConsentEvent.WITHDRAWN, proof, now)
    consent.record_plainly(Plain(session), people, ConsentEvent.WITHDRAWN, proof, now)
    consent.record_plainly(Plain(session), [], ConsentEvent.WITHDRAWN, proof, now)
    query = (
        select(
            *(column for column in CONSENTS.c if "hash" not in column.name and column.name != "id"),
            ConsentDetails.email,
            ConsentOrigin.ip,
        )
        .outerjoin(ConsentDetails, ConsentDetails.consent_id == CONSENTS.c.id)
        .outerjoin(ConsentOrigin, ConsentOrigin.consent_id == CONSENTS.c.id)
        .where(CONSENTS.c.id > last)
        .order_by(CONSENTS.c.id)
    )
    rows = [tuple(row) for row in session.execute(query)]
    assert len(rows) == 6
    assert rows[:3] == rows[3:]
    assert [row[-2:] for row in rows[:3]] == [
        ("a@x.be", "1.2.3.4"),
        ("é@x.be", "1.2.3.4"),
        (None, None),
    ]
    chain.seal(session, now, 0)
    assert chain.verify(session).broken is None


def test_prv_12_what_others_wrote_into_a_proof_does_not_name_the_reader(
    session: Session, settings: Settings, now: datetime
) -> None:
    subscriber = reader(session, settings, now, "Jan.Peeters@example.be")
    said = "250 ok <JAN.PEETERS@example.be>, mailbox jan.peeters, jan.peetersen"
    facts = {"reply": said, "message_id": "<1.abc@nieuws.test>"}
    proof = consent.Proof("page", facts=facts)
    consent.record(session, subscriber, ConsentEvent.CHANGED, proof, now)
    row = session.scalars(select(Consent).order_by(Consent.id.desc())).first()
    assert row is not None
    assert row.facts["reply"] == "250 ok <<address>>, mailbox <address>, jan.peetersen"
    assert row.facts["message_id"] == "<1.abc@nieuws.test>"


@pytest.mark.parametrize(
    ("ip", "network"),
    [
        ("203.0.113.77", "203.0.113.0/24"),
        ("2001:db8:1:2::5", "2001:db8:1::/48"),
        ("::ffff:203.0.113.77", "203.0.113.0/24"),
        ("fe80::1%eth0", "fe80::/48"),
        ("unknown", ""),
        ("", ""),
    ],
)
def test_prv_11_an_ip_address_is_cut_to_its_network(ip: str, network: str) -> None:
    assert consent.network(ip) == network


def test_prv_11_origins_are_cut_short_when_they_are_old(
    session: Session, settings: Settings, now: datetime
) -> None:
    for days, email in ((40, "old@x.be"), (35, "older@x.be"), (1, "new@x.be")):
        ask(session, settings, now - timedelta(days=days), form(email))
    before = now - timedelta(days=30)
    assert consent.shorten_origins(session, before, 1) == 1
    assert consent.shorten_origins(session, before, 500) == 1
    assert consent.shorten_origins(session, before, 500) == 0
    kept = session.scalars(select(ConsentOrigin).order_by(ConsentOrigin.consent_id)).all()
    assert [(one.ip, one.user_agent) for one in kept] == [
        ("203.0.113.0/24", "Testbrowser"),
        ("203.0.113.0/24", "Testbrowser"),
        (IP, AGENT),
    ]
    assert [one.salt is None for one in kept] == [True, True, False]
    chain.seal(session, now, 0)
    assert chain.verify(session).broken is None, "the chain does not need what was cut off"


@pytest.mark.parametrize("agent", ["Mozilla/5.0 (X11; Linux) Gecko", "Mozilla (X11)", "Mozilla"])
def test_prv_11_of_a_browser_its_first_product_stays(agent: str) -> None:
    assert consent.product(agent) == "Mozilla"
    assert consent.product("") == ""


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
    leaving.leave(session, settings, someone, "page", now)
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


@pytest.mark.sqlite("PostgreSQL has no REPLACE")
@pytest.mark.parametrize(
    "order",
    [
        "REPLACE INTO consents SELECT * FROM consents WHERE id = 1",
        "REPLACE INTO seals SELECT * FROM seals WHERE number = 1",
        "REPLACE INTO seals SELECT 9, consent_id, hash, sealed_at FROM seals WHERE number = 1",
    ],
)
def test_prv_02_nor_can_a_proof_be_replaced(
    database: Database, settings: Settings, now: datetime, order: str
) -> None:
    with database.write() as session:
        ask(session, settings, now)
        chain.seal(session, now, 0)
    refused = pytest.raises(DatabaseError, match="append-only")
    with refused, database.engine.begin() as connection:
        connection.execute(text(order))
