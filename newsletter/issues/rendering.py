"""Rendering: the frozen pieces of an issue as one edition, HTML and text.

Nothing here reads a clock, a database or a file of the shelf: what a piece says was frozen when
the issue was compiled. What differs per reader stays a gap (`newsletter.delivery.message`).
"""

import re
from binascii import b2a_qp
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from textwrap import wrap

from css_inline import CSSInliner
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

import config
from newsletter.delivery.message import Gap, gap
from newsletter.i18n import long_date, translate, translations
from newsletter.issues.stories import Story, leading, tell
from newsletter.links import Links
from newsletter.models import Issue, Piece
from newsletter.settings import Settings

SUBJECT_LENGTH = 78
SIZE_AIM = 80_000  # octets of the HTML part on the wire; Gmail clips at about 102 kB (HTM-16)
PREHEADER_LENGTH = 90
TEXT_WIDTH = 72
TEMPLATES = config.PROJECT_DIR / "templates"

# Remote stylesheets are never fetched: a mail is made of what was frozen, without a network.
_INLINER = CSSInliner(load_remote_stylesheets=False)


@dataclass(frozen=True, slots=True)
class RenderedEdition:
    """What readers get: subject, HTML document with CSS inlined, text part; with gaps."""

    subject: str
    html: str
    text: str


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where each story stands. `titles` are those for which the mail has no more room."""

    lead: Story
    shorts: Sequence[Story]
    titles: Sequence[Story]
    agenda: Sequence[Story]

    @property
    def preheader(self) -> Sequence[Story]:
        """The stories after the lead whose titles fit in one short sentence."""
        fitting: list[Story] = []
        room = PREHEADER_LENGTH
        for story in [*self.shorts, *self.titles, *self.agenda]:
            room -= len(story.piece.title) + 2
            if story is self.lead or story in fitting or (fitting and room < 0):
                break
            fitting.append(story)
        return fitting


def render_edition(
    settings: Settings,
    issue: Issue,
    pieces: Sequence[Piece],
    locale: str,
    older_link: bool = False,
) -> RenderedEdition:
    """The edition of `pieces` (at least one, in order) for `locale`.

    When the HTML would grow beyond SIZE_AIM, the last pieces are printed as titles with links.
    """
    stories = [tell(settings, piece, locale) for piece in pieces]
    lead = leading(stories)
    stories.sort(key=lambda story: story is not lead)
    subject = _subject(issue.number, lead.piece.title, locale)
    frame = _frame(settings, issue, locale, subject, older_link)

    def html(full: int) -> str:
        return _html(locale, frame, _lay_out(stories, full))

    full = len(stories)
    page = html(full)
    if encoded_size(page) > SIZE_AIM:
        sizes = range(full)
        full = max(0, bisect_right(sizes, SIZE_AIM, key=lambda n: encoded_size(html(n))) - 1)
        page = html(full)
    return RenderedEdition(subject, page, _text(locale, frame, _lay_out(stories, full)))


def encoded_size(html: str) -> int:
    """Octets of `html` as quoted-printable with CRLF, as it will travel."""
    return len(b2a_qp(html.replace("\n", "\r\n").encode("utf-8"), istext=True))


def _lay_out(stories: Sequence[Story], full: int) -> _Layout:
    """The first of `stories` is the lead; the first `full` ones are printed whole."""
    lead, *others = [
        story if index < full else story.brief() for index, story in enumerate(stories)
    ]
    news = [story for story in others if not story.only_agenda]
    dated = [story for story in [lead, *others] if story.when]
    return _Layout(
        lead=lead,
        shorts=[story for story in news if story.whole],
        titles=[story for story in news if not story.whole],
        agenda=sorted(dated, key=lambda story: (story.day, story.piece.slug)),
    )


def _subject(number: int, title: str, locale: str) -> str:
    text = translate(locale, "Fiabel-nieuws %(number)s: %(title)s", number=number, title=title)
    if len(text) <= SUBJECT_LENGTH:
        return text
    return text[: SUBJECT_LENGTH - 1].rpartition(" ")[0].rstrip(" ,;:–-") + "…"


def _frame(
    settings: Settings, issue: Issue, locale: str, subject: str, older_link: bool
) -> dict[str, object]:
    """What stands around the stories: masthead and footer."""
    links = Links(settings.base_url)
    return {
        "locale": locale,
        "subject": subject,
        "number": issue.number,
        "date": long_date(issue.compiled_at, locale, settings.timezone),
        "archive_url": links.archive(locale) if older_link else None,
        "browser_url": links.issue(locale, issue.number),
        "privacy_url": links.page(locale, "privacy"),
        "preferences_url": links.preferences(locale, gap(Gap.PREFERENCES)),
        "unsubscribe_url": links.unsubscribe(gap(Gap.UNSUBSCRIBE)),
        "settings": settings,
    }


def _html(locale: str, frame: dict[str, object], layout: _Layout) -> str:
    template = _environment(locale).get_template("mail/issue.html")
    page = _INLINER.inline(template.render(frame, layout=layout))
    return page.replace(' data-css-inline="keep"', "")


def _text(locale: str, frame: dict[str, object], layout: _Layout) -> str:
    template = _environment(locale).get_template("mail/issue.txt")
    text = template.render(frame, layout=layout).strip() + "\n"
    return re.sub("\n{3,}", "\n\n", text)


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
