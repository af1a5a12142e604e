"""What each event of a provider is, and what is refused: on bytes alone."""

import io
import json
from datetime import datetime, timedelta
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from newsletter.bounces.providers import Refused, Unreadable, mailgun, postmark, ses, sns
from newsletter.bounces.report import Kind, Report
from tests.bounces import posted

ID = "1.abc@nieuws.test"
MINUTE = timedelta(minutes=1)
HARD, SOFT, DELAYED, COMPLAINT = Kind.HARD, Kind.SOFT, Kind.DELAYED, Kind.COMPLAINT
LEAVING, NOBODY_HERE = Kind.UNSUBSCRIBE, "smtp; 550 5.1.1 no such user"
AMAZON = "https://sns.eu-west-1.amazonaws.com"


def as_bytes(sent: object) -> bytes:
    return json.dumps(sent).encode()


def kinds(reports: list[Report]) -> list[tuple[Kind, bool]]:
    return [(one.kind, one.ours) for one in reports]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, (HARD, False)),
        ({"message": "mailbox full", "code": 552}, (SOFT, False)),
        ({"message": "5.7.1 listed at zen, spam", "code": 550}, (SOFT, True)),
        (
            {"code": 605, "message": "previously bounced", "reason": "suppress-bounce"},
            (SOFT, False),
        ),
        ({"code": 607, "message": "marked as spam", "reason": "suppress-complaint"}, COMPLAINT),
        ({"code": 606, "message": "unsubscribed", "reason": "suppress-unsubscribe"}, LEAVING),
        ({"severity": "temporary", "code": 450}, (DELAYED, False)),
        ({"severity": "temporary"}, (DELAYED, False)),  # never worse than Mailgun says
        ({"event": "complained"}, (COMPLAINT, False)),
        ({"event": "unsubscribed"}, (LEAVING, False)),
        ({"event": "delivered"}, None),
        ({"event": "opened"}, None),
        ({"severity": "mystery"}, None),
    ],
)
def test_events_of_mailgun(now: datetime, values: dict[str, Any], expected: Any) -> None:
    found = mailgun.read(as_bytes(posted.mailgun(now, ID, **values)), posted.KEY, now)
    if isinstance(expected, Kind):  # what became of mail it kept back
        assert [one.kind for one in found] == [expected]
    else:
        assert kinds(found) == ([expected] if expected else [])


def test_what_mailgun_tells_of_a_failure(now: datetime) -> None:
    (found,) = mailgun.read(as_bytes(posted.mailgun(now, ID)), posted.KEY, now)
    assert (found.status, found.reason) == ("5.1.1", "550 5.1.1 no such user")
    assert (found.message_id, found.return_path) == (ID, "bounce@mg.nieuws.test")
    assert found.recipient == posted.READER


@pytest.mark.parametrize("fault", ["key", "token", "old", "early", "gone", "time"])
def test_mailgun_must_have_signed_it_lately(now: datetime, fault: str) -> None:
    sent = posted.mailgun(now, ID, key="somebody else's" if fault == "key" else posted.KEY)
    if fault == "token":
        sent["signature"]["token"] += "0"
    elif fault == "gone":
        del sent["signature"]
    elif fault == "time":
        sent = posted.mailgun(now, ID)
        sent["signature"]["timestamp"] = None
    later = {"old": mailgun.OLDEST + MINUTE, "early": -mailgun.AHEAD - MINUTE}.get(
        fault, 0 * MINUTE
    )
    with pytest.raises(Refused):
        mailgun.read(as_bytes(sent), posted.KEY, now + later)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, (HARD, False)),
        ({"Details": "Test bounce details"}, (HARD, False)),  # its word, where nobody else's is
        ({"Details": ""}, (HARD, False)),
        ({"Details": "smtp;552 5.2.2 mailbox full"}, (SOFT, False)),
        ({"Details": "smtp;550 5.7.1 message blocked as spam"}, (SOFT, True)),
        ({"Type": "BadEmailAddress", "Details": ""}, (HARD, False)),
        ({"Type": "SoftBounce"}, (SOFT, False)),
        ({"Type": "DnsError", "Details": ""}, (SOFT, False)),
        ({"Type": "Unknown", "Details": ""}, (SOFT, False)),
        ({"Type": "Transient", "Details": "smtp;451 later"}, (DELAYED, False)),
        ({"Type": "AutoResponder"}, (Kind.AUTO_REPLY, False)),
        ({"Type": "ChallengeVerification"}, (Kind.AUTO_REPLY, False)),
        ({"Type": "Unsubscribe"}, (LEAVING, False)),
        ({"Type": "SpamNotification"}, (SOFT, True)),
        ({"Type": "VirusNotification"}, (SOFT, True)),
        ({"Type": "Blocked"}, (SOFT, True)),
        ({"Type": "DMARCPolicy"}, (SOFT, True)),
        ({"Type": "SpamComplaint", "RecordType": "SpamComplaint"}, (COMPLAINT, False)),
        ({"Type": "ManuallyDeactivated"}, None),
        ({"Type": "Subscribe"}, None),
        ({"Type": "AddressChange"}, None),
        ({"RecordType": "Delivery"}, None),
    ],
)
def test_records_of_postmark(values: dict[str, Any], expected: tuple[Kind, bool] | None) -> None:
    found = postmark.read(as_bytes(posted.postmark(ID, **values)))
    assert kinds(found) == ([expected] if expected else [])
    assert all(one.message_id == f"<{ID}>" for one in found)


@pytest.mark.parametrize(
    ("reason", "values", "expected"),
    [
        ("HardBounce", {}, SOFT),
        ("SpamComplaint", {}, COMPLAINT),
        ("ManualSuppression", {}, LEAVING),
        ("ManualSuppression", {"Origin": "Admin"}, None),
        (None, {"SuppressSending": False}, None),
    ],
)
def test_changes_of_the_list_of_postmark(
    reason: str | None, values: dict[str, Any], expected: Kind | None
) -> None:
    found = postmark.read(as_bytes(posted.changed(ID, reason, **values)))
    assert [one.kind for one in found] == ([expected] if expected else [])
    assert all(one.message_id == f"<{ID}>" for one in found)  # in whatever case it names it


@pytest.mark.parametrize(
    ("account", "right"),
    [(posted.ACCOUNT, True), ("reports:", False), (":", False), ("réports:é", False)],
)
def test_postmark_knows_the_password(account: str, right: bool) -> None:
    user, _colon, password = account.partition(":")
    assert postmark.is_theirs(posted.ACCOUNT, user, password) is right


@pytest.mark.parametrize(
    ("type", "subtype", "status", "words", "expected"),
    [
        ("Permanent", "General", "5.1.1", NOBODY_HERE, (HARD, False)),
        ("Permanent", "NoEmail", "", "", (HARD, False)),
        ("Permanent", "General", "5.7.1", "smtp; 550 5.7.1 blocked, spam", (SOFT, True)),
        ("Permanent", "Suppressed", "5.1.1", "SES has suppressed sending to this", (SOFT, False)),
        ("Permanent", "OnAccountSuppressionList", "5.1.1", "suppressed", (SOFT, False)),
        ("Transient", "General", "4.4.7", "smtp; 554 4.4.7 expired", (SOFT, False)),
        ("Transient", "MailboxFull", "5.2.2", "smtp; 552 5.2.2 full", (SOFT, False)),
        ("Transient", "General", "5.1.1", NOBODY_HERE, (SOFT, False)),
        ("Transient", "ContentRejected", "", "", (SOFT, True)),
        ("Transient", "AttachmentRejected", "", "", (SOFT, True)),
        ("Transient", "MessageTooLarge", "", "", (SOFT, True)),
        ("Undetermined", "Undetermined", "5.1.1", NOBODY_HERE, (SOFT, False)),
    ],
)
def test_bounces_of_ses(
    type: str, subtype: str, status: str, words: str, expected: tuple[Kind, bool]
) -> None:
    recipients = [posted.recipient(status, words)]
    values: dict[str, Any] = {
        "bounceType": type,
        "bounceSubType": subtype,
        "bouncedRecipients": recipients,
    }
    (found,) = ses.read(json.dumps(posted.ses(ID, **values)))
    assert (found.kind, found.ours) == expected
    assert found.message_id == f"<{ID}>"


def test_other_notifications_of_ses() -> None:
    def read(*args: Any, **values: Any) -> list[Report]:
        return ses.read(json.dumps(posted.ses(ID, *args, **values)))

    (complaint,) = read("Complaint", complaintFeedbackType="not-spam", source="b+d1@x.test")
    assert (complaint.kind, complaint.feedback_type) == (COMPLAINT, "not-spam")
    assert complaint.return_path == "b+d1@x.test"
    assert kinds(read("DeliveryDelay")) == [(DELAYED, False)]
    left = {"newTopicPreferences": {"unsubscribeAll": True}}
    assert kinds(read("Subscription", **left)) == [(LEAVING, False)]
    assert read("Subscription") == read("Delivery") == []
    event = posted.ses("")
    event |= {"eventType": event.pop("notificationType")}
    event["mail"] |= {"commonHeaders": {"messageId": ID}}
    (found,) = ses.read(json.dumps(event))
    assert (found.kind, found.message_id) == (HARD, ID)
    assert ses.read("Successfully validated SNS topic for Amazon SES event publishing.") == []


def never(url: str) -> bytes:
    """Amazon must not be asked."""
    raise AssertionError(url)


def unpack(sent: object, now: datetime, pem: bytes | None = None) -> str:
    given = posted.certificate() if pem is None else pem
    return sns.unpack(as_bytes(sent), posted.TOPIC, now, lambda url: given)


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("subject", ["", "A subject"])
def test_both_signatures_of_sns(now: datetime, version: str, subject: str) -> None:
    message = 'with "quotes",\nlines and é'
    assert unpack(posted.sns(message, now, version, Subject=subject), now) == message


@pytest.mark.parametrize(
    "url",
    [
        f"http{AMAZON.removeprefix('https')}/a.pem",
        "https://sns.eu-west-1.amazonaws.com.evil.example/a.pem",
        "https://evil.example/sns.eu-west-1.amazonaws.com/a.pem",
        "https://sns.eu-west-1.amazonaws.com@evil.example/a.pem",
        "https://evil.s3.amazonaws.com/a.pem",
        f"{AMAZON}:8443/a.pem",
        f"{AMAZON}/a.pem?b",
        f"{AMAZON}/../a.pem",
        f"{AMAZON}/a.pem\n",
        f"{AMAZON}/?Action=a.pem",
        "",
    ],
)
def test_a_certificate_is_asked_of_amazon_alone(now: datetime, url: str) -> None:
    with pytest.raises(Refused):
        sns.unpack(as_bytes(posted.sns("x", now, SigningCertURL=url)), posted.TOPIC, now, never)


def test_a_certificate_of_china(now: datetime) -> None:
    url = "https://sns.cn-north-1.amazonaws.com.cn/SimpleNotificationService-0a.pem"
    assert unpack(posted.sns("x", now, SigningCertURL=url), now) == "x"


@pytest.mark.parametrize(
    "changed",
    [
        {"Message": "y"},
        {"Subject": "y"},
        {"Subject": ""},
        {"MessageId": "y"},
        {"Signature": "AAAA"},
        {"Signature": "no base64"},
        {"SignatureVersion": "1"},
        {"SignatureVersion": "3"},
        {"Type": "SubscriptionConfirmation"},
        {"Type": "Raw"},
        {"TopicArn": f"{posted.TOPIC}2"},
    ],
)
def test_what_sns_did_not_sign_so_is_refused(now: datetime, changed: dict[str, str]) -> None:
    with pytest.raises(Refused):
        unpack(posted.sns("x", now) | changed, now)


def test_what_is_foreign_or_old_is_refused_before_amazon_is_asked(now: datetime) -> None:
    foreign = posted.sns("x", now, TopicArn="arn:aws:sns:eu-west-1:999999999999:fiabel")
    old, early = posted.sns("x", now - 61 * MINUTE), posted.sns("x", now + 62 * MINUTE)
    naive = posted.sns("x", now, Timestamp="2026-11-23 09:00")
    for sent in (foreign, old, early, naive, {}, {"Type": 1}):
        with pytest.raises(Refused):
            sns.unpack(as_bytes(sent), posted.TOPIC, now, never)


def test_a_certificate_that_is_none_or_not_of_now_is_refused(now: datetime) -> None:
    past = posted.certificate(now - timedelta(days=800))
    for pem in (b"", b"nothing", past, posted.certificate(now + timedelta(days=1))):
        with pytest.raises(Refused):
            unpack(posted.sns("x", now), now, pem)


def test_a_topic_that_asks_is_told_to_the_log(
    now: datetime, caplog: pytest.LogCaptureFixture
) -> None:
    assert unpack(posted.asking(now), now) == ""
    assert [one.getMessage() for one in caplog.records] == [
        f"Amazon SNS asks whether {posted.TOPIC} may report to us. To say yes, open "
        f"{posted.CONFIRM_URL}"
    ]
    caplog.clear()
    assert unpack(posted.asking(now, Type="UnsubscribeConfirmation"), now) == ""
    strange = posted.asking(now) | {"SubscribeURL": "https://evil.example/?Action=x"}
    with pytest.raises(Refused):
        unpack(strange, now)
    assert unpack(posted.asking(now, Message="x"), now) == ""
    assert "no more" in caplog.records[0].getMessage()


@pytest.mark.parametrize("fault", ["", "status", "large", "down", "redirect"])
def test_a_certificate_is_fetched_with_a_limit(monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    asked: dict[str, Any] = {}

    def get(url: str, **values: Any) -> requests.Response:
        asked.update(values, url=url)
        if fault == "down":
            raise requests.ConnectTimeout
        answer = requests.Response()
        answer.raw = io.BytesIO(b"x" * (sns.LARGEST + 1) if fault == "large" else b"pem")
        answer.status_code = {"status": 500, "redirect": 302}.get(fault, 200)
        return answer

    monkeypatch.setattr(requests, "get", get)
    if fault:
        with pytest.raises(sns.Unreachable):
            sns.fetch(posted.CERTIFICATE_URL)
    else:
        assert sns.fetch(posted.CERTIFICATE_URL) == b"pem"
    assert asked["timeout"] == sns.SECONDS
    assert asked["allow_redirects"] is False


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"x"', b"\xff", b"[" * 100_000])
def test_what_is_no_json_object_is_said_so(now: datetime, body: bytes) -> None:
    for read in (
        lambda: mailgun.read(body, posted.KEY, now),
        lambda: postmark.read(body),
        lambda: sns.unpack(body, posted.TOPIC, now, lambda url: b""),
    ):
        with pytest.raises(Unreadable):
            read()


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.just("\ud800\0"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ("RecordType", "Type", "Metadata", "mail", "bounce", "headers", "name")
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)


@given(VALUES, st.sampled_from(("Bounce", "Complaint", "Subscription", "SubscriptionChange")))
def test_any_json_is_read(value: Any, what: str) -> None:
    part = value if isinstance(value, dict) else {}
    record = {"Metadata": value, "Type": "HardBounce", "Details": value} | part
    event = {"mail": value, "bounce": value, "complaint": value, "subscription": value} | part
    found = postmark.read(as_bytes(record | {"RecordType": what}))
    found += ses.read(json.dumps(event | {"eventType": what}))
    for report in found:
        (report.reason or "").encode()
        (report.message_id or "").encode()
