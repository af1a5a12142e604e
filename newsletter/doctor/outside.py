"""Lines about OUTSIDE_DIR: is this database at home here, and can the journal be written?"""

import os
from datetime import UTC, datetime

from newsletter import fence, journal
from newsletter.db import Database
from newsletter.doctor.lines import Line, fail, found, ok, warn
from newsletter.errors import TryLater
from newsletter.settings import Settings


def lines(settings: Settings, database: Database) -> list[Line]:
    """Raises what a database raises."""
    try:
        with database.read() as session:
            held = fence.look(session, settings)
    except TryLater as error:  # a file of root, after a command that was not run as the service
        mend = f"Give it to the user of the service: chown --reference {settings.instance_dir} FILE"
        return [fail("fence", f"Nothing is sent. {error}", mend), *_journal(settings)]
    if held:
        mend = "Run `newsletter adopt` on this server (docs/RECOVERY.md)."
        return [fail("fence", f"Nothing is sent: {held.why}.", mend)]
    return [ok("fence", "The database is at home here."), *_journal(settings)]


def _journal(settings: Settings) -> list[Line]:
    folder, faults = settings.outside_dir, list[Line]()
    above = (journal.folder(settings), folder, *folder.parents)
    there = next(one for one in above if os.access(one, os.F_OK))
    month = journal.file(settings, datetime.now(UTC))
    if os.access(month, os.F_OK) and not os.access(month, os.W_OK):
        said = f"The journal of who left cannot be written: {month} is not this user's."
        mend = f"chown --reference {settings.instance_dir} {month}"
        faults.append(fail("journal", said, mend))
    elif not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
        said = f"The journal of who left cannot be written in {journal.folder(settings)}."
        faults.append(fail("journal", said, "Give this user the folder of OUTSIDE_DIR."))
    elif settings.production and folder.is_relative_to(settings.instance_dir):
        said = "OUTSIDE_DIR lies in INSTANCE_DIR: who puts that back puts the fence back, too."
        faults.append(warn("journal", said, "Set OUTSIDE_DIR to a folder outside the backups."))
    return found(faults, ok("journal", f"Who leaves is written down in {folder}."))
