"""Pictures of pieces: made ready when these are frozen, and kept in the database, so that hosts
without the folder serve them too. The only writer of `pictures`.

In the body of a frozen piece a picture is `<img src="/pictures/NAME" width height alt>`; above it,
it is the fact `picture`.
"""

import re
from collections.abc import Callable, Collection
from typing import Any, NamedTuple

from sqlalchemy import String, cast, delete, or_, select
from sqlalchemy.orm import Session

from newsletter.content.frontmatter import FrontMatter
from newsletter.content.gallery import Gallery
from newsletter.content.images import SMALL, Ready, small_name
from newsletter.content.tree import IMAGES
from newsletter.db import new_rows
from newsletter.links import Links
from newsletter.models import ItemNumber, Picture, Piece

COLUMN = 600  # px: the mail's
TEXT_COLUMN = 520  # px: of a text in it, with the room on both sides
NAME = r"[0-9a-f]{32}(?:-[0-9]+)?\.(?:jpg|png)"
# Both are written by the sanitiser, which escapes what stands between quotes.
_PLACED = re.compile(rf'<img src="{IMAGES}([^"]+)" alt="([^"]*)">')
_FROZEN = re.compile(
    rf'<img src="/pictures/({NAME})" width="([0-9]+)" height="([0-9]+)" alt="([^"]*)">'
)


class Shown(NamedTuple):
    """A picture as readers see it: size in px, what it shows, and whose it is (may be empty)."""

    name: str
    width: int
    height: int
    alt: str
    credit: str = ""

    @property
    def small(self) -> str:
        """The name of its small size, SMALL px wide; empty where it has none."""
        return small_name(self.name) if self.width > SMALL else ""

    @property
    def media_type(self) -> str:
        """Of what is served: JPEG or PNG."""
        return "image/png" if self.name.endswith("png") else "image/jpeg"

    def within(self, column: int) -> tuple[int, int]:
        """Width and height in a column of so many px; nothing is shown larger than it is."""
        width = min(self.width, column)
        return width, max(1, round(self.height * width / self.width))


class Album:
    """The pictures that some pieces show, each made ready once."""

    def __init__(self, gallery: Gallery) -> None:
        self._gallery = gallery
        self._ready: dict[str, Ready] = {}

    @property
    def pictures(self) -> Collection[Ready]:
        """All of them."""
        return self._ready.values()

    def above(self, front: FrontMatter) -> dict[str, Any] | None:
        """The picture above a story, as a fact of its piece. Raises FixContent."""
        if not front.image:
            return None
        large = self._take(front.image).large
        found = {"name": large.name, "width": large.width, "height": large.height}
        found |= {"alt": front.image_alt, "credit": front.image_credit}
        return {name: value for name, value in found.items() if value}

    def within(self, html: str) -> str:
        """A body with its pictures as they are served. Raises FixContent."""
        return _PLACED.sub(self._frozen, html)

    def _frozen(self, placed: re.Match[str]) -> str:
        large = self._take(placed[1]).large
        size = f'width="{large.width}" height="{large.height}"'
        return f'<img src="/pictures/{large.name}" {size} alt="{placed[2]}">'

    def _take(self, name: str) -> Ready:
        if name not in self._ready:
            self._ready[name] = self._gallery.ready(name)
        return self._ready[name]


def keep(session: Session, pictures: Collection[Ready]) -> None:
    """Keep what is not there yet."""
    files = {file.name: file for ready in pictures for file in ready.files}
    there = set(session.scalars(select(Picture.name).where(Picture.name.in_(files))))
    rows = [
        {
            "name": file.name,
            "width": file.width,
            "height": file.height,
            "media_type": file.media_type,
            "data": file.data,
        }
        for file in files.values()
        if file.name not in there
    ]
    if rows:
        session.execute(new_rows(session, Picture), rows)


def forget(session: Session, slugs: Collection[str]) -> None:
    """Take away what only these items show, which are withdrawn."""
    columns = select(Piece.facts, Piece.html)
    gone = {
        name
        for facts, html in session.execute(columns.where(Piece.slug.in_(slugs)))
        for name in _names(facts, html)
    }
    withdrawn = select(ItemNumber.slug).where(ItemNumber.withdrawn_at.is_not(None))
    for name in gone:
        shows = or_(Piece.html.contains(name), cast(Piece.facts, String).contains(name))
        others = columns.where(shows, Piece.slug.not_in(withdrawn)).limit(1)
        if not session.execute(others).first():
            both = (name, small_name(name))
            session.execute(delete(Picture).where(Picture.name.in_(both)))


def _names(facts: dict[str, Any], html: str) -> set[str]:
    shown = above(facts)
    return {found[1] for found in _FROZEN.finditer(html)} | ({shown.name} if shown else set())


def find(session: Session, name: str) -> Picture | None:
    """A picture by its name."""
    return session.get(Picture, name)


def above(facts: dict[str, Any]) -> Shown | None:
    """The picture above a frozen story."""
    return Shown(**facts["picture"]) if facts.get("picture") else None


def in_mail(html: str, links: Links) -> str:
    """A frozen body for the mail: absolute addresses, and no picture wider than its column.

    Its paragraph gets the class `pictured`: classic Outlook cuts it off in lines of fixed height.
    """
    drawn = redrawn(html, lambda picture: _mailed(picture, links))
    return drawn.replace("<p><img ", '<p class="pictured"><img ')


def redrawn(html: str, draw: Callable[[Shown], str]) -> str:
    """A frozen body with what `draw` makes of each picture, whose `alt` is escaped already."""
    return _FROZEN.sub(
        lambda found: draw(Shown(found[1], int(found[2]), int(found[3]), found[4])), html
    )


def _mailed(picture: Shown, links: Links) -> str:
    # Classic Outlook obeys the attribute, other programs the style.
    width, height = picture.within(TEXT_COLUMN)
    size = f'width="{width}" height="{height}" style="max-width: {width}px"'
    return f'<img src="{links.picture(picture.name)}" {size} alt="{picture.alt}">'
