"""The inbox of the mail catcher, for the eyes of developers; there is none in production."""

from datetime import datetime

from flask import Blueprint, Response, abort, make_response, request

from newsletter import i18n
from newsletter.catcher import FOLDER, CaughtMessage, Store
from newsletter.web.page import locale, policy, show, state

blueprint = Blueprint("inbox", __name__, url_prefix="/inbox")

PER_PAGE = 50
# A caught mail may hold anything: it runs no script and sends no form, and what it links to opens
# in a page of its own, outside the sandbox, so that the links of our mails work.
SANDBOX = "allow-popups allow-popups-to-escape-sandbox"
NEW_TAB = '<base target="_blank">'


@blueprint.app_template_filter("moment")
def moment(value: datetime) -> str:
    """Day and time in the locale of the page, in TIMEZONE."""
    return i18n.date_and_time(value, locale(), state().settings.timezone)


@blueprint.get("/")
def messages() -> Response:
    """The newest mail first, for one recipient when asked."""
    recipient = request.args.get("to", "").strip()
    count = _store().count(recipient)
    last = max(-(-count // PER_PAGE), 1)
    number = min(max(request.args.get("page", 1, int), 1), last)
    return show(
        "inbox/messages.html",
        messages=_store().messages(PER_PAGE, (number - 1) * PER_PAGE, recipient),
        recipient=recipient,
        count=count,
        number=number,
        last=last,
    )


@blueprint.get("/<key>")
def message(key: str) -> Response:
    """One mail: its headers, how it looks, its text."""
    found = _open(key)
    response = show("inbox/message.html", message=found, sandbox=SANDBOX)
    response.content_security_policy = policy({"frame-src": "'self'"})
    return response


@blueprint.get("/<key>/html")
def html(key: str) -> Response:
    """The HTML part alone, locked in; the page of the message shows it in a frame."""
    content = _open(key).html
    if content is None:
        abort(404)
    response = make_response(_with_links_outside(content))
    response.content_security_policy = policy(
        {
            "sandbox": SANDBOX,
            "style-src": "'unsafe-inline'",
            "img-src": f"{state().settings.base_url} data:",
            "frame-ancestors": "'self'",
            "base-uri": "'self'",
        }
    )
    return response


@blueprint.get("/<key>/source")
def source(key: str) -> Response:
    """The mail as it came, byte for byte."""
    response = make_response(_open(key).source)
    response.content_type = "text/plain; charset=utf-8"
    return response


def _store() -> Store:
    return Store(state().settings.instance_dir / FOLDER)


def _open(key: str) -> CaughtMessage:
    found = _store().open(key)
    if found is None:
        abort(404)
    return found


def _with_links_outside(html: str) -> str:
    """`html` with links that open outside the frame; a mail cannot have a <base> of its own."""
    head, tag, rest = html.partition("<head>")
    return f"{head}{tag}{NEW_TAB}{rest}" if tag else NEW_TAB + html
