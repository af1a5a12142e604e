"""The settings of providers that report to us over the web (docs/BOUNCES.md)."""

import re
from collections.abc import Mapping
from typing import Any

from newsletter.settings.parsing import Parser, as_text

MAX_METADATA = 80  # characters of a value that Postmark takes
# A Message-ID without its domain: "<", the issue and a dot, the token, "@" and ">".
AROUND_DOMAIN = 1 + 10 + 36 + 2
TOPIC = re.compile(r"arn:aws(-cn|-us-gov)?:sns:[a-z0-9-]{4,30}:\d{12}:[\w-]{1,256}(\.fifo)?", re.A)


def signing_key(value: Any) -> str:
    """Empty, or at least 16 characters."""
    text = as_text(value)
    if text and len(text) < 16:
        raise ValueError("must be at least 16 characters long")
    return text


def account(value: Any) -> str:
    """Empty, or `user:password` with at least 16 characters of password."""
    text = as_text(value)
    user, _colon, password = text.partition(":")
    if text and not (user and len(password) >= 16 and text.isascii()):
        raise ValueError("must be user:password in ASCII, the password at least 16 characters long")
    return text


def topic(value: Any) -> str:
    """Empty, or the ARN of an SNS topic."""
    text = as_text(value)
    if text and not TOPIC.fullmatch(text):
        raise ValueError("must be the ARN of a topic, as arn:aws:sns:eu-west-1:123456789012:name")
    return text


def problems(values: Mapping[str, Any]) -> list[str]:
    """What does not go together, one sentence each."""
    longest = MAX_METADATA - AROUND_DOMAIN
    if values["postmark_webhook"] and len(values["mail_default_sender"].domain) > longest:
        return [
            f"POSTMARK_WEBHOOK needs a MAIL_DEFAULT_SENDER whose domain has at most {longest} "
            "characters."
        ]
    return []


PARSERS: dict[str, Parser] = {
    "MAILGUN_SIGNING_KEY": signing_key,
    "POSTMARK_WEBHOOK": account,
    "SES_TOPIC_ARN": topic,
}
SECRETS = {"MAILGUN_SIGNING_KEY", "POSTMARK_WEBHOOK"}
