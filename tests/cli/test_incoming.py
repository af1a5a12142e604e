"""When a whole request is there: RFC 9112, in whatever pieces it comes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.cli.serve.incoming import HEAD, SLACK, Incoming, Look

LARGEST = 1000
GET = b"GET /nl/ HTTP/1.1\r\nHost: x\r\n\r\n"
LENGTH = b"POST /nl/signup HTTP/1.1\r\nHost: x\r\ncontent-LENGTH:  11 \r\n\r\nemail=a%40b"
HEAD_OF_CHUNKS = b"POST /u/x HTTP/1.1\r\nTransfer-Encoding: gzip, Chunked\r\nHost: x\r\n\r\n"
CHUNKS = HEAD_OF_CHUNKS + b"1a;a=b\r\nList-Unsubscribe=One-Click\r\n0\r\n\r\n"
TRAILER = HEAD_OF_CHUNKS + b"3\r\na=b\r\n00\r\nDigest: x\r\nA: b\r\n\r\n"
EMPTY = b"\r\nPOST /u/x HTTP/1.0\r\nContent-Length: 0\r\n\r\n"
WHOLE = [GET, LENGTH, CHUNKS, TRAILER, EMPTY]


def incoming(*pieces: bytes) -> Incoming:
    made = Incoming(LARGEST)
    for piece in pieces:
        made.add(piece)
    return made


@pytest.mark.parametrize("request_", WHOLE)
def test_one_octet_at_a_time(request_: bytes) -> None:
    made = Incoming(LARGEST)
    for octet in request_[:-1]:
        made.add(bytes([octet]))
        assert made.look() is Look.PART
    made.add(request_[-1:])
    assert made.look() is Look.WHOLE
    assert made.take() == request_
    assert made.look() is Look.PART


@given(st.lists(st.sampled_from(WHOLE), min_size=1, max_size=5), st.data())
def test_requests_one_after_the_other_in_any_pieces(
    requests: list[bytes], data: st.DataObject
) -> None:
    stream, made, found = b"".join(requests), Incoming(LARGEST), []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        made.add(stream[:size])
        stream = stream[size:]
        while made.look() is Look.WHOLE:
            found.append(made.take())
    assert found == requests


@given(st.binary(max_size=200))
def test_whatever_comes_it_never_gives_more_than_came(noise: bytes) -> None:
    for start in (b"", HEAD_OF_CHUNKS):
        made = incoming(start + noise)
        if made.look() in (Look.WHOLE, Look.HEAD_ALONE):
            whole = made.take()
            assert whole
            assert whole + made.bytes == start + noise


@pytest.mark.parametrize(
    "body",
    [
        b"x\r\n",
        b"-5\r\nabc",
        b"5 5\r\n",
        b"\r\n",
        b"3\n",
        b"z" * 300,
        b";" * 300,
        b"1" * 9 + b"\r\n",
        b"1\r\nabc1\r\n",
    ],
)
def test_what_is_no_chunk_is_known_at_once(body: bytes) -> None:
    assert incoming(HEAD_OF_CHUNKS + body).look() is Look.BROKEN


def test_a_body_that_is_said_to_be_too_large_is_not_waited_for() -> None:
    head = f"POST /x HTTP/1.1\r\nContent-Length: {LARGEST + 1}\r\n\r\n".encode()
    made = incoming(head + b"some")
    assert made.look() is Look.HEAD_ALONE
    assert made.take() == head


def test_the_largest_body_is_waited_for() -> None:
    head = f"POST /x HTTP/1.1\r\nContent-Length: {LARGEST}\r\n\r\n".encode()
    made = incoming(head, b"x" * (LARGEST - 1))
    assert made.look() is Look.PART
    made.add(b"x")
    assert made.look() is Look.WHOLE


def test_chunks_without_end_are_too_long() -> None:
    assert incoming(HEAD_OF_CHUNKS + b"ffffffff\r\n").look() is Look.LONG_BODY
    assert incoming(HEAD_OF_CHUNKS + b"1\r\na\r\n" * SLACK * LARGEST).look() is Look.LONG_BODY
    trailers = b"0\r\n" + b"A: b\r\n" * SLACK * LARGEST
    assert incoming(HEAD_OF_CHUNKS + trailers).look() is Look.LONG_BODY


def test_a_head_without_end_is_too_long() -> None:
    line = b"GET /" + b"a" * HEAD
    assert incoming(line).look() is Look.LONG_HEAD
    assert incoming(line + b"\r\n\r\n").look() is Look.LONG_HEAD


@pytest.mark.parametrize("value", [b"-1", b"+5", b"1e3", b"9" * 30, "²".encode("latin-1"), b"5, 5"])
def test_a_length_that_is_no_number_is_left_to_gunicorn(value: bytes) -> None:
    assert (
        incoming(b"POST / HTTP/1.1\r\nContent-Length: " + value + b"\r\n\r\n").look() is Look.WHOLE
    )


def test_who_asks_for_100_continue_is_told_once() -> None:
    made = incoming(b"POST / HTTP/1.1\r\nExpect: 100-Continue\r\nContent-Length: 3\r\n\r\n")
    assert made.look() is Look.PART
    assert made.asks()
    assert not made.asks()
    assert not incoming(GET[:-1]).asks()


@pytest.mark.parametrize("more", [-1, 0, 1])
def test_a_larger_body_is_waited_for_where_the_head_may_have_one(more: int) -> None:
    size = LARGEST + 5
    made = Incoming(LARGEST, lambda _head: size + more)
    made.add(b"POST /desk/items HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % size + b"a" * size)
    assert made.look() is (Look.HEAD_ALONE if more < 0 else Look.WHOLE)
