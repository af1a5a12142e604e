"""What browsers and search engines ask for without having been told to."""

from flask import Blueprint, Response, make_response, send_from_directory

from newsletter.web.page import STATIC_DIR

blueprint = Blueprint("unasked", __name__)

ICON_AGE = 7 * 24 * 3600  # seconds
# Pages behind a link from a mail are one person's; the inbox is a developer's.
LETTERS = ("confirm", "preferences", "stop", "never", "data", "new-address", "undo")
PERSONAL = ("/u/", *(f"/*/{name}/" for name in LETTERS), "/inbox/")
ROBOTS = "\n".join(("User-agent: *", *(f"Disallow: {path}" for path in PERSONAL), ""))


@blueprint.get("/favicon.ico")
def favicon() -> Response:
    """The icon for browsers that do not read it from the page."""
    return send_from_directory(STATIC_DIR, "favicon.ico", max_age=ICON_AGE)


@blueprint.get("/robots.txt")
def robots() -> Response:
    """What search engines may read (RFC 9309): all but what is somebody's own."""
    response = make_response(ROBOTS)
    response.content_type = "text/plain; charset=utf-8"
    return response
