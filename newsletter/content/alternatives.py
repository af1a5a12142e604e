"""Alternative texts of pictures: what readers get who do not see the picture (HTM-06)."""

import re

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


def fault(alt: str, picture: str) -> str | None:
    """What is wrong with the alternative text of the file `picture`, to be put after "The
    alternative text of '…' "; None: nothing."""
    if not alt.strip():
        return "is missing; say what the picture shows."
    if is_file_name(alt) or _letters(alt) == _letters(_stem(picture)):
        return f"is the name of a file ('{alt[:60]}'); say what the picture shows."
    if is_empty(alt):
        return f"says only '{alt}'; say what the picture shows."
    if len(alt) > LONGEST:
        return f"has {len(alt)} characters; make it at most {LONGEST}, the rest is for the text."
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
