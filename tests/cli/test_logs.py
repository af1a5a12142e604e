"""SEC-11: whoever reads the logs learns neither who reads the newsletter nor a link that works."""

import email
import email.policy
import re
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from newsletter.cli.demo import browser
from newsletter.cli.demo.browser import Form
from newsletter.db import Database
from newsletter.settings import Settings
from tests.cli.serving import Serving
from tests.faults.programs import Birth, Program, wait_for
from tests.relay import RelayLog, running

Command = Callable[..., str]  # the words of a command

ANN, BEN, GONE, LATER, MOVED = (
    f"{name}.jansen@voorbeeld.example" for name in ("ann", "ben", "weg", "vol", "verhuisd")
)
BAD = "geen..adres@voorbeeld.example"
TOKEN = re.compile(r"(?<![A-Za-z0-9_-])A[A-Za-z0-9_-]{35}(?![A-Za-z0-9_-])")
SECRET_KEY = "a key of production that is long enough"
LOCAL_PARTS = re.compile(r"\.jansen|geen\.\.adres|voorbeeld\.example")


def refuse(stage: str, recipient: str) -> str | None:
    """A relay that says whom it means."""
    if stage == "rcpt" and recipient in (GONE, MOVED):
        return f"550 5.1.1 <{recipient}>: no such user"
    if stage == "content" and recipient == LATER:
        return f"451 4.7.1 {recipient} has had enough for today"
    return None


@pytest.fixture
def relay() -> Iterator[RelayLog]:
    with running(refuse) as log:
        yield log


@pytest.fixture
def environ(settings: Settings, database: Database, relay: RelayLog) -> dict[str, str]:
    """Production, with all it asks for."""
    return {
        "NEWSLETTER_ENV": "production",
        "SECRET_KEY": SECRET_KEY,
        "BASE_URL": "https://nieuws.example",
        "DATABASE_URL": settings.database_url,
        "INSTANCE_DIR": str(settings.instance_dir),
        "MAIL_SERVER": "127.0.0.1",
        "MAIL_PORT": str(relay.port),
        "MAIL_DEFAULT_SENDER": "Nieuws <nieuws@nieuws.example>",
        "LIST_ID": "nieuws.list-id.nieuws.example",
        "ORG_NAME": "Vereniging",
        "ORG_LEGAL_FORM": "vzw.",
        "ORG_ADDRESS": "Straat 1, 1000 Brussel",
        "ORG_NUMBER": "0000.000.000",
        "ORG_COURT": "RPR Gent",
        "ORG_EMAIL": "info@nieuws.example",
        "ORG_WEBSITE": "https://www.nieuws.example/",
    }


class Run:
    """A server, the letters that came of it, and all that anybody has seen of tokens."""

    def __init__(self, serving: Serving, relay: RelayLog) -> None:
        self.serving, self.relay, self.tokens = serving, relay, set[str]()

    def sign_up(self, address: str) -> browser.Page:
        form = self.form("/nl/signup", "/nl/signup")
        return self.post(form, email=address)

    def form(self, path: str, action: str) -> Form:
        return self.get(path).form(action)

    def get(self, path: str) -> browser.Page:
        return self._seen(browser.get(self.serving.url + path))

    def post(self, form: Form, **fields: str) -> browser.Page:
        return self._seen(browser.post(form.url, form.fields | fields))

    def _seen(self, page: browser.Page) -> browser.Page:
        self.tokens |= set(TOKEN.findall(page.url + " " + page.body))
        return page

    def links(self, address: str, what: str) -> list[str]:
        """The paths with `what` of the letters to somebody, once there are any."""
        wait_for(lambda: self._links(address, what), f"a letter with {what}")
        return self._links(address, what)

    def _links(self, address: str, what: str) -> list[str]:
        found: list[str] = []
        for taken in self.relay.got(address):
            letter = email.message_from_bytes(taken.content, policy=email.policy.default)
            parts = [str(part.get_content()) for part in letter.walk() if not part.is_multipart()]
            whole = "\n".join([*map(str, letter.values()), *parts])
            self.tokens |= set(TOKEN.findall(whole))
            found += re.findall(
                rf"https://nieuws\.example((?:/[^\s\"<>]*)?{what}[^\s\"<>]*)", whole
            )
        return found


@pytest.fixture
def run(serve: Callable[..., Serving], environ: dict[str, str], relay: RelayLog) -> Run:
    return Run(serve(module="tests.cli.broken", **environ).until_running(), relay)


@pytest.fixture
def command(birth: Birth, environ: dict[str, str], tmp_path: Path) -> Command:
    """What `newsletter WORDS` says, on both of its channels."""

    def run(*words: str) -> str:
        done = Program(birth, "newsletter.cli", list(words), environ, tmp_path / "command").wait()
        return done.out + done.err

    return run


def say_raw(serving: Serving, said: str) -> None:
    with socket.create_connection(("127.0.0.1", serving.port)) as client:
        client.sendall(said.encode())
        client.shutdown(socket.SHUT_WR)
        while client.recv(1 << 16):
            pass


@pytest.mark.sqlite("what is logged does not depend on the database")
@pytest.mark.timeout(300)  # the whole site, page by page
def test_sec_11_no_log_holds_a_token_or_an_address(
    run: Run, command: Command, database: Database, tmp_path: Path
) -> None:
    for address in (ANN, BEN, GONE, LATER):
        assert run.sign_up(address).url.endswith("/nl/check-your-mail")
    assert run.sign_up(BAD).status == 422
    for address in (ANN, BEN):
        confirm = run.links(address, "/confirm/")[0]
        assert run.post(run.form(confirm, "/confirm/")).status == 200
    wait_for(lambda: {GONE, LATER} <= set(run.relay.recipients), "the refused letters")
    said = _delivering(command, tmp_path / "list.csv")
    leave = run.links(ANN, "/u/")[0]
    _use_wrongly(run, leave)
    one_click = Form(run.serving.url + leave, {"List-Unsubscribe": "One-Click"})
    assert [run.post(one_click).status for _ in range(2)] == [200, 200]
    run.sign_up(ANN)  # they come back
    assert run.get(f"{leave}?break=1").status == 500
    _lose_the_database(run, database, one_click)
    run.serving.process.signal(signal.SIGTERM)
    run.serving.process.wait()
    said += run.serving.said
    assert "RuntimeError" in said  # something was logged, with an address and a token in it
    assert "Traceback" in said
    assert len(run.tokens) > 10
    assert not [token for token in run.tokens if token in said]
    assert LOCAL_PARTS.findall(said) == []
    assert SECRET_KEY not in said


def _delivering(command: Command, people: Path) -> str:
    """An issue to everybody, by hand; the relay refuses one of them, and says whom."""
    people.write_text(f"email,confirmed_at\n{MOVED},2026-01-02T10:00:00Z\n")
    command("subscribers", "import", str(people), "--source", "the old list")
    said = command("issues", "compile")
    said += command("issues", "send", "1") + command("deliver")
    wait_for(lambda: "refused    1" in command("issues", "show", "1"), "the refusal")
    return said + command("issues", "show", "1") + command("issues", "list")


def _use_wrongly(run: Run, leave: str) -> None:
    token = leave.rpartition("/")[2].partition("?")[0]
    cut, flipped = token[:-1], token[:-1] + ("A" if token[-1] != "A" else "B")
    run.tokens |= {flipped}
    for wrong in (cut, flipped, f"{token}x"):
        for path in (f"/u/{wrong}", f"/nl/confirm/{token}", f"/nl/preferences/{wrong}"):
            run.get(path)
            browser.post(run.serving.url + path, {"email": BEN})
    say_raw(run.serving, f"GET /u/{token} HTTP/7.7\r\nFrom: {BEN}\r\n\r\n")
    say_raw(run.serving, f"GET /u/{token} HTTP/1.1\r\nFrom {BEN}: {BEN}\r\nCookie\r\n\r\n")
    say_raw(run.serving, f"GET /nl/ HTTP/1.1\r\nUser-Agent: {BEN}\x00\r\n\r\n")
    say_raw(run.serving, f"{BEN} {token}\r\n\r\n")


def _lose_the_database(run: Run, database: Database, one_click: Form) -> None:
    _rename(database, "subscribers", "lost")
    try:
        run.sign_up(BEN)
        assert run.post(one_click).status in (500, 503)
    finally:  # on PostgreSQL the next test has the same database
        _rename(database, "lost", "subscribers")


def _rename(database: Database, table: str, name: str) -> None:
    with database.engine.begin() as connection:
        connection.execute(text(f"ALTER TABLE {table} RENAME TO {name}"))
