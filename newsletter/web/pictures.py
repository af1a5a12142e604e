"""Pictures of items, from the database, so that every host has them. What editors put on the shelf
is never served itself."""

import re

from flask import Blueprint, Response, abort, make_response, request
from markupsafe import Markup

from newsletter.content.images import SMALL
from newsletter.issues import pictures
from newsletter.issues.pictures import Shown
from newsletter.web.page import FOR_GOOD, looking, path

blueprint = Blueprint("pictures", __name__)

NAME = re.compile(pictures.NAME)
BESIDE = "(max-width: 45rem) 100vw, 45rem"  # how wide a picture in a text is


@blueprint.get("/pictures/<picture>")
def picture(picture: str) -> Response:
    """A picture: its name stands for its content, so whoever has it need not ask again."""
    if not NAME.fullmatch(picture):
        abort(404)
    with looking() as session:
        found = pictures.find(session, picture) or abort(404)
    response = make_response(found.data)
    response.content_type = found.media_type
    response.headers["Cache-Control"] = FOR_GOOD
    response.set_etag(picture)
    response.make_conditional(request)
    return response


@blueprint.app_template_filter("with_pictures")
def with_pictures(html: str) -> Markup:
    """A sanitised body whose pictures fit a phone; they are fetched when somebody scrolls there."""
    return Markup(pictures.redrawn(html, _on_page))  # noqa: S704 # nosec B704 # sanitised


def _on_page(shown: Shown) -> str:
    large = path("pictures.picture", picture=shown.name)
    size = f'width="{shown.width}" height="{shown.height}"'
    sizes = ""
    if shown.small:
        small = path("pictures.picture", picture=shown.small)
        sizes = f' srcset="{small} {SMALL}w, {large} {shown.width}w" sizes="{BESIDE}"'
    return f'<img src="{large}"{sizes} {size} alt="{shown.alt}" loading="lazy">'
