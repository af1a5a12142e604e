"""Receipts: a reader's own proofs, signed, so that anybody can check them without us.

The signature is Ed25519 (RFC 8032) with a key made from the secret. docs/CONSENT.md has the
format, and a script that checks a receipt offline. A receipt also shows whether links of the chain
were cut off or made anew after it was handed out.
"""

import base64
import binascii
import hashlib
from datetime import datetime
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from sqlalchemy import select
from sqlalchemy.orm import Session

from newsletter.models import Subscriber
from newsletter.settings import Settings
from newsletter.subscribers import chain, consent, proof
from newsletter.subscribers.chain import SEALS
from newsletter.tokens import tokens_of

FORMAT = "fiabel-consent-receipt-1"
ID_LENGTH = 16


def receipt(
    session: Session, settings: Settings, subscriber: Subscriber, now: datetime
) -> dict[str, Any]:
    """A signed receipt, ready for JSON (write it as UTF-8). Read-only.

    An event of the last minute may have no seal yet (None); the signature vouches for it all the
    same.
    """
    payload = {
        "format": FORMAT,
        "issued_at": chain.moment(now),
        "purpose": proof.PURPOSE,
        "controller": proof.controller(settings),
        "subscriber": subscriber.id,
        "events": proof.events(session, subscriber.id),
    }
    key = Ed25519PrivateKey.from_private_bytes(tokens_of(settings).derived("receipt"))
    return {
        "payload": payload,
        "algorithm": "Ed25519",
        "key": key_id(key.public_key()),
        "signature": base64.b64encode(key.sign(consent.canonical(payload))).decode(),
    }


def verify(receipt: dict[str, Any], public_key: Ed25519PublicKey) -> bool:
    """Is the receipt signed with this key, unaltered, and do its hashes belong to what it says?"""
    try:
        signature = base64.b64decode(receipt["signature"], validate=True)
        public_key.verify(signature, consent.canonical(receipt["payload"]))
    except (InvalidSignature, KeyError, TypeError, binascii.Error):
        return False
    return all(_sound(event) for event in receipt["payload"]["events"])


def public_keys(settings: Settings) -> dict[str, Ed25519PublicKey]:
    """The published keys by id, that which signs first (SEC-18); none that leaked."""
    seeds = tokens_of(settings).keys("receipt", leaked=False)
    keys = (Ed25519PrivateKey.from_private_bytes(seed).public_key() for seed in seeds)
    return {key_id(key): key for key in keys}


def key_id(key: Ed25519PublicKey) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of the key's 32 octets."""
    return hashlib.sha256(key.public_bytes_raw()).hexdigest()[:ID_LENGTH]


def published(settings: Settings) -> str:
    """The keys as text: of each a line `key <id>` and its PEM (RFC 7468)."""
    return "\n".join(
        f"key {id}\n{key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()}"
        for id, key in public_keys(settings).items()
    )


def missing_links(session: Session, receipt: dict[str, Any]) -> list[int]:
    """The numbers of links in a receipt that the chain does not hold (any more) with that hash."""
    seals = [event["seal"] for event in receipt["payload"]["events"] if event["seal"]]
    numbers = [seal["number"] for seal in seals]
    query = select(SEALS.c.number, SEALS.c.hash).where(SEALS.c.number.in_(numbers))
    kept = {row.number: row.hash for row in session.execute(query)}
    return [seal["number"] for seal in seals if kept.get(seal["number"]) != seal["hash"]]


def _sound(event: dict[str, Any]) -> bool:
    """Do the hashes of one event fit what the receipt says about it?"""
    row, seal = event["consent"], event["seal"]
    links = seal is None or seal["hash"] == chain.hash_of(
        {
            "consent": row,
            "number": seal["number"],
            "previous": seal["previous"],
            "sealed_at": seal["sealed_at"],
        }
    )
    halves = ((event["details"], row["details_hash"]), (event["origin"], row["origin_hash"]))
    sentence = event["wording"]
    said = hashlib.sha256(sentence["text"].encode()).hexdigest() if sentence else None
    return (
        links
        and said == row["wording_hash"]
        and all(proof.matches(half, hash) is not False for half, hash in halves)
    )
