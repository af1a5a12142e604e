"""Which text a page is about, and whether who is signed in may write it."""

import base64
import binascii
import secrets
import zlib
from dataclasses import dataclass
from datetime import datetime

from flask import abort, request
from sqlalchemy.orm import Session

from newsletter.content import matter, writing
from newsletter.content.matter import NotAForm
from newsletter.content.source import LARGEST
from newsletter.errors import FixRequest
from newsletter.i18n import DEFAULT, LOCALES
from newsletter.issues import drafting, stock
from newsletter.issues.drafting import Text
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
    def typing(self) -> Text:
        """Whose text it is, for what they type into it."""
        return Text(me().id, self.slug, self.language)

    @property
    def tabs(self) -> tuple[str, str]:
        """The page in a browser (a new one, when it was not a form that came), and the one that
        wrote the draft it shows."""
        seen = request.form.get("seen", self.draft.tab if self.draft else "")
        return request.form.get("tab") or secrets.token_hex(8), seen

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


def find(session: Session, slug: str, language: str, *, typed: bool = False) -> Work:
    """The text of an item, there or yet to be written; 404 without the item, 403 when it is not
    theirs. `typed`: somebody wrote it, so that it may also be gone meanwhile."""
    mine = drafting.mine(session, me().id)
    begun = {one.locale: one for one in mine if one.slug == slug}
    home = min(writing.homes(state().library.folder).get(slug, ()), default="")
    if not (home or begun or typed):
        abort(404)
    stem = f"{home or f'items/{day(now()):%Y/%m}'}/{slug}"
    path = f"{stem}.{language}.md"
    file, dutch = _read(path), readable(_read(f"{stem}.{DEFAULT}.md")) or ""
    owner, stage = stock.owner(session, slug), stock.stage(session, slug, _status(dutch))
    known = home or owner or not begun
    if known and not may_write(owner if home else owner or me().id, stage):
        abort(403)
    at_work = tuple(drafting.at_work(session, Text(me().id, slug, language), now()))
    return Work(slug, language, path, file, begun.get(language), dutch, stage, at_work)


def may_write(owner: int | None, stage: Stage) -> bool:
    """Editors write everything, writers the drafts they made."""
    return me().may(Role.EDITOR) or (owner == me().id and stage is Stage.DRAFT)


def decoded(data: bytes) -> str:
    """A file as text, to the byte; what is not UTF-8 has to be mended in the file."""
    text = readable(data)
    return abort(422) if text is None else text


def readable(data: bytes) -> str | None:
    """A file as text, to the byte; None when it is not UTF-8."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


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
