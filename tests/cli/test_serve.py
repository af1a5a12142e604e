"""`newsletter serve`, as a real process: starts, says where, works, and ends without a trace."""

import contextlib
import email
import email.policy
import os
import re
import signal
import smtplib
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlencode

import pytest
from sqlalchemy import func, select

import config
from newsletter import settings as settings_module
from newsletter.cli.demo import browser
from newsletter.cli.serve import prepare
from newsletter.db import Database, connect
from newsletter.errors import FixSettings
from newsletter.models import Issue, Subscriber
from newsletter.settings import Settings
from tests.cli.serving import SECONDS, Serving
from tests.faults.programs import Birth, Forked, Fresh, wait_for


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_the_first_start_is_alive_at_once(
    serve_migrated: Callable[..., Serving],
) -> None:
    content = str(config.PROJECT_DIR / "content")
    serving = serve_migrated(born=Fresh(), CONTENT_DIR=content).until_running()
    assert f"Site    {serving.url}/\n" in serving.said
    assert f"Inbox   {serving.url}/inbox/\n" in serving.said
    wait_for(lambda: serving.store.count() == 4, "mail to the four sample readers")
    subjects = [caught.subject for caught in serving.store.messages(4)]
    assert all(subject.startswith("Fiabel-nieuws 1") for subject in subjects)
    assert "reader-fr@voorbeeld.example" in serving.get("/inbox/")
    assert "/items/" in serving.get("/nl/issues/1")
    letter = serving.store.open(next(serving.store.find("reader-")).key)
    assert letter is not None
    # An unset BASE_URL follows the port, or no link of a mail would work.
    assert f"<{serving.url}/u/" in letter.header("List-Unsubscribe")
    for caught in serving.store.messages(4):
        whole = serving.store.open(caught.key)
        assert whole is not None
        check_on_the_wire(whole.source)


HEADERS = [
    "From",
    "Reply-To",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "MIME-Version",
    "Content-Type",
    "Content-Language",
    "List-Id",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "List-Help",
    "List-Subscribe",
    "List-Owner",
    "List-Archive",
    "List-Post",
    "Archived-At",
    "Auto-Submitted",
    "X-Auto-Response-Suppress",
    "Feedback-ID",
]


def check_on_the_wire(raw: bytes) -> None:
    """A mail as the relay got it: STANDARDS 3 and 8a."""
    parsed = email.message_from_bytes(raw, policy=email.policy.default)
    assert not any(part.defects for part in parsed.walk())
    assert [part.get_content_type() for part in parsed.walk()] == [
        "multipart/alternative",
        "text/plain",
        "text/html",
    ]
    assert raw.isascii()
    assert max(len(line) for line in raw.split(b"\r\n")) <= 998
    assert sorted(parsed.keys()) == sorted(HEADERS)
    assert parsed["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert (
        parsed["List-Unsubscribe"].count("https:") + parsed["List-Unsubscribe"].count("http:") == 1
    )


@pytest.mark.parametrize(
    ("name", "to_all", "fresh"),
    # A terminal sends its signals to the whole group, `kill` and `docker stop` to one process.
    [
        ("SIGTERM", False, True),
        ("SIGINT", True, True),
        ("SIGINT", False, False),
        ("SIGHUP", True, False),
    ],
)
def test_ends_cleanly(
    serve: Callable[..., Serving], birth: Forked, name: str, to_all: bool, fresh: bool
) -> None:
    """`fresh`: the interpreter's own start and end are part of it."""
    born: Birth = Fresh() if fresh else birth
    serving = serve(born=born).until_running()
    serving.get("/nl/")
    workers = serving.children()
    if to_all:
        os.killpg(serving.process.pid, getattr(signal, name))
    else:
        serving.process.signal(getattr(signal, name))
    assert serving.process.wait(SECONDS).code == 0, serving.said
    assert workers
    assert not any(is_alive(pid) for pid in workers)
    assert "Traceback" not in serving.said
    assert "rror" not in serving.said
    for port in (serving.port, serving.catcher_port):
        socket.create_server(("127.0.0.1", port)).close()


@pytest.mark.sqlite("what is never sent twice is a matter of the ledger, tested on both")
def test_the_second_start_sends_nothing_again(
    serve_migrated: Callable[..., Serving], database: Database
) -> None:
    first = serve_migrated().until_running()
    wait_for(lambda: first.store.count() == 4, "mail to the four sample readers")
    first.process.signal(signal.SIGTERM)
    first.process.wait(SECONDS)
    second = serve_migrated().until_running()
    assert "First start" not in second.said
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(Issue)) == 1
        assert session.scalar(select(func.count()).select_from(Subscriber)) == 4
    assert second.store.count() == 4


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux's /proc")
@pytest.mark.sqlite("a matter of processes, not of the database")
def test_a_dead_worker_is_replaced_with_clock_and_catcher(
    serve_migrated: Callable[..., Serving],
) -> None:
    serving = serve_migrated().until_running()
    wait_for(lambda: serving.store.count() == 4, "mail to the four sample readers")
    [worker] = serving.children()
    os.kill(worker, signal.SIGKILL)
    wait_for(lambda: [pid for pid in serving.children() if pid != worker], "a new worker")
    with smtplib.SMTP("127.0.0.1", serving.catcher_port, timeout=SECONDS) as client:
        client.sendmail("a@b.example", ["direct@c.example"], "Subject: direct\r\n\r\nx")
    assert serving.store.count("direct@c.example") == 1
    form = browser.get(f"{serving.url}/nl/signup").form("/nl/signup")
    time.sleep(2.1)  # the form takes faster answers for a machine's
    answer = browser.post(form.url, form.fields | {"email": "nieuw@voorbeeld.example"})
    assert answer.url.endswith("/nl/check-your-mail")
    wait_for(lambda: serving.store.count("nieuw@voorbeeld.example"), "the confirm mail")


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux's /proc")
def test_the_master_holds_no_thread_and_no_database(
    serve_migrated: Callable[..., Serving], database: Database
) -> None:
    serving = serve_migrated().until_running()
    process = Path(f"/proc/{serving.process.pid}")
    assert len(list((process / "task").iterdir())) == 1
    held = [str(link.readlink()) for link in (process / "fd").iterdir()]
    assert not [name for name in held if "newsletter.db" in name]
    if port := database.engine.url.port:
        for fields in map(str.split, Path("/proc/net/tcp").read_text().splitlines()):
            to_server = fields[2].endswith(f":{port:04X}")
            assert not (to_server and f"socket:[{fields[9]}]" in held)


def test_a_person_migrates_a_database_of_many_hosts(empty_url: str, settings: Settings) -> None:
    embedded = empty_url.startswith("sqlite")
    refused = pytest.raises(FixSettings, match="newsletter migrate")
    with contextlib.nullcontext() if embedded else refused:
        prepare(replace(settings, database_url=empty_url))


def test_a_busy_port_is_one_sentence(serve: Callable[..., Serving]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        serving = serve(f"--port={port}")
        assert serving.process.wait(SECONDS).code == 1
    assert serving.said == (
        f"Port {port} of 127.0.0.1 cannot be used (Address already in use): "
        "end the program that holds it, or choose another with --port.\n"
    )


def test_a_busy_catcher_port_is_one_sentence(serve: Callable[..., Serving]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        serving = serve(CATCHER_PORT=str(port))
        assert serving.process.wait(SECONDS).code == 1
    assert serving.said.startswith(f"CATCHER_PORT {port} cannot be used")
    assert serving.said.count("\n") == 1


def test_production_names_everything_that_is_missing(serve: Callable[..., Serving]) -> None:
    serving = serve(NEWSLETTER_ENV="production")
    assert serving.process.wait(SECONDS).code == 1
    for name in ("SECRET_KEYS", "BASE_URL", "MAIL_SERVER", "MAIL_DEFAULT_SENDER", "ORG_NUMBER"):
        assert re.search(rf"^{name} must be set", serving.said, re.MULTILINE), name
    assert "Traceback" not in serving.said


def test_a_base_url_that_was_set_stays(serve: Callable[..., Serving]) -> None:
    serving = serve(BASE_URL="http://nieuws.localhost:8080").until_running()
    assert "Site    http://nieuws.localhost:8080/" in serving.said


def test_sec_09_the_host_header_is_ignored(serve: Callable[..., Serving]) -> None:
    """Redirects and letters are made from BASE_URL, whatever a request says."""
    serving = serve(BASE_URL="https://nieuws.example").until_running()
    form = browser.get(f"{serving.url}/nl/signup").form("/nl/signup")
    hosts = ("nieuws.example", "kwaad.example", "kwaad.example:80, x", "[")
    people = {f"host{number}@voorbeeld.example": host for number, host in enumerate(hosts)}
    for address, host in people.items():
        body = urlencode(form.fields | {"email": address})
        head = (
            f"POST /nl/signup HTTP/1.1\r\nHost: {host}\r\nX-Forwarded-Host: {host}\r\n"
            "Connection: close\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        )
        with socket.create_connection(("127.0.0.1", serving.port)) as client:
            client.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
            heard = b"".join(iter(lambda: client.recv(1 << 16), b""))
        assert b"kwaad" not in heard
        assert re.search(rb"\r\nLocation: (https://nieuws\.example)?/nl/check-your-mail", heard)
    for address in people:
        # An issue may be on its way meanwhile: the newest message need not be this letter.
        caught = wait_for(lambda: [*serving.store.find(address)], "the confirm mail")  # noqa: B023
        letter = serving.store.open(caught[0].key)
        assert letter
        assert "https://nieuws.example/nl/confirm/" in (letter.text or "")


def test_an_error_in_the_content_is_said_and_stops_nobody(
    serve: Callable[..., Serving], tmp_path: Path
) -> None:
    content = tmp_path / "content"
    (content / "items").mkdir(parents=True)
    (content / "topics.toml").write_text('[a]\nnl = "A"\nfr = "A"\nen = "A"\nde = "A"\n')
    (content / "items" / "kapot.nl.md").write_text("---\ntitle: \n---\n")
    serving = serve(CONTENT_DIR=str(content)).until_running()
    assert "The sample content was not sent" in serving.said
    assert "kapot.nl.md:" in serving.said
    assert serving.store.count() == 0


def test_sample_readers_are_never_mailed_through_a_real_relay(tmp_path: Path) -> None:
    settings = settings_module.load(
        environ={},
        env_file=tmp_path / "no.env",
        INSTANCE_DIR=str(tmp_path / "instance"),
        MAIL_SERVER="localhost",
    )
    prepare(settings)
    with connect(settings.database_url).read() as session:
        assert session.scalar(select(func.count()).select_from(Subscriber)) == 0
        assert session.scalar(select(func.count()).select_from(Issue)) == 0
