"""The published keys with which anybody checks a reader's receipt of consent."""

from flask import Blueprint, Response

from newsletter.subscribers import receipts
from newsletter.web.page import state

blueprint = Blueprint("receipts", __name__)


@blueprint.get("/receipts/key")
def key() -> Response:
    """The keys in use and those of before, each with its id, as PEM."""
    return Response(receipts.published(state().settings), mimetype="text/plain")
