"""The list of items, and a new one."""

from flask import Response, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from newsletter import i18n
from newsletter.content import matter, writing
from newsletter.editors import people
from newsletter.i18n import DEFAULT, LOCALES, Said, _
from newsletter.issues import drafting, stock
from newsletter.issues.drafting import Text
from newsletter.issues.stock import Stage, Wish
from newsletter.models import Role
from newsletter.web.desk.ground import blueprint, me, needs, say, show
from newsletter.web.desk.items.access import skeleton
from newsletter.web.page import locale, now, state, topics

ROWS = 50
STAGES = {
    Stage.DRAFT: _("kladversie"),
    Stage.READY: _("klaar"),
    Stage.PUBLISHED: _("verschenen"),
    Stage.WITHDRAWN: _("ingetrokken"),
}
LANGUAGES = {
    "missing": _("ontbreekt"),
    "stale": _("volgt een oudere Nederlandse tekst"),
    "draft": _("kladversie"),
    "there": _("klaar"),
}


@blueprint.get("/items")
@needs(Role.WRITER)
def items() -> Response:
    """The items that were asked for; a writer sees their own."""
    asked, page = request.args, max(1, request.args.get("page", 1, int))
    own = "own" in asked or not me().may(Role.EDITOR)
    wish = Wish(
        words=asked.get("q", ""),
        stage=asked.get("stage", ""),
        topic=asked.get("topic", ""),
        gap=asked.get("gap", ""),
        owner=me().id if own else None,
    )
    with state().database.read() as session:
        rows = stock.listed(session, state().library, wish, locale())
        drafts = drafting.mine(session, me().id)
        names = {one.id: one.name for one in people.listed(session)}
    return show(
        "items/list.html",
        rows=rows[(page - 1) * ROWS : page * ROWS],
        total=len(rows),
        page_number=page,
        pages_of=max(1, -(-len(rows) // ROWS)),
        wish=wish,
        own=own,
        names=names,
        unsaved=[(one.slug, one.locale, one) for one in drafts],
        findings=_broken(),
        stages=STAGES,
        stage_options=[(one.value, i18n.translate(locale(), STAGES[one])) for one in Stage],
        gap_options=[(one, i18n.own_name(one)) for one in LOCALES if one != DEFAULT],
        asked={name: value for name, value in asked.items() if name != "page"},
        topic_names=topics(),
        language_states=LANGUAGES,
    )


@blueprint.get("/items/new")
@needs(Role.WRITER)
def items_new() -> Response:
    """The form for a new item."""
    return show("items/new.html")


@blueprint.post("/items")
@needs(Role.WRITER, typed={"title": _("Titel")})
def items_make() -> AnyResponse:
    """Begin a new item: an unsaved text under a name that is free."""
    title = " ".join(request.form.get("title", "").split())
    if not title:
        return show("items/new.html", 422, problem=_("Geef het artikel een titel."))
    folder, moment = state().library.folder, now()
    text = matter.written(skeleton("", moment), {"title": title})
    with state().database.write() as session:
        slug = writing.free_slug(folder, title, drafting.slugs(session))
        drafting.keep(session, Text(me().id, slug, DEFAULT), "", text, moment)
    say(_("Het artikel staat nog niet bewaard: vul het aan en druk op “Bewaar”."), "info")
    return redirect(url_for("desk.items_text", slug=slug, language=DEFAULT), 303)


def _broken() -> list[tuple[str, str, Said]]:
    """What has to be mended on the shelf before anything is sent: slug, language, what."""
    if not me().may(Role.EDITOR):
        return []
    found = []
    for finding in state().library.check():
        stem, _dot, language = finding.path.name.removesuffix(".md").rpartition(".")
        is_item = "items" in finding.path.parts and language in LOCALES
        found.append((stem if is_item else "", language, finding.said))
    return found
