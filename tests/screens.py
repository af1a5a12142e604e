"""Pictures of what tests see: for a person to look at, and for README and docs.

UPDATE_PICTURES=1 renews those in docs/images; SCREENS=1 leaves many more in build/screens.
"""

import os
from io import BytesIO
from pathlib import Path

from PIL import Image

from config import PROJECT_DIR

SCREENS = PROJECT_DIR / "build" / "screens"
PICTURES = PROJECT_DIR / "docs" / "images"
COLOURS = 128


def renews() -> bool:
    """Are the pictures in docs/images to be made anew?"""
    return bool(os.environ.get("UPDATE_PICTURES"))


def write_small(shot: bytes, file: Path, tallest: int | None = None) -> None:
    """A screenshot as a PNG with a palette, cut off below `tallest` pixels."""
    file.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.open(BytesIO(shot)).convert("RGB")
    picture = picture.crop((0, 0, picture.width, min(picture.height, tallest or picture.height)))
    picture.quantize(COLOURS, dither=Image.Dither.NONE).save(file, "PNG", optimize=True)
