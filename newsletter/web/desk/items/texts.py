"""One text of an item: its form, saving it, and what happens when somebody else saved it first."""

import difflib
from collections.abc import Sequence
from typing import Any

from flask import (
    Response,
    flash,
    jsonify,
    make_response,
    redirect,
    render_template,
    request,
    url_for,
)
from markupsafe import Markup
from werkzeug.wrappers import Response as AnyResponse

from newsletter import i18n
from newsletter.content import merging, receiving, submitting
from newsletter.content.merging import Merge
from newsletter.content.submitting import Author, Faults, Saved
from newsletter.content.translations import languages
from newsletter.content.writing import Conflict
from newsletter.editors import people
from newsletter.errors import FixContent, FixRequest, NewsletterError, TryLater
from newsletter.i18n import DEFAULT, _, translate
from newsletter.issues import drafting, stock
from newsletter.issues.previewing import Remark, preview
from newsletter.issues.stock import Stage
from newsletter.models import Role
from newsletter.web.desk.ground import blueprint, done, me, needs, record, refused, say, show
from newsletter.web.desk.items import form
from newsletter.web.desk.items.access import ONE, Work, find, packed, readable, unpacked
from newsletter.web.desk.items.listing import LANGUAGES, STAGES
from newsletter.web.page import locale, now, state, topics

UNREADABLE = _(
    "Het bestand is intussen geen leesbare tekst (UTF-8) meer. Laat het verbeteren in de map, en "
    "bewaar dan opnieuw."
)
LONGEST_LIST = 500  # names of pictures that are proposed


@blueprint.get(ONE)
@needs(Role.WRITER)
def items_text(slug: str, language: str) -> Response:
    """The form of a text, with what its editor typed and did not save."""
    with state().database.read() as session:
        work = find(session, slug, language)
    return _form(work, work.text, work.base)


@blueprint.post(ONE)
@needs(Role.WRITER, typed=form.TYPED)
def items_save(slug: str, language: str) -> AnyResponse:
    """Save the text, when nobody else did meanwhile."""
    work, base, text = _sent(slug, language)
    try:
        saved = submitting.submit(
            state().library, work.path, text.encode(), base.encode(), _author()
        )
    except Conflict as conflict:
        _keep(work, base, text)
        return _conflict(work, conflict)
    except Faults as faults:
        _keep(work, base, text)
        remarks = [Remark("stop", note.line, note.message) for note in faults.notes]
        return _form(work, text, base, 422, remarks)
    except (FixRequest, TryLater) as error:
        _keep(work, base, text)
        return _form(work, text, base, 422, _stops(error))
    _log(work, saved)
    _tell(_("De tekst is bewaard."), saved)
    return _back(slug, language)


@blueprint.post(f"{ONE}/keep")
@needs(Role.WRITER, typed=form.TYPED)
def items_keep(slug: str, language: str) -> AnyResponse:
    """Keep what was typed, without saving it; for a script, or to look at the preview."""
    work, base, text = _sent(slug, language)
    is_kept = _keep(work, base, text)
    if request.accept_mimetypes.best == "application/json":
        return _kept(work, text) if is_kept else make_response("", 409)
    if not is_kept:
        return _form(work, text, base, 409)
    return redirect(url_for("desk.items_preview", slug=slug, language=language), 303)


@blueprint.post(f"{ONE}/drop")
@needs(Role.WRITER)
def items_drop(slug: str, language: str) -> AnyResponse:
    """Forget what was typed, and go back to the file."""
    with state().database.write() as session:
        work = find(session, slug, language)
        drafting.drop(session, work.typing, work.tabs)
        left = drafting.kept(session, work.typing)
    if left:  # typed elsewhere since; the page says so
        return _back(slug, language)
    if not work.file and not work.dutch:
        return done("desk.items", _("Het onbewaarde artikel is weg."))
    return done("desk.items_text", _("Dit is de bewaarde tekst."), slug=slug, language=language)


@blueprint.post(f"{ONE}/delete")
@needs(Role.WRITER)
def items_delete(slug: str, language: str) -> AnyResponse:
    """Take away a text that no reader ever got."""
    with state().database.read() as session:
        work = find(session, slug, language)
    never_sent = work.stage in (Stage.DRAFT, Stage.READY)
    try:
        if not never_sent:
            raise FixRequest(
                _("Wat verschenen is, blijft; maak er een kladversie van om het in te trekken.")
            )
        saved = submitting.withdraw(state().library, work.path, unpacked().encode(), _author())
    except Conflict:
        changed = FixRequest(_("Iemand anders heeft deze tekst intussen gewijzigd; kijk eerst na."))
        return refused("desk.items_text", changed, slug=slug, language=language)
    except NewsletterError as error:
        return refused("desk.items_text", error, slug=slug, language=language)
    _log(work, saved, "item.delete")
    _tell(_("De tekst is verwijderd."), saved)
    return redirect(url_for("desk.items"), 303)


@blueprint.post(f"{ONE}/picture")
@needs(Role.WRITER, typed=form.TYPED)
def items_picture(slug: str, language: str) -> AnyResponse:
    """Take in a picture, above the story or at the end of its text; the rest is kept as typed."""
    work, base, text = _sent(slug, language)
    upload = request.files.get("picture")
    alt = " ".join(request.form.get("picture_alt", "").split())
    credit = " ".join(request.form.get("picture_credit", "").split())
    try:
        if upload is None or not upload.filename:
            raise FixRequest(_("Kies eerst een foto op je toestel."))
        if not alt:
            raise FixRequest(_("Zeg wat er op de foto te zien is, voor wie haar niet ziet."))
        picture = (upload.read(), upload.filename)
        name, saved = submitting.illustrate(state().library, *picture, _author())
    except (FixRequest, FixContent, TryLater) as error:
        _keep(work, base, text)
        return _form(work, text, base, 422, _stops(error))
    above = request.form.get("picture_place") != "text"
    text = form.with_picture(text, name, alt, credit, above=above)
    is_kept = _keep(work, base, text)
    with state().database.write() as session:
        record(session, "item.picture", f"item {slug}", {"picture": name})
    if not is_kept:
        return _form(work, text, base, 409)
    _tell(_("De foto staat in je tekst."), saved)
    return _back(slug, language)


def _sent(slug: str, language: str) -> tuple[Work, str, str]:
    """What a form of a text brings back: the text it is about, what it began from, what it says
    now."""
    with state().database.read() as session:
        work = find(session, slug, language, typed=True)
    base = unpacked()
    return work, base, form.typed(work, base)


def _stops(error: NewsletterError) -> list[Remark]:
    return [Remark("stop", None, told) for told in error.said]


def _form(
    work: Work, text: str, base: str, status: int = 200, remarks: Sequence[Remark] = ()
) -> Response:
    fields = form.shown(text)
    found = preview(state().settings, state().library, work.path, text.encode(), now())
    items = {item.slug: item for item in state().library.sound_items()}
    item = items.get(work.slug)
    with state().database.read() as session:
        names = {one.id: one.name for one in people.listed(session)}
    told = dict.fromkeys([*remarks, *found.remarks])
    return show(
        "items/text.html",
        status,
        work=work,
        fields=fields,
        text=text,
        was=packed(base),
        remarks=form.placed(text, list(told)),
        refused=form.placed(text, remarks),
        labels=form.LABELS,
        dutch=form.shown(work.dutch) if work.is_translation else None,
        languages=languages(state().library.folder, item) if item else {},
        language_states=LANGUAGES,
        stages=STAGES,
        topic_names=topics(),
        pictures=receiving.listed(state().library.folder)[:LONGEST_LIST],
        others=[names[one] for one in work.at_work if one in names],
        kept_at=_clock(work) if work.draft and not remarks else None,
        changed=bool(work.draft) and work.base.encode() != work.file,
        only_drafts=not me().may(Role.EDITOR),
    )


def _conflict(work: Work, conflict: Conflict) -> Response:
    base, ours, theirs = conflict.base.decode(), conflict.ours.decode(), readable(conflict.theirs)
    if theirs is None:
        return _form(work, ours, base, 422, _stops(FixRequest(UNREADABLE)))
    marks = (translate(locale(), _("van de ander")), translate(locale(), _("van jou")))
    merged = merging.merge(base, theirs, ours, marks) if theirs else Merge(ours, 0)
    columns = [
        (_("Waar je mee begon"), _marked(base, base)),
        (_("Wat de ander bewaarde"), _marked(base, theirs)),
        (_("Wat jij schreef"), _marked(base, ours)),
    ]
    return show(
        "items/conflict.html",
        409,
        work=work,
        columns=columns,
        merged=merged,
        was=packed(theirs),
        gone=not theirs,
    )


def _marked(base: str, text: str) -> list[tuple[str, bool]]:
    """The lines of a text; those that are not in `base` are True."""
    old, new = base.splitlines(), text.splitlines()
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    same = {
        n for block in matcher.get_matching_blocks() for n in range(block.b, block.b + block.size)
    }
    return [(line, number not in same) for number, line in enumerate(new)]


def _kept(work: Work, text: str) -> Response:
    found = preview(state().settings, state().library, work.path, text.encode(), now())
    time = f"{now().astimezone(state().settings.timezone):%H:%M}"
    kept = translate(locale(), "Onbewaarde tekst bijgehouden om %(time)s.", time=time)
    html = render_template(
        "desk/items/_remarks.html", remarks=form.placed(text, found.remarks), labels=form.LABELS
    )
    response: Response = make_response(jsonify(kept=kept, remarks=html))
    return response


def _keep(work: Work, base: str, text: str) -> bool:
    """Keep what was typed; False, and it is said, when the same editor typed elsewhere too."""
    try:
        with state().database.write() as session:
            drafting.keep(session, work.typing, base, text, now(), work.tabs)
    except drafting.Elsewhere as error:
        flash(error.in_(locale()), "error")
        return False
    return True


def _clock(work: Work) -> str:
    assert work.draft  # noqa: S101 - asked for only then
    return i18n.date_and_time(work.draft.saved_at, locale(), state().settings.timezone)


def _author() -> Author:
    """Who saves; for Git without their own address, which could never be taken out of it."""
    host = state().settings.base_url.partition("://")[2].partition(":")[0].partition("/")[0]
    return Author(me().name, f"editor-{me().id}@{host}", not me().may(Role.EDITOR))


def _log(work: Work, saved: Saved, action: str = "item.save") -> None:
    """Write down what was saved, and forget what was typed."""
    is_new = action == "item.save" and not work.file and work.language == DEFAULT
    facts: dict[str, Any] = {"language": work.language, "version": saved.version}
    facts["files"] = len(saved.paths)
    with state().database.write() as session:
        if saved.paths:
            record(session, stock.MAKE if is_new else action, f"item {work.slug}", facts)
        drafting.drop(session, work.typing, work.tabs)


def _tell(text: str, saved: Saved) -> None:
    """Say what was done, and what Git said when it could not go along."""
    if saved.fault is None:
        return say(text)
    but = translate(locale(), _("Het staat alleen nog niet in de geschiedenis (Git), want:"))
    told = Markup('{} {} <q lang="en">{}</q>')
    return flash(told.format(translate(locale(), text), but, saved.fault), "error")


def _back(slug: str, language: str) -> AnyResponse:
    return redirect(url_for("desk.items_text", slug=slug, language=language), 303)
