"""What a failure means: its action, its codes by the sender's own table, and its words.

`delivery.outcomes` knows what a reply of a server means; a bounce is the same reply, told later.
Words only add to it: they make a refusal hard where the codes say nothing of the mailbox, and they
take a hard one back where they speak of a full mailbox or of us.
"""

import re
from dataclasses import dataclass, replace

from newsletter.bounces.dsn.wording import Meaning, meaning_of
from newsletter.bounces.report import Kind
from newsletter.delivery.outcomes import Blame, Outcome, Reply, Stage, judge

WORDS = 1000
_DETAIL = r"\.(\d{1,3})\.(\d{1,3})(?!\.?\d)"
ENHANCED = re.compile(rf"(?<![\d.])([245]){_DETAIL}")  # RFC 3463; no IP
TOLD = re.compile(rf"(?<![\d.])([45]){_DETAIL}")  # in words, where 2.0.1 is a version of something
BASIC = re.compile(
    r"(?<![\d.#@:/-])(4[257]\d|50[0-4]|5[2-7]\d)(?![\d.@/])(?=[ \-:;,)#.]|$)"
)  # RFC 5321
VAGUE = re.compile(
    r"\d\.0|[57]\.[01]|4\.1|1\.4"
)  # details that do not say whether there is a mailbox


@dataclass(frozen=True, slots=True)
class Failure:
    """What a report says of one recipient: the action and status that it states, and its words."""

    recipient: str | None
    words: str = ""
    action: str = "failed"
    stated: str = ""


@dataclass(frozen=True, slots=True)
class Judgement:
    """Kind and enhanced status of a failure; `ours`: it is about us, not about its recipient."""

    kind: Kind
    status: str | None = None
    ours: bool = False


def judge_failure(failure: Failure) -> Judgement:
    """Sort one failure by STANDARDS 4a; WORDS characters of what it says are looked at."""
    failure = replace(failure, words=failure.words[:WORDS])
    status = _status(failure)
    if failure.action == "delayed":
        return Judgement(Kind.DELAYED, status)
    if failure.action != "failed":  # delivered, relayed, expanded (RFC 3464 2.3.3)
        return Judgement(Kind.UNKNOWN, status)
    basic = BASIC.search(failure.words)
    code = int(basic[1]) if basic else 450 if status and status[0] == "4" else 550
    verdict = judge(Reply(Stage.RCPT, code, f"{status or ''} {failure.words}".strip()))
    permanent = code >= 500 and not (status and status[0] == "4")
    ours = verdict.blame is Blame.NONE and verdict.outcome in (
        Outcome.OURS, Outcome.SLOW_DOWN, Outcome.REFUSED
    )  # fmt: skip
    hard = verdict.blame is Blame.HARD
    if permanent and not ours and (hard or is_vague(status or "")):
        told = (
            hard and (status or str(code)) in failure.words
        )  # by the remote itself, not by who reports of it
        return _by_words(hard, told, status, meaning_of(failure.words), full=code == 552)
    return Judgement(Kind.HARD if hard else Kind.SOFT, status, ours)


def is_vague(stated: str) -> bool:
    """Does a stated status leave open whether there is a mailbox?"""
    found = ENHANCED.search(stated)
    return found is None or VAGUE.fullmatch(found[0][2:]) is not None


def _by_words(
    hard: bool, told: bool, status: str | None, meaning: Meaning | None, *, full: bool
) -> Judgement:
    if meaning is Meaning.BLOCKED:
        return Judgement(Kind.SOFT, status, ours=True)
    if full or meaning is Meaning.FULL or (meaning is Meaning.DISABLED and not told):
        return Judgement(Kind.SOFT, status)
    hard = hard or meaning is Meaning.NO_MAILBOX
    return Judgement(Kind.HARD if hard else Kind.SOFT, status)


def _status(failure: Failure) -> str | None:
    """The enhanced status: the remote's own, where the stated one says less (X.0.0: undefined)."""
    stated, said = ENHANCED.search(failure.stated), TOLD.search(failure.words)
    found = stated or said
    if stated and said and stated[1] == said[1] and stated[2] == "0":
        found = said
    return found[0] if found else None
