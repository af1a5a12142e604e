"""Reading the octets of a message, without the code that wrote them."""

import re


def stuffed(raw: bytes) -> bytes:
    """What DATA carries for a message, by the book: line by line (RFC 5321 4.5.2)."""
    lines = raw.removesuffix(b"\r\n").split(b"\r\n")
    return b"".join(b"." * line.startswith(b".") + line + b"\r\n" for line in lines) + b".\r\n"


def received(wire: bytes) -> bytes:
    """The message a mail server makes of what DATA carried."""
    lines = wire.removesuffix(b".\r\n").split(b"\r\n")
    return b"\r\n".join(line.removeprefix(b".") for line in lines)


def lines_of(raw: bytes) -> list[bytes]:
    return raw.split(b"\r\n")


def headers_of(raw: bytes) -> list[tuple[str, bytes]]:
    """Name and folded value of each header, in order."""
    head = raw.split(b"\r\n\r\n", 1)[0] + b"\r\n"
    found = re.findall(rb"(?m)^([!-9;-~]+): ?((?:.*\r\n)(?:[ \t].*\r\n)*)", head)
    return [(name.decode(), value.removesuffix(b"\r\n")) for name, value in found]
