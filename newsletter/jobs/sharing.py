"""What other hosts show of the content folder is brought up to date, on the host that has it."""

from newsletter.content import shared
from newsletter.db import Database
from newsletter.issues import sharing
from newsletter.settings import Settings


def share(database: Database, settings: Settings) -> bool:
    """Put topics and pages into the database when they changed; did they?"""
    files = shared.gathered(settings.content_dir)
    with database.read() as session:
        if sharing.is_shared(session, files):
            return False
    with database.write() as session:
        sharing.share(session, files)
    return True
