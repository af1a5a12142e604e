"""Every fault of a file is named with its line and the way to mend it, all of them at once."""

from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from newsletter.content.frontmatter import COUNTRIES, Event, Source
from newsletter.content.library import Library
from newsletter.content.source import LARGEST
from tests.content.conftest import GOOD, Write
from tests.content.files import jpeg

ITEM = "items/2026/11/compost.nl.md"


def with_lines(*lines: str) -> str:
    """The good file with lines added at the end of its front matter: the first is line 7."""
    return GOOD.replace("\n---\nEen", "\n" + "\n".join(lines) + "\n---\nEen")


def without(key: str) -> str:
    return "\n".join(line for line in GOOD.split("\n") if not line.startswith(f"{key}:"))


def changed(key: str, value: str) -> str:
    return "\n".join(
        f"{key}: {value}" if line.startswith(f"{key}:") else line for line in GOOD.split("\n")
    )


FAULTS = [
    # file, line, what the sentence says
    (with_lines("titel: x"), 7, "'titel' is unknown; did you mean 'title'?"),
    (with_lines("zzzzzz: x"), 7, "'zzzzzz' is unknown; known are title, date"),
    (with_lines("? [a, b]", ": x"), 7, "is unknown"),
    (with_lines("<<: {title: x}"), 7, "'<<' is unknown"),
    (without("title"), 1, "'title' is missing; add a line 'title: …'"),
    (without("date"), 1, "'date' is missing"),
    (without("status"), 1, "'status' is missing"),
    (without("topics"), 1, "'topics' is missing"),
    (without("summary"), 1, "'summary' is missing"),
    (changed("title", ""), 1, "'title' is missing"),
    (changed("title", "~"), 1, "'title' is missing"),
    (changed("title", '""'), 1, "'title' is missing"),
    (changed("title", "[a, b]"), 2, "'title' has to be a text"),
    (changed("title", "{a: b}"), 2, "'title' has to be a text"),
    (changed("title", "!!python/object/apply:os.system [id]"), 2, "'title' has to be a text"),
    (changed("title", "!geheim x"), 2, "starts with a tag"),
    (changed("title", "x" * 121), 2, "121 characters; make it at most 120"),
    (changed("title", '"a\\u202Eb"'), 2, "invisible character U+202E"),
    (changed("title", '"a\\uE000b"'), 2, "invisible character U+E000"),
    (changed("title", '"a\\uD800b"'), 2, "invisible character U+D800"),
    (changed("title", '"a\\0b"'), 2, "invisible character U+0000"),
    (changed("title", '"a\\Nb"'), 2, "invisible character U+0085"),
    (changed("title", "a: b"), 2, "cannot be read here (mapping values are not allowed here)"),
    (changed("title", "'open"), 2, "cannot be read here"),
    (with_lines("partner: 's-Gravenvoeren", "event: {place: 'x'}"), 7, "cannot be read here"),
    (changed("title", "*name"), 2, "references (*name) are not used here"),
    (changed("title", "\ttab"), 2, "cannot be read here"),
    (changed("title", "@x"), 2, "cannot be read here"),
    (changed("date", "2026-13-01"), 3, "'2026-13-01' in 'date' is not a date; write it as"),
    (changed("date", "2026-02-29"), 3, "is not a date"),
    (changed("date", "20/11/2026"), 3, "is not a date"),
    (changed("date", "0206-11-20"), 3, "is not a date"),
    (changed("date", "morgen"), 3, "is not a date"),
    (changed("date", "2026-11-20 10:00"), 3, "is not a date"),
    (changed("status", "klaar"), 4, "'status' is 'klaar'; write draft or ready"),
    (changed("topics", "milieu"), 5, "'topics' has to be a list; write 'topics: [milieu]'"),
    (changed("topics", "[]"), 5, "'topics' is empty"),
    (changed("topics", "[water]"), 5, "'water' is unknown; known are milieu, bestuur"),
    (changed("topics", "[milieu, milieu]"), 5, "names something twice"),
    (changed("topics", "[[milieu]]"), 5, "'topics' has to be a text"),
    (changed("summary", "x" * 601), 6, "make it at most 600"),
    (with_lines("title: Nog een"), 7, "'title' was given at line 2 already"),
    (with_lines("sdgs: [0]"), 7, "'0' in 'sdgs' has to be a whole number from 1 to 17"),
    (with_lines("sdgs: [1, 18]"), 7, "'18' in 'sdgs'"),
    (with_lines("sdgs:", "  - 3", "  - 1.5"), 9, "'1.5' in 'sdgs'"),
    (with_lines("sdgs: [yes]"), 7, "'yes' in 'sdgs'"),
    (with_lines("sdgs: 5"), 7, "'sdgs' has to be a list; write 'sdgs: [5]'"),
    (with_lines("sdgs: [²]"), 7, "'²' in 'sdgs'"),
    (with_lines("country: Benin"), 7, "'Benin' in 'country' is not an ISO 3166-1 code"),
    (with_lines("country: bj"), 7, "is not an ISO 3166-1 code"),
    (with_lines("country: ZZ"), 7, "is not an ISO 3166-1 code"),
    (with_lines("country: EU"), 7, "is not an ISO 3166-1 code"),
    (with_lines("image: foto.jpg"), 7, "needs an 'image_alt'"),
    (with_lines("image_alt: Een foto"), 7, "'image_alt' has no 'image'"),
    (with_lines("image: https://x.be/a.jpg", "image_alt: x"), 7, "stands on another site; save it"),
    (with_lines("image: ../a.jpg", "image_alt: x"), 7, "is a path; write its name only"),
    (with_lines("image: a.svg", "image_alt: x"), 7, "is no png, jpg, gif or webp; save it as one"),
    (with_lines("image: Foto Één.JPG", "image_alt: x"), 7, "name it 'foto-een.jpg'"),
    (with_lines("image: a.jpg", "image_alt: IMG_2041"), 8, "is the name of a file ('IMG_2041')"),
    (with_lines("image: markt.jpg", "image_alt: Markt"), 8, "is the name of a file ('Markt')"),
    (with_lines("image: a.jpg", "image_alt: foto"), 8, "says only 'foto'; say what"),
    (with_lines("image: a.jpg", f"image_alt: {'x' * 301}"), 8, "make it at most 300"),
    (with_lines("image: weg.jpg", "image_alt: x"), 7, "'weg.jpg' is not in content/images"),
    (with_lines("link: javascript:alert(1)"), 7, "has to start with https:// or http://"),
    (with_lines("link: www.vvsg.be"), 7, "has to start with https://"),
    (with_lines("link: //vvsg.be/x"), 7, "has to start with https://"),
    (with_lines("link: ftp://vvsg.be/x"), 7, "has to start with https://"),
    (with_lines("link: 'https://vvsg.be/a b'"), 7, "percent-encoded"),
    (with_lines("link: https:///pad"), 7, "has no host name"),
    (with_lines("link: 'https://[::1'"), 7, "is not a web address"),
    (with_lines("link: https://vvsg.be@kwaad.be"), 7, "user name before the host"),
    (with_lines("link: 'mailto:niemand'"), 7, "no e-mail address"),
    (with_lines("deadline: straks"), 7, "is not a date"),
    (with_lines("event: morgen"), 7, "'event' needs the keys start: …, end: …, place: …"),
    (with_lines("event: {place: Gent}"), 7, "'start' is missing"),
    (with_lines("event:", "  start: 2026-12-02", "  end: 2026-12-01"), 9, "before it starts"),
    (
        with_lines("event:", "  start: 2026-12-02 10:00", "  end: 2026-12-02 09:59"),
        9,
        "before it starts",
    ),
    (with_lines("event:", "  start: 2026-12-02 25:00"), 8, "is not a date or time"),
    (with_lines("event:", "  begin: 2026-12-02"), 8, "'begin' is unknown"),
    (with_lines("event:", "  start: 2026-12-02", "  plase: Gent"), 9, "mean 'place'?"),
    (with_lines("sources:", "  - VVSG"), 8, "'sources' needs the keys title: …, url: …"),
    (with_lines("sources:", "  - title: VVSG"), 8, "'url' is missing"),
    (with_lines("sources: [{title: a, url: 'data:x'}]"), 7, "has to start with https://"),
    (with_lines("sources: [{title: a, url: 'mailto:a@b.be'}]"), 7, "has to start with https://"),
    (with_lines("sources: {title: a}"), 7, "'sources' has to be a list"),
    (GOOD.replace("---\n", "", 1), 1, "has to begin with a line ---"),
    (GOOD.replace("---\nEen", "Een"), 1, "is never closed"),
    ("", 1, "has to begin with a line ---"),
    ("---\n---\nTekst\n", 1, "has no keys"),
    ("---\n- a\n---\nTekst\n", 1, "has no keys"),
    ("---\n" + "[" * 5000 + "\n---\n", 2, "nested too deeply"),
    (GOOD + "Een \u202eomkering.\n", 9, "invisible character U+202E"),
    (GOOD + "Een \ue000gat.\n", 9, "invisible character U+E000"),
    (GOOD + "Een \x00nul.\n", 9, "invisible character U+0000"),
    (GOOD + "Een \u2028regel.\n", 9, "invisible character U+2028"),
    (GOOD + "Een \x1fteken.\n", 9, "invisible character U+001F"),
    (GOOD + "Een \ufeffmerk.\n", 9, "invisible character U+FEFF"),
    (GOOD + "Een \U000f0001gat.\n", 9, "invisible character U+F0001"),
    (GOOD.encode() + b"\nCaf\xe9\n", 10, "This line is not UTF-8"),
    (GOOD.encode() + b"\n\xed\xa0\x80\n", 10, "This line is not UTF-8"),
    (GOOD.encode("utf-16"), 1, "This line is not UTF-8"),
    (GOOD + "x" * LARGEST, 1, "larger than 200 kB"),
    (GOOD + "# Titel\n", 9, "has one #, which is for the title; write ##"),
    (GOOD + "\nTitel\n=====\n", 10, "has one #"),
    (GOOD + "\n## Kop\n\n#### Diep\n", 12, "is too deep; use ## and ### only"),
    (GOOD + "\n### Te vroeg\n", 10, "has ### without a ## above it"),
    (GOOD + "\n##\n", 10, "This heading has no text"),
    (GOOD + "\n![Een markt](https://x.be/a.png)\n", 10, "stands on another site; save it in"),
    (GOOD + "\n![Een markt](//x.be/a.png)\n", 10, "stands on another site"),
    (GOOD + "\n![Een markt][r]\n\n[r]: http://x.be/a.png\n", 12, "stands on another site"),
    (GOOD + "\n![Een markt](data:image/png;base64,iVBORw0KGgo=)\n", 10, "written into the text"),
    (GOOD + "\n![Een markt](weg.jpg)\n", 10, "The picture 'weg.jpg' is not in content/images"),
    (GOOD + "\n![Een markt](../weg.jpg)\n", 10, "is a path"),
    (GOOD + "\n![Een markt](/etc/weg.jpg)\n", 10, "is a path"),
    (GOOD + "\n![Een markt](C:\\weg.jpg)\n", 10, "is a path"),
    (GOOD + "\n![Een markt](weg.svg)\n", 10, "is no png, jpg, gif or webp"),
    (GOOD + "\n![Een markt](Weg.jpg)\n", 10, "name it 'weg.jpg'"),
    (GOOD + "\n![](weg.jpg)\n", 10, "The alternative text of 'weg.jpg' is missing; say what"),
    (GOOD + "\n![weg.jpg](weg.jpg)\n", 10, "is the name of a file ('weg.jpg')"),
    (GOOD + f"\n![{'x ' * 160}](weg.jpg)\n", 10, "has 319 characters; make it at most 300"),
    (GOOD + "\nEen ![Een markt](weg.jpg) zin.\n", 10, "stands among words; give it"),
    (GOOD + "\n- ![Een markt](weg.jpg)\n", 10, "stands among words"),
    (GOOD + "\n[![Een markt](weg.jpg)](https://x.be)\n", 10, "stands among words"),
    (GOOD + "\n![Een markt](a.jpg)\n![Een put](b.jpg)\n", 11, "stands among words"),
    (GOOD + "\n\n[x](javascript:alert(1))\n", 11, "'javascript:alert(1)' has to start"),
    (GOOD + "\n[boven](#boven)\n", 10, "'#boven' has to start"),
    (GOOD + "\n[site](/nl/issues)\n", 10, "'/nl/issues' has to start"),
    (GOOD + "\n[de site][x]\n\n[x]: ftp://x.be\n", 12, "'ftp://x.be' has to start"),
    (GOOD + "\n[klik hier](https://x.be)\n", 10, "'klik hier' says nothing"),
    (GOOD + "\n[Read more…](https://x.be)\n", 10, "'Read more…' says nothing"),
    (GOOD + "\nEen <b>vet</b> woord\n", 10, "HTML ('<b>') is shown as text"),
    (GOOD + "\n\n" + "[" * 301, 11, "more than 300 brackets"),
    (GOOD + "\n\n" + "> " * 13 + "a", 11, "quotes and lists"),
    (GOOD + "\n\n" + "- 1. " * 7 + "a", 11, "quotes and lists"),
    (GOOD + "\n\n" + "a|b\n" * 301, 11, "This paragraph has more than 300 lines"),
    (GOOD + "\n\n" + "a\n\n" * 3002, 8, "This text has more than 6000 lines"),
    *((GOOD + sign * 6001, 8, f"more than 6000 times the sign '{sign}'") for sign in "|<>&*_`"),
    (GOOD + "\nEen noot[^9].\n", 10, "The footnote [^9] is not there"),
    (GOOD + "\nEen noot[^8][^9].\n", 10, "The footnote [^9] is not there"),
    (GOOD + "\nEen zin.\n\n[^9]: Een noot.\n", 12, "put [^9] into the text, or take it out."),
    (GOOD + "\nLees\n[het **plan**][weg].\n", 11, "add a line '[weg]: https://…' at the end"),
    (GOOD + "\nLees [het plan][].\n", 10, "Nothing says where [het plan] leads"),
    (GOOD + "\n![Een markt][weg]\n", 10, "Nothing says where [weg] leads"),
    (with_lines("deadline: 2026-11-19"), 7, "The deadline comes before the date; mend 'deadline'"),
]


@pytest.mark.parametrize(("content", "line", "message"), FAULTS)
def test_each_fault_is_found_at_its_line(
    library: Library, write: Write, content: str | bytes, line: int, message: str
) -> None:
    write(ITEM, content)
    findings = library.check()
    found = [(finding.line, str(finding.message)) for finding in findings]
    assert any(at == line and message in text for at, text in found), found
    assert {finding.path for finding in findings} == {Path("content") / ITEM}
    for _, text in found:
        assert text[0].isupper() or text[0] == "'"
        assert text.endswith((".", "?"))
        assert "\n" not in text


def test_all_faults_of_all_files_come_at_once(library: Library, write: Write) -> None:
    write(ITEM, with_lines("sdgs: [99, 0]", "country: XX", "link: x") + "# Kop\n")
    write("items/2026/11/tweede.fr.md", without("summary"))
    write("pages/missie.nl.md", "---\ntitle: Missie\nvolgorde: 1\n---\nx\n")
    found = [(finding.path.name, finding.line) for finding in library.check()]
    assert found == [
        ("compost.nl.md", 7),
        ("compost.nl.md", 7),
        ("compost.nl.md", 8),
        ("compost.nl.md", 9),
        ("compost.nl.md", 12),
        ("tweede.fr.md", 1),
        ("missie.nl.md", 1),
        ("missie.nl.md", 3),
    ]


def test_a_complete_file_is_read(library: Library, write: Write) -> None:
    write("images/compost.jpg", jpeg())
    lines = (
        "image: compost.jpg", "image_alt: Een hoop compost", "image_credit: Foto VVSG",
        "link: https://www.vvsg.be/x?a=b&c=d#e", "country: NO", 'municipality: "\'s-Gravenvoeren"',
        "partner: Pèrèrè", "sdgs: [08, 17]", "deadline: 2027-01-31", "event:",
        "  start: 2026-12-01 19:30", "  end: 2026-12-01T22:00+01:00", "  place: Gent",
        "sources:", "  - {title: VVSG, url: 'https://www.vvsg.be/'}",
    )  # fmt: skip
    folded = "summary: >\n  Afval\n  wordt compost."
    write(ITEM, with_lines(*lines).replace("summary: Afval wordt compost.", folded))
    [item] = library.items()
    front, zone = item.original.front, ZoneInfo("Europe/Brussels")
    assert front.title == "Compost in Tambacounda"
    assert front.summary == "Afval wordt compost."
    assert front.date == date(2026, 11, 20)
    assert front.topics == ("milieu",)
    assert (front.country, front.municipality, front.partner) == ("NO", "'s-Gravenvoeren", "Pèrèrè")
    assert front.sdgs == (8, 17)
    assert front.deadline == date(2027, 1, 31)
    start, end = (
        datetime(2026, 12, 1, hour, minute, tzinfo=zone) for hour, minute in ((19, 30), (22, 0))
    )
    assert front.event == Event(start, end, "Gent")
    assert front.sources == (Source("VVSG", "https://www.vvsg.be/"),)
    assert (front.image, front.image_credit) == ("compost.jpg", "Foto VVSG")


def test_a_byte_order_mark_and_windows_line_ends_are_fine(library: Library, write: Write) -> None:
    write(ITEM, b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    assert library.items()[0].original.body.html == "<p>Een eerste alinea.</p>"


def test_an_alias_bomb_is_refused_at_once(library: Library, write: Write) -> None:
    bomb = "a: &a [x, x]\n" + "".join(
        f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join([f'*{chr(97 + n)}'] * 9)}]\n" for n in range(9)
    )
    write(ITEM, f"---\n{bomb}---\nx\n")
    assert any("references" in str(finding.message) for finding in library.check())


def test_countries_are_countries() -> None:
    assert {"BE", "BJ", "EC", "NI", "SN", "XK"} <= COUNTRIES
    assert 245 < len(COUNTRIES) < 255


SLIPS = [
    # what somebody types, what the reader of YAML says of it, and in Dutch
    ("title: Een: twee", "mapping values are not allowed here", "geen dubbelepunt"),
    ("title: 's-Gravenvoeren", "found unexpected end of stream", "gaat niet dicht"),
    ('title: "Een" twee', "expected <block end>, but found '<scalar>'", "iets te veel"),
    ("title: @x", "found character '@' that cannot start any token", "niet met “@” beginnen"),
    ("\ttitle: x", r"found character '\t' that cannot start", r"niet met “\t” beginnen"),
    ("title: [a", "expected ',' or ']', but got ':'", "een komma of “]”, en geen “:”"),
    ("title: [", "is missing here", "hier ontbreekt “]”"),
    ("title: a\nb", "could not find expected ':'", "ontbreekt een dubbelepunt"),
    (" title: x", "expected '<document start>', but found", "de eerste regel springt in"),
    ("title: - x", "sequence entries are not allowed here", "geen streepje"),
    ('title: "a\\q"', "found unknown escape character 'q'", "geen “q”"),
    (": x", "expected <block end>, but found ':'", "“:” hoort hier niet"),
]


@pytest.mark.parametrize(("line", "english", "dutch"), SLIPS)
def test_slips_of_the_pen_are_told_in_words(
    library: Library, write: Write, line: str, english: str, dutch: str
) -> None:
    write(ITEM, f"---\n{line}\ndate: 2026-11-20\n---\nx\n")
    (finding,) = library.check()
    assert english in str(finding.message)
    assert dutch in finding.message.in_("nl")
