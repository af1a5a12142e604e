"""Every public absolute URL, from BASE_URL and never from a Host header."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from newsletter.i18n import LOCALES

# The pages of the site that a mail may link to, behind BASE_URL; those below SUBJECT have feeds.
SUBJECT = "/{locale}/{kind}/{key}"
PAGES = (
    "/", "/{locale}/", "/{locale}/issues/", "/{locale}/issues/{number}",
    "/{locale}/issues/{number}/mail", "/{locale}/issues/{number}/mail/{edition}",
    "/{locale}/items/{slug}", "/{locale}/about/{name}", SUBJECT, f"{SUBJECT}/{{number}}",
    *(f"{above}/{feed}" for above in ("/{locale}", SUBJECT)
      for feed in ("feed.atom", "feed.json", "agenda.ics")),
    "/{locale}/search", "/{locale}/signup", "/{locale}/my-link", "/{locale}/embed",
    "/{locale}/for-your-site", "/{locale}/preferences/{token}", "/u/{token}",
    "/patterns/{place}.{kind_of_picture}", "/pictures/{picture}", "/receipts/key", "/sitemap.xml",
)  # fmt: skip
_PARTS = {
    "locale": "|".join(LOCALES),
    "number": "[1-9][0-9]{0,8}",
    "edition": "[0-9a-f]{16}",
    "kind": "topics|countries|places|sdgs",
    "kind_of_picture": "png|svg",
    "picture": "[a-z0-9-]+[.](jpg|png)",
    "place": "[a-z0-9-]+",
    "token": "[^/]+",
}


def _pattern(page: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", page)
    pairs = zip(parts[::2], [*parts[1::2], ""], strict=True)
    return re.compile(
        "".join(
            re.escape(text) + (f"(?P<{name}>{_PARTS.get(name, '[A-Za-z0-9_-]+')})" if name else "")
            for text, name in pairs
        )
    )


_PATTERNS = tuple(map(_pattern, PAGES))


def page_at(path: str) -> Mapping[str, str] | None:
    """The parts (`locale`, `slug` …) of an address of ours behind BASE_URL; None: no such page."""
    found = (pattern.fullmatch(path or "/") for pattern in _PATTERNS)
    return next((match.groupdict() for match in found if match), None)


@dataclass(frozen=True, slots=True)
class Links:
    """The addresses of the site; `token` may also be the gap that stands for one (see message)."""

    base_url: str

    def home(self, locale: str) -> str:
        """Front page with the sign-up form."""
        return f"{self.base_url}/{locale}/"

    def confirm(self, locale: str, token: str) -> str:
        """Page with the button that confirms a sign-up."""
        return f"{self.base_url}/{locale}/confirm/{token}"

    def unsubscribe(self, token: str) -> str:
        """One-click address of RFC 8058 (POST), and page with one button (GET)."""
        return f"{self.base_url}/u/{token}"

    def preferences(self, locale: str, token: str) -> str:
        """Page where a reader changes topics and language."""
        return f"{self.base_url}/{locale}/preferences/{token}"

    def data(self, locale: str, token: str) -> str:
        """Page where a reader exports, erases, or changes the address; the link works a day."""
        return f"{self.base_url}/{locale}/data/{token}"

    def new_address(self, locale: str, token: str) -> str:
        """Page with the button that confirms a new address."""
        return f"{self.base_url}/{locale}/new-address/{token}"

    def never(self, locale: str, token: str) -> str:
        """Page with the button "I did not ask for this, never write me again"."""
        return f"{self.base_url}/{locale}/never/{token}"

    def undo(self, locale: str, token: str) -> str:
        """Page with the button that undoes leaving."""
        return f"{self.base_url}/{locale}/undo/{token}"

    def stop_issue(self, locale: str, token: str) -> str:
        """Page with the button that stops an issue in its hold window."""
        return f"{self.base_url}/{locale}/stop/{token}"

    def desk(self) -> str:
        """The editors' desk."""
        return f"{self.base_url}/desk/"

    def password(self, locale: str, token: str) -> str:
        """Page where an editor chooses a password: invited, or having forgotten the old one."""
        return f"{self.base_url}/desk/password/{token}?locale={locale}"

    def proof(self, locale: str, token: str) -> str:
        """The mail of an issue that is not out yet, for editors."""
        return f"{self.base_url}/{locale}/proof/{token}"

    def archive(self, locale: str) -> str:
        """List of all issues."""
        return f"{self.base_url}/{locale}/issues/"

    def issue(self, locale: str, number: int) -> str:
        """Permanent page of an issue."""
        return f"{self.base_url}/{locale}/issues/{number}"

    def mail_copy(self, locale: str, number: int, edition: str) -> str:
        """What the readers of one edition of an issue got; `edition` is its name."""
        return f"{self.base_url}/{locale}/issues/{number}/mail/{edition}"

    def item(self, locale: str, slug: str) -> str:
        """Permanent page of an item."""
        return f"{self.base_url}/{locale}/items/{slug}"

    def subject(self, locale: str, kind: str, key: str) -> str:
        """Everything about a topic, country, place or goal."""
        return f"{self.base_url}/{locale}/{kind}/{key}"

    def page(self, locale: str, name: str) -> str:
        """A page of the site, such as `privacy`."""
        return f"{self.base_url}/{locale}/about/{name}"

    def pattern(self, place: str) -> str:
        """The drawn picture of a place, as PNG."""
        return f"{self.base_url}/patterns/{place}.png"

    def picture(self, picture: str) -> str:
        """A picture of an item, by its name, which stands for its content."""
        return f"{self.base_url}/pictures/{picture}"

    def help(self, locale: str) -> str:
        """How to change or leave (List-Help)."""
        return self.page(locale, "privacy")
