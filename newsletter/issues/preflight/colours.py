"""Contrast of every text with what is behind it, in the light and in the dark palette (HTM-05).

Light are the inline colours; dark is what the classes in the kept style block change. That block
holds only simple selectors (`.class`, `tag`), which is what is understood here.
"""

import re
from collections.abc import Iterator, Mapping
from colorsys import hls_to_rgb, rgb_to_hls
from dataclasses import dataclass, replace
from functools import lru_cache

from newsletter.i18n import Said
from newsletter.issues.preflight.finding import Mail, PreflightFinding, stop
from newsletter.issues.preflight.tree import Node, declarations

ENOUGH = 4.5
LIGHT, DARK = Said("lichte"), Said("donkere")
HEX = re.compile(r"#(?:[0-9a-f]{3}|[0-9a-f]{6})", re.I)
DARK_STYLE = re.compile(
    r"@media\s*\(prefers-color-scheme:\s*dark\)\s*\{((?:[^{}]*\{[^{}]*\})*)", re.I
)
RULE = re.compile(r"([^{}]+)\{([^{}]*)\}")
PAIRS = 1024  # of colours whose contrast is kept: a mail has few, each many times
COLOURS = ("color", "background-color", "background")

Rules = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class _Paint:
    ink: str = "#000000"
    ground: str = "#FFFFFF"


@lru_cache(PAIRS)
def contrast(one: str, other: str) -> float:
    """WCAG 2 contrast of two hex colours, 1 to 21."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def palettes(mail: Mail) -> Iterator[PreflightFinding]:
    """Each pair of colours with too little between them, once, at its first place."""
    for name, rules in ((LIGHT, {}), (DARK, dark_rules(mail.root))):
        seen: set[_Paint] = set()
        for body in mail.root.find("body"):
            for node, paint in _painted(body, _Paint(), rules):
                ratio = contrast(paint.ink, paint.ground)
                if paint not in seen and ratio < ENOUGH:
                    message = Said(
                        "%(ink)s op %(ground)s is %(ratio)s:1 in het %(palette)s palet; kies een "
                        "andere kleur, want minstens %(enough)s:1 is nodig.",
                        ink=paint.ink,
                        ground=paint.ground,
                        ratio=f"{ratio:.2f}",
                        palette=name,
                        enough=ENOUGH,
                    )
                    yield stop("HTM-05", node, message)
                seen.add(paint)


def inverted(mail: Mail) -> Iterator[PreflightFinding]:
    """Programs that make their own night of a light mail turn light into dark (HTM-20)."""
    seen: set[_Paint] = set()
    for body in mail.root.find("body"):
        for node, paint in _painted(body, _Paint(), {}):
            ratio = contrast(_flipped(paint.ink), _flipped(paint.ground))
            if paint not in seen and ratio < ENOUGH:
                message = Said(
                    "%(ink)s op %(ground)s wordt %(ratio)s:1 waar een mailprogramma licht en "
                    "donker omkeert; kies een andere kleur, want minstens %(enough)s:1 is nodig.",
                    ink=paint.ink,
                    ground=paint.ground,
                    ratio=f"{ratio:.2f}",
                    enough=ENOUGH,
                )
                yield stop("HTM-20", node, message)
            seen.add(paint)


@lru_cache(PAIRS)
def _flipped(colour: str) -> str:
    """The same hue with its lightness turned over (HSL), as such programs do."""
    hue, light, saturation = rgb_to_hls(*(part / 255 for part in _parts(colour)))
    turned = hls_to_rgb(hue, 1 - light, saturation)
    return "#" + "".join(f"{round(part * 255):02X}" for part in turned)


def hex_only(mail: Mail) -> Iterator[PreflightFinding]:
    """Colours are hexadecimal: classic Outlook knows no rgb() or names of all kinds (HTM-18)."""
    for node in mail.root.walk():
        style = node.style()
        values = [style[name] for name in COLOURS if name in style]
        values += [
            node.attributes[name] for name in ("bgcolor", "color") if name in node.attributes
        ]
        for value in values:
            if not HEX.fullmatch(value):
                message = Said(
                    "De kleur “%(value)s” moet hexadecimaal zijn (#1A2B3C).", value=value
                )
                yield stop("HTM-18", node, message)


def dark_rules(root: Node) -> dict[str, dict[str, str]]:
    """Colours that the dark scheme gives to `.class` and `tag`."""
    rules: dict[str, dict[str, str]] = {}
    for style in root.find("style"):
        css = "".join(child for child in style.children if isinstance(child, str))
        for block in DARK_STYLE.findall(css):
            for selectors, body in RULE.findall(block):
                for selector in selectors.split(","):
                    rules.setdefault(selector.strip(), {}).update(declarations(body))
    return rules


def _painted(node: Node, above: _Paint, rules: Rules) -> Iterator[tuple[Node, _Paint]]:
    """Every element with text of its own, and the colours it is shown in."""
    paint = _paint(node, above, rules)
    if any(isinstance(child, str) and child.strip() for child in node.children):
        yield node, paint
    for child in node.elements():
        yield from _painted(child, paint, rules)


def _paint(node: Node, above: _Paint, rules: Rules) -> _Paint:
    style = {"background-color": node.attributes.get("bgcolor", ""), **node.style()}
    for selector in (node.tag, *(f".{name}" for name in node.attributes.get("class", "").split())):
        style |= rules.get(selector, {})
    ground = style.get("background-color") or style.get("background", "")
    paint = above
    if HEX.fullmatch(style.get("color", "")):
        paint = replace(paint, ink=style["color"].upper())
    if HEX.fullmatch(ground):
        paint = replace(paint, ground=ground.upper())
    return paint


def _luminance(colour: str) -> float:
    red, green, blue = (_linear(part / 255) for part in _parts(colour))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _parts(colour: str) -> tuple[int, int, int]:
    digits = colour[1:] if len(colour) == 7 else "".join(digit * 2 for digit in colour[1:])
    return int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:], 16)


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else float(((part + 0.055) / 1.055) ** 2.4)


RULES = (palettes, inverted, hex_only)
