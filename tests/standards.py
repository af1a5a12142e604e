"""Which test proves which line of the standards: `make standards` prints the table.

The lines are those on leaving by one click (UNS), on opt-in, abuse and security (SEC), on HTML mail
(HTM) and on privacy and Belgian law (PRV). A test proves a line when its name carries the ID:
`test_uns_03_…` is about UNS-03, `test_uns_03_04_…` about UNS-04 too.
"""

import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
FUNCTION = re.compile(r"^\s*(?:async )?def (test_\w+)\(", re.MULTILINE)
IDS = re.compile(r"(?<![a-z])(uns|sec|htm|prv)((?:_\d{2}(?!\d))+)")
MUST = ("P0", "P1")


@dataclass(frozen=True)
class Line:
    """One line of the standards; `why` says why no test of ours proves it."""

    id: str
    priority: str  # P0: not without it; P1: needed to be first-class; P2: polish
    title: str
    why: str = ""


LINES = (
    Line("UNS-01", "P0", "One List-Unsubscribe with one https address, and one -Post beside it"),
    Line("UNS-02", "P0", "The DKIM signature covers both fields"),
    Line("UNS-03", "P0", "One click by POST, in both encodings, with nothing but the address"),
    Line("UNS-04", "P0", "That POST is never redirected"),
    Line("UNS-05", "P0", "Looking at a link of a mail changes nothing; a button does"),
    Line("UNS-06", "P0", "Leaving works at once, for mail that is already planned too"),
    Line("UNS-07", "P0", "A visible way out in HTML and text, without a login, one click further"),
    Line("UNS-08", "P0", "The link is opaque and cannot be forged"),
    Line("UNS-09", "P0", "Leaving again is fine, and the links of old mails keep working"),
    Line("UNS-10", "P0", "Leaving by mail to an address that carries the token"),
    Line("UNS-11", "P0", "Neither a mailto alone nor a link in the body counts as one click"),
    Line("UNS-12", "P0", "One click ends the newsletter, and not the letters a person asks for"),
    Line("UNS-13", "P0", "No limit by IP on one click; guessed tokens are limited"),
    Line("UNS-14", "P0", "Who left never comes back by an import or a repeat"),
    Line("SEC-01", "P0", "Nothing but the confirmation goes to who did not confirm"),
    Line("SEC-02", "P0", "Confirming takes a button; a used link says that it was used"),
    Line("SEC-03", "P0", "Few confirmations for an address, whoever asks; separate limits by IP"),
    Line("SEC-04", "P0", "Honeypot, signed time and proof of work before any mail leaves"),
    Line("SEC-05", "P0", "A brake and an alarm on all confirmations together"),
    Line("SEC-06", "P0", "A short, plain confirmation: who asked, when, and 'never again'"),
    Line("SEC-07", "P0", "The same page, status and time for everybody"),
    Line("SEC-08", "P0", "Tokens of 128 bits or more that end, are bound, and are nowhere stored"),
    Line("SEC-09", "P0", "Links start with the configured address, never with the Host header"),
    Line("SEC-10", "P0", "No referrer, no cache and no index for pages with a token"),
    Line("SEC-11", "P0", "No token and no whole address in any log"),
    Line("SEC-12", "P0", "Nobody can write lines of their own into a log"),
    Line("SEC-13", "P0", "Nobody can write headers or commands of their own into a mail"),
    Line("SEC-14", "P0", "What changes something takes POST only; no session, so no forged one"),
    Line("SEC-15", "P0", "Markdown becomes HTML through a list of what is allowed"),
    Line("SEC-16", "P0", "A limit on everything that costs something, with one plain 429"),
    Line("SEC-17", "P0", "Public pages set no cookie"),
    Line("SEC-18", "P0", "Secrets stay outside the repository, and two keys can be active"),
    Line("SEC-19", "P0", "Role addresses and disposable ones are allowed and counted"),
    Line("SEC-20", "P2", "A Form-Sub header", "its draft expired; no receiver is known to read it"),
    Line("SEC-21", "P0", "A new address is confirmed by its owner, and the old one is told"),
    Line("HTM-01", "P0", "Language and direction, on <html> and on what holds all content"),
    Line("HTM-02", "P0", "Tables for layout say so"),
    Line("HTM-03", "P0", "One h1, no level skipped, no heading empty"),
    Line("HTM-04", "P0", "Every link has a text; so has a linked picture"),
    Line("HTM-05", "P0", "Contrast of 4.5 to 1, in the light and the dark palette"),
    Line("HTM-06", "P0", "Every picture has an alternative text, and not its file name"),
    Line("HTM-07", "P0", "The title of the document is the subject"),
    Line("HTM-08", "P0", "A link says where it goes, in four languages"),
    Line("HTM-09", "P0", "Links are underlined"),
    Line("HTM-10", "P0", "Everybody can enlarge the text"),
    Line("HTM-11", "P0", "Ids are unique, and roles exist"),
    Line("HTM-12", "P0", "No VML"),
    Line("HTM-13", "P0", "No finding at all, of axe-core and of our own rules"),
    Line("HTM-14", "P0", "What is pressed is 44 by 44 pixels"),
    Line("HTM-15", "P0", "Text of 16 pixels that reflows at 320"),
    Line("HTM-16", "P0", "Short enough not to be clipped"),
    Line("HTM-17", "P0", "Styles inline; one small block in the head for extras"),
    Line("HTM-18", "P0", "Only elements and styles that mail programs know"),
    Line("HTM-19", "P0", "Pictures that every program shows, with their size"),
    Line("HTM-20", "P0", "Readable where a program turns light into dark"),
    Line("HTM-21", "P0", "Readable in classic Outlook"),
    Line("HTM-22", "P0", "A true first line, and no hidden text"),
    Line("HTM-23", "P0", "Links inside the mail and to our own site lead somewhere"),
    Line("HTM-24", "P0", "Nothing depends on hidden or on aria-label"),
    Line("HTM-25", "P0", "The same mail in a browser, without anybody's data"),
    Line("HTM-26", "P0", "Nothing is fetched from elsewhere"),
    Line("HTM-27", "P2", "Open checkers", "a list of programs; HTM-13 and HTM-18 use them"),
    Line("PRV-01", "P0", "Consent is a positive act: nothing is ticked beforehand"),
    Line("PRV-02", "P0", "Consent can be proved"),
    Line("PRV-03", "P0", "Every mail says how to object, and gives the means"),
    Line(
        "PRV-04",
        "P0",
        "The law on advertising by mail",
        "a question of law: we act as if it applies, and the other lines prove that",
    ),
    Line("PRV-05", "P1", "No soft opt-in: no import without a source of the consent"),
    Line(
        "PRV-06",
        "P1",
        "Which recommendation of the data protection authority stands",
        "a person looks it up before the launch, and once a year",
    ),
    Line("PRV-07", "P0", "Leaving is as easy as coming in"),
    Line("PRV-08", "P0", "No pixel and no link that follows a reader"),
    Line("PRV-09", "P0", "What we do with data is told at the form, in four languages"),
    Line("PRV-10", "P0", "We ask for an address, a language and topics, and for nothing else"),
    Line("PRV-11", "P0", "Requests nobody confirms go, and so do IP and browser"),
    Line("PRV-12", "P0", "Erasure leaves nothing but a keyed hash"),
    Line("PRV-13", "P1", "A copy of one's data, and a way to correct them"),
    Line("PRV-14", "P1", "A record of the processing"),
    Line("PRV-15", "P1", "What must not be mailed is known after a restore too"),
    Line("PRV-16", "P0", "Every mail and every page says who we are, as the law asks"),
    Line("PRV-17", "P0", "WCAG 2.2 AA, for pages and mails"),
    Line(
        "PRV-18",
        "P0",
        "Is the association bound by the decree on accessibility?",
        "for the association to say; we act as if it is, see PRV-17 and PRV-19",
    ),
    Line("PRV-19", "P0", "An accessibility statement after the model, linked on every page"),
    Line("PRV-20", "P1", "Four languages that are equal; nobody's language is guessed for them"),
    Line(
        "PRV-21",
        "P2",
        "The house style of the Flemish government",
        "no duty for the association was found; it has a style of its own",
    ),
)


def ids_of(name: str) -> Iterator[str]:
    """`UNS-03` and `UNS-04` of `test_uns_03_04_…`."""
    for section, numbers in IDS.findall(name):
        yield from (f"{section.upper()}-{number}" for number in numbers.split("_") if number)


def proofs(folder: Path = HERE) -> dict[str, list[str]]:
    """The tests under a folder by the IDs in their names, as `web/test_links.py::test_uns_03_…`."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for file in sorted(folder.rglob("test_*.py")):
        for name in FUNCTION.findall(file.read_text("utf-8")):
            for one in ids_of(name):
                found[one].append(f"{file.relative_to(folder)}::{name}")
    return dict(found)


def problems(lines: Iterable[Line], found: Mapping[str, list[str]]) -> list[str]:
    """What is wrong, one sentence each: a line that nothing proves, a reason too many, an ID
    nobody knows."""
    known = {line.id: line for line in lines}
    wrong = [
        f"{line.id} has neither a test nor a reason: {line.title}"
        for line in known.values()
        if line.priority in MUST and not (line.why or found.get(line.id))
    ]
    wrong += [
        f"{line.id} has a reason beside a test: {found[line.id][0]}"
        for line in known.values()
        if line.why and found.get(line.id)
    ]
    strangers = sorted(set(found) - set(known))
    return wrong + [f"{one} is no line of the standards: {found[one][0]}" for one in strangers]


def table(lines: Iterable[Line], found: Mapping[str, list[str]]) -> str:
    """The lines with their state: met (by which tests), not applicable (why) or open."""
    rows = []
    for line in lines:
        tests = found.get(line.id, [])
        state = "met" if tests else "n/a" if line.why else "open"
        rows.append(f"{line.id}  {line.priority}  {state:4}  {line.title}")
        rows += [f"{'':18}{text}" for text in tests or [line.why] if text]
    return "\n".join(rows)


def main() -> None:
    """Print the table; ends with 1 when something is wrong."""
    found = proofs()
    met = sum(line.id in found for line in LINES)
    reasons = sum(bool(line.why) for line in LINES)
    total = f"{met} of {len(LINES)} lines are met by a test, {reasons} are not applicable."
    wrong = problems(LINES, found)
    sys.stdout.write("\n".join([table(LINES, found), "", total, *wrong, ""]))
    raise SystemExit(bool(wrong))


if __name__ == "__main__":
    main()
