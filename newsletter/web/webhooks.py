"""Where mail providers report to us, each only when it is configured; without it there is nothing
here (404).

No form of ours, no session: what is posted is signed, or knows a password. The answer is 200 once
it is committed; 503 when it could not be, so that the provider tries again.
"""

import logging
from collections.abc import Sequence
from functools import lru_cache, partial

from flask import Blueprint, Response, abort, current_app, request
from flask.blueprints import BlueprintSetupState
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException

from newsletter.bounces import intake
from newsletter.bounces.providers import Refused, Unreadable, mailgun, postmark, ses, sns
from newsletter.bounces.report import Report
from newsletter.db import UNAVAILABLE
from newsletter.web.page import State, now, state

log = logging.getLogger(__name__)
blueprint = Blueprint("webhooks", __name__, url_prefix="/webhooks")

LARGEST_SNS = 300 * 1024  # octets: a message of 256 kB in its envelope
RETRY_AFTER = 60  # seconds
CERTIFICATES = 8  # of Amazon's that are kept
SES_PATH = "/webhooks/ses"


@blueprint.record
def _set_up(setup: BlueprintSetupState) -> None:
    """Certificates are asked for once; and the server waits for as much as SNS may send."""
    app, parts = setup.app, setup.app.extensions["newsletter"]
    app.extensions["certificates"] = lru_cache(CERTIFICATES)(sns.fetch)
    app.config["LARGER_BODY"] = partial(_larger_body, parts, app.config["LARGER_BODY"])


def _larger_body(parts: State, others: partial[int], head: bytes) -> int:
    ours = parts.settings.ses_topic_arn and head.startswith(f"POST {SES_PATH} ".encode())
    return LARGEST_SNS if ours else others(head)


@blueprint.post("/mailgun", endpoint="mailgun")
def mailgun_reports() -> Response:
    """Mailgun: one event."""
    key = state().settings.mailgun_signing_key or abort(404)
    return _take(mailgun.read(request.get_data(cache=False), key, now()))


@blueprint.post("/postmark", endpoint="postmark")
def postmark_reports() -> Response:
    """Postmark: one record."""
    account = state().settings.postmark_webhook or abort(404)
    given = request.authorization
    user, password = (given.username, given.password) if given else (None, None)
    if not postmark.is_theirs(account, user or "", password or ""):
        raise Refused
    return _take(postmark.read(request.get_data(cache=False)))


@blueprint.post("/ses", endpoint="ses")
def ses_reports() -> Response:
    """Amazon SES, by a topic of SNS."""
    topic = state().settings.ses_topic_arn or abort(404)
    request.max_content_length = LARGEST_SNS
    body = request.get_data(cache=False)
    # Amazon may be asked for its certificate: before any transaction.
    message = sns.unpack(body, topic, now(), current_app.extensions["certificates"])
    return _take(ses.read(message))


def _take(reports: Sequence[Report]) -> Response:
    settings = state().settings
    if reports:
        findings = [intake.of_report(settings, report) for report in reports]
        with state().database.write() as session:
            counts = intake.take(session, settings, findings, now())
        if counts.unproven:
            log.info("%s told of mail that is not proven to be ours.", request.path)
    return _plain(200)


def _plain(status: int) -> Response:
    """A machine reads the status only."""
    return Response("", status, mimetype="text/plain")


@blueprint.errorhandler(Refused)
def _refuse(_error: Refused) -> Response:
    log.warning("%s was posted to by somebody who is not the provider, or too late.", request.path)
    return _plain(403)


@blueprint.errorhandler(Unreadable)
def _misunderstand(_error: Unreadable) -> Response:
    return _plain(400)


@blueprint.errorhandler(HTTPException)
def _explain(error: HTTPException) -> Response:
    return _plain(error.code or 500)


def _later(_error: Exception) -> Response:
    """Nothing was written; the same may come again."""
    response = _plain(503)
    response.headers["Retry-After"] = str(RETRY_AFTER)
    return response


for error in (*UNAVAILABLE, PoolTimeout, sns.Unreachable):
    blueprint.register_error_handler(error, _later)
