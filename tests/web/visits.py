"""Every page of the site, with somebody of every kind among its readers.

`VISITS` says for each route that shows something what there is to be seen there: routes that are
missing make `test_accessibility` fail.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from typing import Any
from urllib.parse import urlencode

from playwright.sync_api import Page, Route

from newsletter.catcher import FOLDER, Store
from newsletter.models import AddressChange, Issue, IssueState, Subscriber, SubscriberState
from newsletter.tokens import Purpose, Tokens
from tests.web.conftest import PICTURED, PUBLISHED, World, withdraw

TEXTS = ("in-het-kort", "missie", "visie", "privacy", "toegankelijkheid")
UNBOUND = (Purpose.UNSUBSCRIBE, Purpose.PREFERENCES, Purpose.STOP_ISSUE)
UNSENT = 2  # the number of the issue that is compiled only
STOPPABLE = 90  # the number of an issue that is held


@dataclass(frozen=True)
class Visit:
    """One page as somebody sees it; with `sent` a form is sent to its address first."""

    name: str
    path: str
    status: int = 200
    sent: Mapping[str, str] | None = None


@dataclass
class People:
    """Readers of one language, each in another state, and the links in their letters."""

    world: World
    locale: str
    _known: dict[str, Subscriber] = field(default_factory=dict)

    def reader(self, name: str, state: SubscriberState, **values: Any) -> Subscriber:
        """Made once; `values` are columns."""
        if name not in self._known:
            added = self.world.add(f"{name}-{self.locale}", state, self.locale)
            with self.world.database.write() as session:
                row = session.get_one(Subscriber, added.id)
                for key, value in values.items():
                    setattr(row, key, value)
            self._known[name] = added
        return self._known[name]

    @property
    def active(self) -> Subscriber:
        return self.reader("lezer", SubscriberState.ACTIVE)

    @property
    def pending(self) -> Subscriber:
        return self.reader("wacht", SubscriberState.PENDING)

    @property
    def gone(self) -> Subscriber:
        left_at = datetime.now(UTC) - timedelta(minutes=1)
        return self.reader("weg", SubscriberState.LEFT, left_at=left_at)

    @property
    def paused(self) -> Subscriber:
        until = datetime.now(UTC) + timedelta(days=40)
        return self.reader("pauze", SubscriberState.ACTIVE, paused_until=until)

    @property
    def moving(self) -> Subscriber:
        """Asked for another address."""
        reader = self.reader("verhuist", SubscriberState.ACTIVE)
        new = f"nieuw-{self.locale}@voorbeeld.example"
        wish = AddressChange(
            subscriber_id=reader.id, email=new, canonical=new, asked_at=datetime.now(UTC)
        )
        with self.world.database.write() as session:
            session.merge(wish)
        return reader

    def link(
        self, path: str, purpose: Purpose, reader: Subscriber, bound: str = "", days: int = 0
    ) -> str:
        """The path of a letter's link; `bound`: to another address than the reader's."""
        made = datetime.now(UTC) - timedelta(days=days)
        tied = "" if purpose in UNBOUND else bound or reader.canonical or ""
        token = Tokens(self.world.settings.secret_key).issue(purpose, reader.id, made, tied)
        return path.format(token=token, locale=self.locale)


Maker = Callable[[People], list[Visit]]


def alone(name: str, path: str) -> Maker:
    """A route that always shows the same."""
    return lambda people: [Visit(name, path.format(locale=people.locale))]


def _signup(people: People) -> list[Visit]:
    path = f"/{people.locale}/signup"
    sent = _form(people)
    return [
        Visit("signup", path),
        Visit("signup-wrong", path, 422, sent | {"email": "geen adres"}),
        Visit("signup-typo", path, 200, sent | {"email": "jan@gmial.com"}),
        Visit("signup-trapped", path, 422, sent | {"left_blank": "x"}),
        Visit("signup-late", path, 422, sent | {"token": "x"}),
    ]


def _start(people: People) -> list[Visit]:
    return [Visit("signup-start", f"/{people.locale}/signup/start", sent={"email": "a@b.example"})]


def _form(people: People, **values: Any) -> dict[str, str]:
    sent = people.world.form(people.locale, **values)
    return {key: str(value) for key, value in sent.items()}


def _confirm(people: People) -> list[Visit]:
    path = "/{locale}/confirm/{token}"
    return [
        Visit("confirm", people.link(path, Purpose.CONFIRM, people.pending)),
        Visit("already", people.link(path, Purpose.CONFIRM, people.active)),
        Visit("unknown", f"/{people.locale}/confirm/onbekend", 404),
    ]


def _never(people: People) -> list[Visit]:
    fed_up = people.reader("nooit", SubscriberState.PENDING)
    path = people.link("/{locale}/never/{token}", Purpose.NEVER, fed_up)
    return [Visit("never", path), Visit("never-again", path, sent={})]


def _about(people: People) -> list[Visit]:
    return [Visit(f"about-{name}", f"/{people.locale}/about/{name}") for name in TEXTS]


def _preferences(people: People) -> list[Visit]:
    path = "/{locale}/preferences/{token}"
    own = people.link(path, Purpose.PREFERENCES, people.active)
    paused = people.link(path, Purpose.PREFERENCES, people.paused)
    return [
        Visit("preferences", f"{own}?saved=1"),
        Visit("preferences-mailed", f"{own}?mailed=1"),
        Visit("preferences-paused", paused),
        Visit("preferences-wrong-day", f"{own}/pause", 422, {"until": "2001-01-01"}),
        Visit("preferences-wrong", own, 422, {"locale": "xx"}),
    ]


def _my_link(people: People) -> list[Visit]:
    path = f"/{people.locale}/my-link"
    sent = _form(people)
    return [
        Visit("my-link", path),
        Visit("my-link-wrong", path, 422, sent | {"email": "geen adres"}),
    ]


def _data(people: People) -> list[Visit]:
    path = "/{locale}/data/{token}"
    own = people.link(path, Purpose.DATA, people.active)
    return [
        Visit("data", own),
        Visit("data-old", people.link(path, Purpose.DATA, people.active, days=9), 404),
        Visit("data-unsure", f"{own}/erase", 422, {}),
        Visit("data-wrong-address", f"{own}/address", 422, {"email": "geen adres"}),
    ]


def _new_address(people: People) -> list[Visit]:
    path, new = "/{locale}/new-address/{token}", f"nieuw-{people.locale}@voorbeeld.example"
    return [
        Visit("new-address", people.link(path, Purpose.NEW_ADDRESS, people.moving, new)),
        Visit("new-address-done", people.link(path, Purpose.NEW_ADDRESS, people.active)),
    ]


def _leaving(people: People) -> list[Visit]:
    path = "/u/{token}"
    gone = people.link(path, Purpose.UNSUBSCRIBE, people.gone)
    return [
        Visit("unsubscribe", people.link(path, Purpose.UNSUBSCRIBE, people.active)),
        Visit("unsubscribed", gone),
        Visit("survey-wrong", f"{gone}/why", 422, {"reason": "onzin"}),
        Visit("survey-thanks", f"{gone}/why", 200, {"reason": "too_much"}),
    ]


def _undo(people: People) -> list[Visit]:
    path = "/{locale}/undo/{token}"
    return [
        Visit("undo", people.link(path, Purpose.UNDO, people.gone)),
        Visit("undo-done", people.link(path, Purpose.UNDO, people.active)),
        Visit("undo-late", people.link(path, Purpose.UNDO, people.gone, days=400)),
    ]


def _item(people: People) -> list[Visit]:
    """One is withdrawn; its page, and those of the issue that it stood in."""
    items = {"item": PUBLISHED[0], "event": PUBLISHED[2]}
    items |= dict(zip(("pictured", "picture-in-text"), PICTURED, strict=True))
    issue = f"/{people.locale}/issues/1"
    with people.world.database.write() as session:
        withdraw(session, PUBLISHED[1])
    return [
        *(Visit(name, f"/{people.locale}/items/{slug}") for name, slug in items.items()),
        Visit("withdrawn", f"/{people.locale}/items/{PUBLISHED[1]}", 410),
        Visit("issue-withdrawn", issue),
        Visit("mail-withdrawn", f"{issue}/mail"),
    ]


def _mail(people: People) -> list[Visit]:
    """The copy of an issue's mail, and that of the edition it says that it is."""
    path = f"/{people.locale}/issues/1/mail"
    (name,) = set(re.findall(rf"{path}/(\w+)", people.world.client.get(path).text))
    return [Visit("mail", path), Visit("mail-edition", f"{path}/{name}")]


def _subject(people: People) -> list[Visit]:
    paths = ("topics/agenda", "countries/bj", "places/roeselare", "sdgs/16", "sdgs/1")
    return [Visit(path.replace("/", "-"), f"/{people.locale}/{path}") for path in paths]


def _search(people: People) -> list[Visit]:
    path = f"/{people.locale}/search"
    found = {"found": "benin", "found-some": "benin+bestaatniet", "found-nothing": "bestaatniet"}
    hits = [Visit(name, f"{path}?q={words}") for name, words in found.items()]
    return [Visit("search", path), *hits]


def _proof(people: People) -> list[Visit]:
    token = Tokens(people.world.settings.secret_key).issue(
        Purpose.STOP_ISSUE, UNSENT, datetime.now(UTC)
    )
    return [Visit("proof", f"/{people.locale}/proof/{token}")]


def _stop(people: People) -> list[Visit]:
    issue = Issue(
        number=STOPPABLE, state=IssueState.HELD, by_clock=True, compiled_at=datetime.now(UTC)
    )
    with people.world.database.write() as session:
        session.merge(issue)
    token = Tokens(people.world.settings.secret_key).issue(
        Purpose.STOP_ISSUE, STOPPABLE, datetime.now(UTC)
    )
    return [Visit("stop", f"/{people.locale}/stop/{token}")]


def _inbox(people: People) -> list[Visit]:
    _put(people)
    return [
        Visit("inbox", f"/inbox/?locale={people.locale}"),
        Visit("inbox-empty", f"/inbox/?to=niemand&locale={people.locale}"),
    ]


def _message(people: People) -> list[Visit]:
    return [Visit("inbox-message", f"/inbox/{_put(people)}?locale={people.locale}")]


def _put(people: People) -> str:
    """Catch a mail with both parts; returns its key."""
    message = EmailMessage()
    message["From"], message["To"] = "Fiabel <fiabel@nieuws.example>", "lezer@voorbeeld.example"
    message["Subject"] = "Nieuws"
    message.set_content("De tekst.")
    message.add_alternative("<html lang=nl><title>x</title><p>De tekst.</p></html>", "html")
    store = Store(people.world.settings.instance_dir / FOLDER)
    return store.add("terug@nieuws.example", ["lezer@voorbeeld.example"], message.as_bytes())


def _embed(people: People) -> list[Visit]:
    path, sent = f"/{people.locale}/embed", _form(people)
    sound = _form(people, email="ingesloten@voorbeeld.example")
    return [
        Visit("embed", path),
        Visit("embed-wrong", path, 422, sent | {"email": "geen adres"}),
        Visit("embed-done", path, 200, sound),
    ]


def errors(people: People) -> list[Visit]:
    """What is shown where there is no page, or too much is asked: last, for it stays like that."""
    signup, slow = f"/{people.locale}/signup", _form(people) | {"work": ""}
    limited = [
        Visit("signup-limited", signup, 429, slow),
        Visit("too-many-guesses", f"/u/onbekend?locale={people.locale}", 429, {}),
    ]
    for visit in limited:
        _ask_until_refused(people, visit)
    return [Visit("not-found", f"/{people.locale}/bestaat-niet", 404), *limited]


def _ask_until_refused(people: People, visit: Visit) -> None:
    for _ in range(100):
        if people.world.client.post(visit.path, data=visit.sent).status_code == visit.status:
            return
    raise AssertionError(f"{visit.path} has no limit")


VISITS: dict[str, Maker] = {
    "public.home": alone("home", "/{locale}/"),
    "public.signup_page": _signup,
    "public.start": _start,
    "public.check_your_mail": alone("check-your-mail", "/{locale}/check-your-mail"),
    "public.confirm_page": _confirm,
    "public.never_page": _never,
    "public.about": _about,
    "preferences.page": _preferences,
    "preferences.my_link": _my_link,
    "data.page": _data,
    "data.erased": alone("erased", "/{locale}/erased"),
    "data.new_address_page": _new_address,
    "leaving.page": _leaving,
    "leaving.undo_page": _undo,
    "embed.page": _embed,
    "api.docs": alone("api", "/api/v1/docs?locale={locale}"),
    "embed.for_your_site": alone("for-your-site", "/{locale}/for-your-site"),
    "archive.issues": alone("issues", "/{locale}/issues/"),
    "archive.issue": alone("issue", "/{locale}/issues/1"),
    "archive.mail": _mail,
    "archive.item": _item,
    "finding.subject": _subject,
    "finding.search": _search,
    "proof.stop_page": _stop,
    "proof.mail": _proof,
    "inbox.messages": _inbox,
    "inbox.message": _message,
}
# Routes with GET that show nobody a page, and why.
NO_PAGES = {
    "static": "styles, scripts and pictures",
    "archive.picture": "a picture",
    "pictures.picture": "a picture",
    "unasked.favicon": "a picture",
    "unasked.robots": "for machines",
    "watching.healthz": "for machines",
    "watching.readyz": "for machines",
    "watching.metrics": "for machines",
    "unasked.site_map": "for machines",
    "unasked.site_map_part": "for machines",
    "feeds.atom": "for machines",
    "feeds.json": "for machines",
    "feeds.calendar": "for machines",
    "receipts.key": "for machines",
    "api.challenge": "for machines",
    "api.openapi": "for machines",
    "api.start": "leads to api.docs",
    "api.subscribers": "for machines",
    "api.subscriber": "for machines",
    "api.items": "for machines",
    "api.item": "for machines",
    "api.issues": "for machines",
    "api.issue": "for machines",
    "api.deliveries": "for machines",
    "api.statistics": "for machines",
    "api.issue_statistics": "for machines",
    "api.suppressions": "for machines",
    "data.export": "a file to be kept",
    "data.receipt": "a file to be kept",
    "preferences.part": "leads to preferences.page",
    "data.part": "leads to data.page",
    "leaving.why_page": "leads to leaving.page",
    "inbox.html": "a mail that somebody else wrote, in the frame of inbox.message",
    "inbox.source": "a mail as it came",
}


def visits(world: World, locale: str) -> Iterator[Visit]:
    """Every page in a language; each is made ready when its turn comes."""
    people = People(world, locale)
    for make in VISITS.values():
        yield from make(people)
    yield from errors(people)


def go(page: Page, visit: Visit) -> None:
    """Open a page, or send its form; it answers as it should."""
    if visit.sent is not None:
        body = urlencode(visit.sent)
        headers = {"content-type": "application/x-www-form-urlencoded"}

        def post(route: Route) -> None:
            route.continue_(method="POST", post_data=body, headers=route.request.headers | headers)

        page.route(f"**{visit.path}", post, times=1)
    answer = page.goto(visit.path)
    assert answer
    assert answer.status == visit.status, (visit.name, answer.status)
