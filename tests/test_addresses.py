"""Addresses: FMT-09 and PY-05 as a table."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.addresses import PLAIN, _any, _plain, masked, parse, without_addresses
from newsletter.errors import FixRequest


@pytest.mark.parametrize(
    ("typed", "kept", "canonical"),
    [
        ("jan@voorbeeld.be", "jan@voorbeeld.be", "jan@voorbeeld.be"),
        ("  Jan.Peeters@Voorbeeld.BE ", "Jan.Peeters@voorbeeld.be", "jan.peeters@voorbeeld.be"),
        ("o'brien@x.be", "o'brien@x.be", "o'brien@x.be"),
        ("a+b@x.be", "a+b@x.be", "a+b@x.be"),
        ("j.a.n@gmail.com", "j.a.n@gmail.com", "j.a.n@gmail.com"),
        ("jan@exämple.be", "jan@xn--exmple-cua.be", "jan@xn--exmple-cua.be"),
        ("jan@straße.de", "jan@xn--strae-oqa.de", "jan@xn--strae-oqa.de"),
        ("jan@XN--EXMPLE-CUA.be", "jan@xn--exmple-cua.be", "jan@xn--exmple-cua.be"),
        ("info@gemeente.voorbeeld.example", *["info@gemeente.voorbeeld.example"] * 2),
        ("a" * 64 + "@x.be", "a" * 64 + "@x.be", "a" * 64 + "@x.be"),
    ],
)
def test_good_addresses(typed: str, kept: str, canonical: str) -> None:
    found = parse(typed)
    assert (found.typed, found.canonical) == (kept, canonical)
    assert found.typed.isascii()


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "   ",
        "jan",
        "jan@",
        "@x.be",
        "jan@x",
        "jan@localhost",
        "jan@@x.be",
        "jan@x..be",
        "jan@x.be, piet@y.be",
        "Jan <jan@x.be>",
        "jan@[127.0.0.1]",
        "ja n@x.be",
        "jan@x.be\r\nBcc: all@y.be",
        "jan\x00@x.be",
        "\u202ejan@x.be",
        "jän@x.be",
        "a" * 65 + "@x.be",
        "jan@" + "a" * 64 + ".be",
        "jan@" + ("a" * 60 + ".") * 5 + "be",
        "\ud800@x.be",
    ],
)
def test_bad_addresses_get_one_clear_sentence(typed: str) -> None:
    with pytest.raises(FixRequest, match=r"^[A-Z][^\n]+\.$"):
        parse(typed)


@pytest.mark.parametrize(
    ("typed", "kept", "canonical"),
    [
        ("Jän@voorbeeld.be", "Jän@voorbeeld.be", "jän@voorbeeld.be"),
        ("Ja\u0308n@x.be", "Jän@x.be", "jän@x.be"),
        ("用户@例子.广告", *["用户@xn--fsqu00a.xn--4rr70v"] * 2),
        ("é" * 32 + "@x.be", *["é" * 32 + "@x.be"] * 2),
        ("jan@voorbeeld.be", *["jan@voorbeeld.be"] * 2),
    ],
)
def test_py_05_other_letters_only_where_the_relay_takes_them(
    typed: str, kept: str, canonical: str
) -> None:
    found = parse(typed, allow_utf8=True)
    assert (found.typed, found.canonical) == (kept, canonical)
    if not kept.isascii():
        with pytest.raises(FixRequest, match="Letters met accenten"):
            parse(typed)


@pytest.mark.parametrize(
    "typed", ["é" * 33 + "@x.be", "jä\u00a0n@x.be", "jä\u202en@x.be", "ä b@x.be"]
)
def test_fmt_09_lengths_count_octets_and_blanks_are_refused(typed: str) -> None:
    with pytest.raises(FixRequest):
        parse(typed, allow_utf8=True)


@given(st.text(max_size=80), st.booleans())
def test_any_text_is_an_address_or_a_sentence(text: str, utf8: bool) -> None:
    for typed in (text, f"{text}@x.be"):
        try:
            found = parse(typed, allow_utf8=utf8)
        except FixRequest:
            continue
        assert parse(found.typed, allow_utf8=utf8) == found
        assert parse(found.canonical, allow_utf8=utf8).canonical == found.canonical


LOCALS = st.text("aBz09._+-'!{İ@ ", max_size=70) | st.sampled_from(
    ["Info", "WWW", "a.b-c", "J.o'N"]
)
LABELS = st.text("aBz09-_ü", min_size=1, max_size=66) | st.sampled_from(["xn--exmple-cua", "a--b"])
ENDS = st.sampled_from(
    ["be", "BE", "test", "local", "Example", "museum", "x", "b9", "xn--p1ai", ""]
)


@given(LOCALS, st.lists(LABELS, max_size=6), ENDS, st.booleans())
def test_the_quick_way_finds_what_the_thorough_way_finds(
    local: str, labels: list[str], end: str, utf8: bool
) -> None:
    email = f"{local}@{'.'.join([*labels, end])}"
    if quick := _plain(email):
        assert quick == _any(email, allow_utf8=utf8)


@given(st.from_regex(PLAIN, fullmatch=True) | st.emails(), st.booleans())
def test_the_quick_way_never_takes_what_the_thorough_way_refuses(email: str, utf8: bool) -> None:
    if quick := _plain(email):
        assert quick == _any(email, allow_utf8=utf8)


def test_the_quick_way_is_for_nearly_everybody() -> None:
    for email in ("Jan.Peeters+nieuws@stad-gent.voorbeeld.be", "info@x.be", "a_1@b.c.example"):
        assert _plain(email) is not None
    for email in ("Info@x.be", "jan@exämple.be", "jan@xn--exmple-cua.be", "jan@x.local", "jan"):
        assert _plain(email) is None


def test_masks() -> None:
    assert masked("jan@voorbeeld.be") == "j…n@voorbeeld.be"
    assert masked("ja@voorbeeld.be") == "j…@voorbeeld.be"
    assert without_addresses('550 <"jan peeters"@x.be> no') == "550 <<address>> no"
    assert without_addresses("550 <jan@x.be>: no jan+a@y.be here") == (
        "550 <<address>>: no <address> here"
    )
