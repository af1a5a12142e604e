"""Bounces in words for people: which addresses failed, and what was said of each.

First by what all of them have in common: an address that a line begins with, behind a label, or in
a sentence about it. What is left is for flufl.bounce, which knows many a system by its own phrases.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from email.message import Message

from flufl.bounce import all_failures

from newsletter.bounces.dsn.judging import BASIC, TOLD, WORDS, Failure
from newsletter.bounces.dsn.opening import Fields, Opened, fields_of
from newsletter.bounces.dsn.phrases import COPY, DAEMON, DELAY, FAILURE, GIVEN_UP, OURSELVES
from newsletter.bounces.dsn.plaintext import one_line
from newsletter.bounces.dsn.wording import meaning_of

Way = Callable[[str], re.Match[str] | None]  # how a line names an address

LINES, WIDTH, RECIPIENTS = 400, 400, 100
FEW_LINES = 120  # for flufl.bounce, which tries fifty patterns on each

ADDR = r"(?:(?:smtp|rfc822|mailto)[:=;])?(?P<addr>[\w.!#$%&'*+/=?^`{|}~-]{1,100}@[\w.-]{1,200}\w)"
LEADING = re.compile(rf"^[\s>*|•–\"'\[(<.-]{{0,60}}{ADDR}(?![\w@])", re.IGNORECASE)
LABELLED = re.compile(
    rf"^[\s>*|-]{{0,20}}(?P<label>[^\W\d][^:;@<>]{{1,60}}?)"
    rf"(?:[:;=]\s{{0,20}}[\"'<\[(]{{0,3}}|\s{{1,4}}[\"'<\[(]{{1,3}}){ADDR}",
    re.IGNORECASE,
)
ANYWHERE = re.compile(ADDR, re.IGNORECASE)
EXPANDED = re.compile(
    rf"\(?\b(?:expanded|generated|forwarded|redirected|ultimately generated|originally addressed) "
    rf"(?:from|to|by)\W{{0,4}}{ADDR}",
    re.IGNORECASE,
)
NOT_FAILED = re.compile(
    r"^\W*(?:from|sender|b?cc|subject|reply|sent (?:by|from|via|on)|contact|message-?id|by|help"
    r"|list|please|reporting|questions?|via|if you|for (?:more|further|help)|mail from)\b",
    re.IGNORECASE,
)
BEFORE_LIST = re.compile(r"\b(?:to|for|a|à|aan|an|user|address|addresses|recipients?|s\))$")
TO = re.compile(r"^\W*to\b", re.IGNORECASE)
# Drawn lines, and the header of what came back.
RULE = re.compile(r"[-=*~_#]{5}|^\s*(?:subject|to|cc|from|sent|date)\s*:", re.IGNORECASE)
WIRE = re.compile(r"\s*(?:<<<|>>>|\.\.\.|while talking|rcpt to|data$|mail from)", re.IGNORECASE)


def said_and_copy(text: str) -> tuple[str, str]:
    """What a report says by itself, and the text below it that came back."""
    found = COPY.search(text)
    return (text[: found.start()], text[found.start() :]) if found else (text, "")


def copied_fields(copy: str) -> Fields:
    """The header of a message that stands as text below a report."""
    lines = [re.sub(r"^[ >|]{0,8}(?=\S+:)", "", line) for line in copy.split("\n", 200)[:200]]
    return fields_of("\n".join(lines))


def is_delay(words: str) -> bool:
    """Does it say that somebody goes on trying?"""
    return DELAY.search(words) is not None and GIVEN_UP.search(words) is None


def failures_in(opened: Opened, said: str, us: frozenset[str]) -> list[Failure]:
    """What a report says in words, one for each address; empty when it speaks of no failure.

    `us`: addresses that are not those of a reader, in lower case.
    """
    subject = opened.first("subject")
    lines = [line[:WIDTH] for line in said.split("\n", LINES)[:LINES]]
    named = opened.first("x-failed-recipients")
    text = f"{subject}\n{said}"[:6000].lower()
    if not (named or DAEMON.search(opened.first("from")) or FAILURE.search(text)):
        return []
    action = "delayed" if is_delay(text) else "failed"
    found = (
        _said_of((match["addr"] for match in ANYWHERE.finditer(named)), lines)
        or _read(lines, us, PLAIN)
        or _said_of(_known(opened, lines), lines)
        or _read(lines, us, ROUNDABOUT)
    )
    whole = _essence(lines)
    if len(found) == 1:
        found = {address: _with_codes(words, whole) for address, words in found.items()}
    told = _speaks(whole)
    return [
        Failure(address or None, words if words and (_speaks(words) or not told) else whole, action)
        for address, words in list((found or {"": whole}).items())[:RECIPIENTS]
    ]


def _with_codes(words: str, whole: str) -> str:
    """What is said of the only address, with the codes that stand elsewhere."""
    elsewhere = TOLD.search(whole) and not (TOLD.search(words) or BASIC.search(words))
    return f"{words} {whole}"[:WORDS] if words and elsewhere else words


def _said_of(addresses: Iterable[str], lines: list[str]) -> dict[str, str]:
    """Addresses that are known already, with what the lines say of each."""
    found = dict.fromkeys(addresses, "")
    for address in found:
        number = next((n for n, line in enumerate(lines) if address in line), None)
        if number is not None:
            found[address] = _words(lines, number, lines[number].partition(address)[2])
    return found


def _read(lines: list[str], us: frozenset[str], ways: tuple[Way, ...]) -> dict[str, str]:
    """The addresses that the lines name, by the first of the ways in which they name any."""
    for way in ways:
        found: dict[str, str] = {}
        for number, line in enumerate(lines):
            if "@" not in line or (match := way(line)) is None:
                continue
            if way == LEADING.search and _goes_on(lines, number):
                continue
            address = match["addr"].strip("'`")
            if address.lower() in us or OURSELVES.match(address):
                continue
            words = _words(lines, number, line[match.end() :])
            found.setdefault(_mailed(f"{line} {words}") or address, words)
        if found:
            return found
    return {}


def _mailed(words: str) -> str | None:
    """The address that we wrote to, where what failed is one that it stands for."""
    found = EXPANDED.search(words)
    return found["addr"] if found else None


def _goes_on(lines: list[str], number: int) -> bool:
    """Is it a line in the middle of prose, where an address stands by chance?"""
    before = lines[number - 1].rstrip() if number else ""
    prose = re.search(r"[a-z,]$", before) and "@" not in before and not BEFORE_LIST.search(before)
    return bool(prose) and _indent(before) == _indent(lines[number])


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _labelled(line: str) -> re.Match[str] | None:
    found = LABELLED.search(line)
    plain = found and not NOT_FAILED.search(found["label"]) and not TO.search(found["label"])
    return found if plain else None


def _in_sentence(line: str) -> re.Match[str] | None:
    return None if NOT_FAILED.search(line) or TO.search(line) else ANYWHERE.search(line)


def _to(line: str) -> re.Match[str] | None:
    return ANYWHERE.search(line) if TO.search(line) else None


# How a line names an address, the plainest first.
PLAIN: tuple[Way, ...] = (LEADING.search, EXPANDED.search, _labelled)
ROUNDABOUT: tuple[Way, ...] = (_in_sentence, _to)


def _words(lines: list[str], number: int, rest: str) -> str:
    """What stands behind an address, up to the next empty line or address."""
    said = [rest]
    for line in lines[number + 1 : number + 12]:
        if line.strip() and LEADING.search(line) and _indent(line) == _indent(lines[number]):
            break
        if not line.strip():
            if any(map(str.strip, said[1:])) or _speaks(" ".join(said)):
                break
            continue
        said.append(line)
    return one_line(" ".join(said)).lstrip(">)]:;,. \"'")[:WORDS]


def _speaks(words: str) -> bool:
    return bool(TOLD.search(words) or BASIC.search(words) or meaning_of(words))


def _essence(lines: list[str]) -> str:
    """The lines that have a code or a known phrase, else those that are not empty."""
    plain = [one_line(line) for line in lines if line.strip() and not RULE.search(line)]
    telling = [line for line in plain if not WIRE.match(line) and _speaks(line)]
    return " ".join((telling or plain)[:6])[:WORDS]


def _known(opened: Opened, lines: list[str]) -> list[str]:
    """The addresses that flufl.bounce finds."""
    message = Message()
    sender = opened.first("from")
    message["From"] = sender if "@" in sender else "mailer-daemon@unknown.invalid"
    for name in ("subject", "x-mailer", "content-type"):
        if value := opened.first(name):
            message[name] = value
    part = Message()
    part["Content-Type"], part["Content-Description"] = "text/plain", "notification"
    part.set_payload("\n".join(lines[:FEW_LINES]))
    if opened.kind.startswith("multipart/"):
        message.set_payload([part, Message()])
    else:
        message.set_payload(part.get_payload())
    try:
        temporary, permanent = all_failures(message)
    except Exception:  # somebody else's code on strangers' bytes
        return []
    return sorted(found.decode("latin-1") for found in (*temporary, *permanent))


def lead(said: str) -> Iterator[str]:
    """The first lines that are not empty and not quoted."""
    return (line.strip() for line in said.split("\n", 60)[:60] if line.strip()[:1] not in ("", ">"))
