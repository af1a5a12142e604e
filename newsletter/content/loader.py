"""YAML as a graph of nodes, from which nothing is built, and its mistakes in words."""

import re
from typing import cast

import yaml

from newsletter.i18n import Said, _

DEEPEST = 6
_REFERENCES = "references (*name) are not used here"
_TOO_DEEP = "it is nested too deeply"
# What PyYAML and tomllib complain of when people mistype; the English of each is their own.
_COMPLAINTS = {
    re.escape(_REFERENCES): _("verwijzingen (*naam) worden hier niet gebruikt"),
    _TOO_DEEP: _("er zit te veel in elkaar"),
    "mapping values are not allowed here": _("hier kan geen dubbelepunt staan"),
    "mapping keys are not allowed here": _("hier kan geen vraagteken staan"),
    "sequence entries are not allowed here": _("hier kan geen streepje staan"),
    "could not find expected ':'": _("hier ontbreekt een dubbelepunt"),
    "found unexpected end of stream": _("een aanhalingsteken gaat niet dicht"),
    "expected <block end>, but found '<scalar>'": _("hier staat iets te veel"),
    "expected <block end>, but found '<block mapping start>'": _("deze regel springt in"),
    "expected <block end>, but found '(?P<sign>[^<].*)'": _("“%(sign)s” hoort hier niet"),
    "expected '<document start>', but found '<block mapping start>'": _(
        "de eerste regel springt in"
    ),
    "expected ',' or '(?P<sign>.)', but got '<.+>'": _("hier ontbreekt “%(sign)s”"),
    "expected ',' or '(?P<sign>.)', but got '(?P<got>.+)'": _(
        "hier hoort een komma of “%(sign)s”, en geen “%(got)s”"
    ),
    "found character '(?P<sign>.+)' that cannot start any token": _(
        "een waarde kan niet met “%(sign)s” beginnen"
    ),
    "found unknown escape character '(?P<sign>.+)'": _("achter \\ kan hier geen “%(sign)s” staan"),
    "Expected '=' after a key in a key/value pair": _("achter een sleutel hoort een ="),
    "Expected ']' at the end of a table declaration": _("een haak [ gaat niet dicht"),
    "Expected newline or end of document after a statement": _("hier hoort de regel te eindigen"),
    "Invalid value": _("deze waarde hoort tussen aanhalingstekens"),
    "Unterminated string": _("het laatste aanhalingsteken ontbreekt"),
    r"Cannot declare \('(?P<key>.+)',\) twice": _("“%(key)s” staat er twee keer"),
    "Cannot overwrite a value": _("een sleutel staat er twee keer"),
}


class Loader(yaml.SafeLoader):
    """SafeLoader without aliases and without deep nesting, so that no bomb can go off."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event: yaml.Event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent):
            raise _refusal(_REFERENCES, event)
        if self.depth > DEEPEST:
            raise _refusal(_TOO_DEEP, event)
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


def _refusal(problem: str, event: yaml.Event) -> yaml.MarkedYAMLError:
    mark = cast("yaml.error.Mark | None", event.start_mark)
    return yaml.MarkedYAMLError(problem=problem, problem_mark=mark)


def in_words(complaint: str) -> Said | str:
    """What a reader of YAML or TOML complains of, to be put between brackets; as it is, in English,
    when it is none of those that people often meet."""
    for pattern, text in _COMPLAINTS.items():
        if found := re.fullmatch(pattern, complaint):
            return Said(text, **found.groupdict())
    return complaint
