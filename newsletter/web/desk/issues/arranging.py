"""The order of an issue, its lead first, and the words of the editors above it."""

import hashlib

from flask import redirect, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from newsletter.errors import FixContent, FixRequest
from newsletter.i18n import LOCALES, _
from newsletter.issues import arranging as room
from newsletter.issues import intros
from newsletter.models import Role
from newsletter.web.desk.ground import blueprint, needs, record, say, show
from newsletter.web.desk.issues.ground import NUMBER, back, can_arrange, change, known, say_why_not
from newsletter.web.page import locale, state

LANGUAGE = f"<any({','.join(LOCALES)}):language>"
LONGEST = 5000  # characters of an intro


@blueprint.get(f"{NUMBER}/order")
@needs(Role.EDITOR)
def issues_order(number: int) -> AnyResponse:
    """The items with buttons to move each of them."""
    with state().database.read() as session:
        issue, places = known(session, number), room.places(session, number)
    if not can_arrange(issue):
        say_why_not(number)
        return back(number)
    return show("issues/order.html", issue=issue, places=places)


@blueprint.post(f"{NUMBER}/order")
@needs(Role.EDITOR)
def issues_reorder(number: int) -> AnyResponse:
    """Move one item to a place (`slug`, `to`), or put all in an order (`order`, one a line)."""
    sent = request.form
    slug, order = sent.get("slug", ""), sent.get("order", "").split()
    to = sent.get("to", 0, int)

    def act(session: Session) -> dict[str, object]:
        present = [place.slug for place in room.places(session, number)]
        wanted = order or room.moved(present, slug, to)
        room.reorder(session, number, wanted)
        return {"order": wanted}

    failed = change(number, "issue.order", act)
    if failed is not None:
        return failed
    say(_("De volgorde is bewaard."))
    anchor = f"item-{slug}" if slug else None
    return redirect(url_for("desk.issues_order", number=number, _anchor=anchor), 303)


@blueprint.get(f"{NUMBER}/intro")
@needs(Role.EDITOR)
def issues_intro(number: int) -> AnyResponse:
    """The words above the news, in each language."""
    return _page(number)


@blueprint.post(f"{NUMBER}/intro/{LANGUAGE}")
@needs(Role.EDITOR, typed={"text": _("Inleiding")})
def issues_write(number: int, language: str) -> AnyResponse:
    """Write them in one language; empty is none."""
    text = request.form.get("text", "").replace("\r\n", "\n")
    try:
        with state().database.write() as session:
            known(session, number)
            if request.form.get("was") != _version(intros.written(session, number, language)):
                meant = _("Iemand anders veranderde dit intussen. Jouw tekst staat hieronder nog.")
                raise FixContent(meant)
            if len(text) > LONGEST:
                raise FixContent(_("Dit is te lang voor een inleiding."))
            intros.write(session, number, language, text)
            record(session, "issue.intro", f"issue {number}", {"language": language})
    except FixContent as error:
        return _page(number, language, text, error.in_(locale()))
    except FixRequest:
        say_why_not(number)
        return back(number)
    say(_("De inleiding is bewaard."))
    return redirect(url_for("desk.issues_intro", number=number, _anchor=f"text-{language}"), 303)


def _page(number: int, language: str = "", text: str = "", problem: str = "") -> AnyResponse:
    with state().database.read() as session:
        issue = known(session, number)
        written = {name: intros.written(session, number, name) for name in LOCALES}
    if not can_arrange(issue):
        say_why_not(number)
        return back(number)
    return show(
        "issues/intro.html",
        422 if problem else 200,
        issue=issue,
        languages=LOCALES,
        texts=written | ({language: text} if problem else {}),
        versions={name: _version(one) for name, one in written.items()},
        problems={language: problem} if problem else {},
        theirs=written[language] if problem else "",
    )


def _version(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
