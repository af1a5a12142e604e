"""A browser without cookies: pages, and their forms as they are when nobody touches them."""

import http.client
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from urllib.parse import urljoin

from newsletter.errors import NewsletterError

SECONDS = 30  # how long a page may take


class DemoFailed(NewsletterError):
    """Something on the road was not as promised; the message says what."""


@dataclass(frozen=True, slots=True)
class Page:
    """What a GET or POST brought, after redirects (`url` is where it ended)."""

    url: str
    status: int
    body: str

    def form(self, action: str) -> "Form":
        """The first form on the page that posts to an address containing `action`."""
        parser = _Forms(self.url)
        parser.feed(self.body)
        for form in parser.forms:
            if action in form.url:
                return form
        raise DemoFailed(f"There is no form for {action} on {self.url}.")


@dataclass(frozen=True, slots=True)
class Form:
    """Where a form goes, and the fields it sends when nobody touches it."""

    url: str
    fields: dict[str, str]


def get(url: str) -> Page:
    """The page at `url`, after redirects. Raises DemoFailed when nobody answers."""
    return _ask(urllib.request.Request(url))  # noqa: S310 (our own addresses)


def post(url: str, fields: Mapping[str, str]) -> Page:
    """The answer to a form, after redirects. Raises DemoFailed when nobody answers."""
    data = urllib.parse.urlencode(fields).encode()
    return _ask(urllib.request.Request(url, data))  # noqa: S310 (our own addresses)


def _ask(request: urllib.request.Request) -> Page:
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310 # nosec B310 # our site
            return Page(answer.url, answer.status, answer.read().decode("utf-8"))
    except urllib.error.HTTPError as error:
        with error:
            return Page(request.full_url, error.code, error.read().decode("utf-8", "replace"))
    except (OSError, http.client.HTTPException) as error:
        raise DemoFailed(f"{request.full_url} does not answer: {error}.") from None


class _Forms(HTMLParser):
    def __init__(self, base: str) -> None:
        super().__init__()
        self.base, self.forms = base, list[Form]()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(urljoin(self.base, values.get("action", "")), {}))
        elif tag == "input" and self.forms and _is_sent(values):
            self.forms[-1].fields[values["name"]] = values.get("value", "")


def _is_sent(field: Mapping[str, str]) -> bool:
    chosen = field.get("type") not in ("checkbox", "radio") or "checked" in field
    return chosen and "name" in field
