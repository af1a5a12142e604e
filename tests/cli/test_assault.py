"""What is done to a server on purpose: slow clients by slowhttptest, and requests in disguise."""

import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.serving import SECONDS, Serving
from tests.cli.test_slow_clients import FORM, HOST, ask_as_people_do
from tests.faults.programs import Birth

PROGRAM = shutil.which("slowhttptest")
# Slow heads, slow bodies, who reads slowly, and who asks for all ranges at once.
MODES = {"heads": ["-H"], "bodies": ["-B"], "readers": ["-X", "-k", "3"], "ranges": ["-R"]}
LONG = 4  # seconds
ROOM = 64 * 1024  # kB that the server may grow by under all of them
POST = b"POST /nl/nothing HTTP/1.1\r\n" + HOST + FORM
HIDDEN = b"GET /hidden HTTP/1.1\r\n" + HOST + b"\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"


@pytest.fixture(scope="module")
def site(birth: Birth, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    serving = Serving(birth, tmp_path_factory.mktemp("site") / "instance")
    yield serving.until_running()
    serving.process.kill()


def memory(serving: Serving) -> int:
    """kB that the server and its worker hold."""
    status = [Path(f"/proc/{pid}/status").read_text() for pid in serving.children()]
    lines = [line for text in status for line in text.splitlines() if line.startswith("VmRSS")]
    return sum(int(line.split()[1]) for line in lines)


@pytest.mark.skipif(not PROGRAM, reason="slowhttptest is missing (Debian: apt-get install it)")
def test_visitors_are_answered_while_slowhttptest_is_at_it(site: Serving) -> None:
    assert ask_as_people_do(site) == [200] * 20
    before, pace = memory(site), ["-c", "60", "-r", "200", "-i", "1", "-l", str(LONG), "-p", "3"]
    url = site.url + "/static/fiabel.css"
    slow = [
        subprocess.Popen(
            [str(PROGRAM), *mode, *pace, "-u", url],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for mode in MODES.values()
    ]
    rounds = 0
    while any(one.poll() is None for one in slow) and rounds < 8:
        assert ask_as_people_do(site) == [200] * 20
        rounds += 1
    said = [one.communicate(timeout=SECONDS)[0] for one in slow]
    for mode, text in zip(MODES, said, strict=True):
        assert "service available" in text, f"{mode}: {text}"
        assert "NO" not in text.rpartition("service available")[2].splitlines()[0], mode
    assert rounds > 1, "nobody came meanwhile"
    assert memory(site) - before < ROOM
    assert ask_as_people_do(site) == [200] * 20
    assert "Traceback" not in site.said


@pytest.mark.parametrize(
    "said",
    [
        POST + b"Content-Length: %d\r\n" % (5 + len(HIDDEN)) + CHUNKED + b"\r\n0\r\n\r\n" + HIDDEN,
        POST + CHUNKED + b"Content-Length: 4\r\n\r\n5\r\nabcde\r\n0\r\n\r\n" + HIDDEN,
        POST + b"Transfer-Encoding: xchunked\r\nContent-Length: 3\r\n\r\na=b0\r\n\r\n" + HIDDEN,
        POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
        POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n" + HIDDEN,
        POST + CHUNKED + b"Transfer-Encoding: identity\r\n\r\n0\r\n\r\n" + HIDDEN,
        POST + CHUNKED + b"\r\n3\na=b\n0\n\n" + HIDDEN,
        POST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\na=bc" + HIDDEN,
        POST + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\na=b" + HIDDEN,
        POST + b"Content-Length: 3, 3\r\n\r\na=b" + HIDDEN,
        POST + b"Content-Length: +3\r\n\r\na=b" + HIDDEN,
        POST + b"Content-Length: \xd9\xa3\r\n\r\na=b" + HIDDEN,
        b"POST /nl/nothing HTTP/1.0\r\n" + HOST + CHUNKED + b"\r\n0\r\n\r\n" + HIDDEN,
        b"GET /nl/ HTTP/1.1\r\n" + HOST + b"X-A: b\r\n " + HIDDEN,
        b"GET /nl/ HTTP/1.1\r\nHost: localhost\nX-A: b\r\n\r\n" + HIDDEN,
        b"GET /nl/ HTTP/1.1\r\n" + HOST + b"X-A: b\rX-B: c\r\n\r\n" + HIDDEN,
        b"GET /nl/ HTTP/1.1\r\n" + HOST + b"X-A: b\0c\r\n\r\n" + HIDDEN,
        b"GET /nl/ HTTP/1.1\r\n" + HOST + HOST + b"\r\n" + HIDDEN,
        b"GET /nl/ HTTP/1.1\r\n\r\n" + HIDDEN,
        b"GET /nl/ HTTP/1.1\r\n" + HOST + b"X: a\r\n" * 200 + b"\r\n" + HIDDEN,
        b"GET /nl/\r\n\r\n" + HIDDEN,
    ],
)
def test_what_two_servers_could_read_differently_is_refused_and_the_end(
    site: Serving, said: bytes
) -> None:
    """Request smuggling (RFC 9112 11.2): what comes after it is never read as a request."""
    heard = told(site, said)
    assert heard.startswith(b"HTTP/1.1 400 "), heard[:200]
    assert heard.count(b"HTTP/1.") == 1


@pytest.mark.parametrize("host", [b"evil.example", "\xe9vil.example".encode(), b"a b<script>", b""])
def test_sec_09_no_host_that_is_sent_comes_back(site: Serving, host: bytes) -> None:
    ways = b"Forwarded: host=evil.example\r\nX-Forwarded-Host: evil.example\r\nX-Host: evil.example"
    for path in (b"/", b"/nl/", b"/nl/signup/", b"//evil.example/nl/", b"/desk/", b"/sitemap.xml"):
        request = b"GET %s HTTP/1.1\r\nHost: %s\r\n%s\r\n" % (path, host, ways)
        heard = told(site, request + b"Connection: close\r\n\r\n")
        assert heard.startswith(b"HTTP/1.1 ")
        assert b"evil" not in heard
        assert b"<script>" not in heard


def test_no_client_is_believed_about_where_it_comes_from(site: Serving) -> None:
    """TRUSTED_PROXIES is 0: guesses count for where they come from, whatever a header says."""
    answers = []
    for number in range(40):
        headers = {"X-Forwarded-For": f"198.51.100.{number}", "X_Forwarded_For": "192.0.2.1"}
        answers.append(posted(site, "/u/" + "x" * 36, headers))
    assert answers[0] == 404
    assert answers[-1] == 429


def told(serving: Serving, said: bytes) -> bytes:
    """All that comes back, up to the end."""
    with socket.create_connection(("127.0.0.1", serving.port), SECONDS) as client:
        client.sendall(said)
        heard = b""
        try:
            while data := client.recv(1 << 16):
                heard += data
        except ConnectionResetError:
            pass
        return heard


def posted(serving: Serving, path: str, headers: dict[str, str]) -> int:
    """The status of a one-click POST."""
    sent = "".join(f"{name}: {value}\r\n" for name, value in headers.items()).encode()
    body = b"List-Unsubscribe=One-Click"
    head = b"POST %s HTTP/1.1\r\n" % path.encode() + HOST + FORM + sent
    tail = b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    return int(told(serving, head + tail).split(b" ", 2)[1])
