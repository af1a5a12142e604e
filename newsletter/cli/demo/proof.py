"""What arrived, read from the catcher's store, held against the demo's own list and the ledger."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from newsletter.catcher import CaughtMessage, Store
from newsletter.cli.demo.browser import DemoFailed
from newsletter.cli.demo.readers import Reader
from newsletter.models import Delivery, DeliveryState, Edition

ISSUE = re.compile(r"/issues/([0-9]+)>?$")
ITEM = re.compile(r"/items/([a-z0-9-]+)")


@dataclass(frozen=True, slots=True)
class Letter:
    """One copy of an issue as it came: to whom, and which items it holds."""

    key: str
    to: str
    issue: int
    locale: str
    message_id: str
    slugs: frozenset[str]
    text: str  # of the subject and the text part, on one line


@dataclass(frozen=True, slots=True)
class Row:
    """Letters of one issue in one language, counted in three independent ways."""

    issue: int
    locale: str
    expected: int
    ledger: int
    store: int


def read_letters(store: Store) -> list[Letter]:
    """Every issue mail in the store; notices have no Archived-At and are left out."""
    messages = (store.open(key) for key in store.newest())
    return [letter for found in messages if found and (letter := _letter(found))]


def _letter(message: CaughtMessage) -> Letter | None:
    archived = ISSUE.search(message.header("Archived-At"))
    if archived is None:
        return None
    return Letter(
        key=message.caught.key,
        to=message.caught.rcpt_to,
        issue=int(archived[1]),
        locale=message.header("Content-Language"),
        message_id=message.header("Message-ID"),
        slugs=frozenset(ITEM.findall(f"{message.html}\n{message.text}")),
        text=" ".join(f"{message.caught.subject} {message.text}".split()),
    )


def check_issue(
    number: int, wanted: Mapping[str, frozenset[str]], letters: Sequence[Letter]
) -> None:
    """Each reader of `wanted` got this issue once, with exactly those items; nobody else did."""
    got = Counter(letter.to for letter in letters)
    if missed := set(wanted) - set(got):
        raise DemoFailed(f"Issue {number} did not reach {_such(missed)}.")
    if strangers := set(got) - set(wanted):
        raise DemoFailed(f"Issue {number} came to {_such(strangers)} by mistake.")
    if twice := {email for email, count in got.items() if count > 1}:
        raise DemoFailed(f"Issue {number} came more than once to {_such(twice)}.")
    for letter in letters:
        if letter.slugs != wanted[letter.to]:
            wrong = ", ".join(sorted(letter.slugs ^ wanted[letter.to]))
            raise DemoFailed(f"Issue {number} to {letter.to} is wrong about these items: {wrong}.")


def _such(people: set[str]) -> str:
    others = f" and {len(people) - 1} more" if len(people) > 1 else ""
    return f"{min(people)}{others}"


def check_titles(letters: Iterable[Letter], titles: Iterable[str], *, present: bool) -> None:
    """Each letter names at least one of `titles`, or none of them."""
    wanted = [" ".join(title.split()) for title in titles]
    for letter in letters:
        found = [title for title in wanted if title in letter.text]
        if present and not found:
            raise DemoFailed(f"Issue {letter.issue} to {letter.to} names none of its items.")
        if found and not present:
            raise DemoFailed(f"Issue {letter.issue} to {letter.to} repeats “{found[0]}”.")


def check_message_ids(letters: Iterable[Letter]) -> None:
    """No two letters have the same Message-ID, and none is without."""
    seen = Counter(letter.message_id for letter in letters)
    if "" in seen or max(seen.values(), default=1) > 1:
        raise DemoFailed("Two letters have the same Message-ID, or one has none.")


def count(
    session: Session,
    number: int,
    readers: Sequence[Reader],
    wanted: Mapping[str, frozenset[str]],
    letters: Sequence[Letter],
) -> list[Row]:
    """The rows of the summary for one issue. Raises DemoFailed where the numbers differ."""
    expected = Counter(reader.locale for reader in readers if reader.email in wanted)
    store = Counter(letter.locale for letter in letters)
    ledger = _accepted(session, number)
    rows = [
        Row(number, locale, expected[locale], ledger.get(locale, 0), store[locale])
        for locale in sorted({*expected, *store, *ledger})
    ]
    for row in rows:
        if not row.expected == row.ledger == row.store:
            raise DemoFailed(
                f"Issue {number} in {row.locale}: {row.expected} letters are right, the ledger "
                f"says {row.ledger} and the mail store holds {row.store}."
            )
    return rows


def _accepted(session: Session, number: int) -> dict[str, int]:
    query = (
        select(Edition.locale, func.count())
        .join(Delivery, Delivery.edition_id == Edition.id)
        .where(Delivery.issue_number == number, Delivery.state == DeliveryState.ACCEPTED)
        .group_by(Edition.locale)
    )
    return dict(session.execute(query).all())
