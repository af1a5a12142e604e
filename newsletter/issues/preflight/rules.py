"""All rules, in the order in which their findings are told."""

from collections.abc import Callable, Iterable, Iterator

from newsletter.issues.preflight import colours, envelope, hyperlinks, structure
from newsletter.issues.preflight.finding import Mail, PreflightFinding

_RULES: tuple[Callable[[Mail], Iterable[PreflightFinding]], ...] = (
    *envelope.RULES,
    *structure.RULES,
    *hyperlinks.RULES,
    *colours.RULES,
)


def findings(mail: Mail) -> Iterator[PreflightFinding]:
    """Everything that the rules say about `mail`."""
    return (finding for rule in _RULES for finding in rule(mail))
