"""The road, step by step: import, sign up, confirm, compile, mail, leave, and mail what is new."""

import dataclasses
import fcntl
import re
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click
from sqlalchemy import select

import config
from newsletter import settings as settings_module
from newsletter.catcher import FOLDER, CaughtMessage, Store
from newsletter.cli.demo import browser, proof
from newsletter.cli.demo.browser import DemoFailed
from newsletter.cli.demo.proof import Letter, Row
from newsletter.cli.demo.readers import Reader, as_csv, expected, make_readers
from newsletter.cli.demo.server import Server, free_ports
from newsletter.cli.office import progress
from newsletter.content.library import Library
from newsletter.db import Database, connect
from newsletter.delivery import ledger
from newsletter.delivery.sender import utcnow
from newsletter.errors import FixRequest
from newsletter.i18n import LOCALES, own_name
from newsletter.issues import publishing, reading
from newsletter.issues.compiler import compile_issue
from newsletter.models import IssueState, Subscriber, SubscriberState
from newsletter.schema import migrate
from newsletter.settings import Settings
from newsletter.subscribers import work
from newsletter.subscribers.importing import import_csv

NEWCOMER = Reader("nieuwkomer@voorbeeld.example", "nl", ())
NOTICE_SECONDS = 20  # how long a notice may take
DELIVERY_SECONDS = 45  # how long an issue may go without one more delivery
NEW_SLUG = "bericht-van-de-demo"
NEW_ITEM = """\
---
title: Dit bericht schreef de demo zelf
date: {date}
status: ready
topics: [{topics}]
summary: Er kwam één bericht bij, en alleen dat staat in het tweede nummer.
---
Na het eerste nummer legde de demo één nieuw bestand in de map met berichten. Wie het eerste
nummer al kreeg, krijgt nu alleen dit bericht. Wie zich intussen uitschreef, krijgt niets meer.
"""
T = TypeVar("T")


@click.command("demo")
@click.option(
    "--subscribers",
    "count",
    default=1000,
    show_default=True,
    type=click.IntRange(10, 100_000),
    help="How many made-up readers are imported.",
)
def command(count: int) -> None:
    """Go the whole road once, by itself, in INSTANCE_DIR/demo; exit 1 when a promise is broken."""
    settings = settings_module.load()
    if settings.production:
        raise FixRequest("The demo invents readers and mails them; it does not run in production.")
    signal.signal(signal.SIGTERM, _interrupt)  # so that the server is ended too
    began = time.monotonic()
    folder = settings.instance_dir / "demo"
    with _emptied(folder):
        ports = free_ports(2)
        environ = _environ(settings, folder, *ports)
        demo = settings_module.load(environ, folder / "no.env")
        database = connect(demo.database_url)
        try:
            road = Road(demo, database)
            road.prepare(count)
            with Server(environ, ports[0], folder / "server.log") as server:
                road.go(server)
            road.report()
        finally:
            database.engine.dispose()
    click.echo(f"All {road.kept} promises were kept, in {time.monotonic() - began:.0f} seconds.")


def _interrupt(*_: Any) -> NoReturn:
    raise KeyboardInterrupt


@contextmanager
def _emptied(folder: Path) -> Iterator[None]:
    """The demo's folder, empty, and for this demo only."""
    with (folder.parent / "demo.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise FixRequest(f"Another demo is running in {folder}; wait until it ends.") from None
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir()
        yield


def _environ(settings: Settings, folder: Path, port: int, catcher_port: int) -> dict[str, str]:
    """Settings of the demo: the defaults, whatever stands in .env, and a world of its own."""
    content = shutil.copytree(settings.content_dir, folder / "content")
    names = [field.name.upper() for field in dataclasses.fields(Settings)]
    return {name: str(getattr(config, name)) for name in names} | {
        "INSTANCE_DIR": str(folder),
        "CONTENT_DIR": str(content),
        "BASE_URL": f"http://localhost:{port}",
        "CATCHER_PORT": str(catcher_port),
    }


@dataclass(frozen=True, slots=True)
class Sent:
    """One issue that went out: its items, their titles in all languages, and what arrived."""

    slugs: frozenset[str]
    titles: frozenset[str]
    letters: Sequence[Letter]


class Road:
    """The steps, in order; each says what it does and raises DemoFailed when it goes wrong."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self.settings, self.database = settings, database
        self.store = Store(settings.instance_dir / FOLDER)
        self.library = Library(settings.content_dir, settings.timezone)
        self.readers: list[Reader] = []
        self.rows: list[Row] = []
        self.kept = 0

    def prepare(self, count: int) -> None:
        """The database, and the imported readers."""
        migrate(self.database)
        self.readers = make_readers(count, sorted(self.library.topics()))
        file = self.settings.instance_dir / "readers.csv"
        file.write_text("\n".join(as_csv(self.readers, utcnow())) + "\n", "utf-8")
        with progress("Importing", count) as bar, self.database.write() as session:
            done = import_csv(
                session,
                self.settings,
                file.read_text("utf-8").splitlines(),
                source="made up by newsletter demo",
                now=utcnow(),
                invite=False,
                topics_known=self.library.topics(),
                progress=_by_steps(bar),
            )
        if done.added != count:
            raise DemoFailed(f"Only {done.added} of {count} readers were imported from {file}.")
        self._promise(f"{count} readers in three languages were imported.")

    def go(self, server: Server) -> None:
        """Everything that needs the server, its clock and its catcher."""
        self._sign_up(server)
        self._confirm(server)
        first = self._send_issue()
        leaver = self._leave()
        self._write_item()
        second = self._send_issue()
        self._compare(first, second)
        letters = proof.read_letters(self.store)
        if sum(letter.to == leaver.email for letter in letters) != 1:
            raise DemoFailed(f"{leaver.email} left and still got the second issue.")
        self._promise("The reader who left got no second issue.")
        proof.check_message_ids(letters)
        self._promise(f"The {len(letters)} letters have as many different Message-IDs.")

    def _compare(self, first: Sent, second: Sent) -> None:
        """What the second issue brought is new."""
        if repeated := second.slugs - {NEW_SLUG}:
            raise DemoFailed("The second issue holds old items: " + ", ".join(sorted(repeated)))
        proof.check_titles(first.letters, first.titles, present=True)
        proof.check_titles(second.letters, first.titles, present=False)
        self._promise(
            "The second issue holds the new item, and no letter of it names one of the "
            f"{len(first.slugs)} items of the first."
        )

    def _sign_up(self, server: Server) -> None:
        form = browser.get(f"{server.url}/nl/signup").form("/nl/signup")
        made, bits = form.fields["token"], self.settings.work_bits
        proved = {"email": NEWCOMER.email, "work": work.solve(made, NEWCOMER.email, bits)}
        done = browser.post(form.url, form.fields | proved)
        if "check-your-mail" not in done.url:
            raise DemoFailed(f"The sign-up form answered {done.status} on {done.url}.")
        click.echo(f"Signed up {NEWCOMER.email} on the form; waiting for the mail …")

    def _confirm(self, server: Server) -> None:
        mail = _wait(lambda: self._mail_to(NEWCOMER.email, "/confirm/"), "The confirm mail")
        link = re.search(rf"{re.escape(server.url)}/nl/confirm/[\w-]+", mail.text or "")
        if link is None:
            raise DemoFailed("The confirm mail holds no link.")
        page = browser.get(link[0])
        if self._state(NEWCOMER) is not SubscriberState.PENDING:
            raise DemoFailed("Opening the confirm link changed something; only its button may.")
        self._promise("Opening the link of the confirm mail (GET) changed nothing.")
        form = page.form("/confirm/")
        browser.post(form.url, form.fields)
        if self._state(NEWCOMER) is not SubscriberState.ACTIVE:
            raise DemoFailed("The button of the confirm page did not confirm.")
        self.readers = [*self.readers, NEWCOMER]
        self._promise("The button on that page (POST) confirmed the sign-up.")

    def _send_issue(self) -> Sent:
        """Compile what is new, send it, and check what came against the demo's own list."""
        with self.database.write() as session:
            issue = compile_issue(session, self.settings, self.library, utcnow(), cadence=None)
            if issue is None:
                raise DemoFailed(f"There is nothing new to send in {self.settings.content_dir}.")
            number = issue.number
            publishing.send(session, self.settings, number, utcnow())
            pieces = [p for name in LOCALES for p in reading.issue_pieces(session, number, name)]
        self._watch(number)
        items = {piece.slug: frozenset(piece.topics.split("|")) for piece in pieces}
        wanted = expected(self.readers, items)
        letters = [one for one in proof.read_letters(self.store) if one.issue == number]
        proof.check_issue(number, wanted, letters)
        with self.database.read() as session:
            self.rows += proof.count(session, number, self.readers, wanted, letters)
        self._promise(
            f"Issue {number} came once to each of its {len(wanted)} readers, with exactly those of "
            f"its items ({len(items)}) whose topics the reader chose."
        )
        if bored := len(self.readers) - len(wanted):
            self._promise(
                f"{bored} readers chose topics of which it holds nothing, and got nothing."
            )
        return Sent(frozenset(items), frozenset(piece.title for piece in pieces), letters)

    def _watch(self, number: int) -> None:
        """A progress bar, while the clock of the server delivers."""
        with self.database.read() as session:
            planned = ledger.counts(session, number)["planned"]
        done, deadline = 0, time.monotonic() + DELIVERY_SECONDS
        with progress(f"Mailing issue {number}", planned) as advance:
            while time.monotonic() < deadline:
                with self.database.read() as session:
                    issue = publishing.get(session, number)
                    accepted = ledger.counts(session, number)["accepted"]
                if accepted > done:
                    advance(accepted - done)
                    done, deadline = accepted, time.monotonic() + DELIVERY_SECONDS
                if issue.state is not IssueState.SENDING:
                    break
                time.sleep(0.2)
        if issue.state is not IssueState.SENT:
            why = issue.why or f"{accepted} of {planned} messages were accepted"
            raise DemoFailed(f"Issue {number} was not sent, but is {issue.state}: {why}.")

    def _leave(self) -> Reader:
        """A reader of every topic presses the unsubscribe button of a mail program."""
        leaver = next(reader for reader in self.readers if not reader.topics)
        mail = self._mail_to(leaver.email, "/u/")
        link = re.fullmatch(r"<(http\S+)>", mail.header("List-Unsubscribe")) if mail else None
        if mail is None or link is None:
            raise DemoFailed(f"The mail to {leaver.email} has no List-Unsubscribe with a link.")
        name, _equals, value = mail.header("List-Unsubscribe-Post").partition("=")
        answer = browser.post(link[1], {name: value})
        if answer.status != 200 or answer.url != link[1]:
            raise DemoFailed(f"The one-click unsubscribe answered {answer.status} on {answer.url}.")
        if self._state(leaver) is not SubscriberState.LEFT:
            raise DemoFailed(f"{leaver.email} pressed unsubscribe and is still a subscriber.")
        self.readers = [reader for reader in self.readers if reader is not leaver]
        self._promise("One reader left by the one click of RFC 8058, without cookies.")
        return leaver

    def _write_item(self) -> None:
        today = utcnow().astimezone(self.settings.timezone).date()
        topics = list(self.library.topics())[:2]
        file = self.settings.content_dir / f"items/{today:%Y/%m}/{NEW_SLUG}.nl.md"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(NEW_ITEM.format(date=today, topics=", ".join(topics)), "utf-8")
        click.echo(f"Wrote one new item: {file}")

    def report(self) -> None:
        """The summary, and where to look."""
        click.echo("\nLetters            expected    ledger    mail store")
        for row in self.rows:
            name = f"Issue {row.issue}, {own_name(row.locale)}"
            click.echo(f"{name:20} {row.expected:6} {row.ledger:9} {row.store:13}")
        mail = self._mail_to(NEWCOMER.email, "/issues/1")
        folder = self.settings.instance_dir
        if mail:
            (folder / "letter.html").write_text(mail.html or "", "utf-8")
            (folder / "letter.txt").write_text(mail.text or "", "utf-8")
            (folder / "letter.eml").write_bytes(mail.source)
        click.echo(f"\nOne rendered mail: {folder / 'letter.html'} (also .txt and .eml)")
        click.echo(f"All caught mail:   {self.store.folder}")

    def _promise(self, text: str) -> None:
        self.kept += 1
        click.echo(f"PASS  {text}")

    def _mail_to(self, email: str, holding: str) -> CaughtMessage | None:
        for caught in self.store.find(email):
            message = self.store.open(caught.key)
            if message and holding in (message.text or ""):
                return message
        return None

    def _state(self, reader: Reader) -> SubscriberState | None:
        same = Subscriber.canonical == reader.email
        with self.database.read() as session:
            return session.scalar(select(Subscriber.state).where(same))


def _by_steps(bar: Callable[[int], None]) -> Callable[[int], None]:
    """The import says how far it is, a bar wants to know how much further."""
    before = 0

    def advance(done: int) -> None:
        nonlocal before
        bar(done - before)
        before = done

    return advance


def _wait(look: Callable[[], T | None], what: str) -> T:
    deadline = time.monotonic() + NOTICE_SECONDS
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.1)
    raise DemoFailed(f"{what} did not come within {NOTICE_SECONDS} seconds.")
