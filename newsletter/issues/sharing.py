"""What the hosts without the content folder show of it: topics and pages, by way of the database.

The host with the folder brings the rows up to its files (`share`), each other host brings files of
its own up to the rows (`fetch`); both compare, so that it does not matter what was missed. The only
writer of `shared_files`.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from newsletter.content import shared
from newsletter.models import SharedFile


def is_shared(session: Session, files: Mapping[str, bytes]) -> bool:
    """Do the rows hold just these files? Also when there are none, and so nothing to tell."""
    return not files or _rows(session) == _hashes(files)


def share(session: Session, files: Mapping[str, bytes]) -> None:
    """Bring the rows up to the files of the folder."""
    known, wanted = _rows(session), _hashes(files)
    session.execute(delete(SharedFile).where(SharedFile.name.in_(known.keys() - wanted.keys())))
    for name, sha256 in wanted.items():
        if known.get(name) != sha256:
            session.merge(SharedFile(name=name, sha256=sha256, data=files[name]))
    session.flush()


def fetch(session: Session, folder: Path) -> bool:
    """Bring the files below the folder up to the rows; was anything changed? Writes no row."""
    here, wanted = _hashes(shared.gathered(folder)), _rows(session)
    other = [name for name, sha256 in wanted.items() if here.get(name) != sha256]
    gone = here.keys() - wanted.keys() if wanted else set[str]()
    if not (other or gone):
        return False
    rows = session.scalars(select(SharedFile).where(SharedFile.name.in_(other)))
    shared.put(folder, {row.name: row.data for row in rows}, gone)
    return True


def _rows(session: Session) -> dict[str, str]:
    rows = session.execute(select(SharedFile.name, SharedFile.sha256))
    return {row.name: row.sha256 for row in rows}


def _hashes(files: Mapping[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
