"""A text as readers will see it: as a page of the site, as mail, and as the mail's text part."""

import re

from flask import Response, make_response, render_template, request

from newsletter.issues.previewing import SCHEMES, Preview, next_number, preview, shown
from newsletter.models import Role
from newsletter.web.desk.ground import blueprint, needs, show
from newsletter.web.desk.items.access import ONE, Work, find
from newsletter.web.page import STATIC_DIR, now, policy, speak, state
from newsletter.web.sheet import tale

KINDS = ("mail", "page", "text")
WIDTHS = ("360", "640", "1024")


@blueprint.get(f"{ONE}/preview")
@needs(Role.WRITER)
def items_preview(slug: str, language: str) -> Response:
    """The preview with its choices, for who has no script or wants it larger."""
    work, found = _previewed(slug, language)
    return show("items/preview.html", work=work, found=found, view=view())


@blueprint.get(f"{ONE}/frame")
@needs(Role.WRITER)
def items_frame(slug: str, language: str) -> Response:
    """What stands in the frame of a preview: nothing in it runs, and nothing is sent."""
    _work, found = _previewed(slug, language)
    chosen = view()
    if found.piece is None or found.edition is None:
        return _framed(make_response(render_template("desk/items/nothing.html")), chosen)
    speak(language)
    if chosen["kind"] == "text":
        response = make_response(found.edition.text)
        response.mimetype = "text/plain"
    elif chosen["kind"] == "mail":
        response = make_response(_shown(found.edition.html, found, chosen["scheme"]))
    else:
        response = make_response(_page(found, chosen["scheme"]))
    return _framed(response, chosen)


def view() -> dict[str, str]:
    """What was chosen: kind, width, scheme, and whether pictures are shown."""
    asked = request.args
    choices = {"kind": KINDS, "width": WIDTHS, "scheme": SCHEMES, "images": ("on", "off")}
    return {
        name: asked[name] if asked.get(name) in known else known[0]
        for name, known in choices.items()
    }


def _previewed(slug: str, language: str) -> tuple[Work, Preview]:
    with state().database.read() as session:
        work, number = find(session, slug, language), next_number(session)
    text = work.text.encode()
    return work, preview(state().settings, state().library, work.path, text, now(), number)


def _page(found: Preview, scheme: str) -> str:
    """The page of the item on the site."""
    assert found.piece  # noqa: S101 - asked for only then
    one = tale(found.piece)
    html = render_template(
        "archive/item.html",
        story=one,
        where=[],
        issues=[found.issue],
        original=found.piece.language,
        written=[],
        article={},
        indexed=False,
    )
    # Within: nothing in a frame without an origin may be asked for with our cookie.
    style = (STATIC_DIR / "fiabel.css").read_text("utf-8")
    html = html.replace("</head>", f"<style>{style}</style></head>", 1)
    html = re.sub('(name="color-scheme" content=)"light dark"', rf'\1"{scheme}"', html)
    return _shown(html, found, scheme)


def _shown(html: str, found: Preview, scheme: str) -> str:
    return shown(html, state().settings.base_url, scheme, found.pictures)


def _framed(response: Response, chosen: dict[str, str]) -> Response:
    images = "'self' data:" if chosen["images"] == "on" else "'none'"
    response.content_security_policy = policy(
        {
            "style-src": "'self' 'unsafe-inline'",
            "img-src": images,
            "form-action": "'none'",
            "frame-ancestors": "'self'",
            "sandbox": "",
        }
    )
    return response
