"""The list of issues, what the next runs will hold, and making an issue by hand."""

from flask import Response, abort, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from newsletter.errors import FixContent
from newsletter.i18n import _
from newsletter.issues import arranging, publishing, slots
from newsletter.issues.compiler import compile_issue, read_ahead
from newsletter.models import Role
from newsletter.web.desk.ground import blueprint, needs, record, say, show
from newsletter.web.desk.issues import words
from newsletter.web.page import now, state

ROWS = 50


@blueprint.get("/issues")
@needs(Role.EDITOR)
def issues() -> Response:
    """All issues, newest first, and the ways to the next runs."""
    settings, moment = state().settings, now()
    page = max(1, request.args.get("page", 1, int))
    with state().database.read() as session:
        rows = publishing.listed(session)
    pages = max(1, -(-len(rows) // ROWS))
    return show(
        "issues/list.html",
        rows=rows[(page - 1) * ROWS : page * ROWS],
        page_number=page,
        pages_of=pages,
        runs={name: slots.following(settings, name, moment) for name in settings.cadences},
        words=words,
        items_are_here=settings.content_host,
    )


@blueprint.get("/issues/next/<cadence>")
@needs(Role.EDITOR)
def issues_next(cadence: str) -> Response:
    """What the next run of a cadence would hold as things are now."""
    if cadence not in state().settings.cadences:
        abort(404)
    with state().database.read() as session:
        run = arranging.next_run(session, state().settings, state().library, cadence, now())
    return show("issues/next.html", run=run, words=words)


@blueprint.post("/issues/compile")
@needs(Role.EDITOR)
def issues_compile() -> AnyResponse:
    """Make an issue of what readers of a cadence have not had."""
    cadence = request.form.get("cadence", "")
    if cadence not in state().settings.cadences:
        abort(404)
    at = now()
    wanted = (state().settings, state().library, at, cadence)
    try:
        with state().database.read() as session:
            read_ahead(session, *wanted)
        with state().database.write() as session:
            issue = compile_issue(session, *wanted)
            is_new = issue is not None and issue.compiled_at == at
            if issue is not None and is_new:
                record(session, "issue.compile", f"issue {issue.number}", {"cadence": cadence})
    except FixContent:
        say(_("Er zijn fouten in de artikels: verbeter die eerst."), "error")
        return redirect(url_for("desk.issues_next", cadence=cadence), 303)
    if issue is None:
        say(_("Er is niets nieuws: de lezers hebben alles al."), "info")
        return redirect(url_for("desk.issues_next", cadence=cadence), 303)
    if not is_new:
        say(
            _("Er is niets nieuws sinds nummer %(number)s: dat is dit."),
            "info",
            number=issue.number,
        )
        return redirect(url_for("desk.issues_one", number=issue.number), 303)
    say(_("Het nummer is gemaakt. Kijk het na, en zet het in de goede volgorde."))
    return redirect(url_for("desk.issues_one", number=issue.number), 303)
