"""A mail as a page of the site."""

from flask import Response, make_response

from newsletter.web.page import policy, state


def as_mail(html: str) -> Response:
    """A mail as a page: it carries its styles inline; nothing in it may run or send anything."""
    response = make_response(html)
    response.content_security_policy = policy(
        {
            "style-src": "'unsafe-inline'",
            "img-src": state().links.base_url,
            "form-action": "'none'",
            "sandbox": "allow-popups allow-popups-to-escape-sandbox",
        }
    )
    response.headers["X-Robots-Tag"] = "noindex"
    return response
