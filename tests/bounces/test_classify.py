"""`newsletter bounces classify`, on files, folders, Maildirs and mailbox files."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from newsletter.cli import main

SAMPLES = Path(__file__).parent / "samples"
BOUNCE = SAMPLES / "postfix-unknown.eml"


def classify(*paths: Path, code: int = 0, words: tuple[str, ...] = ()) -> Result:
    result = CliRunner().invoke(main, ("bounces", "classify", *words, *map(str, paths)))
    assert result.exit_code == code, result.output
    return result


def objects(*paths: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in classify(*paths, words=("--json",)).output.splitlines()]


def test_one_object_a_line() -> None:
    assert objects(BOUNCE, SAMPLES / "jmrp.eml") == [
        {
            "path": str(BOUNCE),
            "kind": "hard",
            "status": "5.1.1",
            "reason": "550 5.1.1 <an@school.example>: Recipient address rejected: User unknown in"
            " local recipient table",
            "recipient": "an@school.example",
        },
        {
            "path": str(SAMPLES / "jmrp.eml"),
            "kind": "complaint",
            "status": None,
            "reason": None,
            "recipient": "bert@hotmail.example",
        },
    ]


def test_lines_for_people() -> None:
    said = classify(SAMPLES / "postfix-two-recipients.eml").output.splitlines()
    assert [line.split()[:3] for line in said] == [
        ["hard", "5.1.1", "een@school.example"],
        ["soft", "5.2.2", "twee@school.example"],
    ]


def test_a_folder_in_the_order_of_names() -> None:
    paths = list(dict.fromkeys(row["path"] for row in objects(SAMPLES)))
    assert paths == sorted(map(str, SAMPLES.iterdir()))


def test_a_maildir(tmp_path: Path) -> None:
    for name in ("cur", "new", "tmp"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1764000000.M1P1.host:2,S").write_bytes(BOUNCE.read_bytes())
    (tmp_path / ".index").write_bytes(b"x")
    assert [Path(row["path"]).parent.name for row in objects(tmp_path)] == ["cur", "new"]


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_mailbox_file(tmp_path: Path, end: bytes) -> None:
    parts = [BOUNCE.read_bytes(), (SAMPLES / "vacation-nl.eml").read_bytes()]
    between = b"From MAILER-DAEMON Mon Nov 23 09:00:00 2026\n"
    raw = b"".join(between + part + b"\n" for part in parts).replace(b"\n", end)
    box = tmp_path / "returned"
    box.write_bytes(raw)
    assert [(row["path"], row["kind"]) for row in objects(box)] == [
        (f"{box}#1", "hard"),
        (f"{box}#2", "auto_reply"),
    ]


def test_a_message_that_begins_as_a_mailbox_file_does(tmp_path: Path) -> None:
    one = tmp_path / "one.txt"
    copy = b"\nFrom an@school.example Mon Nov 23 09:00:00 2026\nquoted\n"
    one.write_bytes(b"From x Mon Nov 23 09:00:00 2026\n" + BOUNCE.read_bytes() + copy)
    assert [(row["path"], row["kind"]) for row in objects(one)] == [(str(one), "hard")]


def test_a_long_line_that_begins_as_a_mailbox_file_does_is_read_at_once(tmp_path: Path) -> None:
    (tmp_path / "long").write_bytes(b"From a " + b"1:11" * 250_000)  # minutes, were it searched
    assert [one["kind"] for one in objects(tmp_path / "long")] == ["unknown"]


def test_what_is_not_there(tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    assert classify(nowhere, code=1).stderr == f"{nowhere} is not there.\n"


def test_what_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, *_: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", refuse)
    assert classify(BOUNCE, code=1).stderr == f"{BOUNCE} cannot be read: Permission denied.\n"
