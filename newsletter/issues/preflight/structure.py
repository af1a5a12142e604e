"""Rules about the document: language, headings, tables, images, ids, and what mail cannot do."""

import re
from collections import Counter
from collections.abc import Iterator

from newsletter.content.alternatives import is_empty, is_file_name
from newsletter.i18n import LOCALES, Said
from newsletter.issues.pictures import COLUMN
from newsletter.issues.preflight.finding import HTML, Mail, PreflightFinding, stop, warn
from newsletter.issues.preflight.tree import HEADINGS, Node

FORBIDDEN = {
    "script", "form", "input", "button", "select", "textarea", "iframe", "object", "embed", "svg",
    "video", "audio", "base", "picture", "canvas",
}  # fmt: skip
ALLOWED = {
    "html", "head", "meta", "title", "style", "body", "div", "span", "table", "thead", "tbody",
    "tr", "th", "td", "p", "a", "img", "br", "hr", "strong", "em", "sup", "ul", "ol", "li", "dl",
    "dt", "dd", "blockquote", "pre", "code", *HEADINGS,
}  # fmt: skip
ROLES = {"presentation", "none", "main", "article"}
SMALLEST = 14  # px
STYLE_LIMIT = 16_000  # octets; beyond it Gmail drops the block
PICTURE = re.compile(r"https?://[^?#]+\.(png|jpe?g|gif)(\?.*)?", re.I)
CSS_URL = re.compile(r"url\(\s*['\"]?([^'\")]*)", re.I)


def language(mail: Mail) -> Iterator[PreflightFinding]:
    """`lang` and `dir` on <html> and on the element that holds all content (HTM-01)."""
    bodies = list(mail.root.find("body"))
    wrappers = [next(body.elements(), body) for body in bodies]
    for node in (*mail.root.find("html"), *wrappers):
        if node.attributes.get("lang") != mail.locale:
            message = Said(
                'Moet lang="%(language)s" hebben, de taal van de lezer.', language=mail.locale
            )
            yield stop("HTM-01", node, message)
        if node.attributes.get("dir") != "ltr":
            yield stop("HTM-01", node, Said('Moet dir="ltr" hebben.'))
    for node in mail.root.walk():
        if node.attributes.get("lang", mail.locale) not in LOCALES:
            message = Said("Gebruik als lang een van deze: %(known)s.", known=", ".join(LOCALES))
            yield stop("HTM-01", node, message)


def foreign_pieces(mail: Mail) -> Iterator[PreflightFinding]:
    """A text in another language than the reader's is marked with its own (HTM-01)."""
    for piece in mail.pieces:
        if piece.language == mail.locale:
            continue
        for node in mail.root.walk():
            if node.text() == " ".join(piece.title.split()) and node.tag in ("a", "span"):
                if node.attributes.get("lang") != piece.language:
                    message = Said(
                        '“%(title)s” moet lang="%(language)s" hebben.',
                        title=piece.title,
                        language=piece.language,
                    )
                    yield stop("HTM-01", node, message)
                break


def tables(mail: Mail) -> Iterator[PreflightFinding]:
    """A table for layout says so; a table of facts has headings (HTM-02)."""
    for table in mail.root.find("table"):
        layout = table.attributes.get("role") in ("presentation", "none")
        if not layout and not any(table.find("th")):
            message = Said(
                'Moet role="presentation" hebben, of cellen <th> als er feiten in staan.'
            )
            yield stop("HTM-02", table, message)


def headings(mail: Mail) -> Iterator[PreflightFinding]:
    """One h1, no level skipped, none empty (HTM-03)."""
    found = list(mail.root.find(*HEADINGS))
    tops = sum(node.tag == "h1" for node in found)
    if tops != 1:
        message = Said("%(count)s koppen h1; een mail heeft er precies één.", count=tops)
        yield stop("HTM-03", HTML, message)
    previous = 0
    for node in found:
        level = int(node.tag[1])
        if level > previous + 1:
            message = Said(
                "Volgt op h%(previous)s; gebruik h%(next)s, zodat geen niveau overgeslagen wordt.",
                previous=previous,
                next=previous + 1,
            )
            yield stop("HTM-03", node, message)
        if not node.text():
            message = Said("De tussenkop is leeg; geef hem tekst of haal hem weg.")
            yield stop("HTM-03", node, message)
        previous = level


def images(mail: Mail) -> Iterator[PreflightFinding]:
    """Alternative text, size and a kind every program shows (HTM-06, HTM-19)."""
    for image in mail.root.find("img"):
        alt, source = image.attributes.get("alt"), image.attributes.get("src", "")
        if fault := _alt_fault(alt):
            yield stop("HTM-06", image, fault)
        if not all(image.attributes.get(side, "").isdecimal() for side in ("width", "height")):
            message = Said("Moet een breedte en hoogte in pixels hebben (width, height).")
            yield stop("HTM-19", image, message)
        elif int(image.attributes["width"]) > COLUMN:
            message = Said(
                "Is breder dan de mail, en klassieke Outlook toont dat zo; maak er %(width)s px "
                "van.",
                width=COLUMN,
            )
            yield stop("HTM-19", image, message)
        if not PICTURE.fullmatch(source):
            message = Said("%(url)s is geen PNG, JPEG of GIF; zet het om.", url=source)
            yield stop("HTM-19", image, message)


def _alt_fault(alt: str | None) -> Said | None:
    if alt is None:
        return Said('Moet alt hebben: wat er op de foto te zien is, of "" als ze enkel versiert.')
    if is_file_name(alt):
        return Said("alt is een bestandsnaam (%(alt)s); zeg wat er op de foto te zien is.", alt=alt)
    if is_empty(alt):
        return Said("alt zegt enkel “%(alt)s”; zeg wat er op de foto te zien is.", alt=alt)
    return None


def title(mail: Mail) -> Iterator[PreflightFinding]:
    """The title of the document is the subject (HTM-07)."""
    titles = [node.text() for node in mail.root.find("title")]
    if titles != [" ".join(mail.edition.subject.split())]:
        message = Said("<title> moet er één keer zijn, met het onderwerp erin.")
        yield stop("HTM-07", HTML, message)


def zoom(mail: Mail) -> Iterator[PreflightFinding]:
    """Nobody is kept from enlarging the text (HTM-10)."""
    for meta in mail.root.find("meta"):
        content = meta.attributes.get("content", "").replace(" ", "")
        if re.search(r"user-scalable=(no|0)|maximum-scale", content):
            message = Said("Haal user-scalable en maximum-scale weg.")
            yield stop("HTM-10", meta, message)


def names(mail: Mail) -> Iterator[PreflightFinding]:
    """Ids are unique, roles exist (HTM-11)."""
    ids = Counter(node.attributes["id"] for node in mail.root.walk() if "id" in node.attributes)
    for name, times in ids.items():
        if times > 1:
            message = Said(
                'id="%(id)s" staat er %(times)s keer; geef elk een eigen naam.',
                id=name,
                times=times,
            )
            yield stop("HTM-11", HTML, message)
    for node in mail.root.walk():
        if (role := node.attributes.get("role")) is not None and role not in ROLES:
            message = Said('role="%(role)s" wordt in mails niet gebruikt; haal het weg.', role=role)
            yield stop("HTM-11", node, message)


def elements(mail: Mail) -> Iterator[PreflightFinding]:
    """Only what every mail program shows, and nothing that runs or sends (FMT-08, HTM-18)."""
    for node in mail.root.walk():
        if node.tag in FORBIDDEN:
            message = Said("<%(tag)s> hoort niet in een mail; haal het weg.", tag=node.tag)
            yield stop("FMT-08", node, message)
        elif node.tag and node.tag != "link" and node.tag not in ALLOWED:
            message = Said(
                "Mailprogramma’s laten <%(tag)s> vallen; gebruik een div of een table.",
                tag=node.tag,
            )
            yield stop("HTM-18", node, message)
        for name in node.attributes:
            if name.startswith("on"):
                message = Said("Haal het script in %(attribute)s weg.", attribute=name)
                yield stop("FMT-08", node, message)


def hidden(mail: Mail) -> Iterator[PreflightFinding]:
    """No hidden text (FMT-20)."""
    for node in mail.root.walk():
        style = node.style()
        if (
            style.get("display") == "none"
            or style.get("visibility") == "hidden"
            or style.get("font-size") in ("0", "0px", "1px")
            or style.get("opacity") == "0"
        ):
            message = Said("Verborgen tekst lijkt op spam; toon hem of haal hem weg.")
            yield stop("FMT-20", node, message)


def small_text(mail: Mail) -> Iterator[PreflightFinding]:
    """Nothing is printed too small to read (HTM-15)."""
    for node in mail.root.walk():
        size = re.fullmatch(r"(\d+)px", node.style().get("font-size", ""))
        if size and int(size[1]) < SMALLEST:
            message = Said(
                "%(size)s is klein; gebruik %(least)spx of meer.", size=size[0], least=SMALLEST
            )
            yield warn("HTM-15", node, message)


def styles(mail: Mail) -> Iterator[PreflightFinding]:
    """One small style block in the head, nothing imported (HTM-17, HTM-26)."""
    heads = {node for head in mail.root.find("head") for node in head.find("style")}
    for node in mail.root.find("style"):
        css = "".join(child for child in node.children if isinstance(child, str))
        if node not in heads:
            message = Said("Gmail laat stijlen in de body vallen; zet ze in de head.")
            yield stop("HTM-17", node, message)
        if len(css.encode()) >= STYLE_LIMIT:
            message = Said(
                "%(octets)s bytes; blijf onder %(limit)s.",
                octets=len(css.encode()),
                limit=STYLE_LIMIT,
            )
            yield stop("HTM-17", node, message)
        if "@import" in css or "@font-face" in css:
            message = Said("Haal @import en @font-face weg; er wordt niets opgehaald.")
            yield stop("HTM-26", node, message)


def remote(mail: Mail) -> Iterator[PreflightFinding]:
    """Pictures and styles come from our own host, and no link element is there (HTM-26, PRV-08)."""
    own = mail.settings.base_url + "/"
    for node in mail.root.walk():
        if node.tag == "link":
            message = Said("Haal <link> weg; een mail haalt geen stijlen op.")
            yield stop("HTM-26", node, message)
        for url in _fetched(node):
            if not url.startswith(own):
                message = Said(
                    "%(url)s wordt elders opgehaald; zet het op %(own)s", url=url, own=own
                )
                yield stop("HTM-26", node, message)
        if node.tag == "img" and "\ue000" in node.attributes.get("src", ""):
            message = Said(
                "Een eigen foto voor elke lezer volgt die lezer; neem voor allen dezelfde."
            )
            yield stop("PRV-08", node, message)


def _fetched(node: Node) -> Iterator[str]:
    for name in ("src", "background", "srcset", "poster"):
        if name in node.attributes:
            yield node.attributes[name]
    css = node.attributes.get("style", "")
    if node.tag == "style":
        css = "".join(child for child in node.children if isinstance(child, str))
    yield from CSS_URL.findall(css)


RULES = (
    language,
    foreign_pieces,
    tables,
    headings,
    images,
    title,
    zoom,
    names,
    elements,
    hidden,
    small_text,
    styles,
    remote,
)
