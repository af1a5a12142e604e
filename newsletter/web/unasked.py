"""What browsers and search engines ask for without having been told to."""

from datetime import timedelta

from flask import Blueprint, Response, abort, make_response, send_from_directory

from newsletter.i18n import DEFAULT, LOCALES
from newsletter.issues import reading
from newsletter.web import sitemap
from newsletter.web.keeping import kept
from newsletter.web.page import STATIC_DIR, looking, now, state

blueprint = Blueprint("unasked", __name__)

CONTACT_AGE = timedelta(days=180)  # less than a year (RFC 9116 2.5.5)
ICON_AGE = 7 * 24 * 3600  # seconds
# Pages behind a link from a mail are one person's; the desk is the editors', the inbox a
# developer's.
LETTERS = ("confirm", "preferences", "stop", "proof", "never", "data", "new-address", "undo")
PERSONAL = ("/u/", *(f"/*/{name}/" for name in LETTERS), "/desk/", "/inbox/")
ROBOTS = "\n".join(("User-agent: *", *(f"Disallow: {path}" for path in PERSONAL), ""))


@blueprint.get("/favicon.ico")
def favicon() -> Response:
    """The icon for browsers that do not read it from the page."""
    return send_from_directory(STATIC_DIR, "favicon.ico", max_age=ICON_AGE)


@blueprint.get("/robots.txt")
def robots() -> Response:
    """What search engines may read (RFC 9309): all but what is somebody's own."""
    response = make_response(f"{ROBOTS}\nSitemap: {state().links.base_url}/sitemap.xml\n")
    response.content_type = "text/plain; charset=utf-8"
    return response


@blueprint.get("/.well-known/security.txt")
def security() -> Response:
    """Whom to tell of a hole (RFC 9116); SECURITY.md says how."""
    settings = state().settings
    lines = {
        "Contact": f"mailto:{settings.org_email}",
        "Expires": f"{now() + CONTACT_AGE:%Y-%m-%dT00:00:00Z}",
        "Preferred-Languages": ", ".join(LOCALES),
        "Canonical": f"{settings.base_url}/.well-known/security.txt",
    }
    response = make_response("".join(f"{name}: {value}\n" for name, value in lines.items()))
    response.content_type = "text/plain; charset=utf-8"
    return response


@blueprint.get("/sitemap.xml")
@kept
def site_map() -> Response:
    """The parts of the site map."""
    parts = range(1, 2 + (len(_pages()) - 1) // sitemap.PAGES)
    base = state().links.base_url
    return _xml(sitemap.index([f"{base}/sitemap-{number}.xml" for number in parts]))


@blueprint.get("/sitemap-<issue:number>.xml")
@kept
def site_map_part(number: int) -> Response:
    """One part of the site map."""
    start = (number - 1) * sitemap.PAGES
    part = _pages()[start : start + sitemap.PAGES] or abort(404)
    return _xml(sitemap.document(part))


def _pages() -> list[sitemap.Page]:
    with looking() as session:
        issues = reading.published(session)
        subjects = reading.subjects(session, DEFAULT)
        items = reading.entries(session)
    return sitemap.pages(state().links, state().library, issues, subjects, items)


def _xml(content: bytes) -> Response:
    response = make_response(content)
    response.content_type = "application/xml; charset=utf-8"
    return response
