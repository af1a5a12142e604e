"""The paper letters are written on: their parts, and the shape they get as text and HTML."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

import config
from newsletter import i18n
from newsletter.settings import Settings

TEXT_WIDTH = 72


@dataclass(frozen=True, slots=True)
class Letter:
    """What `delivery.message.letter` makes a mail of."""

    subject: str
    text: str
    html: str


@dataclass(frozen=True, slots=True)
class Link:
    """A link whose label says where it goes."""

    label: str
    url: str


@dataclass(frozen=True, slots=True)
class Parts:
    """A letter before it has a shape; `button` is the one thing to do, if there is one."""

    subject: str
    heading: str
    before: Sequence[str]
    button: Link | None = None
    after: Sequence[str | Link] = ()


def shape(settings: Settings, locale: str, parts: Parts) -> Letter:
    """The letter, as text and HTML, with the association's colophon."""
    values = {"parts": parts, "locale": locale, "org": settings}
    press = environment(locale)
    return Letter(
        subject=parts.subject,
        text=press.get_template("notice.txt").render(values).strip() + "\n",
        html=press.get_template("notice.html").render(values),
    )


def moment(settings: Settings, locale: str, moment: datetime) -> str:
    """A date and time for readers, in TIMEZONE."""
    return i18n.date_and_time(moment, locale, settings.timezone)


@cache
def environment(locale: str) -> Environment:
    """The templates of mails, speaking one locale."""
    environment = Environment(
        loader=FileSystemLoader(config.PROJECT_DIR / "templates" / "mail"),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["wrapped"] = wrapped
    environment.tests["link"] = lambda value: isinstance(value, Link)
    environment.install_gettext_translations(i18n.translations(locale), newstyle=True)  # type: ignore[attr-defined]
    return environment


def wrapped(paragraph: str) -> str:
    """Lines of at most 72 characters; an address or a word is never cut."""
    return textwrap.fill(paragraph, TEXT_WIDTH, break_long_words=False, break_on_hyphens=False)
