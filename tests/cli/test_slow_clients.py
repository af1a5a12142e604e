"""Slow clients do not block others: half requests, answers nobody reads, and the edges of HTTP."""

import contextlib
import itertools
import re
import signal
import socket
import sqlite3
import struct
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from newsletter.cli.demo import browser
from newsletter.cli.serve.server import THREADS
from newsletter.web import page
from newsletter.web.answers import HONEYPOT
from tests.cli.serving import SECONDS, Serving
from tests.faults.programs import Birth, wait_for

SLOW = 64
NORMAL = 20
HOST = b"Host: localhost\r\n"
FORM = b"Content-Type: application/x-www-form-urlencoded\r\n"
HALF_HEAD = b"GET /nl/ HTTP/1.1\r\n" + HOST + b"Accept: te"
HALF_BODY = b"POST /nl/signup HTTP/1.1\r\n" + HOST + FORM + b"Content-Length: 500\r\n\r\nemail=half"
HALF_CHUNK = b"POST /nl/signup HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\nff\r\nema"
PAGE = b"GET /nl/ HTTP/1.1\r\n" + HOST + b"\r\n"
SHEET = PAGE.replace(b"/nl/", b"/static/fiabel.css")
SHEETS = 300  # more than the kernel keeps for a client


@pytest.fixture(scope="module")
def site(birth: Birth, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    serving = Serving(birth, tmp_path_factory.mktemp("site") / "instance")
    yield serving.until_running()
    serving.process.end()


@pytest.fixture(scope="module")
def hasty(birth: Birth, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    folder = tmp_path_factory.mktemp("hasty") / "instance"
    serving = Serving(birth, folder, module="tests.cli.hasty")
    yield serving.until_running()
    serving.process.end()


class Client:
    """A client that speaks HTTP by hand."""

    def __init__(self, serving: Serving, *, window: int = 0) -> None:
        self.socket = socket.socket()
        if window:  # octets the kernel keeps for who does not read
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        self.socket.settimeout(SECONDS)
        self.socket.connect(("127.0.0.1", serving.port))

    def say(self, data: bytes) -> "Client":
        self.socket.sendall(data)
        return self

    def hear(self, *until: bytes) -> bytes:
        """What comes, up to its end or to what is waited for."""
        heard = b""
        while not any(one in heard for one in until) and (data := self.socket.recv(1 << 16)):
            heard += data
        return heard

    def hear_all(self, size: int) -> bytes:
        """So many octets."""
        heard = bytearray()
        while len(heard) < size:
            data = self.socket.recv(1 << 20)
            assert data, f"cut off after {len(heard)} octets"
            heard += data
        return bytes(heard)

    def waits(self) -> bool:
        """Has nothing come yet, neither an answer nor the end?"""
        self.socket.setblocking(False)
        try:
            self.socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except ConnectionResetError:
            return False
        finally:
            self.socket.settimeout(SECONDS)
        return False

    def is_dropped(self) -> bool:
        """Has the server closed, without an answer?"""
        try:
            return not self.waits() and self.socket.recv(1) == b""
        except ConnectionResetError:
            return True


Call = Callable[..., Client]


@pytest.fixture
def call() -> Iterator[Call]:
    """Makes clients, and hangs up for them at the end."""
    made: list[Client] = []

    def call(serving: Serving, *, window: int = 0) -> Client:
        made.append(Client(serving, window=window))
        return made[-1]

    yield call
    for client in made:
        client.socket.close()


@pytest.fixture
def slow(call: Call, site: Serving) -> list[Client]:
    """Half heads, half bodies, half chunks, and who sends one octet at a time."""
    halves = itertools.cycle([HALF_HEAD, HALF_BODY, HALF_CHUNK, b"G"])
    return [call(site).say(next(halves)) for _ in range(SLOW)]


def ask_as_people_do(serving: Serving) -> list[int]:
    """Many at a time, on connections of their own."""
    pages = ["/nl/", "/nl/signup", "/static/fiabel.css", "/en/"]
    with ThreadPoolExecutor(NORMAL) as pool:
        urls = [serving.url + pages[number % 4] for number in range(NORMAL)]
        return [page.status for page in pool.map(browser.get, urls)]


def test_slow_clients_do_not_block_others(call: Call, site: Serving, slow: list[Client]) -> None:
    for octet in b"ET /":
        for client in slow[3::4]:
            client.say(bytes([octet]))
    assert ask_as_people_do(site) == [200] * NORMAL
    assert all(client.waits() for client in slow)


def test_a_slow_request_is_answered_once_it_is_whole(
    call: Call, site: Serving, slow: list[Client]
) -> None:
    for client in slow[::4]:
        assert client.say(b"xt/html\r\n\r\n").hear(b"</html>").startswith(b"HTTP/1.1 200 OK\r\n")


def test_clients_that_do_not_read_do_not_block_others(call: Call, site: Serving) -> None:
    answer = call(site).say(SHEET).hear(b"\r\n\r\n")
    sheet = (page.STATIC_DIR / "fiabel.css").read_bytes()
    size = answer.index(b"\r\n\r\n") + 4 + len(sheet)
    deaf = [call(site, window=1024).say(SHEET * SHEETS) for _ in range(THREADS + 1)]
    assert ask_as_people_do(site) == [200] * NORMAL
    # One of them reads after all, and misses nothing.
    heard = deaf[0].hear_all(SHEETS * size)
    assert heard.count(sheet) == heard.count(b"HTTP/1.1 200 OK\r\n") == SHEETS


def test_slow_clients_are_dropped_in_the_end(call: Call, hasty: Serving) -> None:
    halves = itertools.cycle([HALF_HEAD, HALF_BODY, HALF_CHUNK, b""])
    clients = [call(hasty).say(next(halves)) for _ in range(8)]
    steady = call(hasty).say(HALF_HEAD)

    def all_dropped() -> bool:
        with contextlib.suppress(OSError):
            steady.say(b"x")  # whoever sends on gets no more time
        return all(list(map(Client.is_dropped, clients)))

    wait_for(all_dropped, "the end of the slow clients")
    with contextlib.suppress(ConnectionResetError):
        assert steady.hear() == b""


def test_who_does_not_read_is_dropped_in_the_end(call: Call, hasty: Serving) -> None:
    deaf = call(hasty, window=1024).say(SHEET * SHEETS)
    # The server's side of it is gone, in the kernel's table of connections.
    port = deaf.socket.getsockname()[1]
    wait_for(lambda: not established(hasty.port, port), "the end of the deaf client")


def established(local: int, remote: int) -> bool:
    ends = f":{local:04X}", f":{remote:04X}"
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        mine, theirs, state = line.split()[1:4]
        if (mine[8:], theirs[8:], state) == (*ends, "01"):
            return True
    return False


def test_the_client_that_waits_longest_makes_room(call: Call, hasty: Serving) -> None:
    clients = [call(hasty).say(HALF_HEAD) for _ in range(60)]
    assert ask_as_people_do(hasty) == [200] * NORMAL
    wait_for(clients[0].is_dropped, "room for the others")


def test_a_sign_up_that_is_cut_off_is_none(call: Call, site: Serving) -> None:
    form = browser.get(f"{site.url}/nl/signup").form("/nl/signup")
    body = "&".join(f"{name}={value}" for name, value in form.fields.items()).encode()
    body += b"&email=half@voorbeeld.example"
    head = b"POST /nl/signup HTTP/1.1\r\n" + HOST + FORM
    client = call(site).say(head + b"Content-Length: %d\r\n\r\n" % (len(body) + 3) + body)
    client.socket.shutdown(socket.SHUT_WR)
    assert client.hear() == b""
    with contextlib.closing(sqlite3.connect(site.folder / "newsletter.db")) as database:
        for table in ("requests", "subscribers"):
            found = f"SELECT count(*) FROM {table} WHERE email LIKE 'half@%'"
            assert database.execute(found).fetchone() == (0,)


def test_two_requests_in_one_packet_are_answered_in_turn(call: Call, site: Serving) -> None:
    client = call(site).say(PAGE + PAGE.replace(b"/nl/ ", b"/fr/nothing "))
    heard = client.hear(b"404 NOT FOUND")
    assert heard.startswith(b"HTTP/1.1 200 OK\r\n")
    assert heard.index(b'<html lang="nl"') < heard.index(b"404 NOT FOUND")


def test_a_body_in_chunks_is_a_body(call: Call, site: Serving) -> None:
    fields = b"List-Unsubscribe=One-Click"
    chunks = b"".join(b"1\r\n%c\r\n" % octet for octet in fields) + b"0\r\n\r\n"
    head = b"POST /u/AAAA HTTP/1.1\r\n" + HOST + FORM
    chunked = call(site).say(head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks)
    whole = call(site).say(head + b"Content-Length: %d\r\n\r\n" % len(fields) + fields)
    answers = [
        re.sub(rb"(Date|X-Request-ID): .*?\r\n", b"", client.hear(b"</html>"))
        for client in (chunked, whole)
    ]
    assert answers[0] == answers[1]
    assert answers[0].startswith(b"HTTP/1.1 ")


def test_who_asks_first_is_told_to_go_on(call: Call, site: Serving) -> None:
    head = b"POST /nl/nothing HTTP/1.1\r\n" + HOST + FORM
    client = call(site).say(head + b"Expect: 100-continue\r\nContent-Length: 3\r\n\r\n")
    assert client.hear(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert client.say(b"a=b").hear(b"</html>").startswith(b"HTTP/1.1 404 ")


@pytest.mark.parametrize("size", [64 * 1024 + 1, 10 << 20])
def test_a_form_that_is_too_large_gets_a_page_that_says_so(
    call: Call, site: Serving, size: int
) -> None:
    head = b"POST /nl/signup HTTP/1.1\r\n" + HOST + FORM
    client = call(site)
    with contextlib.suppress(ConnectionError):  # the server may close before all is sent
        client.say(head + b"Content-Length: %d\r\n\r\n" % size + b"x" * min(size, 1 << 18))
    heard = client.hear(b"</html>")
    assert heard.startswith(b"HTTP/1.1 413 REQUEST ENTITY TOO LARGE\r\n")
    assert b"\r\nConnection: close\r\n" in heard
    assert b"Dat is te veel" in heard


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 400),
        (b"GET / HTTP/1.1\r\nCookie: " + b"a" * (40 * 1024), 431),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\nffffffff\r\n", 413),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\nno chunk\r\n", 400),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: -5\r\n\r\n", 400),
        (b"hello\r\n\r\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"\x16\x03\x01 a TLS hello on the wrong port \r\n\r\n", 400),
    ],
)
def test_nonsense_gets_a_short_answer_and_the_end(
    call: Call, site: Serving, said: bytes, status: int
) -> None:
    heard = call(site).say(said).hear()
    assert heard.startswith(b"HTTP/1.1 %d " % status)
    assert heard.endswith(b"</html>\n")


def test_alive_is_said_while_every_thread_waits_for_the_database(call: Call, site: Serving) -> None:
    """And ready says that it is not, as soon as a thread is there to say it."""
    token = re.search(r'name="token" value="(.*?)"', site.get("/nl/my-link"))
    assert token
    fields = f"token={token[1]}&{HONEYPOT}=x".encode()  # the trap counts who steps into it
    body = FORM + b"Content-Length: %d\r\n\r\n" % len(fields) + fields
    with contextlib.closing(sqlite3.connect(site.folder / "newsletter.db")) as database:
        database.execute("BEGIN IMMEDIATE")  # who writes waits
        asked = [
            call(site).say(b"POST /nl/my-link HTTP/1.1\r\n" + HOST + body)
            for _ in range(2 * THREADS)
        ]
        page = call(site).say(PAGE)
        for _ in range(3):
            alive = call(site).say(b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n").hear()
            assert alive.startswith(b"HTTP/1.1 200 OK\r\n")
            assert alive.endswith(b"\r\n\r\nok\n")
        assert page.waits()
        database.rollback()
    assert b"200 OK" in page.hear(b"</html>")
    assert all(b"HTTP/1.1 " in one.hear(b"</html>") for one in asked)


def test_a_client_that_hangs_up_leaves_nothing_behind(call: Call, site: Serving) -> None:
    for said in (b"", HALF_BODY, PAGE, PAGE * 40):
        client = call(site).say(said)
        # The hard way: RST instead of FIN.
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.socket.close()
    assert ask_as_people_do(site) == [200] * NORMAL
    assert "Traceback" not in site.said


def test_slow_clients_do_not_hold_up_the_end(call: Call, birth: Birth, tmp_path: Path) -> None:
    # With so much patience, gunicorn would kill only after we have given up.
    serving = Serving(birth, tmp_path / "instance", GRACE_SECONDS=str(2 * SECONDS))
    serving.until_running()
    try:
        clients = [call(serving).say(half) for half in (HALF_HEAD, HALF_BODY) * 8]
        under_way = call(serving).say(PAGE[:-2])
        serving.get("/nl/")  # they are all accepted by now
        serving.process.signal(signal.SIGTERM)
        # Who was nearly there is answered.
        assert under_way.say(b"\r\n").hear().startswith(b"HTTP/1.1 200 OK\r\n")
        assert serving.process.wait(SECONDS).code == 0, serving.said
        assert all(client.is_dropped() for client in clients)
    finally:
        serving.process.end()
