"""What people do to an issue in mid-send, by the routes people have."""

import re
import urllib.parse
import urllib.request

from tests.relay import Taken

TOKEN = re.compile(rb"List-Unsubscribe: <([^>]+)>")


def one_click(taken: Taken, port: int) -> int:
    """RFC 8058: what a mail program does with the address in a mail; returns the HTTP status."""
    found = TOKEN.search(taken.content.replace(b"\r\n ", b" "))
    assert found, "no List-Unsubscribe"
    path = urllib.parse.urlsplit(found[1].decode()).path
    body = b"List-Unsubscribe=One-Click"
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", data=body, method="POST")
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 (our own server)
        return int(answer.status)
