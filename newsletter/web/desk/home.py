"""The first page of the desk."""

from flask import Response

from newsletter.models import Role
from newsletter.web.desk.ground import blueprint, me, needs, show


@blueprint.get("/")
@needs(Role.WRITER)
def home() -> Response:
    """What is to be done, and where to go."""
    return show("home.html", codes_missing=not me().mf_recovery_codes)
