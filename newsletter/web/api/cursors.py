"""Where a list goes on: the key of the last row that was told, signed, so that nobody but us makes
one, and what it holds may change."""

import base64
import binascii
import hmac
import json
from collections.abc import Sequence
from typing import Any

from newsletter.tokens import Tokens

MAC_BYTES = 12


def make(tokens: Tokens, name: str, key: Sequence[Any]) -> str:
    """A cursor of the list `name`; `key` is JSON."""
    said = json.dumps(list(key)).encode()
    mac = _mac(tokens.keys("cursor")[0], name, said)
    return base64.urlsafe_b64encode(mac + said).decode().rstrip("=")


def read(tokens: Tokens, name: str, cursor: str) -> list[Any] | None:
    """The key in a cursor; None when we did not make it, for this list, with a key that counts."""
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    mac, said = raw[:MAC_BYTES], raw[MAC_BYTES:]
    known = (_mac(key, name, said) for key in tokens.keys("cursor", leaked=False))
    if not any(hmac.compare_digest(mac, one) for one in known):
        return None
    found: list[Any] = json.loads(said)
    return found


def _mac(key: bytes, name: str, said: bytes) -> bytes:
    return hmac.digest(key, name.encode() + b"\0" + said, "sha256")[:MAC_BYTES]
