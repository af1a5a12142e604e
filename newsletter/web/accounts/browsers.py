"""A browser in words, from the line it sends: enough to recognise one's own."""

from newsletter.i18n import _

# The first that is named in the line; others name these too, so the order matters.
PROGRAMS = {
    "Edg": "Edge",
    "OPR/": "Opera",
    "SamsungBrowser": "Samsung Internet",
    "Firefox": "Firefox",
    "FxiOS": "Firefox",
    "CriOS": "Chrome",
    "Chrome": "Chrome",
    "Safari": "Safari",
}
SYSTEMS = {
    "iPhone": "iPhone",
    "iPad": "iPad",
    "Android": "Android",
    "Windows": "Windows",
    "Mac OS": "Mac",
    "CrOS": "ChromeOS",
    "Linux": "Linux",
}
UNKNOWN = _("een onbekende browser")


def in_words(line: str) -> str:
    """ "Firefox, Windows"; empty when the line names nothing we know."""
    found = (_first(PROGRAMS, line), _first(SYSTEMS, line))
    return ", ".join(name for name in found if name)


def _first(names: dict[str, str], line: str) -> str:
    return next((name for mark, name in names.items() if mark in line), "")
