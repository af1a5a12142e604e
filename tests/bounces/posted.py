"""What providers post, written out after their documentation, and signed as they do."""

import hashlib
import hmac
import json
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

KEY = "3ax6xnjp29jd6fds4gc373sgvjxteol0"
ACCOUNT = "reports:a password of Postmark's"
TOPIC = "arn:aws:sns:eu-west-1:123456789012:fiabel"
CERTIFICATE_URL = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0a1b2c.pem"
CONFIRM_URL = "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&Token=2336412f37"
READER = "r1@voorbeeld.example"
FIELDS = (
    "Message",
    "MessageId",
    "Subject",
    "SubscribeURL",
    "Timestamp",
    "Token",
    "TopicArn",
    "Type",
)


def mailgun(
    now: datetime,
    message_id: str,
    event: str = "failed",
    severity: str = "permanent",
    sender: str = "bounce@mg.nieuws.test",
    reason: str = "bounce",
    key: str = KEY,
    **status: Any,
) -> dict[str, Any]:
    """An event, as Mailgun posts it."""
    timestamp, token = (
        str(int(now.timestamp())),
        "e0b5477167110d68991efc6b9f89f0a11066af27834600e123",
    )
    signature = hmac.new(key.encode(), f"{timestamp}{token}".encode(), hashlib.sha256).hexdigest()
    known = {"code": 550, "message": "5.1.1 no such user", "description": "", "attempt-no": 1}
    data = {
        "event": event,
        "id": "G9Bn5sl1TC6nu79C8C0bwg",
        "timestamp": now.timestamp(),
        "recipient": READER,
        "envelope": {"sender": sender, "transport": "smtp", "targets": READER},
        "message": {"headers": {"to": READER, "message-id": message_id, "subject": "Nummer 1"}},
    }
    if event == "failed":
        data |= {"severity": severity, "reason": reason, "delivery-status": known | status}
    sent = {"timestamp": timestamp, "token": token, "signature": signature}
    return {"signature": sent, "event-data": data}


def postmark(message_id: str | None, **values: Any) -> dict[str, Any]:
    """A record, as Postmark posts it."""
    known = {
        "RecordType": "Bounce",
        "MessageStream": "broadcast",
        "ID": 4323372036854775807,
        "Type": "HardBounce",
        "TypeCode": 1,
        "MessageID": "883953f4-6105-42a2-a16a-77a8eac79483",
        "Details": "smtp;550 5.1.1 no such user",
        "Email": READER,
        "BouncedAt": "2026-11-23T09:00:00Z",
        "Metadata": {} if message_id is None else {"message-id": f"<{message_id}>"},
    }
    return known | values


def changed(message_id: str, reason: str | None, **values: Any) -> dict[str, Any]:
    """An address came on Postmark's own list, or left it."""
    known = {
        "RecordType": "SubscriptionChange",
        "Recipient": READER,
        "Origin": "Recipient",
        "SuppressSending": True,
        "SuppressionReason": reason,
        "Metadata": {"Message-Id": f"<{message_id}>"},
    }
    return known | values


def ses(message_id: str, what: str = "Bounce", source: str = "", **values: Any) -> dict[str, Any]:
    """What SES says of a mail whose headers it was asked for."""
    parts: dict[str, dict[str, Any]] = {
        "Bounce": {
            "bounceType": "Permanent",
            "bounceSubType": "General",
            "bouncedRecipients": [recipient("5.1.1", "smtp; 550 5.1.1 no such user")],
        },
        "Complaint": {"complainedRecipients": [{"emailAddress": READER}]},
    }
    mail = {
        "source": source or "fiabel@nieuws.test",
        "messageId": "00000138111222aa-33322211-cccc-cccc-cccc-ddddaaaa0680-000000",
        "destination": [READER],
        "headersTruncated": False,
        "headers": [{"name": "Message-ID", "value": f"<{message_id}>"}] if message_id else [],
    }
    return {"notificationType": what, "mail": mail, what.lower(): parts.get(what, {}) | values}


def recipient(status: str, words: str) -> dict[str, str]:
    """One whom mail did not reach."""
    return {"emailAddress": READER, "action": "failed", "status": status, "diagnosticCode": words}


@cache
def key() -> rsa.RSAPrivateKey:
    """Of a signer, for as long as the tests run."""
    return rsa.generate_private_key(65537, 2048)


@cache
def certificate(start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> bytes:
    """Of that key, valid for a year, as PEM."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).serial_number(1)
    made = made.public_key(key().public_key()).not_valid_before(start)
    signed = made.not_valid_after(start + timedelta(days=365)).sign(key(), hashes.SHA256())
    return signed.public_bytes(Encoding.PEM)


def sns(message: dict[str, Any] | str, now: datetime, version: str = "2", **values: Any) -> Any:
    """A message of the topic, signed; `values` are signed too."""
    sent = {
        "Type": "Notification",
        "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "TopicArn": TOPIC,
        "Subject": "Amazon SES Email Event Notification",
        "Message": message if isinstance(message, str) else json.dumps(message),
        "Timestamp": now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + "123Z",
        "SignatureVersion": version,
        "SigningCertURL": CERTIFICATE_URL,
    } | values
    names = [name for name in FIELDS if sent.get(name)]
    signed = "".join(f"{name}\n{sent[name]}\n" for name in names).encode()
    hashing = hashes.SHA1() if version == "1" else hashes.SHA256()  # noqa: S303
    signature = key().sign(signed, padding.PKCS1v15(), hashing)
    return sent | {"Signature": b64encode(signature).decode()}


def asking(now: datetime, **values: Any) -> Any:
    """A topic asks whether it may report."""
    about = {"Type": "SubscriptionConfirmation", "Subject": "", "Token": "2336412f37"}
    return sns("You have chosen to subscribe", now, SubscribeURL=CONFIRM_URL, **(about | values))
