"""Tokens: bound to purpose, id and address; nothing but the key makes one."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.tokens import LENGTH, Claim, Purpose, Tokens, parse

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
TOKENS = Tokens("k" * 40)


def claim(token: str) -> Claim:
    found = parse(token)
    assert found is not None
    return found


@given(id=st.integers(0, 2**31 - 1), bound=st.text())
def test_what_was_issued_verifies(id: int, bound: str) -> None:
    token = TOKENS.issue(Purpose.CONFIRM, id, NOW, bound)
    assert len(token) == LENGTH
    assert claim(token).id == id
    assert claim(token).issued_at == NOW
    assert TOKENS.verify(Purpose.CONFIRM, claim(token), bound)


def test_uns_08_one_changed_character_is_worthless() -> None:
    token = TOKENS.issue(Purpose.UNSUBSCRIBE, 7, NOW)
    for place in range(LENGTH):
        for other in "Aa0-_":
            if token[place] != other:
                bent = token[:place] + other + token[place + 1 :]
                found = parse(bent)
                assert found is None or not TOKENS.verify(Purpose.UNSUBSCRIBE, found)


@pytest.mark.parametrize("purpose", [p for p in Purpose if p is not Purpose.CONFIRM])
def test_a_token_serves_one_purpose(purpose: Purpose) -> None:
    found = claim(TOKENS.issue(Purpose.CONFIRM, 7, NOW))
    assert not TOKENS.verify(purpose, found)


def test_a_token_is_bound_to_address_and_key() -> None:
    found = claim(TOKENS.issue(Purpose.CONFIRM, 7, NOW, "jan@x.be"))
    assert not TOKENS.verify(Purpose.CONFIRM, found, "piet@x.be")
    assert not Tokens("j" * 40).verify(Purpose.CONFIRM, found, "jan@x.be")


@given(st.text(max_size=60))
def test_any_text_is_parsed_without_an_error(text: str) -> None:
    found = parse(text)
    assert found is None or not TOKENS.verify(Purpose.CONFIRM, found)


def test_age() -> None:
    found = claim(TOKENS.issue(Purpose.CONFIRM, 7, NOW))
    assert not found.older_than(timedelta(days=7), NOW + timedelta(days=7))
    assert found.older_than(timedelta(days=7), NOW + timedelta(days=7, seconds=1))


def test_prv_12_the_address_key_is_keyed() -> None:
    assert TOKENS.address_key("jan@x.be") != Tokens("j" * 40).address_key("jan@x.be")
