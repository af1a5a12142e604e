"""flufl.bounce's own samples: what its table says of them, and what we make of them.

They are somebody else's mail, so they are not here. Fetch them to see this test run:

    .venv/bin/python -m pip download --no-deps --no-binary :all: --dest build flufl.bounce
"""

import ast
import tarfile
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import config
from newsletter.bounces.dsn.sorting import sort
from newsletter.bounces.report import Kind

BUILD = config.PROJECT_DIR / "build"
LEAST = 0.97
# Of these its table knows no address; what they are was read by eye.
NO_ADDRESS = {
    "bounce_01.txt": Kind.SOFT,  # full
    "dumbass_01.txt": Kind.SOFT,  # too many attempts
    "groupwise_03.txt": Kind.HUMAN,
    "qmail_08.txt": Kind.AUTO_REPLY,
    "simple_42.txt": Kind.SOFT,  # called spam
    "simple_43.txt": Kind.HARD,  # no valid user
}
# Of those that its table calls permanent: by eye, no such mailbox. The others are soft: full,
# disabled, too late, looping, too big, blocked, or for no reason that is told.
HARD = {
    "bounce": "02", "dsn": "10 11 12 13 14 15 16 18", "exim": "01", "groupwise": "01 02",
    "llnl": "01", "microsoft": "01 02 04", "postfix": "01", "qmail": "03 04 05",
    "smtp32": "04 06 07",
    "simple": "04 05 06 08 11 12 13 15 19 23 25 26 27 29 30 33 34 36 37 39 41", "yahoo": "11 13",
    "yale": "01",
}  # fmt: skip
MIXED = {"yahoo_10.txt"}  # some hard, some soft


@pytest.fixture(scope="module")
def archive() -> Iterator[tarfile.TarFile]:
    files = sorted(BUILD.glob("flufl_bounce-*.tar.gz"))
    if not files:
        pytest.skip(
            f"flufl.bounce's source package is not in {BUILD} (tests/bounces/test_flufl.py)"
        )
    with tarfile.open(files[-1]) as opened:
        yield opened


def content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    assert file is not None
    return file.read()


def its_table(archive: tarfile.TarFile) -> dict[str, tuple[set[str], bool]]:
    """Sample: the addresses that its tests expect, and whether they are delays."""
    found: dict[str, tuple[set[str], bool]] = {}
    member = next(m for m in archive.getmembers() if m.name.endswith("/test_detectors.py"))
    for node in ast.parse(content(archive, member)).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "DETECTORS":
            for _detector, name, addresses, delayed in ast.literal_eval(node.value):
                known, _ = found.setdefault(name, (set(), delayed))
                known |= {address.decode() for address in addresses}
    return found


def is_right(name: str, raw: bytes, addresses: set[str], delayed: bool) -> bool:
    """Its addresses, no more and no fewer, and the kind that it or reading by eye gives."""
    reports = sort(raw)
    kinds = {report.kind for report in reports}
    if name in NO_ADDRESS:
        return kinds == {NO_ADDRESS[name]}
    if name in MIXED:
        expected = {Kind.HARD, Kind.SOFT}
    else:
        family, _, number = Path(name).stem.partition("_")
        hard = number in HARD.get(family, "").split()
        expected = {Kind.DELAYED if delayed else Kind.HARD if hard else Kind.SOFT}
    return kinds == expected and {report.recipient for report in reports} == addresses


def test_smt_12_it_reads_nearly_all_of_its_samples(
    archive: tarfile.TarFile, capsys: pytest.CaptureFixture[str]
) -> None:
    table = its_table(archive)
    samples = {
        Path(member.name).name: content(archive, member)
        for member in archive.getmembers()
        if "/tests/data/" in member.name and member.name.endswith(".txt")
    }
    wrong = [
        name
        for name, raw in sorted(samples.items())
        if not is_right(name, raw, *table.get(name, (set(), False)))
    ]
    right = len(samples) - len(wrong)
    with capsys.disabled():
        click.echo(
            f"\nflufl.bounce's samples: {right} of {len(samples)} right; not: {', '.join(wrong)}"
        )
    assert right / len(samples) >= LEAST, wrong
