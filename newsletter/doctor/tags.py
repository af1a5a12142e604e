"""Records of `tag=value; tag=value`, as DKIM and DMARC have them (RFC 6376 3.2)."""


def read(text: str) -> dict[str, str]:
    """The tags in order, names in lower case. Raises ValueError when it is no such list."""
    tags: dict[str, str] = {}
    for part in text.split(";"):
        name, equals, value = part.partition("=")
        name = name.strip().lower()
        if not part.strip():
            continue
        if not equals or not name.replace("_", "").isalnum() or name in tags:
            raise ValueError(f"“{part.strip()[:40]}” is no tag, or comes twice")
        tags[name] = value.strip()
    return tags
