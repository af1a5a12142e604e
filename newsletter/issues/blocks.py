"""Blocks: what editions are joined from, each printed once for an issue and a locale.

To print a story (Jinja) and to write the styles into its elements (css-inline) costs hundreds of
times what joining does, and an issue is read in hundreds of editions of the same stories. What a
block looks like stands in templates/mail, where it is a macro of issue.html and of issue.txt.
"""

from binascii import b2a_qp
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from textwrap import wrap

from css_inline import CSSInliner
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

import config
from newsletter.delivery.message import Gap, gap
from newsletter.i18n import long_date, translations
from newsletter.issues.compiler import piece_hash
from newsletter.issues.intros import Foreword
from newsletter.issues.stories import Story, tell
from newsletter.links import Links
from newsletter.models import Issue, Piece
from newsletter.settings import Settings

TEXT_WIDTH = 72
TEMPLATES = config.PROJECT_DIR / "templates"
NAMELESS = "ed1710ed1710ed17"  # where the name of an edition comes in, which is as long
HOLE = "<!--hole-->"  # where other blocks come in: css-inline lets comments stand

# Remote stylesheets are never fetched: a mail is made of what was frozen, without a network.
_INLINER = CSSInliner(
    load_remote_stylesheets=False, extra_css=(TEMPLATES / "mail/issue.css").read_text("utf-8")
)


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """One place of an edition, in both parts. `size` is the HTML's as it will travel: a block ends
    its line, so that no soft line break depends on what follows, and sizes can be added."""

    html: str
    text: str
    size: int
    story: Story | None = None  # the one it tells


class Blocks:
    """The blocks of one issue for one locale, printed when they are first asked for."""

    def __init__(
        self, settings: Settings, issue: Issue, locale: str, intro: Foreword | None = None
    ) -> None:
        self.settings, self.number, self.locale = settings, issue.number, locale
        self.intro = intro
        environment, around = _environment(locale), _around(settings, issue, locale, intro)
        self._html = environment.get_template("mail/issue.html").make_module(around)
        self._text = environment.get_template("mail/issue.txt").make_module(around)
        self._stories: dict[str, Story] = {}
        self._printed: dict[tuple[object, ...], Sequence[Block]] = {}

    def story(self, piece: Piece) -> Story:
        """`piece` as it is told to readers of this locale."""
        key = piece.hash or piece_hash(piece)
        if key not in self._stories:
            self._stories[key] = tell(self.settings, _unbound(piece, key), self.locale)
        return self._stories[key]

    def block(self, name: str, story: Story | None = None, **given: bool) -> Block:
        """The block of this name: of one story, or for all."""
        key: tuple[object, ...] = (name, *given.items())
        if story:
            key = (*key, story.piece.hash, story.whole)
        if key not in self._printed:
            html, text = self._print(name, *([story] if story else []), **given)
            self._printed[key] = [Block(html, text, encoded_size(html), story)]
        return self._printed[key][0]

    def around(self, name: str, **given: str) -> Sequence[Block]:
        """A block with holes: the one before the first hole, that before the second …"""
        key = (name, *given.items())
        if key not in self._printed:
            html, text = self._print(name, **given)
            # Only here: the text of an editor may hold the sign itself.
            parts = zip(html.split(HOLE), text.split(HOLE), strict=True)
            self._printed[key] = [Block(html, text, encoded_size(html)) for html, text in parts]
        return self._printed[key]

    def _print(self, name: str, *stories: Story, **given: object) -> tuple[str, str]:
        html = inlined(getattr(self._html, name)(*stories, **given))
        return html, getattr(self._text, name)(*stories, **given)


def encoded_size(html: str) -> int:
    """Octets of `html` as quoted-printable with CRLF, as it will travel."""
    return len(b2a_qp(html.replace("\n", "\r\n").encode("utf-8"), istext=True))


def inlined(html: str) -> str:
    """A document, rows of a table, or words, with the styles of issue.css in their elements."""
    if html.startswith("<!DOCTYPE"):
        return _INLINER.inline(html).replace(' data-css-inline="keep"', "")
    # Outside a table a parser drops rows, and in one it moves words out.
    rows = html.startswith("<tr")
    before, after = ("<table><tbody>", "</tbody></table>") if rows else ("<div>", "</div>")
    found = _INLINER.inline_fragment(f"{before}{HOLE}{html}{HOLE}{after}", "")
    return found.partition(HOLE)[2].rpartition(HOLE)[0]


def _unbound(piece: Piece, key: str) -> Piece:
    """A copy that no session empties: blocks outlive the transaction they are first made in."""
    names = {column.key for column in Piece.__mapper__.column_attrs}
    return Piece(**{name: getattr(piece, name) for name in names} | {"hash": key})


def _around(
    settings: Settings, issue: Issue, locale: str, intro: Foreword | None
) -> dict[str, object]:
    """What all blocks of an issue may say."""
    links = Links(settings.base_url)
    return {
        "locale": locale,
        "number": issue.number,
        "date": long_date(issue.compiled_at, locale, settings.timezone),
        "archive_url": links.archive(locale),
        "browser_url": links.mail_copy(locale, issue.number, NAMELESS),
        "intro": intro,
        "issue_url": links.issue(locale, issue.number),
        "privacy_url": links.page(locale, "privacy"),
        "preferences_url": links.preferences(locale, gap(Gap.PREFERENCES)),
        "unsubscribe_url": links.unsubscribe(gap(Gap.UNSUBSCRIBE)),
        "settings": settings,
    }


@cache
def _environment(locale: str) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=select_autoescape(["html"]),
        extensions=["jinja2.ext.i18n"],
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.install_gettext_translations(  # type: ignore[attr-defined]  # added by the extension
        translations(locale), newstyle=True
    )
    environment.filters["wrapped"] = wrapped
    environment.filters["underlined"] = _underlined
    return environment


def wrapped(text: str, first: str = "", rest: str = "") -> str:
    """`text` broken at TEXT_WIDTH, `first` and `rest` before its lines; addresses stay whole."""
    lines = wrap(
        text,
        TEXT_WIDTH,
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "\n".join(lines)


def _underlined(text: str, sign: str) -> str:
    title = wrapped(text)
    return f"{title}\n{sign * max(len(line) for line in title.splitlines())}"
