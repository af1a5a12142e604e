"""One issue: its state in words, what happens next, its approvals, findings and proofs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import Response, request
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from newsletter import i18n, statistics
from newsletter.bounces import seeds
from newsletter.delivery import ledger
from newsletter.editors import people
from newsletter.errors import FixRequest
from newsletter.i18n import LOCALES, Said, _
from newsletter.issues import approving, arranging, foreseeing, holding, intros, publishing
from newsletter.models import Issue, IssueState, Role
from newsletter.web.desk import arrivals, reception
from newsletter.web.desk.ground import blueprint, me, needs, refused, row_number, say, show
from newsletter.web.desk.issues import words
from newsletter.web.desk.issues.ground import (
    DEEDS,
    MOVING,
    NUMBER,
    back,
    can_arrange,
    change,
    known,
    may,
)
from newsletter.web.desk.issues.pace import pace
from newsletter.web.page import now, state


@dataclass(frozen=True, slots=True)
class Yes:
    """An approval, as the page shows it. `void` says why it counts no more, or is empty."""

    name: str
    at: datetime
    void: str


@blueprint.get(NUMBER)
@needs(Role.EDITOR)
def issues_one(number: int) -> Response:
    """State, next step, contents and approvals of one issue."""
    settings, moment = state().settings, now()
    with state().database.read() as session:
        issue = known(session, number)
        lacking = _lacking(session, issue)
        values: dict[str, Any] = {
            "issue": issue,
            "places": arranging.places(session, number),
            "intros": sorted(intros.of(session, issue)),
            "approvals": _approvals(session, issue),
            "goes": holding.goes_when_approved(session, settings, issue, moment),
            "seen": approving.fingerprint(session, settings, issue),
            "foreseen": foreseeing.foresee(session, settings, issue, moment),
            "next": words.what_next(issue, lacking, moment),
            "people": [one for one in people.listed(session) if one.active],
        }
        progress = ledger.progress(session, number, moment) if issue.planned_at else None
        sightings = seeds.seen(session, number)
        counts = statistics.standing(session, progress, number) if progress else None
        done = _has_approved(session, issue)
    deeds = {deed for deed in DEEDS if may(issue, deed)}
    if done and (lacking or issue.state in (IssueState.APPROVED, IssueState.SCHEDULED)):
        deeds.discard("approve")
    if progress is None or not progress.refused:
        deeds.discard("retry")
    rate, left = pace(issue, progress, moment) if progress else (0.0, None)
    return show(
        "issues/one.html",
        deeds=deeds,
        progress=progress,
        counts=counts,
        reception=reception,
        arrivals=[arrivals.words(one) for one in sightings],
        rate=rate,
        left=left,
        arranges=can_arrange(issue),
        moves=issue.state in MOVING,
        lacking=lacking,
        needed=settings.approvals,
        languages=LOCALES,
        publisher=me().may(Role.PUBLISHER),
        words=words,
        **values,
    )


@blueprint.get(f"{NUMBER}/preflight")
@needs(Role.EDITOR)
def issues_preflight(number: int) -> Response:
    """What the preflight finds, each once, with the languages it is in."""
    with state().database.read() as session:
        issue = known(session, number)
        found = publishing.check(session, state().settings, issue, now())
    findings: dict[tuple[str, str, Said, Said], list[str]] = {}
    for locale, one in found:
        key = (one.grade, one.rule, one.message, one.where)
        findings.setdefault(key, []).append(i18n.own_name(locale))
    rows = sorted(findings.items(), key=lambda pair: pair[0][0] != "stop")
    stops = sum(key[0] == "stop" for key, _languages in rows)
    return show("issues/preflight.html", issue=issue, rows=rows, stops=stops, words=words)


@blueprint.post(f"{NUMBER}/proof")
@needs(Role.EDITOR)
def issues_proof(number: int) -> AnyResponse:
    """Mail a proof to oneself or to colleagues; nobody else gets one."""
    language = request.form.get("language", i18n.DEFAULT)
    wanted = {row_number(id) for id in request.form.getlist("to")}
    settings = state().settings

    def act(session: Session) -> dict[str, object]:
        issue = known(session, number)
        chosen = [one for one in people.listed(session) if one.active and one.id in wanted]
        if not chosen:
            raise _Nobody
        addresses = [one.email for one in chosen]
        holding.proof_to(session, settings, issue, language, addresses, now())
        return {"language": language, "editors": [one.id for one in chosen]}

    try:
        failed = change(number, "issue.proof", act)
    except _Nobody as error:
        return refused("desk.issues_one", FixRequest(str(error)), number=number)
    if failed is not None:
        return failed
    say(_("De proef is onderweg."))
    return back(number)


class _Nobody(Exception):
    """No colleague was chosen for a proof."""

    def __str__(self) -> str:
        return words.said(_("Kies wie de proef krijgt."))


@blueprint.post(f"{NUMBER}/approve")
@needs(Role.PUBLISHER)
def issues_approve(number: int) -> AnyResponse:
    """Approve the issue as the page showed it."""
    seen, settings = request.form.get("seen", ""), state().settings

    def act(session: Session) -> dict[str, object]:
        publishing.approve(session, settings, number, now(), me().id, seen)
        return {"hash": seen}

    failed = change(number, "issue.approve", act)
    if failed is not None:
        return failed
    say(_("Jouw goedkeuring is genoteerd."))
    return back(number)


def _lacking(session: Session, issue: Issue) -> int:
    if issue.planned_at is not None:
        return 0
    return approving.missing(session, state().settings, issue)


def _has_approved(session: Session, issue: Issue) -> bool:
    """Has who is signed in approved of the issue as it is?"""
    rows = approving.given(session, state().settings, issue)
    return any(one.counts and one.approval.editor_id == me().id for one in rows)


def _approvals(session: Session, issue: Issue) -> Sequence[Yes]:
    """Who approved and when; once planned, what the last of them approved is what counted."""
    names = {one.id: one.name for one in people.listed(session)}
    given, rows = approving.given(session, state().settings, issue), []
    for one in given:
        by = one.approval.editor_id
        name = names.get(by, "") if by else words.said(_("de opdrachtregel"))
        counted = one.approval.hash == given[-1].approval.hash
        counts = one.counts if issue.planned_at is None else counted
        void = "" if counts else _void(one.changed)
        rows.append(Yes(name, one.approval.at, void))
    return rows


def _void(changed: bool) -> str:
    if changed:
        return words.said(_("vervallen: het nummer is daarna veranderd"))
    return words.said(_("vervallen: deze persoon werkt hier niet meer"))
