"""The Containerfile as its steps, and what they leave in the image, made without a container."""

import json
import re
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path

import config
from tests.deploy.files import DEPLOY, tracked

FILE = DEPLOY / "Containerfile"


@dataclass(frozen=True)
class Step:
    """One instruction: its word, its options (--from=build …) and the rest."""

    word: str
    options: tuple[str, ...]
    rest: str

    @property
    def listed(self) -> list[str]:
        """Of the rest: the JSON list of the exec form, or the words."""
        rest = self.rest.partition("CMD ")[2] if self.word == "HEALTHCHECK" else self.rest
        return list(json.loads(rest)) if rest.startswith("[") else shlex.split(rest)


def steps() -> list[Step]:
    """All of them, in order; lines that go on are joined."""
    text = re.sub(r"(?m)^#.*\n", "", FILE.read_text("utf-8"))
    found = []
    for line in re.sub(r"\\\n\s*", "", text).splitlines():
        if line.strip():
            word, _, rest = line.partition(" ")
            options = re.match(r"(?:--\S+ )*", rest)
            assert options
            named = tuple(options[0].split())
            found.append(Step(word, named, rest[options.end() :].strip()))
    return found


def copy_files(root: Path) -> None:
    """What the COPY steps put into the image, below `root`; only files that git knows."""
    for step in steps():
        if step.word == "COPY" and not any(one.startswith("--from") for one in step.options):
            *sources, place = step.listed
            for source in sources:
                _copy(source, root, place)


def _copy(source: str, root: Path, place: str) -> None:
    """A file goes into a folder (place/); what a folder holds goes into the place."""
    target = (
        root / place.removeprefix("/") if place.startswith("/") else root / "srv/fiabel" / place
    )
    found = [name for name in tracked() if name == source or name.startswith(f"{source}/")]
    assert found, f"COPY {source}: git knows no such file"
    for name in found:
        inside = Path(name).name if name == source else str(Path(name).relative_to(source))
        file = target / inside
        file.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(config.PROJECT_DIR / name, file)
