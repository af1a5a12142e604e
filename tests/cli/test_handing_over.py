"""A mail server hands over what comes back: by a pipe, and by LMTP."""

import mailbox
import os
import smtplib
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import func, select

import config
from newsletter.cli import bounces, main
from newsletter.cli.serve.lmtp import Intake, listen
from newsletter.db import Database
from newsletter.errors import FixSettings
from newsletter.models import Reply, Setback
from newsletter.settings import Settings
from newsletter.settings.mailboxes import Listener
from tests.bounces.mails import dsn, person
from tests.bounces.world import BOX, World
from tests.cli.serving import Serving
from tests.faults.programs import surroundings

NOT_MIGRATED = "The database has not the newest schema"
pytestmark = pytest.mark.sqlite("what a message does is tried on both; this is about the way in")


@pytest.fixture
def environ(settings: Settings) -> dict[str, str]:
    return {
        "INSTANCE_DIR": str(settings.instance_dir),
        "DATABASE_URL": settings.database_url,
        "SECRET_KEY": settings.secret_key,
        "RETURN_PATH": BOX,
        "REPLY_TO": "redactie@nieuws.test",
    }


@pytest.fixture
def paths(database: Database, settings: Settings, now: datetime) -> list[str]:
    """Where mail comes back of an issue that three readers were sent."""
    with database.write() as session:
        world = World(session, replace(settings, return_path=BOX), now)
        world.readers(3)
        return [world.verp(row) for row in world.issue(1, now)]


@pytest.fixture
def lmtp(settings: Settings, database: Database, tmp_path: Path) -> Iterator[smtplib.LMTP]:
    mine = replace(settings, return_path=BOX, reply_to="redactie@nieuws.test")
    with listen(Listener(None, "127.0.0.1", 0)) as listener:
        server = Intake(mine, database, listener)
        server.start()
        with smtplib.LMTP("127.0.0.1", listener.getsockname()[1]) as client:
            yield client
        server.stop()


def counts(database: Database) -> tuple[int, int]:
    """Setbacks written, and messages kept for people."""
    with database.read() as session:
        both = (select(func.count()).select_from(table) for table in (Setback, Reply))
        setbacks, replies = (session.scalar(one) or 0 for one in both)
        return setbacks, replies


def piped(message: bytes, environ: dict[str, str], *words: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, ["bounces", "pipe", *words], message, env=environ)
    return done.exit_code, done.stderr


def test_a_pipe(database: Database, paths: list[str], environ: dict[str, str]) -> None:
    forwarded = dsn("somebody@nieuws.test")  # only the mail server knows to whom
    done = subprocess.run(
        [sys.executable, "-m", "newsletter.cli", "bounces", "pipe", "--to", paths[0]],
        input=forwarded,
        env=surroundings() | environ,
        cwd=config.PROJECT_DIR,
        check=False,
        capture_output=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert piped(person(), environ) == (0, "")
    assert counts(database) == (1, 1)


def test_a_pipe_keeps_the_message_at_the_mail_server_when_it_cannot_be_kept(
    database: Database,
    environ: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    empty = {"DATABASE_URL": f"sqlite:///{tmp_path / 'empty.db'}"}
    code, said = piped(person(), environ | empty)
    assert code == os.EX_TEMPFAIL
    assert said.startswith(f"Not taken yet: {NOT_MIGRATED}")
    assert piped(person(), environ | {"MAIL_PORT": "smtp"})[0] == os.EX_TEMPFAIL
    code, said = piped(person(), environ | {"RETURN_PATH": "", "REPLY_TO": ""})
    assert (code, "REPLY_TO" in said) == (os.EX_TEMPFAIL, True)
    assert counts(database) == (0, 0)
    monkeypatch.setattr(bounces, "LARGEST", 100)
    assert piped(person(), environ)[0] == os.EX_UNAVAILABLE


def test_a_command_reads_the_mailbox(
    database: Database, paths: list[str], environ: dict[str, str], tmp_path: Path
) -> None:
    folder = mailbox.Maildir(tmp_path / "mail")
    folder.add(dsn(paths[0]))

    def fetched(place: str) -> Result:
        return CliRunner().invoke(
            main, ["bounces", "fetch"], env=environ | {"BOUNCE_MAILBOX": place}
        )

    assert fetched(f"maildir:{tmp_path / 'mail'}").stdout == (
        "Reports: 1\n  hard: 1\n1 readers who are mailed no more\n"
    )
    assert counts(database) == (1, 0)
    assert fetched("").stderr == "BOUNCE_MAILBOX is not set.\n"
    assert "elsewhere cannot be used" in fetched(f"maildir:{tmp_path / 'elsewhere'}").stderr


def test_lmtp_answers_for_each_recipient(
    database: Database, paths: list[str], lmtp: smtplib.LMTP
) -> None:
    lmtp.ehlo_or_helo_if_needed()
    lmtp.mail("")
    for recipient in (*paths[:2], BOX):
        lmtp.rcpt(recipient)
    answers = [lmtp.data(dsn("somebody@nieuws.test")), lmtp.getreply(), lmtp.getreply()]
    assert [code for code, _words in answers] == [250] * 3
    assert counts(database) == (2, 0)
    lmtp.sendmail("jose@voorbeeld.example", [BOX], person() + b"x" * 5000)  # a long line
    assert counts(database) == (2, 1)


def test_lmtp_takes_nothing_that_is_not_committed(database: Database, lmtp: smtplib.LMTP) -> None:
    with database.write() as session:
        session.connection().exec_driver_sql("ALTER TABLE replies RENAME TO elsewhere")
    with pytest.raises(smtplib.SMTPDataError) as refused:
        lmtp.sendmail("jose@voorbeeld.example", [BOX], person())
    assert refused.value.smtp_code == 451
    with database.write() as session:
        session.connection().exec_driver_sql("ALTER TABLE elsewhere RENAME TO replies")
    lmtp.sendmail("jose@voorbeeld.example", [BOX], person())
    assert counts(database) == (0, 1)


def test_serve_listens_at_a_socket_file_even_after_it_was_killed(
    serve: Callable[..., Serving],
    database: Database,
    paths: list[str],
    environ: dict[str, str],
    tmp_path: Path,
) -> None:
    file = tmp_path / "lmtp"
    listen(Listener(file)).close()  # what a server leaves that was killed
    serve(**environ, BOUNCE_LMTP=str(file)).until_running()
    with smtplib.LMTP(str(file)) as client:
        client.sendmail("", [paths[0]], dsn("somebody@nieuws.test"))
    assert counts(database) == (1, 0)
    with pytest.raises(FixSettings, match="cannot be used"):
        listen(Listener(file))
