"""The verdict: relay log, ledger, command line and list of readers, compared; I1 to I7."""

import re
from collections import Counter, defaultdict
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass, field
from typing import Any

from tests.faults.world import World
from tests.relay import Taken

ROWS = """
SELECT s.email, d.state, d.in_doubt, e.locale, d.edition_id FROM deliveries d
JOIN subscribers s ON s.id = d.subscriber_id JOIN editions e ON e.id = d.edition_id
WHERE d.issue_number = {number}
"""
STATES = ("pending", "claimed", "accepted", "deferred", "refused", "withdrawn")
# A reader's own: boundary, tokens in links and in the Message-ID, To, Date.
BOUNDARY = re.compile(rb'boundary="([^"]+)"')
OWN = re.compile(
    rb"(?m)^(?:To|Date|Message-ID): [^\r]*|(?<![A-Za-z0-9_-])[A-Za-z0-9_-]{36}(?![A-Za-z0-9_-])"
)


@dataclass
class Verdict:
    """What became of one issue; `problems` is empty when every promise was kept."""

    planned: int = 0
    accepted: int = 0
    skipped: int = 0
    duplicates: int = 0
    allowed: int = 0
    in_doubt: int = 0
    wrong_ids: int = 0
    connections: int = 0
    problems: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def expect(self, holds: object, problem: str) -> None:
        if not holds:
            self.problems.append(problem)


def judge(world: World, allowed: int = 0, *, excused: AbstractSet[str] = frozenset()) -> Verdict:
    """Every promise of issue 1, or an AssertionError; `excused` readers need not have got it."""
    verdict = inspect(world, allowed, excused=excused)
    assert not verdict.problems, "\n".join(verdict.problems)
    return verdict


def inspect(
    world: World, allowed: int = 0, *, number: int = 1, excused: AbstractSet[str] = frozenset()
) -> Verdict:
    """The same as data."""
    shown = world.show(number)
    rows = {str(row[0]): row for row in world.store.rows(ROWS.format(number=number))}
    copies: dict[str, list[Taken]] = defaultdict(list)
    for taken in world.relay.taken:
        copies[taken.recipient].append(taken)
    verdict = Verdict(allowed=allowed, connections=world.relay.connections)
    _arrived(verdict, world, copies, excused)
    _same_ids(verdict, copies, rows)
    _adds_up(verdict, shown, rows, copies)
    _same_content(verdict, copies, rows)
    verdict.expect(not world.falsely_sent, f"I7: sent while open: {world.falsely_sent[:3]}")
    return verdict


def _arrived(
    verdict: Verdict,
    world: World,
    copies: dict[str, list[Taken]],
    excused: AbstractSet[str],
) -> None:
    missing = set(world.readers) - excused - set(copies)
    strangers = set(copies) - set(world.readers)
    verdict.skipped = len(missing)
    verdict.duplicates = sum(len(mine) - 1 for mine in copies.values())
    verdict.expect(not missing, f"I1: skipped {sorted(missing)[:5]} of {len(missing)}")
    verdict.expect(not strangers, f"I4: mail to {sorted(strangers)[:5]}")
    verdict.expect(
        verdict.duplicates <= verdict.allowed,
        f"I2: {verdict.duplicates} duplicates, {verdict.allowed} are allowed",
    )


def _same_ids(
    verdict: Verdict, copies: dict[str, list[Taken]], rows: dict[str, tuple[Any, ...]]
) -> None:
    ids = {email: {taken.message_id for taken in mine} for email, mine in copies.items()}
    verdict.wrong_ids = sum(len(mine) - 1 for mine in ids.values())
    uses = Counter(one for mine in ids.values() for one in mine)
    verdict.expect(not verdict.wrong_ids, "I2: another copy has another Message-ID")
    verdict.expect(max(uses.values(), default=1) == 1, "I2: two readers have one Message-ID")
    verdict.expect("" not in uses, "a message has no Message-ID")
    unmarked = [
        email for email, mine in copies.items() if email in rows and rows[email][2] < len(mine) - 1
    ]
    verdict.expect(not unmarked, f"I2: duplicates not marked in doubt: {unmarked[:5]}")


def _adds_up(
    verdict: Verdict,
    shown: dict[str, Any],
    rows: dict[str, tuple[Any, ...]],
    copies: dict[str, list[Taken]],
) -> None:
    counts = shown["deliveries"]
    states = Counter(row[1] for row in rows.values())
    verdict.planned, verdict.accepted = counts["planned"], counts["accepted"]
    verdict.in_doubt = counts["in_doubt"]
    verdict.expect(sum(counts[name] for name in STATES) == counts["planned"], f"I3: {counts}")
    ledger = {name: states[name] for name in STATES}
    verdict.expect(ledger == {name: counts[name] for name in STATES}, f"I6: {ledger}, {counts}")
    accepted = {email for email, row in rows.items() if row[1] == "accepted"}
    known = {email for email in copies if email in rows}  # who was erased has no address any more
    verdict.expect(accepted <= set(copies), f"I6: accepted, not taken: {accepted - set(copies)}")
    lost = {email for email in known - accepted if rows[email][2] == 0}
    verdict.expect(not lost, f"I6: taken, neither accepted nor in doubt: {sorted(lost)[:5]}")
    still_open = counts["pending"] + counts["claimed"] + counts["deferred"]
    closed = shown["state"] != "sent" or not still_open
    verdict.expect(closed, f"I7: {shown['state']} with {still_open} open")


def _same_content(
    verdict: Verdict, copies: dict[str, list[Taken]], rows: dict[str, tuple[Any, ...]]
) -> None:
    found: dict[Any, set[bytes]] = defaultdict(set)
    for email, mine in copies.items():
        if email in rows:
            found[rows[email][4]].update(fingerprint(taken.content) for taken in mine)
    differing = [edition for edition, prints in found.items() if len(prints) > 1]
    verdict.expect(not differing, f"I5: copies differ within editions {differing}")
    locales = {row[3] for row in rows.values()}
    editions = {row[4] for row in rows.values()}
    verdict.expect(len(editions) == len(locales), f"I5: {len(editions)} editions of {locales}")


def fingerprint(content: bytes) -> bytes:
    """A copy without what is its reader's own."""
    boundary = BOUNDARY.search(content)
    if boundary:
        content = content.replace(boundary[1], b"boundary")
    return OWN.sub(b"own", content)
