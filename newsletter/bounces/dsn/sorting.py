"""The order in which a message is looked at: what machines say in fields first, then words."""

import re
from dataclasses import replace

from newsletter.addresses import ADDRESS
from newsletter.bounces.dsn import answers
from newsletter.bounces.dsn.complaints import complaint_in
from newsletter.bounces.dsn.freetext import copied_fields, failures_in, lead, said_and_copy
from newsletter.bounces.dsn.judging import Failure, is_vague, judge_failure
from newsletter.bounces.dsn.opening import VALUE, Fields, Opened, fields_of, open_message
from newsletter.bounces.dsn.phrases import DAEMON, FAILURE, MACHINE
from newsletter.bounces.dsn.plaintext import CONTROLS, one_line
from newsletter.bounces.dsn.status import failures_of, in_text
from newsletter.bounces.report import MAX_REASON, Kind, Report

DELIVERED_TO = ("delivered-to", "x-original-to", "envelope-to", "x-envelope-to", "to", "cc")
MESSAGE_ID = re.compile(r"<([^<>\s]{1,500})>")
REPLY = re.compile(r"\s*(?:re|fwd?|antw|aw|wg|tr|sv|vs|betr)\s*(?:\[\d+\])?:", re.IGNORECASE)
RULE = re.compile(r"[-=*~_#]{4,}")  # drawn
LONG = 500  # characters; no address or Message-ID of ours comes near
NESTED = 3  # reports in reports that gateways wrap


def sort(raw: bytes) -> list[Report]:
    """Read a message as `read` does; an exception would be a fault of ours."""
    return [_tidy(report) for report in _sort(raw, NESTED)]


def _sort(raw: bytes, nested: int) -> list[Report]:
    opened = open_message(raw)
    said, copy = said_and_copy(opened.text)
    original = opened.original or copied_fields(copy)
    common = _common(opened, original)
    if complaint := complaint_in(opened):
        kind, feedback_type, recipient = complaint
        return [replace(common, kind=kind, feedback_type=feedback_type, recipient=recipient)]
    if nested and _wraps_report(opened):
        return _sort(opened.enclosed, nested - 1)
    if failures := _failures(opened, said, original):
        common = replace(common, written=not _says_machine(opened))
        return [_of_failure(common, failure, original) for failure in failures]
    kind = _kind_of_answer(opened, said)
    sender = common.sender if kind is not Kind.UNKNOWN else None
    return [replace(common, kind=kind, recipient=sender)]


def _tidy(report: Report) -> Report:
    """Nothing in addresses that no database takes, and none that is too long for one."""
    return replace(
        report,
        recipient=_short(report.recipient),
        message_id=_short(report.message_id),
        return_path=_short(report.return_path),
        sender=_short(report.sender),
    )


def _short(text: str | None) -> str | None:
    clean = CONTROLS.sub("", text or "")
    return clean if 0 < len(clean) <= LONG else None


def _failures(opened: Opened, said: str, original: Fields) -> list[Failure]:
    """What could not be delivered, by fields or by words; empty when the message is no bounce."""
    stated = failures_of(opened.status or in_text(said)) if _is_report(opened) else []
    counting = [failure for failure in stated if failure.action in ("failed", "delayed")]
    if stated and not counting:
        return stated
    if counting and all(failure.recipient and failure.words for failure in counting):
        return counting
    told = failures_in(opened, said, _us(opened, original)) if _may_be_told(opened, said) else []
    if not counting:
        return told
    named = told[0].recipient if len(counting) == 1 and told else None
    words = told[0].words if told else ""
    return [
        replace(
            one,
            recipient=one.recipient or named,
            words=one.words or (words if is_vague(one.stated) else ""),
        )
        for one in counting
    ]


def _is_report(opened: Opened) -> bool:
    return opened.kind == "multipart/report" or _from_machine(opened)


def _wraps_report(opened: Opened) -> bool:
    """Is it a report that a gateway put into a message of its own?"""
    kind = next(iter(opened.original.get("content-type", ())), "").lower()
    return bool(
        not opened.status and kind.startswith("multipart/report") and opened.enclosed
    ) and _from_machine(opened)


def _may_be_told(opened: Opened, said: str) -> bool:
    """Is it a program's own word that something was not delivered, and not a person's?"""
    subject, sender = opened.first("subject"), opened.first("from")
    if opened.report_type == "delivery-status" or "x-failed-recipients" in opened.fields:
        return True
    if answers.automatic_subject(opened) or answers.says_away(said):
        return False
    if DAEMON.search(sender) or "@" not in sender or opened.disposition:
        return True
    answered = "in-reply-to" in opened.fields or "references" in opened.fields
    if answered and not (MACHINE.search(sender) or answers.null_sender(opened)):
        return False
    begins = " ".join(lead(said)).lower()
    if REPLY.match(subject):
        return FAILURE.search(begins[:200]) is not None
    told = FAILURE.search(subject.lower()) or FAILURE.search(begins[:600])
    return MACHINE.search(sender) is not None or told is not None


def _says_machine(opened: Opened) -> bool:
    """Does any field say that a program wrote it?"""
    failed = "x-failed-recipients" in opened.fields or answers.automatic_field(opened)
    return failed or _is_report(opened) or DAEMON.search(opened.first("from")) is not None


def _from_machine(opened: Opened) -> bool:
    sender = opened.first("from")
    return "@" not in sender or MACHINE.search(sender) is not None


def _kind_of_answer(opened: Opened, said: str) -> Kind:
    sent_to = " ".join(one_line(" ".join(opened.fields.get(name, ()))) for name in DELIVERED_TO)
    answered = opened.first("auto-submitted").lower().startswith("auto-replied")
    if answers.LEAVING.search(sent_to) and not answered:
        return Kind.UNSUBSCRIBE
    if answers.is_automatic(opened, said):
        return Kind.AUTO_REPLY
    if answers.is_leaving(opened, said):
        return Kind.UNSUBSCRIBE
    wrote = "@" in opened.first("from") and (said.strip() or opened.first("subject"))
    return Kind.HUMAN if wrote else Kind.UNKNOWN


def _of_failure(common: Report, failure: Failure, original: Fields) -> Report:
    judgement = judge_failure(failure)
    to = ADDRESS.search(" ".join(original.get("to", ()))[:VALUE])
    return replace(
        common,
        kind=judgement.kind,
        status=judgement.status,
        ours=judgement.ours,
        reason=one_line(RULE.sub(" ", failure.words))[:MAX_REASON].strip() or None,
        recipient=failure.recipient or (to[0] if to else None),
    )


def _us(opened: Opened, original: Fields) -> frozenset[str]:
    """Addresses of the report that are its writer's or ours, in lower case."""
    values = [value for name in ("from", *DELIVERED_TO) for value in opened.fields.get(name, ())]
    values += [value for name in ("from", "return-path") for value in original.get(name, ())]
    return frozenset(found[0].lower() for found in ADDRESS.finditer(" ".join(values)[:VALUE]))


def _common(opened: Opened, original: Fields) -> Report:
    """What is the same in all reports of a message."""
    sender = ADDRESS.search(opened.first("from"))
    return Report(
        Kind.UNKNOWN,
        message_id=_message_id(opened, original),
        return_path=_return_path(opened, original),
        sender=sender[0] if sender else None,
        subject=opened.first("subject")[:MAX_REASON] or None,
    )


def _message_id(opened: Opened, original: Fields) -> str | None:
    """The one of what came back; else of what is answered."""
    status = fields_of(opened.status or opened.disposition)
    for values in (
        original.get("message-id"),
        status.get("original-message-id"),
        opened.fields.get("in-reply-to"),
        opened.fields.get("references"),
    ):
        if found := MESSAGE_ID.search(" ".join(values or ())[:VALUE]):
            return found[1]
    return None


def _return_path(opened: Opened, original: Fields) -> str | None:
    """Where the report went: an address with a tag before one without, ours before theirs."""
    fields = [opened.fields.get(name, []) for name in DELIVERED_TO]
    fields += [
        fields_of(opened.status).get("x-postfix-sender", []),
        fields_of(opened.feedback).get("original-mail-from", []),
        original.get("return-path", []),
    ]
    found = [match[0] for values in fields for match in ADDRESS.finditer(" ".join(values)[:VALUE])]
    return next((address for address in found if "+" in address), found[0] if found else None)
