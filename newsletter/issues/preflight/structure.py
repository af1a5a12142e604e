"""Rules about the document: language, headings, tables, images, ids, and what mail cannot do."""

import re
from collections import Counter
from collections.abc import Iterator

from newsletter.content.alternatives import is_empty, is_file_name
from newsletter.i18n import LOCALES
from newsletter.issues.pictures import COLUMN
from newsletter.issues.preflight.finding import Mail, PreflightFinding, stop, warn
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
            yield stop("HTM-01", node, f'Needs lang="{mail.locale}", the language of the reader.')
        if node.attributes.get("dir") != "ltr":
            yield stop("HTM-01", node, 'Needs dir="ltr".')
    for node in mail.root.walk():
        if node.attributes.get("lang", mail.locale) not in LOCALES:
            yield stop("HTM-01", node, f"Use one of {', '.join(LOCALES)} as lang.")


def foreign_pieces(mail: Mail) -> Iterator[PreflightFinding]:
    """A text in another language than the reader's is marked with its own (HTM-01)."""
    for piece in mail.pieces:
        if piece.language == mail.locale:
            continue
        for node in mail.root.walk():
            if node.text() == " ".join(piece.title.split()) and node.tag in ("a", "span"):
                if node.attributes.get("lang") != piece.language:
                    message = f'{piece.title!r} needs lang="{piece.language}".'
                    yield stop("HTM-01", node, message)
                break


def tables(mail: Mail) -> Iterator[PreflightFinding]:
    """A table for layout says so; a table of facts has headings (HTM-02)."""
    for table in mail.root.find("table"):
        layout = table.attributes.get("role") in ("presentation", "none")
        if not layout and not any(table.find("th")):
            message = 'Needs role="presentation", or <th> cells when it holds facts.'
            yield stop("HTM-02", table, message)


def headings(mail: Mail) -> Iterator[PreflightFinding]:
    """One h1, no level skipped, none empty (HTM-03)."""
    found = list(mail.root.find(*HEADINGS))
    tops = sum(node.tag == "h1" for node in found)
    if tops != 1:
        yield stop("HTM-03", "HTML", f"{tops} h1 headings; a mail has exactly one.")
    previous = 0
    for node in found:
        level = int(node.tag[1])
        if level > previous + 1:
            message = f"Follows on h{previous}; use h{previous + 1} so that no level is skipped."
            yield stop("HTM-03", node, message)
        if not node.text():
            yield stop("HTM-03", node, "The heading is empty; give it text or remove it.")
        previous = level


def images(mail: Mail) -> Iterator[PreflightFinding]:
    """Alternative text, size and a kind every program shows (HTM-06, HTM-19)."""
    for image in mail.root.find("img"):
        alt, source = image.attributes.get("alt"), image.attributes.get("src", "")
        if alt is None:
            yield stop("HTM-06", image, 'Needs alt: what the picture shows, or "" when it adorns.')
        elif is_file_name(alt):
            yield stop("HTM-06", image, f"alt is a file name ({alt}); say what the picture shows.")
        elif is_empty(alt):
            yield stop("HTM-06", image, f"alt says only {alt!r}; say what the picture shows.")
        if not all(image.attributes.get(side, "").isdecimal() for side in ("width", "height")):
            yield stop("HTM-19", image, "Needs width and height in pixels.")
        elif int(image.attributes["width"]) > COLUMN:
            message = f"Is wider than the mail, which classic Outlook obeys; make it {COLUMN} px."
            yield stop("HTM-19", image, message)
        if not PICTURE.fullmatch(source):
            yield stop("HTM-19", image, f"{source} is no PNG, JPEG or GIF; convert it.")


def title(mail: Mail) -> Iterator[PreflightFinding]:
    """The title of the document is the subject (HTM-07)."""
    titles = [node.text() for node in mail.root.find("title")]
    if titles != [" ".join(mail.edition.subject.split())]:
        yield stop("HTM-07", "HTML", "<title> has to be there once and hold the subject.")


def zoom(mail: Mail) -> Iterator[PreflightFinding]:
    """Nobody is kept from enlarging the text (HTM-10)."""
    for meta in mail.root.find("meta"):
        content = meta.attributes.get("content", "").replace(" ", "")
        if re.search(r"user-scalable=(no|0)|maximum-scale", content):
            yield stop("HTM-10", meta, "Take user-scalable and maximum-scale out.")


def names(mail: Mail) -> Iterator[PreflightFinding]:
    """Ids are unique, roles exist (HTM-11)."""
    ids = Counter(node.attributes["id"] for node in mail.root.walk() if "id" in node.attributes)
    for name, times in ids.items():
        if times > 1:
            yield stop("HTM-11", "HTML", f'id="{name}" stands {times} times; make each unique.')
    for node in mail.root.walk():
        if (role := node.attributes.get("role")) is not None and role not in ROLES:
            yield stop("HTM-11", node, f'role="{role}" is not one that mails use.')


def elements(mail: Mail) -> Iterator[PreflightFinding]:
    """Only what every mail program shows, and nothing that runs or sends (FMT-08, HTM-18)."""
    for node in mail.root.walk():
        if node.tag in FORBIDDEN:
            yield stop("FMT-08", node, f"<{node.tag}> does not belong in a mail; remove it.")
        elif node.tag and node.tag != "link" and node.tag not in ALLOWED:
            yield stop("HTM-18", node, f"Mail programs drop <{node.tag}>; use a div or a table.")
        for name in node.attributes:
            if name.startswith("on"):
                yield stop("FMT-08", node, f"Take the script in {name} out.")


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
            yield stop("FMT-20", node, "Hidden text looks like spam; show it or remove it.")


def small_text(mail: Mail) -> Iterator[PreflightFinding]:
    """Nothing is printed too small to read (HTM-15)."""
    for node in mail.root.walk():
        size = re.fullmatch(r"(\d+)px", node.style().get("font-size", ""))
        if size and int(size[1]) < SMALLEST:
            yield warn("HTM-15", node, f"{size[0]} is small; use {SMALLEST}px or more.")


def styles(mail: Mail) -> Iterator[PreflightFinding]:
    """One small style block in the head, nothing imported (HTM-17, HTM-26)."""
    heads = {node for head in mail.root.find("head") for node in head.find("style")}
    for node in mail.root.find("style"):
        css = "".join(child for child in node.children if isinstance(child, str))
        if node not in heads:
            yield stop("HTM-17", node, "Gmail drops styles in the body; move it to the head.")
        if len(css.encode()) >= STYLE_LIMIT:
            yield stop("HTM-17", node, f"{len(css.encode())} octets; keep below {STYLE_LIMIT}.")
        if "@import" in css or "@font-face" in css:
            yield stop("HTM-26", node, "Take @import and @font-face out; nothing is fetched.")


def remote(mail: Mail) -> Iterator[PreflightFinding]:
    """Pictures and styles come from our own host, and no link element is there (HTM-26, PRV-08)."""
    own = mail.settings.base_url + "/"
    for node in mail.root.walk():
        if node.tag == "link":
            yield stop("HTM-26", node, "Take <link> out; a mail fetches no styles.")
        for url in _fetched(node):
            if not url.startswith(own):
                yield stop("HTM-26", node, f"{url} is fetched from elsewhere; keep it on {own}")
        if node.tag == "img" and "\ue000" in node.attributes.get("src", ""):
            yield stop("PRV-08", node, "A picture of one's own is a tracker; use the same for all.")


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
