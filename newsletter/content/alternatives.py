"""Alternative texts of pictures: what readers get who do not see the picture (HTM-06)."""

import re

from newsletter.i18n import Said

LONGEST = 300  # characters
_FILE_NAME = re.compile(
    r".*\.(png|jpe?g|gif|webp|svg|heic|tiff?)|(img|dsc|dscn|pict?|image|screenshot|schermafbeelding)"
    r"[-_ ]?\d*|[\w-]*_[\w-]*|\d+",
    re.I,
)
# What says that there is a picture, and not what is on it.
_EMPTY = frozenset(
    (
        "foto", "afbeelding", "figuur", "logo", "plaatje", "beeld", "image", "photo",
        "illustration", "picture", "graphic", "figure", "bild", "abbildung", "grafik",
        "alt", "alt text",
    )
)  # fmt: skip


def said(picture: str, fault: Said) -> Said:
    """A sentence about the alternative text of a picture, with a fault as `fault` says it."""
    return Said("De beschrijving van “%(picture)s” %(fault)s", picture=picture[:80], fault=fault)


def fault(alt: str, picture: str) -> Said | None:
    """What is wrong with the alternative text of the file `picture`, for `said`; None: nothing."""
    if not alt.strip():
        return Said("ontbreekt; zeg wat er op de foto te zien is.")
    if is_file_name(alt) or _letters(alt) == _letters(_stem(picture)):
        return Said(
            "is een bestandsnaam (“%(alt)s”); zeg wat er op de foto te zien is.", alt=alt[:60]
        )
    if is_empty(alt):
        return Said("zegt enkel “%(alt)s”; zeg wat er op de foto te zien is.", alt=alt)
    if len(alt) > LONGEST:
        return Said(
            "telt %(count)s tekens; maak er hoogstens %(most)s van, de rest is voor de tekst.",
            count=len(alt),
            most=LONGEST,
        )
    return None


def is_file_name(alt: str) -> bool:
    """Does it look as cameras and people name files?"""
    return bool(_FILE_NAME.fullmatch(alt.strip()))


def is_empty(alt: str) -> bool:
    """Does it say that there is a picture, and not what is on it?"""
    return alt.strip(" .:").casefold() in _EMPTY


def _stem(picture: str) -> str:
    return picture.rpartition("/")[2].rpartition(".")[0]


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text.casefold()))
