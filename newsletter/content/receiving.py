"""Pictures that editors upload: made anew from their pixels, and put into content/images."""

from pathlib import Path, PurePosixPath

from newsletter.content import images, names, writing
from newsletter.content.writing import Pen

FOLDER = "images"


def receive(pen: Pen, data: bytes, filename: str) -> str:
    """Put a picture into the folder, clean, and say under which name; the same one twice is there
    once. Raises FixContent when it is none of those we take."""
    stem = names.slugify(PurePosixPath(filename.replace("\\", "/")).stem)[:60].strip("-")
    large = images.accept(data, filename).large
    suffix = PurePosixPath(large.name).suffix
    folder = pen.folder.resolve() / FOLDER
    folder.mkdir(exist_ok=True)
    number = 1
    while True:
        name = f"{stem}{suffix}" if number == 1 else f"{stem}-{number}{suffix}"
        if _is_free(folder / name):
            writing.replace(folder / name, large.data)
            pen.written.append(f"{FOLDER}/{name}")
            return name
        if not (folder / name).is_symlink() and (folder / name).read_bytes() == large.data:
            return name
        number += 1


def listed(folder: Path) -> list[str]:
    """The names of the pictures there are."""
    top = folder / FOLDER
    found = (path.relative_to(top).as_posix() for path in top.rglob("*") if path.is_file())
    return sorted(name for name in found if not names.is_leftover(PurePosixPath(name).name))


def _is_free(path: Path) -> bool:
    return not path.exists() and not path.is_symlink()
