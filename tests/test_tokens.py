"""Tokens: bound to purpose, id and address; nothing but the key makes one."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.tokens import LENGTH, SHORT_LENGTH, Claim, Purpose, Tokens, parse

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
TOKENS = Tokens("k" * 40)
OLD = "AAAAAAAHAGsEAJDZh_a4jJUF28qc3lfVFuJI"


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


@given(id=st.integers(0, 2**31 - 1), bound=st.text())
def test_a_series_gives_what_issue_gives(id: int, bound: str) -> None:
    series = TOKENS.series(Purpose.MESSAGE_ID, NOW, bound)
    assert series(id).decode() == TOKENS.issue(Purpose.MESSAGE_ID, id, NOW, bound)


def test_links_that_were_mailed_keep_working() -> None:
    """UNS-09: the token of a link in an old mail, byte for byte."""
    assert TOKENS.issue(Purpose.UNSUBSCRIBE, 7, NOW) == OLD


@given(id=st.integers(0, 2**40 - 1))
def test_a_short_token_is_read_in_whatever_case(id: int) -> None:
    token = TOKENS.issue_short(Purpose.RETURN_PATH, id)
    assert len(token) == SHORT_LENGTH
    for written in (token, token.lower(), token.upper()):
        assert TOKENS.read_short(Purpose.RETURN_PATH, written) == id
    assert TOKENS.read_short(Purpose.NOTICE_RETURN_PATH, token) is None
    assert Tokens("j" * 40).read_short(Purpose.RETURN_PATH, token) is None


def test_smt_13_a_bent_short_token_is_worthless() -> None:
    token = TOKENS.issue_short(Purpose.RETURN_PATH, 7)
    for place in range(SHORT_LENGTH):
        for other in "0123456789abcdef":
            if token[place] != other:
                bent = token[:place] + other + token[place + 1 :]
                assert TOKENS.read_short(Purpose.RETURN_PATH, bent) is None


@given(st.text(max_size=40), st.text("0123456789abcdefABCDEF \n", min_size=28, max_size=32))
def test_any_text_is_read_as_a_short_token_without_an_error(text: str, likely: str) -> None:
    assert TOKENS.read_short(Purpose.RETURN_PATH, text) is None
    assert TOKENS.read_short(Purpose.RETURN_PATH, likely) is None


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
