"""Which text a page is about, and whether who is signed in may write it."""

import base64
import binascii
import zlib
from dataclasses import dataclass
from datetime import datetime

from flask import abort, request
from sqlalchemy.orm import Session

from newsletter.content import matter, submitting, writing
from newsletter.content.matter import NotAForm
from newsletter.content.source import LARGEST
from newsletter.errors import FixRequest
from newsletter.i18n import DEFAULT, LOCALES
from newsletter.issues import drafting, stock
from newsletter.issues.stock import Stage
from newsletter.models import Draft, Role
from newsletter.web.desk.ground import me
from newsletter.web.page import day, now, state

ONE = f"/items/<slug>/<any({','.join(LOCALES)}):language>"


@dataclass(frozen=True, slots=True)
class Work:
    """A text as who is signed in finds it: the file, what they typed, and what is known of it."""

    slug: str
    language: str
    path: str
    file: bytes
    draft: Draft | None
    dutch: str  # the Dutch text of the item, as it is saved
    stage: Stage
    at_work: tuple[int, ...]

    @property
    def base(self) -> str:
        """What the editor began from."""
        return self.draft.base if self.draft else decoded(self.file)

    @property
    def text(self) -> str:
        """What the editor sees: what they typed, else the file, else a skeleton."""
        if self.draft:
            return self.draft.text
        return decoded(self.file) or skeleton(self.dutch, now())

    @property
    def is_translation(self) -> bool:
        """Not the Dutch text, and there is one."""
        return self.language != DEFAULT and bool(self.dutch)


def find(session: Session, slug: str, language: str) -> Work:
    """The text of an item, there or yet to be written; 404 without the item, 403 when it is not
    theirs."""
    mine = {draft.path: draft for draft in drafting.mine(session, me().id)}
    home = min(writing.homes(state().library.folder).get(slug, ()), default="")
    begun = (path for path in mine if submitting.split(path)[0].endswith(f"/{slug}"))
    stem = f"{home}/{slug}" if home else next((submitting.split(one)[0] for one in begun), "")
    if not stem:
        abort(404)
    path = f"{stem}.{language}.md"
    file, dutch = _read(path), decoded(_read(f"{stem}.{DEFAULT}.md"))
    owner, stage = stock.owner(session, slug), stock.stage(session, slug, _status(dutch))
    if home and not may_write(owner, stage):
        abort(403)
    at_work = tuple(drafting.at_work(session, me().id, path, now()))
    return Work(slug, language, path, file, mine.get(path), dutch, stage, at_work)


def may_write(owner: int | None, stage: Stage) -> bool:
    """Editors write everything, writers the drafts they made."""
    return me().may(Role.EDITOR) or (owner == me().id and stage is Stage.DRAFT)


def decoded(data: bytes) -> str:
    """A file as text, to the byte; what is not UTF-8 has to be mended in the file."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        abort(422)


def packed(text: str) -> str:
    """What an editor began from, for a form to bring back, to the byte."""
    return base64.b64encode(zlib.compress(text.encode())).decode()


def unpacked() -> str:
    """What the form was made from."""
    try:
        data = base64.b64decode(request.form.get("was", ""), validate=True)
        reader = zlib.decompressobj()
        text = reader.decompress(data, LARGEST + 1) if data else b""
        if len(text) > LARGEST or (data and not reader.eof):
            abort(400)
        return text.decode()
    except (binascii.Error, zlib.error, UnicodeDecodeError):
        abort(400)


def skeleton(dutch: str, at: datetime) -> str:
    """The text of a file that is not there yet, with the facts of its Dutch text."""
    facts = {"date": day(at).isoformat(), "status": "draft"}
    try:
        known = matter.values(dutch) if dutch else {}
    except NotAForm:
        known = {}
    return matter.new(facts | known | {"status": "draft", "title": "", "summary": ""}, "")


def _status(dutch: str) -> str:
    try:
        found = matter.values(dutch).get("status", "") if dutch else ""
    except NotAForm:
        found = ""
    return "ready" if found == "ready" else "draft"


def _read(path: str) -> bytes:
    try:
        return writing.read(state().library.folder, path)
    except FixRequest:
        abort(404)
