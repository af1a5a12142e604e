"""What mail programs make of the mail: caniemail's data (doiuse-email) and SpamAssassin's rules.

Both are programs of others and run without a network. Where one is missing its tests are skipped;
the table of what we accept is held against the mail in any case.
"""

import json
import os
import re
import shutil
import subprocess
from collections import defaultdict

import pytest

from config import PROJECT_DIR
from newsletter.delivery import message
from newsletter.delivery.message import Content, Gap
from newsletter.i18n import LOCALES
from newsletter.issues.preflight.tree import parse
from newsletter.issues.rendering import render_edition
from newsletter.settings import Settings
from tests.issues.samples import call, issue, pictured_piece, piece, real_pieces

DOIUSE = PROJECT_DIR / "build" / "doiuse" / "node_modules"  # see tests/issues/doiuse
RICH = PROJECT_DIR / "tests" / "content" / "rich.md"
CLIENTS = ("gmail.*", "outlook.*", "apple-mail.*", "yahoo.*")
READ = """
const { doIUseEmail } = require('@jsx-email/doiuse-email');
const given = JSON.parse(require('fs').readFileSync(0, 'utf8'));
console.log(JSON.stringify(doIUseEmail(given.html, { emailClients: given.clients })));
"""
SAID = re.compile(r"`(?P<what>.+?)` is (?:not|only partially) supported (?:by|for) `(?P<who>.+?)`")
MOST_POINTS = 1.0

# What some of these programs do not know, or not wholly, and why the mail may use it all the same.
ACCEPTED = {
    "<body> element": "made a div: language, ground and ink stand again on the div inside it",
    "@media": "adds a dark palette and narrow margins; without it the light mail is right",
    "aspect-ratio": "only closes the empty box where pictures are off",
    "overflow-wrap": "only breaks long addresses; else the cell grows",
    "text-decoration-thickness": "a finer line; without it the underline is the ordinary one",
    "text-underline-offset": "the same",
    "white-space": "keeps a goal's number beside its name; code blocks wrap by themselves",
    "Local anchors": "footnotes only, which stand in the same item and are numbered",
    "role attribute": "says 'layout' to screen readers; where it is dropped so is the table's role",
    "dir attribute": "left to right is what all our languages have by default",
    "lang attribute": "on the innermost elements too, so that one of them survives",
    "<ul>, <ol> and <dl>": "indents differ; every list has padding of its own",
    "align attribute": "beside the same in the style",
    "border": "Word draws hairlines of its own; no text depends on them",
    "display": "only the goal's little square; else it is a word with a ground",
    "font-size": "in px everywhere, which they know",
    "font-weight": "bold only, which they know",
    "height attribute": "of the picture, whose style says the same",
    "letter-spacing": "of the name on top only",
    "line-height": "in px, with mso-line-height-rule for Word",
    "mailto: links": "our address stands there as text",
    "margin": "between paragraphs; the room around stories is padding on cells",
    "max-width": "on tables, with a fixed width for Word in a conditional comment",
    "padding": "on cells and lists; Word knows it on cells",
    "text-align": "left is the default",
    "text-decoration": "underline, which they know",
    "width attribute": "on tables and the picture in px or per cent",
}
# What all of them know, by caniemail; other declarations have to be added to one of the two tables.
KNOWN = {
    "color", "background-color", "font-family", "font-style", "vertical-align", "width", "height",
    "border-collapse", "border-top", "border-bottom", "border-left",
    "padding-top", "padding-bottom", "padding-left", "padding-right", "margin-bottom",
    # For one program alone; others pass over them.
    "mso-table-lspace", "mso-table-rspace", "mso-line-height-rule", "-webkit-text-size-adjust",
    "color-scheme",
    "text-size-adjust",
}  # fmt: skip


@pytest.fixture
def mails(settings: Settings) -> list[str]:
    """Every language, and one mail with all that Markdown can bring."""
    real = [(real_pieces(settings, locale, count=6), locale) for locale in LOCALES]
    rich = [piece("een", markdown=RICH.read_text("utf-8")), piece("twee"), call()]
    return [
        render_edition(settings, issue(), pieces, locale, older_link=True).html
        for pieces, locale in [*real, (rich, "nl"), ([pictured_piece()], "nl")]
    ]


def test_htm_18_every_declaration_is_known_or_accepted(mails: list[str]) -> None:
    used = {name for html in mails for node in parse(html).walk() for name in node.style()}
    assert used - KNOWN - set(ACCEPTED) == set()
    assert KNOWN - used == set(), "no longer used: take it off the table"


def test_htm_18_21_mail_programs_know_what_the_mail_uses(mails: list[str]) -> None:
    node = shutil.which("node")
    if not node or not DOIUSE.is_dir():
        pytest.skip("doiuse-email is not there (tests/issues/doiuse/README.md)")
    found: defaultdict[str, set[str]] = defaultdict(set)
    for html in mails:
        given = json.dumps({"html": html, "clients": CLIENTS})
        environ = {"NODE_PATH": str(DOIUSE), "PATH": os.environ["PATH"]}
        ran = subprocess.run(
            [node, "-e", READ], input=given, env=environ, capture_output=True, text=True, check=True
        )
        said = json.loads(ran.stdout)
        for line in [*said.get("errors", []), *said.get("warnings", [])]:
            told = SAID.search(line)
            assert told, line
            found[told["what"].strip("`")].add(told["who"])
    assert {what: who for what, who in found.items() if what not in ACCEPTED} == {}
    assert set(ACCEPTED) - set(found) == set(), "no longer said: take the exception off the list"


def test_spamassassin_finds_nothing_to_speak_of(settings: Settings) -> None:
    """With its local rules alone: what is looked up elsewhere depends on who sends."""
    program = shutil.which("spamassassin")
    if not program:
        pytest.skip("there is no SpamAssassin (Debian: apt-get install spamassassin)")
    mbox = b"".join(b"From MAILER-DAEMON Mon Nov 23 10:00:00 2026\n" + _mail(settings, locale)
                    for locale in LOCALES)  # fmt: skip
    home = {"HOME": str(settings.instance_dir), "PATH": os.environ["PATH"]}
    command = [program, "--local", "--test-mode", "--mbox"]
    ran = subprocess.run(command, input=mbox, env=home, capture_output=True, check=True)
    reports = ran.stdout.decode("utf-8", "replace").split("Content analysis details:")[1:]
    assert len(reports) == len(LOCALES)
    for locale, report in zip(LOCALES, reports, strict=True):
        rules = re.findall(r"^\s*(-?\d+\.\d) ([A-Z][A-Z_0-9]+) ", report, re.MULTILINE)
        assert rules, report
        scored = [f"{name} {points}" for points, name in rules]
        print(locale, *scored)  # noqa: T201  # pytest -rP shows it
        # A list's own bonus must not outweigh what counts against the mail.
        assert sum(max(0.0, float(points)) for points, _name in rules) < MOST_POINTS, report


def _mail(settings: Settings, locale: str) -> bytes:
    edition = render_edition(settings, issue(), real_pieces(settings, locale), locale)
    content = Content(locale, edition.subject, edition.text, edition.html)
    values = {
        Gap.TO: b"jan@voorbeeld.example",
        Gap.MESSAGE_ID: b"<12.abc@nieuws.vvsg.example>",
        Gap.DATE: b"Mon, 23 Nov 2026 10:00:00 +0100",
        Gap.UNSUBSCRIBE: b"-" * 36,
        Gap.PREFERENCES: b"_" * 36,
    }
    raw = message.issue_template(settings, 12, content, True).for_wire().fill(values)
    return raw.replace(b"\r\n", b"\n").replace(b"\nFrom ", b"\n>From ").removesuffix(b".\n") + b"\n"
