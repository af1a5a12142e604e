"""A shelf of a test's own, and readers with the choices a test wants."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from newsletter.content.library import Library
from newsletter.db import Database
from newsletter.delivery import ledger
from newsletter.models import Subscriber, SubscriberState
from newsletter.settings import Settings
from newsletter.subscribers.preferences import choice

TOPICS = """
[water]
nl = "Water"
fr = "Eau"
en = "Water"
de = "Wasser"
[jeugd]
nl = "Jeugd"
fr = "Jeunesse"
en = "Youth"
de = "Jugend"
"""


class Shelf:
    """Writes items as an editor would, in files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "items/2026/11").mkdir(parents=True)
        (folder / "pages").mkdir()
        (folder / "topics.toml").write_text(TOPICS, "utf-8")

    def path(self, slug: str, locale: str = "nl") -> Path:
        return self.folder / f"items/2026/11/{slug}.{locale}.md"

    def put(self, slug: str, locale: str = "nl", topics: str = "water", **front: str) -> Path:
        values = {
            "title": f"Een bericht over {slug} ({locale})",
            "date": "2026-11-02",
            "status": "ready",
            "topics": f"[{topics}]",
            "summary": f"Een samenvatting van {slug} in een korte zin.",
        } | front
        head = "\n".join(f"{name}: {value}" for name, value in values.items())
        text = f"---\n{head}\n---\nHet verhaal van {slug} begint hier en is gauw verteld.\n"
        self.path(slug, locale).write_text(text, "utf-8")
        return self.path(slug, locale)

    @property
    def library(self) -> Library:
        return Library(self.folder)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "content")


@pytest.fixture
def settings(settings: Settings, shelf: Shelf) -> Settings:
    return replace(settings, content_dir=shelf.folder)


AddReader = Callable[..., Subscriber]


@pytest.fixture
def add_reader(database: Database, now: datetime) -> AddReader:
    """Add an active reader: add_reader(session, "a", topics=("water",), locale="fr")."""

    def add(
        session: Session,
        name: str,
        topics: tuple[str, ...] = (),
        locale: str = "nl",
        cadence: str = "monthly",
    ) -> Subscriber:
        reader = Subscriber(
            email=f"{name}@voorbeeld.example",
            canonical=f"{name}@voorbeeld.example",
            locale=locale,
            cadence=cadence,
            topic_choice_id=choice(session, topics).id,
            state=SubscriberState.ACTIVE,
            created_at=now,
            confirmed_at=now,
        )
        session.add(reader)
        session.flush()
        ledger.start_cursors(session, [reader.id])
        return reader

    return add
