"""Links to other sites: asked with limits, reported as warnings, and never of a private network."""

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from newsletter.delivery.message import Gap, gap
from newsletter.issues.preflight import external
from newsletter.issues.preflight.external import check_links, external_links, is_public

STATUS = {"/gone": 404, "/error": 500, "/shy": 403, "/loop": 302, "/inside": 302, "/moved": 301}
ONWARD = {"/loop": "/loop", "/inside": "http://private.example/secret", "/moved": "/fine"}


class Site(BaseHTTPRequestHandler):
    """Answers by path; `asked` is what arrived."""

    asked: list[str]

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        self.asked.append(f"{self.command} {self.path}")
        if self.path == "/silent":
            self.server.silence.wait()  # type: ignore[attr-defined]  # until the test is over
            return
        get_only = self.path == "/get-only" and self.command == "HEAD"
        self.send_response(405 if get_only else STATUS.get(self.path, 200))
        if self.path in ONWARD:
            self.send_header("Location", ONWARD[self.path])
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture
def site() -> Iterator[ThreadingHTTPServer]:
    Site.asked = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    server.silence = threading.Event()  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.silence.set()  # type: ignore[attr-defined]
    server.shutdown()
    thread.join()
    server.server_close()


def dialler(site: ThreadingHTTPServer) -> external.Dial:
    """All public names stand for the site here; one stands for a private network."""

    def dial(host: str, port: int, patience: float) -> socket.socket:
        if host == "private.example":
            raise PermissionError("not a public address")
        if host == "down.example":
            raise ConnectionRefusedError
        return socket.create_connection(("127.0.0.1", site.server_port), patience)

    return dial


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/fine", None),
        ("/moved", None),
        ("/get-only", None),
        ("/with space?q=é", None),
        ("/gone", "answers 404"),
        ("/error", "answers 500"),
        ("/shy", "perhaps to programs only"),
        ("/loop", "without end"),
        ("/inside", "not a public address"),
    ],
)
def test_a_link_is_reported_by_what_its_site_answers(
    site: ThreadingHTTPServer, path: str, said: str | None
) -> None:
    found = check_links([f"http://elders.example{path}"], dialler(site))
    assert len(found) == (said is not None)
    for one in found:
        assert said
        assert said in str(one.message)
        assert (one.grade, one.rule) == ("warn", "LINK")
        assert str(one.where) == f"link http://elders.example{path}"


def test_head_is_asked_first_and_get_only_when_that_fails(site: ThreadingHTTPServer) -> None:
    check_links(["http://a.example/fine", "http://a.example/get-only"], dialler(site))
    assert sorted(site.RequestHandlerClass.asked) == [  # type: ignore[attr-defined]
        "GET /get-only",
        "HEAD /fine",
        "HEAD /get-only",
    ]


def test_one_silent_site_does_not_hold_up_the_report(site: ThreadingHTTPServer) -> None:
    urls = ["http://a.example/silent", "http://down.example/", "http://b.example/fine"]
    found = check_links(urls, dialler(site), limit=0.5)
    assert [(str(one.where), str(one.message).split(";")[0]) for one in found] == [
        ("link http://a.example/silent", "no answer in time"),
        ("link http://down.example/", "cannot be reached (ConnectionRefusedError)"),
    ]


def test_each_link_that_is_done_is_told(site: ThreadingHTTPServer) -> None:
    told: list[int] = []
    urls = [f"http://a.example/{path}" for path in ("fine", "gone", "loop", "fine")]
    check_links(urls, dialler(site), progress=told.append)
    assert told == [1, 1, 1], "the same link is asked for once"


def test_a_name_that_does_not_exist_is_told_in_words(site: ThreadingHTTPServer) -> None:
    def dial(host: str, port: int, patience: float) -> socket.socket:
        raise socket.gaierror(-2, "Name or service not known")

    (found,) = check_links(["http://bestaat-niet.example/"], dial)
    assert str(found.message) == "no site has this name; mend the link or take it out."


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/", "http://localhost:1/", "http://[::1]:1/", "http://10.0.0.1/"]
)
def test_nothing_of_our_own_network_is_dialled(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object) -> socket.socket:
        raise AssertionError("a private address was dialled")

    monkeypatch.setattr(socket, "create_connection", refuse)
    (found,) = check_links([url])
    assert "not a public address" in str(found.message)


@pytest.mark.parametrize(
    "url", ["ftp://a.example/", "file:///etc/passwd", "http:///x", "http://[x"]
)
def test_what_is_no_web_address_is_not_asked_for(url: str) -> None:
    def dial(host: str, port: int, patience: float) -> socket.socket:
        raise AssertionError(host)

    assert len(check_links([url], dial)) == 1


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("193.190.1.1", True),
        ("2a02:a000::1", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),  # noqa: S104
        ("224.0.0.1", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("::ffff:127.0.0.1", False),
        ("64:ff9b::7f00:1", False),
        ("2002:7f00:1::", False),
    ],
)
def test_addresses_are_public_or_not(address: str, public: bool) -> None:
    assert is_public(address) is public


def test_only_links_to_other_sites_are_asked_for() -> None:
    html = "".join(
        f'<a href="{url}">x</a>'
        for url in (
            "https://nieuws.test/nl/", "https://nieuws.test", "https://kw.be/een", "#noot",
            "mailto:a@b.example", "https://kw.be/een", "HTTP://www.vvsg.be/", "https://nieuws.testen.be/",
            f"https://x.example/{gap(Gap.UNSUBSCRIBE)}",
        )
    )  # fmt: skip
    assert external_links(html, "https://nieuws.test") == [
        "https://kw.be/een",
        "HTTP://www.vvsg.be/",
        "https://nieuws.testen.be/",
    ]
