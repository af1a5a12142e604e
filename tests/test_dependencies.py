"""What we stand on may be used with a program under the MIT licence."""

import re
from importlib import metadata

import pytest

import config

LOCK = config.PROJECT_DIR / "requirements.lock"
LOCKED = re.findall(r"^([A-Za-z0-9_.-]+)==([^ ;]+)", LOCK.read_text("utf-8"), re.MULTILINE)
ELSEWHERE = {"colorama"}  # of Windows
# Under the LGPL: used as they come, by import, which it allows (section 4).
LESSER = {"psycopg", "psycopg-binary", "psycopg-pool"}
STRICT = re.compile(r"(?<!Lesser )General Public|Affero|\b[A]?GPL", re.IGNORECASE)


def licence(name: str) -> str:
    """What a package says of itself, in its three places for it."""
    said = metadata.metadata(name).json
    marks = [one for one in said.get("classifier", ()) if one.startswith("License ::")]
    # A long text is a licence itself, and names others.
    parts = str(said.get("license_expression", "")), str(said.get("license", ""))[:100]
    return " / ".join([*parts, *marks])


@pytest.mark.parametrize(("name", "version"), [one for one in LOCKED if one[0] not in ELSEWHERE])
def test_no_package_would_bind_ours(name: str, version: str) -> None:
    assert metadata.version(name) == version, "the lock is what is installed"
    said = licence(name)
    assert said.strip(" /"), "a package without a licence may not be used at all"
    assert not STRICT.search(said), said
    assert ("LGPL" in said) is (name in LESSER), said


def test_the_words_of_licences_are_told_apart() -> None:
    for said in ("GPL-3.0-only", "GNU General Public License v2 (GPLv2)", "AGPL-3.0", "GPLv3"):
        assert STRICT.search(said), said
    assert not STRICT.search("LGPL-3.0-only")
