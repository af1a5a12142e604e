"""YAML as a graph of nodes, from which nothing is built, and its mistakes in words."""

from typing import cast

import yaml

from newsletter.i18n import Said

DEEPEST = 6
_REFERENCES = "references (*name) are not used here"
_TOO_DEEP = "it is nested too deeply"
# What PyYAML says of mistakes that people make; other words of it stay English.
_PROBLEMS = {
    _REFERENCES: Said("verwijzingen (*naam) worden hier niet gebruikt"),
    _TOO_DEEP: Said("er zit te veel in elkaar"),
    "mapping values are not allowed here": Said("hier kan geen dubbelepunt staan"),
    "could not find expected ':'": Said("hier ontbreekt een dubbelepunt"),
    "found unexpected end of stream": Said("een aanhalingsteken gaat niet dicht"),
    "expected <block end>, but found '<scalar>'": Said("hier staat iets te veel"),
    "expected <block end>, but found '<block mapping start>'": Said("deze regel springt in"),
    "expected ',' or ']', but got '<stream end>'": Said("een haak [ gaat niet dicht"),
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


def problem(error: yaml.MarkedYAMLError) -> Said | str:
    """What is wrong, to be put between brackets; English where PyYAML says it in words of its own
    that are rare."""
    told = error.problem or error.context
    return _PROBLEMS.get(told, told) if told else Said("dit is geen YAML")
