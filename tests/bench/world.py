"""A database with readers and a real compiled issue, ready to be sent again and again."""

import contextlib
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import insert, select, text

from newsletter import settings as settings_module
from newsletter.content.library import Library
from newsletter.db import connect
from newsletter.delivery.copies import Copies
from newsletter.delivery.ledger import Claimed
from newsletter.delivery.message import plain
from newsletter.delivery.template import Gap
from newsletter.issues.compiler import compile_issue
from newsletter.models import Delivery, Edition, Subscriber, SubscriberState, TopicChoice
from newsletter.schema import migrate
from newsletter.settings import Settings
from tests.bench import peers

NEWSLETTER = str(Path(sys.executable).with_name("newsletter"))
ROOT = Path(__file__).parents[2]
# Real items of the shelf that make an issue of about 30 kB as sent, HTML and text.
ITEMS = (
    "elke-geboorte-telt",
    "evergem-guaranda-bronnen",
    "globe-goed-lokaal-bestuur",
    "kortrijk-chefchaouen-drie-jaar",
)
AT_ONCE = 50_000  # readers written in one statement


@dataclass(frozen=True)
class Used:
    """What a process used: seconds of the processor, and MB at its peak."""

    seconds: float
    megabytes: float


@dataclass(frozen=True)
class World:
    """A database, and the environment of the processes that work it."""

    environ: dict[str, str]
    readers: int

    @property
    def settings(self) -> Settings:
        """As the processes read them."""
        return settings_module.load(environ=self.environ, env_file=Path("no.env"))

    def run(self, *words: str, **more: str) -> tuple[dict[str, Any], Used]:
        """`newsletter WORDS`; what it printed as JSON, and what it used."""
        return run([NEWSLETTER, *words], self.environ | more)

    def at(self, database_url: str) -> "World":
        """The same on a copy of its PostgreSQL database, which no fence has seen."""
        outside = tempfile.mkdtemp(prefix="outside-", dir=self.environ["INSTANCE_DIR"])
        more = {"DATABASE_URL": database_url, "OUTSIDE_DIR": outside}
        return World(self.environ | more, self.readers)

    def edition(self) -> Edition:
        """The edition that all readers get."""
        database = connect(self.settings.database_url)
        with database.read() as session:
            edition = session.scalars(select(Edition)).first()
        database.engine.dispose()
        assert edition is not None
        return edition

    def write_letter(self, folder: Path) -> None:
        """What the loop over Flask-Mail sends: this edition, as the files subject, text, html."""
        edition = self.edition()
        for name in ("subject", "text", "html"):
            filled = plain(getattr(edition, name), {Gap.UNSUBSCRIBE: peers.TOKEN})
            (folder / name).write_text(filled, "utf-8")

    def size(self) -> int:
        """Octets of a message, as sent."""
        settings, database = self.settings, connect(self.settings.database_url)
        with database.read() as session:
            row = session.scalars(select(Delivery).limit(1)).one()
        first = Claimed(row.id, 1, row.edition_id, row.subscriber_id, "r1@voorbeeld.example")
        content = Copies(database, settings, lambda: datetime.now(UTC)).content(first)
        database.engine.dispose()
        return len(content)


def run(command: list[str], environ: dict[str, str]) -> tuple[dict[str, Any], Used]:
    """Run a command; its JSON output if it has any, and what it used."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(
            command, env=environ, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=out, stderr=err
        )
        megabytes, usage = _watch(process)
        out.seek(0)
        err.seek(0)
        if process.returncode:
            raise RuntimeError(f"{command} ended with {process.returncode}: {err.read().decode()}")
        said = out.read()
    found = json.loads(said) if said.startswith(b"{") else {}
    return found, Used(usage.ru_utime + usage.ru_stime, megabytes)


def _watch(process: subprocess.Popen[bytes]) -> tuple[float, resource.struct_rusage]:
    """Wait for the end; peak MB (ru_maxrss would hold this process's own, from before exec)."""
    status, kilobytes = Path(f"/proc/{process.pid}/status"), 0
    while True:
        if found := re.search(r"VmHWM:\s+(\d+)", status.read_text()):
            kilobytes = int(found[1])
        pid, code, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            process.returncode = os.waitstatus_to_exitcode(code)
            return kilobytes / 1024, usage
        time.sleep(0.05)


def make(folder: Path, database_url: str, port: int, readers: int) -> World:
    """Readers in one language with every topic, and issue 1 compiled for them."""
    environ = {
        "PATH": os.environ["PATH"],
        "INSTANCE_DIR": str(folder),
        "DATABASE_URL": database_url,
        "SECRET_KEY": "a key for the bench that is long enough",
        "MAIL_SERVER": "127.0.0.1",
        "MAIL_PORT": str(port),
        "DELIVERY_CONNECTIONS": "8",
    }
    world = World(environ, readers)
    database, now = connect(world.settings.database_url), datetime.now(UTC)
    migrate(database)
    with database.write() as session:
        choice = TopicChoice(topics="")
        session.add(choice)
        session.flush()
        for first in range(0, readers, AT_ONCE):
            session.execute(
                insert(Subscriber),
                [
                    {
                        "email": f"r{index}@voorbeeld.example",
                        "canonical": f"r{index}@voorbeeld.example",
                        "locale": "nl",
                        "cadence": "monthly",
                        "topic_choice_id": choice.id,
                        "state": SubscriberState.ACTIVE,
                        "created_at": now,
                        "confirmed_at": now,
                    }
                    for index in range(first, min(readers, first + AT_ONCE))
                ],
            )
        session.execute(
            text("INSERT INTO cursors (subscriber_id, number) SELECT id, 0 FROM subscribers")
        )
    with database.write() as session:
        library = Library(world.settings.content_dir)
        assert compile_issue(session, world.settings, library, now, "monthly", ITEMS)
    database.engine.dispose()
    return world


@contextlib.contextmanager
def copied(world: World, folder: Path) -> Iterator[World]:
    """The same world on a copy of its SQLite database, so that it can be sent again."""
    folder.mkdir()
    shutil.copy(Path(world.environ["INSTANCE_DIR"]) / "newsletter.db", folder)
    try:
        yield World(world.environ | {"INSTANCE_DIR": str(folder)}, world.readers)
    finally:
        shutil.rmtree(folder)
