"""The first start in development: sample readers and one issue, so that all pages are alive."""

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from newsletter.content.library import Library
from newsletter.db import Database
from newsletter.i18n import LOCALES
from newsletter.issues import compiler, publishing
from newsletter.models import Issue, Subscriber
from newsletter.settings import Settings
from newsletter.subscribers.importing import import_csv

SOURCE = "sample readers of development"


def fill(database: Database, settings: Settings, now: datetime) -> bool:
    """Import the sample readers and send the sample content, if nobody and nothing is there yet.

    The clock delivers it. Returns whether it was done. Raises FixContent when the shelf has errors.
    """
    library = Library(settings.content_dir, settings.timezone)
    with database.write() as session:
        if not _is_empty(session):
            return False
        rows = [
            f"reader-{locale}@voorbeeld.example,{locale},{now.isoformat()}" for locale in LOCALES
        ]
        import_csv(
            session,
            settings,
            ["email,locale,confirmed_at", *rows],
            source=SOURCE,
            now=now,
            invite=False,
            topics_known=library.topics(),
        )
        issue = compiler.compile_issue(session, settings, library, now, cadence=None)
        if issue:
            issue.by_clock = True
            publishing.start(session, settings, issue, now, None)
    return True


def _is_empty(session: Session) -> bool:
    people = select(func.count()).select_from(Subscriber)
    issues = select(func.count()).select_from(Issue)
    return not session.scalar(people) and not session.scalar(issues)
