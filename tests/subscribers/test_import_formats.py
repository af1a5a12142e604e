"""Files of other systems: recognised, the least taken, nobody brought back who left there."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from newsletter.errors import FixRequest
from newsletter.models import Base, Subscriber, SubscriberState
from newsletter.settings import Settings
from newsletter.subscribers.importing import ImportReport, Order, read, take_in
from tests.subscribers.people import dump

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)

MAILCHIMP = (
    '"Email Address","First Name","Last Name",MEMBER_RATING,OPTIN_TIME,OPTIN_IP,CONFIRM_TIME,'
    "CONFIRM_IP,LATITUDE,LONGITUDE,GMTOFF,DSTOFF,TIMEZONE,CC,REGION,LAST_CHANGED,LEID,EUID,NOTES,"
    "TAGS"
)
MAILCHIMP_LEFT = MAILCHIMP.replace(
    ",LEID", ",UNSUB_TIME,UNSUB_CAMPAIGN_TITLE,UNSUB_CAMPAIGN_ID,UNSUB_REASON,LEID"
)
MAILCHIMP_CLEANED = MAILCHIMP.replace(",LEID", ",CLEAN_TIME,CLEAN_CAMPAIGN_TITLE,LEID")
LISTMONK = "uuid,email,name,attributes,status,created_at,updated_at"
BREVO = (
    "CONTACT ID;EMAIL;LASTNAME;FIRSTNAME;SMS;DOUBLE_OPT-IN;_BLOCKLISTED;ADDED_TIME;MODIFIED_TIME"
)


def take(
    session: Session, settings: Settings, *lines: str, confirmed_at: str | None = None
) -> ImportReport:
    sheet = read((f"{line}\n" for line in lines), confirmed_at)
    return take_in(session, settings, sheet, Order("our account there", NOW, ()))


def people(session: Session) -> dict[str | None, datetime | None]:
    return {one.email: one.confirmed_at for one in session.scalars(select(Subscriber))}


def refused(report: ImportReport) -> dict[int, str]:
    return {refusal.line: refusal.reason for refusal in report.refused}


def test_mailchimp(session: Session, settings: Settings) -> None:
    """CONFIRM_TIME, in UTC, is there for single and double opt-in; others never subscribed."""
    report = take(
        session,
        settings,
        MAILCHIMP,
        'els@example.be,Els,"Van ""Dam""",4,"2024-03-14 09:12:31",10.0.0.1,"2024-03-14 09:14:00",'
        '10.0.0.1,51.05,3.71,1,2,Europe/Brussels,BE,VLG,"2024-03-14 09:14:00",1,ab12,,"""pers"""',
        'Jan@example.be,Jan,,2,,,"2016-04-18 13:51:14",,,,,,,,,"2016-04-18 14:00:32",2,cd34,,',
        "buyer@example.be,,,2,,,,,,,,,,,,2016-04-18 14:00:32,3,ef56,,",
    )
    assert (report.format, report.added, len(report.refused)) == ("Mailchimp", 3, 0)
    assert people(session) == {
        "els@example.be": datetime(2024, 3, 14, 9, 14, tzinfo=UTC),
        "Jan@example.be": datetime(2016, 4, 18, 13, 51, 14, tzinfo=UTC),
        "buyer@example.be": None,
    }
    assert report.ignored[:3] == ("First Name", "Last Name", "MEMBER_RATING")
    assert {"CONFIRM_IP", "LATITUDE", "NOTES", "TAGS"} < set(report.ignored)
    assert {"Email Address", "CONFIRM_TIME"} & set(report.ignored) == set()


@pytest.mark.parametrize(
    ("header", "gone", "says"),
    [
        (MAILCHIMP_LEFT, "2025-01-01 10:00:00,May,9,NORMAL", "unsubscribed"),
        (MAILCHIMP_CLEANED, "2025-01-01 10:00:00,May", "bounced"),
    ],
)
def test_uns_14_who_left_or_bounced_at_mailchimp_stays_out(
    session: Session, settings: Settings, header: str, gone: str, says: str
) -> None:
    before = dump(session)
    row = f'els@example.be,Els,,2,,,"2024-03-14 09:14:00",,,,,,,,,"2025-01-01",{gone},1,ab,,'
    report = take(session, settings, header, row)
    assert (report.added, list(refused(report))) == (0, [2])
    assert says in refused(report)[2]
    assert dump(session) == before


def test_listmonk_has_no_time_of_consent_unless_one_is_named(
    session: Session, settings: Settings
) -> None:
    rows = (
        'u1,els@example.be,Els,"{""city"": ""Gent""}",enabled,'
        "2024-03-14 09:12:31.123456789 +0100 CET,2024-03-14 09:12:31 +0100 CET",
        "u2,jan@example.be,Jan,{},disabled,2024-03-14 09:12:31 +0000 UTC,2024-03-14",
        "u3,an@example.be,An,{},blocklisted,2024-03-14 09:12:31 +0000 UTC,2024-03-14",
    )
    report = take(session, settings, LISTMONK, *rows)
    assert (report.format, report.added) == ("listmonk", 1)
    assert refused(report) == {
        3: "its status there is 'disabled'.",
        4: "its status there is 'blocklisted'.",
    }
    assert report.ignored == ("uuid", "name", "attributes", "created_at", "updated_at")
    assert people(session) == {"els@example.be": None}
    assert session.scalars(select(Subscriber.state)).one() is SubscriberState.PENDING

    report = take(session, settings, LISTMONK, *rows, confirmed_at="Created_At")
    assert (report.activated, len(report.refused)) == (1, 2)
    assert "created_at" not in report.ignored
    assert people(session) == {
        "els@example.be": datetime(2024, 3, 14, 8, 12, 31, 123456, tzinfo=UTC)
    }


def test_brevo_proves_consent_by_its_double_opt_in(session: Session, settings: Settings) -> None:
    report = take(
        session,
        settings,
        BREVO,
        "1;els@example.be;Maes;Els;;Yes;;14-03-2024;01-01-2025",
        "2;jan@example.be;;;;No;;14-03-2024;01-01-2025",
        "3;an@example.be;;;;1;[sms_marketing];2024-03-14 10:00:00;01-01-2025",
        "4;piet@example.be;;;;1;[email_marketing|sms_marketing];14-03-2024;01-01-2025",
        "5;;;;32470123456;;;14-03-2024;01-01-2025",
    )
    assert (report.format, report.added) == ("Brevo", 3)
    assert refused(report)[5] == "this address is blocklisted there."
    assert list(refused(report)) == [5, 6]
    assert people(session) == {
        "els@example.be": datetime(2024, 3, 13, 23, 0, tzinfo=UTC),
        "jan@example.be": None,
        "an@example.be": datetime(2024, 3, 14, 9, 0, tzinfo=UTC),
    }
    assert report.ignored == ("CONTACT ID", "LASTNAME", "FIRSTNAME", "SMS", "MODIFIED_TIME")


def test_brevo_without_that_column_proves_nothing(session: Session, settings: Settings) -> None:
    rows = ("EMAIL,ADDED_TIME,EMAIL_BLOCKLISTED", "a@example.be,14-03-2024,no")
    report = take(session, settings, *rows, "b@example.be,14-03-2024,yes")
    assert (report.added, report.ignored) == (1, ("ADDED_TIME",))
    assert people(session) == {"a@example.be": None}
    assert take(session, settings, *rows, confirmed_at="added_time").activated == 1


def test_prv_10_names_of_other_systems_are_nowhere(session: Session, settings: Settings) -> None:
    """GDPR 5(1)(c): only the address and the time of consent are taken."""
    row = 'els@example.be,Elsbeth,Vanderzee,4,,,"2024-03-14 09:14:00",10.1.2.3,,,,,,,,,1,ab,blind,x'
    take(session, settings, MAILCHIMP, row)
    for table in Base.metadata.sorted_tables:
        text = repr([tuple(found) for found in session.execute(select(table))])
        for word in ("Elsbeth", "Vanderzee", "10.1.2.3", "blind"):
            assert word not in text, table.name


@pytest.mark.parametrize(
    ("header", "confirmed_at", "says"),
    [
        ("email,name,attributes", None, "no column 'name'"),
        ("LEID,EUID,naam", None, "looks like a file of Mailchimp, but it has no column email"),
        ("email,inschrijving", "ingeschreven", "no column 'ingeschreven' .--confirmed-at"),
        ("email,wanneer,wanneer", "wanneer", "wanneer stands twice"),
        ("email,Email address,LEID,EUID,email", None, "email stands twice"),
    ],
)
def test_a_header_that_cannot_be_read_is_refused(
    header: str, confirmed_at: str | None, says: str
) -> None:
    with pytest.raises(FixRequest, match=says):
        read([header], confirmed_at)


def test_columns_that_stand_twice_and_are_not_ours_do_no_harm() -> None:
    assert read([MAILCHIMP_LEFT + ",UNSUB_REASON"]).layout.format.name == "Mailchimp"


def test_a_column_of_ones_own_may_hold_the_time_of_consent(
    session: Session, settings: Settings
) -> None:
    rows = ("email\tIngeschreven op", "els@example.be\t2024-03-14T10:00+01:00")
    assert take(session, settings, *rows, confirmed_at="ingeschreven op").format == "plain"
    assert people(session) == {"els@example.be": datetime(2024, 3, 14, 9, 0, tzinfo=UTC)}
