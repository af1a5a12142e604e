"""Proof of work: what a browser computes, unseen, before a form may use the fast lane (SEC-04).

The work is a nonce for which SHA-256("made:address:nonce") begins with WORK_BITS zero bits. `made`
is the form's signed time token and the address the one that was typed, so work that is sent again
serves the same address only, whose letters are few. `web/static/work.js` does the same.
"""

import hashlib
import re
from itertools import count

NONCE = re.compile(r"[0-9]{1,16}")


def is_done(made: str, email: str, nonce: str, bits: int) -> bool:
    """Was the work done for this form and this address (as typed)? Without bits there is none."""
    if bits == 0:
        return True
    if not NONCE.fullmatch(nonce):
        return False
    task = f"{made}:{email.strip()}:{nonce}".encode("utf-8", "surrogatepass")
    return _zeros(hashlib.sha256(task).digest(), bits)


def solve(made: str, email: str, bits: int) -> str:
    """A nonce that `is_done` accepts; takes 2^bits tries on average."""
    begun = hashlib.sha256(f"{made}:{email.strip()}:".encode("utf-8", "surrogatepass"))
    for number in count():
        tried = begun.copy()
        tried.update(b"%d" % number)
        if _zeros(tried.digest(), bits):
            return str(number)
    raise AssertionError("numbers do not end")


def _zeros(digest: bytes, bits: int) -> bool:
    return int.from_bytes(digest[:8], "big") >> (64 - bits) == 0
