"""The application: the only place that knows all sites of the web."""

from typing import Any

from flask import Flask, Response, request, url_for
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException, ServiceUnavailable
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.sansio.response import Response as WsgiResponse

import config
from newsletter import i18n
from newsletter import settings as settings_module
from newsletter.content.library import Library
from newsletter.db import Database, connect
from newsletter.links import Links
from newsletter.seeing import Watch
from newsletter.settings import Settings
from newsletter.tokens import tokens_of
from newsletter.web import (
    api,
    archive,
    data,
    desk,
    elsewhere,
    embed,
    faults,
    feeds,
    finding,
    inbox,
    leaving,
    page,
    pictures,
    preferences,
    proof,
    public,
    receipts,
    unasked,
    watching,
    webhooks,
)
from newsletter.web.accounts import gate, security
from newsletter.web.api import problems
from newsletter.web.desk import errors
from newsletter.web.shortcut import Shortcut

MAX_BODY = 64 * 1024  # octets of a form
STATIC_AGE = 365 * 24 * 3600  # seconds; the address of a static file holds its hash
RETRY_AFTER = 60  # seconds
SITES = (
    public,
    preferences,
    data,
    leaving,
    embed,
    archive,
    pictures,
    finding,
    feeds,
    proof,
    receipts,
    api,
    unasked,
    webhooks,
    watching,
    desk,
)


class Site(Flask):
    """A Flask application whose log names pages, never addresses: those may hold a token."""

    def log_exception(self, exc_info: Any) -> None:
        """Write the traceback of an unexpected error to the log (SEC-11)."""
        self.logger.error("Error in %s %s", request.method, request.endpoint, exc_info=exc_info)


def create_app(
    settings: Settings | None = None,
    database: Database | None = None,
    library: Library | None = None,
) -> Flask:
    """The whole site, as a WSGI application; what is not given is made from the settings.
    Raises FixSettings when a setting makes no sense."""
    settings = settings or settings_module.load()
    app = Site("newsletter", static_folder=str(page.STATIC_DIR), template_folder=_templates())
    app.config.update(MAX_CONTENT_LENGTH=MAX_BODY, SEND_FILE_MAX_AGE_DEFAULT=STATIC_AGE)
    # A redirect to add or merge slashes would break a one-click POST (RFC 8058 3.1) and would be
    # built from the Host header.
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    app.url_map.converters |= {"issue": page.IssueNumber, "slug": page.Slug}
    parts = app.extensions["newsletter"] = page.State(
        settings=settings,
        database=database or connect(settings.database_url),
        tokens=tokens_of(settings),
        links=Links(settings.base_url),
        library=library or Library(settings.content_dir, settings.timezone),
    )
    elsewhere.set_up(app, parts)
    _set_up_templates(app)
    _set_up_errors(app)
    app.after_request(page.secure)
    security.set_up(app, settings)
    for site in SITES:
        app.register_blueprint(site.blueprint)
    if not settings.production:
        app.register_blueprint(inbox.blueprint)
    app.extensions["watch"] = Watch(settings, parts.database)
    shortcut = Shortcut(app.wsgi_app, parts, app.extensions["leaving"])
    app.wsgi_app = watching.Watched(shortcut, settings)  # type: ignore[method-assign]
    if proxies := settings.trusted_proxies:
        fixed = ProxyFix(
            app.wsgi_app, x_for=proxies, x_proto=proxies, x_host=0, x_port=0, x_prefix=0
        )
        app.wsgi_app = fixed  # type: ignore[method-assign]
    return app


def _templates() -> str:
    return str(config.PROJECT_DIR / "templates")


def _set_up_templates(app: Flask) -> None:
    app.jinja_env.add_extension("jinja2.ext.i18n")
    app.jinja_env.install_gettext_callables(  # type: ignore[attr-defined]
        gettext=lambda text: i18n.translations(page.locale()).gettext(text),
        ngettext=lambda one, many, n: i18n.translations(page.locale()).ngettext(one, many, n),
        newstyle=True,
    )
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.context_processor(page.furniture)
    app.jinja_env.filters.update(page.FILTERS)


def _set_up_errors(app: Flask) -> None:
    app.register_error_handler(HTTPException, _explain)
    app.register_error_handler(OperationalError, _busy)
    app.register_error_handler(PoolTimeout, _busy)


def _explain(error: HTTPException) -> Response | WsgiResponse:
    """The page of an HTTP error, with the headers that belong to it (such as Allow)."""
    code = error.code or 500
    if code < 400:  # a redirect
        return error.get_response()
    if problems.is_ours(request.path):
        return problems.explained(error)
    if gate.on_desk(request.path):
        response = errors.explained(error, code)
    else:
        title, advice = faults.in_words(faults.FAULTS, code)
        said = {"title": title, "advice": advice, "ways": _ways()}
        response = page.show("public/error.html", code, **said, reference=_reference(code))
    for name, value in error.get_headers():
        if name != "Content-Type":
            response.headers[name] = value
    return response


def _reference(code: int) -> str:
    """What to name when one tells us of an error that is ours."""
    return watching.this_reference() if code >= 500 else ""


def _ways() -> list[tuple[str, str, str]]:
    """The way out, once in each language: locale, path, words."""
    return [
        (name, url_for("public.home", locale=name), i18n.translate(name, "Naar de voorpagina"))
        for name in i18n.LOCALES
    ]


def _busy(_error: Exception) -> Response | WsgiResponse:
    """The database is locked or gone: nothing was written, and the same request may come again."""
    return _explain(ServiceUnavailable(retry_after=RETRY_AFTER))
