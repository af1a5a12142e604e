"""Every public absolute URL, from BASE_URL and never from a Host header."""

from dataclasses import dataclass


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

    def archive(self, locale: str) -> str:
        """List of all issues."""
        return f"{self.base_url}/{locale}/issues/"

    def issue(self, locale: str, number: int) -> str:
        """Permanent page of an issue."""
        return f"{self.base_url}/{locale}/issues/{number}"

    def item(self, locale: str, slug: str) -> str:
        """Permanent page of an item."""
        return f"{self.base_url}/{locale}/items/{slug}"

    def page(self, locale: str, name: str) -> str:
        """A page of the site, such as `privacy`."""
        return f"{self.base_url}/{locale}/about/{name}"

    def pattern(self, place: str) -> str:
        """The drawn picture of a place, as PNG."""
        return f"{self.base_url}/patterns/{place}.png"

    def help(self, locale: str) -> str:
        """How to change or leave (List-Help)."""
        return self.page(locale, "privacy")
