"""Amazon SNS: is a message that was posted to us really of our topic? (Documentation: Verifying the
signatures of Amazon SNS messages.)"""

import logging
import re
from base64 import b64decode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import requests
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from newsletter.bounces.providers import Refused, opened, text

log = logging.getLogger(__name__)

AGE = timedelta(hours=1)  # SNS tries again no longer than that
SECONDS = 5  # that Amazon may take for an answer
LARGEST = 16 * 1024  # octets of a certificate
HOST = r"https://sns\.[a-z]{2}[a-z0-9-]{2,28}\.amazonaws\.com(?:\.cn)?"
CERTIFICATE = re.compile(rf"{HOST}/[A-Za-z0-9_-]{{1,100}}\.pem")
CONFIRM = re.compile(rf"{HOST}/\?[A-Za-z0-9_=&:.%+/-]{{1,1000}}")
HASHES = {"1": hashes.SHA1(), "2": hashes.SHA256()}  # noqa: S303 # nosec B303 # SNS's choice
SIGNED = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
SIGNED_ABOUT_US = (*SIGNED[:2], "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
NOTIFICATION, ASKING = "Notification", "SubscriptionConfirmation"
SIGNED_OF = {
    NOTIFICATION: SIGNED,
    ASKING: SIGNED_ABOUT_US,
    "UnsubscribeConfirmation": SIGNED_ABOUT_US,
}


class Unreachable(Exception):
    """Amazon does not give its certificate now."""


def unpack(body: bytes, topic: str, now: datetime, certificate: Callable[[str], bytes]) -> str:
    """The message of a notification of our topic; "" when it says something about the subscription,
    which is told to the log.

    `certificate` gives what stands at an address of Amazon's (PEM), and is asked last of all.
    Raises Refused, Unreadable, and what `certificate` raises.
    """
    sent = opened(body)
    what, url = text(sent, "Type"), text(sent, "SigningCertURL")
    known = what in SIGNED_OF and text(sent, "SignatureVersion") in HASHES
    if not known or text(sent, "TopicArn") != topic or not _is_fresh(text(sent, "Timestamp"), now):
        raise Refused
    if not CERTIFICATE.fullmatch(url):
        raise Refused
    _verify(sent, SIGNED_OF[what], certificate(url), now)
    if what == NOTIFICATION:
        return text(sent, "Message")
    _tell(what, topic, text(sent, "SubscribeURL"))
    return ""


def fetch(url: str) -> bytes:
    """What stands at `url`, LARGEST octets at most. Raises Unreachable."""
    try:
        with requests.get(url, timeout=SECONDS, stream=True, allow_redirects=False) as answer:
            content: bytes = next(answer.iter_content(LARGEST + 1), b"")
    except requests.RequestException as error:
        log.warning("Amazon's certificate cannot be fetched: %s", type(error).__name__)
        raise Unreachable from None
    if answer.status_code != requests.codes.ok or len(content) > LARGEST:
        log.warning("Amazon's certificate cannot be fetched: status %d", answer.status_code)
        raise Unreachable
    return content


def _is_fresh(timestamp: str, now: datetime) -> bool:
    try:
        sent_at = datetime.strptime(timestamp, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    except ValueError:
        return False
    return abs(now - sent_at) <= AGE


def _verify(sent: dict[str, object], names: tuple[str, ...], pem: bytes, now: datetime) -> None:
    """Raises Refused unless the certificate is valid now, and its key signed these values."""
    parts = [(name, text(sent, name)) for name in names if name != "Subject" or sent.get(name)]
    signed = "".join(f"{name}\n{value}\n" for name, value in parts).encode()
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        key = certificate.public_key()
        signature = b64decode(text(sent, "Signature"), validate=True)
    except ValueError:
        raise Refused from None
    until = certificate.not_valid_after_utc
    if not isinstance(key, RSAPublicKey) or not certificate.not_valid_before_utc <= now <= until:
        raise Refused
    try:
        key.verify(signature, signed, padding.PKCS1v15(), HASHES[text(sent, "SignatureVersion")])
    except InvalidSignature:
        raise Refused from None


def _tell(what: str, topic: str, url: str) -> None:
    if what == ASKING and CONFIRM.fullmatch(url):
        log.warning("Amazon SNS asks whether %s may report to us. To say yes, open %s", topic, url)
    else:
        log.warning("Amazon SNS says that %s reports to us no more (%s).", topic, what)
