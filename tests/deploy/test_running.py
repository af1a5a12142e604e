"""One server as its unit starts it, from the files of the image, with the settings of the template;
behind nginx and Caddy as our examples put them before it."""

import email
import email.policy
import os
import re
import shlex
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode

import pytest

from newsletter.cli.demo.browser import Page
from newsletter.tokens import Purpose, Tokens
from tests.deploy import cage, container, fronts
from tests.deploy.files import DEPLOY, FILLED, PROGRAM, filled, values, words
from tests.deploy.fronts import CLIENT, Front
from tests.faults.programs import wait_for
from tests.relay import RelayLog, free_port
from tests.relay import running as relay_running

UNIT = DEPLOY / "systemd" / "newsletter.service"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
GZIP = {"Accept-Encoding": "gzip"}
ONE_CLICK = b"List-Unsubscribe=One-Click"
PROXIES = ["nginx", "caddy"]


@dataclass
class Site:
    """The server, and where everything of it is."""

    root: Path
    port: int
    relay: RelayLog
    process: subprocess.Popen[bytes]
    ready: str  # what it told systemd

    @property
    def said(self) -> str:
        return (self.root / "output.txt").read_text("utf-8")

    @property
    def state(self) -> Path:
        return self.root / "var/lib/fiabel"

    def rows(self, query: str, *values: object) -> list[tuple[object, ...]]:
        file = self.state / "instance/newsletter.db"
        with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as database:
            return database.execute(query, values).fetchall()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    root = tmp_path_factory.mktemp("image")
    container.copy_files(root)
    tree, state = root / "srv/fiabel", root / "var/lib/fiabel"
    port, lmtp = free_port(), free_port()
    [_serve, _port, default] = words(UNIT)
    command = [*_program(), *words(UNIT)[:-1], str(port)]
    assert default == "5000"
    with relay_running() as relay, _Manager(state / "notify") as heard:
        (tree / ".env").write_text(
            filled(
                INSTANCE_DIR=state / "instance",
                CONTENT_DIR=state / "content",
                MAIL_PORT=relay.port,
                BOUNCE_LMTP=f"127.0.0.1:{lmtp}",
                RETURN_PATH="bounce@nieuws.example",
            )
        )
        environ = {"PYTHONPATH": str(tree), "NOTIFY_SOCKET": str(state / "notify")}
        start = _bare if cage.why_not() else cage.start
        process = start(UNIT, command, state, environ, root / "output.txt")
        site = Site(root, port, relay, process, "")
        try:
            wait_for(lambda: process.poll() is not None or "is running" in site.said, "the start")
            assert process.poll() is None, site.said
            site.ready = heard.recv(1000).decode()
            yield site
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def _program() -> list[str]:
    """ExecStart's own script, where the tests run from a virtualenv that has it."""
    script = Path(sys.executable).parent / "newsletter"
    return [str(script)] if script.exists() else [sys.executable, "-m", "newsletter.cli"]


def _bare(
    _unit: Path, command: list[str], _state: Path, environ: dict[str, str], output: Path
) -> subprocess.Popen[bytes]:
    with output.open("wb") as file:
        return subprocess.Popen(
            command, env={"PATH": os.environ["PATH"], **environ}, stdout=file, stderr=file
        )


class _Manager(socket.socket):
    """Where systemd listens (sd_notify(3))."""

    def __init__(self, path: Path) -> None:
        super().__init__(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.bind(str(path))
        self.settimeout(30)


@pytest.fixture(scope="module", params=PROXIES)
def front(
    request: pytest.FixtureRequest, site: Site, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Front]:
    name: str = request.param
    if not fronts.program(name):
        pytest.skip(f"there is no {name} (Debian: apt-get install {name})")
    with fronts.running(name, tmp_path_factory.mktemp(name), site.port) as running:
        yield running


def test_it_runs_under_the_rules_of_its_unit(site: Site) -> None:
    assert "READY=1" in site.ready
    assert values(UNIT, "Type") == ["notify"]
    if why := cage.why_not():
        pytest.skip(why)
    status = Path(f"/proc/{site.process.pid}/status").read_text()
    assert re.search(r"(?m)^CapBnd:\s+0+$", status)
    assert re.search(r"(?m)^NoNewPrivs:\s+1$", status)
    assert "Traceback" not in site.said
    assert (site.state / "instance/newsletter.db").stat().st_mode & 0o077 == 0


def test_the_image_s_health_check_tells_alive_from_dead(site: Site) -> None:
    [check] = [step.listed for step in container.steps() if step.word == "HEALTHCHECK"]
    codes = []
    for port in (site.port, free_port()):
        command = [part.replace(":5000", f":{port}") for part in check[1:]]
        done = subprocess.run([sys.executable, *command], capture_output=True, check=False)
        codes.append(done.returncode)
    assert codes == [0, 1]


def test_the_nightly_backup_as_its_unit_makes_it(site: Site) -> None:
    """All lines of the unit, with their places changed, while the server runs."""
    unit = DEPLOY / "systemd" / "newsletter-backup.service"
    folder = site.state / "backups"
    folder.mkdir()
    for old in ("newsletter-old.db", "content.tar.gz", "content-20250101T034000Z.tar.gz"):
        (folder / old).touch()
        os.utime(folder / old, (0, 0))
    lines = [*values(unit, "ExecStart"), *values(unit, "ExecStartPost")]
    assert len(lines) == 3
    start = _bare if cage.why_not() else cage.start
    for number, line in enumerate(lines):
        said = line.replace("/var/lib/fiabel", str(site.state))
        said = said.replace("/var/backups/fiabel", str(folder))
        program, *arguments = shlex.split(said.replace("$$", "$").replace("%%", "%"))
        command = [*_program(), *arguments] if program == PROGRAM else [program, *arguments]
        output = site.root / f"backup{number}.txt"
        environ = {"PYTHONPATH": str(site.root / "srv/fiabel")}
        assert start(unit, command, site.state, environ, output).wait(60) == 0, output.read_text()
    assert "Read back" in (site.root / "backup0.txt").read_text()
    kinds = sorted(re.sub("[0-9]+", "0", one.name) for one in folder.iterdir())
    assert kinds == ["content-0T0Z.tar.gz", "newsletter-0T0Z.db", "newsletter-0T0Z.db.sha0"]
    assert all(one.stat().st_mode & 0o077 == 0 for one in folder.glob("newsletter-*"))


@pytest.mark.parametrize(("code", "known"), [(0, 0), (1, 0), (2, 1)])
def test_a_text_that_somebody_saves_meanwhile_spoils_no_backup(
    tmp_path: Path, code: int, known: int
) -> None:
    """What tar says then; and the old ones are deleted before it is asked."""
    [find, tar] = values(DEPLOY / "systemd" / "newsletter-backup.service", "ExecStartPost")
    assert find.startswith("/usr/bin/find ")
    (tmp_path / "tar").write_text(f"#!/bin/sh\nexit {code}\n")
    (tmp_path / "tar").chmod(0o755)
    command = shlex.split(tar.replace("$$", "$").replace("%%", "%"))
    environ = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    assert subprocess.run(command, env=environ, check=False).returncode == known


def test_http_leads_to_https_and_the_headers_come_from_the_program(front: Front) -> None:
    moved = front.ask("GET", "/nl/?a=b", tls=False)
    assert moved.status in (301, 308)
    assert re.fullmatch(r"https://nieuws\.example(:\d+)?/nl/\?a=b", moved.headers["location"])
    page = front.ask("GET", "/nl/")
    assert page.status == 200
    assert page.headers["strict-transport-security"] == "max-age=31536000"
    assert page.headers["content-security-policy"].count("default-src") == 1
    assert b'lang="nl"' in page.body


def test_it_speaks_http_2(front: Front) -> None:
    context = front.context()
    context.set_alpn_protocols(["h2", "http/1.1"])
    plain = socket.create_connection(("127.0.0.1", front.https), 30)
    with context.wrap_socket(plain, server_hostname=fronts.NAME) as visitor:
        assert visitor.selected_alpn_protocol() == "h2"


def test_from_the_form_to_the_one_click(front: Front, site: Site) -> None:
    """The road of a reader; who asked is the visitor, whatever they claim to be."""
    address = f"ann.{front.name}@voorbeeld.example"
    page = front.ask("GET", "/nl/signup")
    form = Page(f"https://{fronts.NAME}/nl/signup", 200, page.body.decode()).form("/nl/signup")
    told = urlencode(form.fields | {"email": address}).encode()
    lies = {"X-Forwarded-For": "198.51.100.6", "X-Forwarded-Proto": "http"}
    assert front.ask("POST", "/nl/signup", told, FORM | lies).status in (200, 303)
    confirm = wait_for(lambda: _link(site.relay, address), "the letter")
    page = front.ask("GET", confirm)
    form = Page(f"https://{fronts.NAME}{confirm}", 200, page.body.decode()).form("/confirm/")
    path = form.url.removeprefix(f"https://{fronts.NAME}")
    done = front.ask("POST", path, urlencode(form.fields).encode(), FORM)
    assert done.status == 200
    assert "no-store" in done.headers["cache-control"]
    found = site.rows("SELECT id, state FROM subscribers WHERE email = ?", address)
    [(reader, state)] = found
    assert state == "active"
    asked = site.rows(
        "SELECT DISTINCT ip FROM consent_origins JOIN consents ON consents.id = consent_id "
        "WHERE subscriber_id = ?",
        reader,
    )
    assert asked == [(CLIENT,)]
    link = f"/u/{_token(reader)}"
    assert front.ask("GET", link).status == 200
    assert site.rows("SELECT state FROM subscribers WHERE id = ?", reader) == [("active",)]
    left = front.ask("POST", link, ONE_CLICK, FORM)
    assert left.status == 200
    assert site.rows("SELECT state FROM subscribers WHERE id = ?", reader) == [("left",)]
    _check_logs(front, [link, confirm])


def _token(reader: object) -> str:
    assert isinstance(reader, int)
    keys = Tokens(FILLED["SECRET_KEYS"])
    return keys.issue(Purpose.UNSUBSCRIBE, reader, datetime.now(UTC))


def _check_logs(front: Front, links: list[str]) -> None:
    """SEC-11: neither who they are nor a link that works."""
    assert not [link for link in links if link.rpartition("/")[2] in front.said]
    assert CLIENT not in front.said
    if front.name == "nginx":
        assert re.search(r"(?m)^127\.0\.0\.0 \S+ POST /u 200 ", front.said)


def test_no_visitor_chooses_the_reference_of_a_request(front: Front) -> None:
    mine = "0123456789abcdef0123456789abcdef"
    heard = front.ask("GET", "/nl/", headers={"X-Request-ID": mine}).headers["x-request-id"]
    assert heard != mine
    if front.name == "nginx":
        wait_for(lambda: f" {heard}\n" in front.said, "the reference in nginx's log")


def test_items_go_to_the_host_that_has_them(
    front: Front, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commented example: here the host with the folder is away, and the rest goes on."""
    monkeypatch.setattr(fronts, "ELSEWHERE", free_port())
    with fronts.running(front.name, tmp_path, front.site) as elsewhere:
        paths = ("/desk/items", "/desk/items/x", "/desk/issues/next/weekly", "/desk/issues/compile")
        assert [elsewhere.ask("GET", path).status for path in paths] == [503] * len(paths)
        for path in ("/desk/sign-in", "/desk/itemsx", "/nl/issues"):
            assert elsewhere.ask("GET", path).status != 503, path


def _link(relay: RelayLog, address: str) -> str | None:
    for taken in relay.got(address):
        letter = email.message_from_bytes(taken.content, policy=email.policy.default)
        for part in letter.walk():
            text = "" if part.is_multipart() else str(part.get_content())
            if found := re.search(r"https://nieuws\.example(/nl/confirm/\S+?)[\s\"<>]", text):
                return found[1]
    return None


@pytest.mark.parametrize("name", ["healthz", "readyz", "metrics"])
def test_what_is_for_monitoring_is_not_in_the_open(front: Front, name: str) -> None:
    for path in (f"/{name}", f"/{name}/", f"//{name}", f"/%{ord(name[0]):x}{name[1:]}"):
        _check_closed(front, path)
    for path in (f"/nl/../{name}", f"/{name}?x", f"/{name}/x", f"/./{name}"):
        _check_closed(front, path)


def _check_closed(front: Front, path: str) -> None:
    """404 of the proxy; the program's own would be a page of the site."""
    answer = front.ask("GET", path)
    assert answer.status == 404, path
    assert b"<main" not in answer.body, path


def test_large_bodies_are_refused_and_others_get_through(front: Front) -> None:
    """nginx refuses by itself what the program would. Caddy leaves that to the program, whose page
    may end in the middle then."""
    assert front.ask("POST", "/nl/signup", b"x" * 60_000, FORM).status == 422
    if front.name == "caddy":
        return
    for path, octets, refused, by_nginx in (
        ("/nl/signup", 70_000, True, True),
        ("/webhooks/ses", 70_000, False, False),
        ("/desk/items", 1_000_000, True, False),  # a picture, of somebody who is signed in
        ("/desk/items", 23_000_000, True, True),
    ):
        body = b"x" * octets if octets < 2_000_000 else b""  # its head is enough
        answer = front.ask("POST", path, body, FORM | {"Content-Length": str(octets)})
        assert (answer.status == 413) is refused, (path, octets, answer)
        assert (refused and b"<main" not in answer.body) is by_nginx, (path, octets, answer)


def test_compressed_is_only_what_is_the_same_for_everybody(front: Front) -> None:
    sheet = front.ask("GET", "/static/fiabel.css", headers=GZIP)
    assert sheet.headers["content-encoding"] == "gzip"
    assert "no-cache" in sheet.headers["cache-control"]
    page = front.ask("GET", "/nl/issues", headers=GZIP)
    known = GZIP | {"If-None-Match": page.headers["etag"]}
    again = front.ask("GET", "/nl/issues", headers=known)
    assert page.headers["content-encoding"] == "gzip"
    assert again.status == 304
    desk = front.ask("GET", "/desk/sign-in", headers=GZIP)
    assert desk.status == 200
    assert "content-encoding" not in desk.headers


def test_while_the_program_is_away_visitors_are_told_so(front: Front, tmp_path: Path) -> None:
    with fronts.running(front.name, tmp_path, free_port()) as alone:
        link = f"/u/{_token(1)}"
        away = alone.ask("POST", link, ONE_CLICK, FORM)
        assert away.status == 503
        assert away.headers["retry-after"] == "30"
        assert "Even geduld" in away.body.decode()
        _check_away(alone, link)


def _check_away(alone: Front, link: str) -> None:
    assert link.rpartition("/")[2] not in alone.said
    assert CLIENT not in alone.said
