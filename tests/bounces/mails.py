"""Messages as they come in, written out."""

DSN = """\
From: MAILER-DAEMON@mx.example (Mail Delivery System)
To: {to}
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

I'm sorry to have to inform you that your message could not be delivered.

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example

Final-Recipient: rfc822; {recipient}
Action: {action}
Status: {status}
Diagnostic-Code: smtp; {words}

--b
Content-Type: text/rfc822-headers

Message-ID: <{message_id}>
From: Fiabel <fiabel@nieuws.test>

--b--
"""
PERSON = """\
From: =?utf-8?q?Jos=C3=A9_Peeters?= <jose@voorbeeld.example>
To: {to}
Subject: =?utf-8?q?Re=3A_caf=C3=A9?=
Message-ID: <a@voorbeeld.example>
MIME-Version: 1.0
Content-Type: text/plain; charset="iso-8859-1"
Content-Transfer-Encoding: quoted-printable

Dag redactie,

dit caf=E9 is al lang dicht.
"""
ARF = """\
From: feedback@provider.example
To: feedback@nieuws.test
Subject: FW: Nummer 1
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="b"

--b
Content-Type: text/plain

This is an email abuse report.

--b
Content-Type: message/feedback-report

Feedback-Type: {type}
User-Agent: Provider/1.0
Version: 1
Original-Mail-From: <{to}>

--b
Content-Type: message/rfc822

Return-Path: <{to}>
Message-ID: <{message_id}>
From: Fiabel <fiabel@nieuws.test>
Subject: Nummer 1

Dag
--b--
"""
VACATION = """\
From: r1@voorbeeld.example
To: {to}
Subject: Afwezig: Fiabel-nieuws
Auto-Submitted: auto-replied

Ik ben op vakantie.
"""


def dsn(
    to: str,
    status: str = "5.1.1",
    action: str = "failed",
    words: str = "550 5.1.1 no such user",
    message_id: str = "x@y",
    recipient: str = "r1@voorbeeld.example",
) -> bytes:
    """A delivery status notification (RFC 3464) that was sent to `to`."""
    values = {"to": to, "status": status, "action": action, "words": words}
    return DSN.format(message_id=message_id, recipient=recipient, **values).encode()


def person(to: str = "bounce@nieuws.test") -> bytes:
    """Somebody writes."""
    return PERSON.format(to=to).encode()


def vacation(to: str) -> bytes:
    """A program answers."""
    return VACATION.format(to=to).encode()


def complaint(to: str, feedback_type: str = "abuse", message_id: str = "x@y") -> bytes:
    """Feedback of a provider (RFC 5965) about a message whose bounces come back to `to`."""
    values = {"to": to, "type": feedback_type, "message_id": message_id}
    return ARF.format(**values).encode()
