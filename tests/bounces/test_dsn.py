"""What reading makes of messages, in our own words, in the forms in which they come."""

import re
from pathlib import Path

import pytest

from newsletter.bounces.dsn.sorting import sort
from newsletter.bounces.report import Kind, Report

SAMPLES = Path(__file__).parent / "samples"

# Sample: what it is of each recipient: kind (! as it is our fault), status, recipient.
TABLE = {
    "postfix-unknown": "hard 5.1.1 an@school.example",
    "postfix-delayed": "delayed 4.4.1 bo@traag.example",
    "postfix-expired": "soft 4.4.1 bo@traag.example",
    "postfix-two-recipients": "hard 5.1.1 een@school.example; soft 5.2.2 twee@school.example",
    "postfix-spam": "soft! 5.7.1 chris@streng.example",
    "dsn-delivered": "unknown 2.1.5 dirk@school.example",
    "exim-unrouteable": "hard - els@weg.example",
    "exim-full": "soft 5.2.2 fien@vol.example",
    "exim-warning": "delayed - gust@traag.example",
    "qmail-unknown": "hard 5.1.1 hans@qmail.example",
    "qmail-too-long": "soft 4.4.1 ilse@qmail.example",
    "exchange-2003": "hard - jef@bedrijf.example",
    "m365-unknown": "hard 5.1.10 kaat@gemeente.example",
    "m365-edge": "hard 5.4.1 leo@gemeente.example",
    "m365-expired": "soft 4.4.7 mia@gemeente.example",
    "gmail-unknown": "hard 5.1.1 nina@gmail.example",
    "gmail-full": "soft 5.2.2 otto@gmail.example",
    "yahoo-disabled": "soft - piet@yahoo.example",
    "sendmail-unknown": "hard 5.1.1 quinten@unix.example",
    "sendmail-4day": "soft - rik@unix.example",
    "notes-unknown": "hard - sara@notes.example",
    "zimbra-full": "soft 5.2.2 tom@zimbra.example",
    "opensmtpd-error": "hard 5.0.0 ursula@open.example",
    "german-gmx": "hard - vera@gmx.example",
    "french-full": "soft - willy@orange.example",
    "dutch-unknown": "hard - xander@telenet.example",
    "wrapped-by-gateway": "hard 5.1.1 yves@school.example",
    "lost-boundary": "hard 5.1.1 zita@school.example",
    "text-brackets": "hard - anke@klas.example",
    "text-too-many-messages": "soft - bram@klas.example",
    "text-arrows": "hard - chaima@klas.example",
    "text-james": "soft 4.3.2 daan@klas.example",
    "text-attempts": "hard - emma@klas.example",
    "text-transcript-only": "hard - finn@klas.example",
    "text-their-mailbox": "soft - gitte@klas.example",
    "text-server-message": "hard 5.1.1 hamza@klas.example",
    "text-error-code": "hard 5.1.1 imke@klas.example",
    "text-courier": "hard 5.1.1 joris@klas.example",
    "text-exchange-2007": "hard 5.1.1 kobe@klas.example",
    "text-reasons": "hard - lotte@klas.example",
    "text-japanese": "hard - mats@klas.example",
    "text-affected": "hard 5.1.1 noor@klas.example",
    "text-rejected-by": "soft - oona@klas.example",
    "exim-two-recipients": "soft 5.2.2 quirine@vol.example; hard 5.1.1 remi@vol.example",
    "text-returned-deferred": "soft - sofie@klas.example",
    "folds-lost": "hard 5.1.1 thijs@klas.example",
    "arf-yahoo": "complaint - anna@yahoo.example",
    "arf-not-spam": "unknown - anna@yahoo.example",
    "arf-incomplete": "unknown - -",
    "jmrp": "complaint - bert@hotmail.example",
    "vacation-nl": "auto_reply - cato@school.example",
    "vacation-nl-bare": "auto_reply - cato@school.example",
    "vacation-fr": "auto_reply - denis@ecole.example",
    "vacation-de": "auto_reply - egon@schule.example",
    "vacation-en": "auto_reply - fred@office.example",
    "ticket": "auto_reply - helpdesk@gemeente.example",
    "read-receipt": "auto_reply - gerda@school.example",
    "unsubscribe-token": "unsubscribe - hugo@school.example",
    "unsubscribe-subject": "unsubscribe - ines@school.example",
    "unsubscribe-body": "unsubscribe - jan@school.example",
    "unsubscribe-fr": "unsubscribe - karine@ecole.example",
    "unsubscribe-de": "unsubscribe - lars@schule.example",
    "human-question": "human - mieke@school.example",
    "human-quotes-bounce": "human - nele@school.example",
    "human-forwards-bounce": "human - omar@school.example",
    "human-postmaster": "human - postmaster@school.example",
    "vacation-null-sender": "auto_reply - pia@school.example",
    "human-postmaster-quotes": "human - postmaster@school.example",
    "phone-gateway": "hard - 32470000000@sms.example",
    "nothing": "unknown - -",
}


def read(name: str) -> list[Report]:
    """A sample, read with no net below."""
    return sort((SAMPLES / f"{name}.eml").read_bytes())


def told(report: Report) -> str:
    kind = f"{report.kind}{'!' if report.ours else ''}"
    return f"{kind} {report.status or '-'} {report.recipient or '-'}"


@pytest.mark.parametrize("name", TABLE)
def test_smt_12_17_18_a_message_is_what_it_says(name: str) -> None:
    assert "; ".join(map(told, read(name))) == TABLE[name]


def test_the_table_has_every_sample() -> None:
    assert {file.stem for file in SAMPLES.iterdir()} == set(TABLE)


@pytest.mark.parametrize("name", TABLE)
@pytest.mark.parametrize(("old", "new"), [(b"\n", b"\r\n"), (b"\n", b"\r"), (b"\n", b"\r\r\n")])
def test_line_ends_do_not_matter(name: str, old: bytes, new: bytes) -> None:
    raw = (SAMPLES / f"{name}.eml").read_bytes()
    assert sort(raw.replace(old, new)) == sort(raw)


def test_smt_11_a_report_leads_to_what_was_sent() -> None:
    report = read("postfix-unknown")[0]
    assert report.message_id == "47.1234@nieuws.example"
    assert report.return_path == "bounce+dABCDEF234567@nieuws.example"
    assert report.reason == (
        "550 5.1.1 <an@school.example>: Recipient address rejected: User unknown in local recipient"
        " table"
    )
    assert report.sender == "MAILER-DAEMON@mx.relay.example"
    assert report.subject == "Undelivered Mail Returned to Sender"


def test_text_that_came_back_leads_to_what_was_sent() -> None:
    report = read("exim-unrouteable")[0]
    assert report.message_id == "47.77@nieuws.example"
    assert report.return_path == "bounce+dABCDEF234567@nieuws.example"


def test_a_complaint_leads_to_what_was_sent() -> None:
    report = read("arf-yahoo")[0]
    assert (report.feedback_type, report.message_id) == ("abuse", "47.200@nieuws.example")
    assert report.return_path == "bounce+dABCDEF234567@nieuws.example"


def test_an_answer_leads_to_what_is_answered() -> None:
    report = read("human-question")[0]
    assert (report.message_id, report.sender) == ("47.303@nieuws.example", "mieke@school.example")


def test_a_token_counts_where_the_mail_went_and_not_in_its_words() -> None:
    raw = (SAMPLES / "human-question.eml").read_bytes()
    assert sort(raw.replace(b"Dag,", b"u+Ab3dEf6hIj9kLmN0@nieuws.example"))[0].kind is Kind.HUMAN


MAIL = """From: Mieke <mieke@school.example>
To: nieuws@nieuws.example
Subject: {subject}

{text}
"""


@pytest.mark.parametrize(
    ("subject", "kind"),
    [
        ("Afwezig: Nieuws", Kind.AUTO_REPLY),
        ("Afwezig tot 1 december", Kind.AUTO_REPLY),
        ("Afwezigheidsbericht", Kind.AUTO_REPLY),
        ("Automatisch antwoord: Nieuws", Kind.AUTO_REPLY),
        ("AUTO: Mieke is out", Kind.AUTO_REPLY),
        ("[Auto-Reply] Nieuws", Kind.AUTO_REPLY),
        ("On leave until Monday", Kind.AUTO_REPLY),
        ("Message d'absence", Kind.AUTO_REPLY),
        ("Absence : Nouvelles", Kind.AUTO_REPLY),
        ("Abwesend", Kind.AUTO_REPLY),
        ("自動返信", Kind.AUTO_REPLY),
        ("Unsubscribe", Kind.UNSUBSCRIBE),
        ("Gelieve mij uit te schrijven", Kind.UNSUBSCRIBE),
        ("Merci de me désinscrire", Kind.UNSUBSCRIBE),
        ("Afmelden nieuwsbrief", Kind.UNSUBSCRIBE),
        # People, who must never be taken for programs.
        ("Re: Automatisch antwoord", Kind.HUMAN),
        ("Automatisch doneren?", Kind.HUMAN),
        ("Ik ben niet akkoord", Kind.HUMAN),
        ("Op reis met Fiabel", Kind.HUMAN),
        ("On holiday in Ghana", Kind.HUMAN),
        ("Urlaubsfotos", Kind.HUMAN),
        ("Absenten in de klas", Kind.HUMAN),
        ("Uitschrijven?", Kind.HUMAN),
        ("Auto: deelmobiliteit in Dogbo", Kind.HUMAN),
        ("Absence de réponse à mon mail", Kind.HUMAN),
        ("Afmelden voor de studiedag", Kind.HUMAN),
        ("Afmelden hoeft niet, ik blijf graag lezen", Kind.HUMAN),
        ("Unsubscribe my colleague, not me", Kind.HUMAN),
        ("unsubscribe" + "!" * 68 + "x", Kind.HUMAN),
        ("Uitschrijven aub, dank u", Kind.UNSUBSCRIBE),
        ("Please unsubscribe jan@voorbeeld.example from this list", Kind.UNSUBSCRIBE),
        (
            "Unsubscribe me? I never asked for this, and I want to know who gave you my address!!",
            Kind.HUMAN,
        ),
    ],
)
def test_smt_17_programs_and_people_by_their_subjects(subject: str, kind: Kind) -> None:
    raw = MAIL.format(subject=subject, text="Groeten van Mieke").encode()
    assert [report.kind for report in sort(raw)] == [kind]


def test_programs_that_want_no_answer_and_names_of_firms_are_no_answers() -> None:
    mail = MAIL.format(subject="Een vraag", text="Wanneer komt nummer 12?")
    firm = re.sub("(?m)^From:.*$", "From: Vacation Rentals <info@huis.example>", mail)
    for raw in (f"X-Auto-Response-Suppress: All\n{mail}", firm):
        assert [report.kind for report in sort(raw.encode())] == [Kind.HUMAN]


def test_a_bounce_that_a_person_pasted_is_told_from_one_that_a_program_wrote() -> None:
    text = "Delivery to the following recipient failed permanently:\n\n  jan@voorbeeld.example\n"
    pasted = MAIL.format(subject="Undelivered Mail Returned to Sender", text=text).encode()
    assert [report.written for report in sort(pasted)] == [True]
    assert [report.written for report in sort(b"Return-Path: <>\n" + pasted)] == [False]


@pytest.mark.parametrize(
    "field", ["Auto-Submitted: auto-replied", "X-Autoreply: yes", "Precedence: bulk"]
)
def test_smt_17_programs_by_their_fields(field: str) -> None:
    raw = f"{field}\n{MAIL.format(subject='Nieuws', text='Groeten')}".encode()
    assert [report.kind for report in sort(raw)] == [Kind.AUTO_REPLY]


FAILED = """From: MAILER-DAEMON@mx.example
Content-Type: multipart/report; report-type=delivery-status; boundary=b

--b
Content-Type: message/delivery-status

Final-Recipient: rfc822; an@school.example
Action: failed
Status: {status}
Diagnostic-Code: smtp; {said}

--b--
"""


@pytest.mark.parametrize(
    ("status", "said", "expected"),
    [
        # Basic and enhanced code disagree: the more temporary counts (STANDARDS 4a).
        ("5.1.1", "450 4.1.1 User unknown", "soft 5.1.1"),
        ("4.1.1", "550 User unknown", "soft 4.1.1"),
        ("5.1.1", "", "hard 5.1.1"),
        ("5.1.2", "550 Host unknown", "hard 5.1.2"),
        ("5.2.1", "550 5.2.1 The account is disabled", "soft 5.2.1"),
        ("5.4.4", "Host not found", "soft 5.4.4"),
        # The remote's own code says more than the relay's 5.0.0.
        ("5.0.0", "550 5.1.1 nobody", "hard 5.1.1"),
        ("5.0.0", "550 No such user here", "hard 5.0.0"),
        ("5.0.0", "554 rejected", "soft 5.0.0"),
        # A relay that makes 5.1.1 of every 550 is not believed against the remote's words.
        ("5.1.1", "550 Mailbox is full", "soft 5.1.1"),
        ("5.1.1", "550 blocked by Spamhaus", "soft! 5.1.1"),
        ("5.1.1", "host antispam.virus.example said: 550 5.1.1 User unknown", "hard 5.1.1"),
        ("5.7.26", "550 5.7.26 unauthenticated mail", "soft! 5.7.26"),
        ("5.3.4", "552 5.3.4 message too big", "soft! 5.3.4"),
        ("5.2.3", "552 5.2.3 too big for this mailbox", "soft 5.2.3"),
        ("5.6.7", "550 5.6.7 SMTPUTF8 is needed", "soft! 5.6.7"),
        ("4.7.0", "421 4.7.0 slow down", "soft! 4.7.0"),
        # Neither a host nor a version is a code.
        ("5.0.0", "said by 192.5.1.1: 550 no", "soft 5.0.0"),
        ("", "Mailer 2.0.1: no such user", "hard -"),
    ],
)
def test_smt_14_codes_and_words(status: str, said: str, expected: str) -> None:
    (report,) = sort(FAILED.format(status=status, said=said).encode())
    assert told(report) == f"{expected} an@school.example"


def test_a_reason_is_one_short_line() -> None:
    said = "550 5.1.1 \x00no\x1b such\tuser " + "x" * 2000
    (report,) = sort(FAILED.format(status="5.1.1", said=said).encode())
    assert report.reason is not None
    assert report.reason.startswith("550 5.1.1 no such user xxx")
    assert len(report.reason) == 500
