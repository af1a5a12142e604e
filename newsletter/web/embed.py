"""The form on other sites: a page for a frame, and what a municipality copies into its own site."""

from flask import Blueprint, Response, url_for

from newsletter.web import answers
from newsletter.web.page import LOCALE, locale, show, state

blueprint = Blueprint("embed", __name__)
TEMPLATE = "public/embed.html"


@blueprint.get(f"/{LOCALE}/embed")
def page(**_locale: str) -> Response:
    """The form alone, for a frame on another site."""
    return _framed(answers.ask_again(TEMPLATE, answers.blank(), 200, **_frame()))


@blueprint.post(f"/{LOCALE}/embed", endpoint="signup")
def ask(**_locale: str) -> Response:
    """Take the form; what came of it stands in the frame too, the same for everybody."""
    form_url = state().links.base_url + url_for(".page", locale=locale())
    again = answers.sign_up(TEMPLATE, form_url, **_frame())
    return _framed(again or show(TEMPLATE, done=True, indexed=False))


@blueprint.get(f"/{LOCALE}/for-your-site")
def for_your_site(**_locale: str) -> Response:
    """Two pieces of HTML to copy, with a live example."""
    base = state().links.base_url
    response = show(
        "public/for_your_site.html",
        start=base + url_for("public.start", locale=locale()),
        frame=base + url_for(".page", locale=locale()),
    )
    return answers.with_policy(response, {"frame-src": "'self'"})


def _frame() -> dict[str, object]:
    return {"action": url_for(".signup", locale=locale()), "framed": True, "indexed": False}


def _framed(response: Response) -> Response:
    """Only this page may stand in a frame, on the sites of EMBED_ORIGINS and on ours."""
    origins = state().settings.embed_origins
    ancestors = origins if origins == "*" else f"'self' {origins}".strip()
    return answers.with_policy(response, answers.WORKING | {"frame-ancestors": ancestors})
