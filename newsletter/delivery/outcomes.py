"""What a reply of the relay means, and when to try again: SMTP outcomes are data.

`RULES` is the table: the first rule that fits decides. The enhanced code (RFC 3463) counts before
the basic one; where they disagree, the more temporary one (RFC 5321 4.2.1: 4yz means try again).
"""

import random
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from newsletter.addresses import without_addresses
from newsletter.settings import Settings

ENHANCED = re.compile(r"([245])\.(\d{1,3}\.\d{1,3})\b")  # RFC 3463
JITTER = 0.2


class Stage(StrEnum):
    """Where in the conversation a reply came, or failed to come."""

    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    CONTENT = "content"


class Outcome(StrEnum):
    """What to do next."""

    ACCEPTED = "accepted"
    DEFERRED = "deferred"  # keep and try again
    SLOW_DOWN = "slow down"  # the same, and its domain gets less for a while
    REFUSED = "refused"  # never this message to this reader again
    OURS = "ours"  # pause the issue; no reader is to blame
    IN_DOUBT = "in doubt"  # content left, no answer came
    UNSENT = "unsent"  # no content left: the connection broke, or the relay has no time for us


class Blame(StrEnum):
    """What a reply says about the reader's address (STANDARDS 4a, SMT-14)."""

    NONE = "none"
    SOFT = "soft"  # full, slow, refused for a reason nobody knows: counts if it goes on
    HARD = "hard"  # there is no such mailbox


@dataclass(frozen=True, slots=True)
class Reply:
    """What the relay said: basic code (None: nothing), text, and at which stage."""

    stage: Stage
    code: int | None
    text: str

    @property
    def status(self) -> str | None:
        """The enhanced code (RFC 3463) where there is one, else the basic one."""
        if match := ENHANCED.match(self.text):
            return match[0]
        return str(self.code) if self.code else None

    @property
    def words(self) -> str:
        """The relay's words as they may be stored: no address in them, at most 500 characters."""
        said = f"{self.code or ''} {self.text}".replace("\0", "")  # no database takes a NUL
        return without_addresses(said.strip())[:500]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do, and what the reply says about the address."""

    outcome: Outcome
    blame: Blame = Blame.NONE
    expected: bool = False  # as relays do on a first try: no sign that anything is wrong
    tell: bool = False  # the editors must know, though sending goes on


ACCEPTED, UNSENT = Verdict(Outcome.ACCEPTED), Verdict(Outcome.UNSENT)
OURS, OURS_LATER = Verdict(Outcome.OURS), Verdict(Outcome.SLOW_DOWN, tell=True)
DEFERRED, SLOW_DOWN = Verdict(Outcome.DEFERRED), Verdict(Outcome.SLOW_DOWN)
GREYLISTED = Verdict(Outcome.DEFERRED, expected=True)
FULL = Verdict(Outcome.DEFERRED, Blame.SOFT)
HARD, SOFT = Verdict(Outcome.REFUSED, Blame.HARD), Verdict(Outcome.REFUSED, Blame.SOFT)
UNABLE = Verdict(Outcome.REFUSED)

EARLY = (Stage.MAIL,)  # no reader has been named yet
TEMPORARY, PERMANENT, EITHER = False, True, None


@dataclass(frozen=True, slots=True)
class _Rule:
    """A row of the table. Permanence, stages, code and words all have to fit; `details` (enhanced
    codes without their class) decides where the reply has one, `codes` only where it has none."""

    permanent: bool | None
    verdict: Verdict
    details: str = ""
    codes: tuple[int, ...] = ()
    code: int | None = None
    words: str = ""
    stages: tuple[Stage, ...] = ()

    def fits(self, reply: Reply, permanent: bool, detail: str) -> bool:
        if self.permanent is not None and self.permanent is not permanent:
            return False
        if (self.stages and reply.stage not in self.stages) or (
            self.code or reply.code
        ) != reply.code:
            return False
        if self.words and not re.search(self.words, reply.text, re.IGNORECASE):
            return False
        if detail:
            return (
                re.fullmatch(self.details, detail) is not None if self.details else not self.codes
            )
        return reply.code in self.codes or not (self.codes or self.details)


# STANDARDS.md 4a, row by row; the first that fits counts.
RULES = (
    # About us: our login, our rights, our reputation, our message.
    _Rule(PERMANENT, OURS, details=r"7\.(8|9|11)", codes=(530, 534, 535, 538)),
    _Rule(PERMANENT, OURS, code=530),
    _Rule(PERMANENT, OURS, words=r"relay(ing)? (access )?(is )?(denied|not)|client host rejected"),
    _Rule(PERMANENT, OURS, words=r"authentication (is )?required|sender address rejected"),
    _Rule(PERMANENT, OURS, details=r"7\.(2\d|3[0-2]|40|515)"),  # SPF, DKIM, DMARC, PTR, TLS
    _Rule(PERMANENT, OURS, words=r"\b(SC|DY|OU)-\d{3}\b"),  # Microsoft: our address, our domain
    _Rule(TEMPORARY, OURS_LATER, details=r"7\.(2[3-79]|3[0-2]|40)"),
    _Rule(PERMANENT, UNABLE, details=r"6\.7"),  # SMTPUTF8 is needed (RFC 6531)
    _Rule(PERMANENT, SOFT, details=r"2\.3"),  # too big for this mailbox
    _Rule(PERMANENT, OURS, details=r"3\.4|6\.\d+"),  # too big, malformed
    _Rule(PERMANENT, OURS, words=r"message (size|too (big|large))|invalid subject header"),
    # Slower, please.
    _Rule(TEMPORARY, SLOW_DOWN, details=r"7\.(0|28)"),
    _Rule(TEMPORARY, SLOW_DOWN, code=421, details=r"7\.\d+"),
    _Rule(TEMPORARY, SLOW_DOWN, words=r"\bRP-00[1-3]\b|\[TSS?\d+\]"),  # Microsoft, Yahoo
    _Rule(EITHER, SLOW_DOWN, details=r"2\.1", words=r"too (fast|quickly|many)|\brate\b"),  # Gmail
    # The relay has no time for anybody.
    _Rule(TEMPORARY, UNSENT, stages=EARLY),
    _Rule(TEMPORARY, UNSENT, code=421),
    _Rule(PERMANENT, OURS, stages=EARLY),
    # Not now, for this reader.
    _Rule(TEMPORARY, GREYLISTED, words=r"gr[ae]y-? ?list"),
    _Rule(TEMPORARY, GREYLISTED, details=r"7\.1|2\.0", words=r"try again|later"),
    _Rule(TEMPORARY, FULL, details=r"2\.2"),
    _Rule(EITHER, DEFERRED, details=r"5\.3"),  # too many recipients (RFC 5321 4.5.3.1.10)
    _Rule(EITHER, DEFERRED, words=r"too many recipients"),
    _Rule(TEMPORARY, SLOW_DOWN, details=r"7\.\d+"),
    _Rule(TEMPORARY, DEFERRED),
    # Never, for this reader.
    _Rule(PERMANENT, HARD, details=r"1\.([1236]|10)", codes=(551, 553, 521, 556)),
    _Rule(PERMANENT, SOFT),  # disabled, full, routing, loop, policy, or nobody knows
)


def judge(reply: Reply) -> Verdict:
    """Sort a reply by the table."""
    if reply.code is None:
        return Verdict(Outcome.IN_DOUBT) if reply.stage is Stage.CONTENT else UNSENT
    if 200 <= reply.code < 300 and reply.stage is Stage.CONTENT:
        return ACCEPTED  # and nowhere else: only a reply to the content speaks of it
    match = ENHANCED.match(reply.text)
    permanent = reply.code >= 500 and not (match and match[1] != "5")
    detail = match[2] if match else ""
    return next(rule.verdict for rule in RULES if rule.fits(reply, permanent, detail))


def is_our_fault(words: str) -> bool:
    """Was a refusal, by the `words` that were stored of it, about us (login, reputation, format,
    speed) and not about its reader? What is kept was said of a message that nobody took."""
    code, _space, text = words.partition(" ")
    if not code.isdigit():
        return False
    verdict = judge(Reply(Stage.CONTENT, int(code), text))
    return verdict.outcome in (Outcome.OURS, Outcome.SLOW_DOWN) and verdict.blame is Blame.NONE


def retry_at(settings: Settings, attempts: int, now: datetime) -> datetime:
    """When to try again after the `attempts`-th failure (1 is the first; RFC 5321 4.5.4.1)."""
    waits = settings.retry_minutes
    minutes = waits[min(attempts, len(waits)) - 1]
    spread = random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 (so that retries do not come at once)
    return now + timedelta(minutes=minutes * spread)
