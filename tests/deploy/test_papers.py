"""docs/DEPLOY.md and docs/INSTALLEREN.md: what they name is there, and both say the same."""

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import click
import pytest

import config
from newsletter.cli import main
from tests.deploy.files import DEPLOY, UNITS, tracked

ENGLISH, DUTCH = (config.PROJECT_DIR / "docs" / name for name in ("DEPLOY.md", "INSTALLEREN.md"))
TEXTS = [ENGLISH.read_text("utf-8"), DUTCH.read_text("utf-8")]
BLOCK = re.compile(r"(?ms)^```\n(.*?)^```$")
CODE = re.compile(r"`([^`\n]+)`")
# Names in capitals that are no settings of ours: of make, of the DNS, and what somebody fills in.
OTHER = {"VERSION", "RESTORE", "JOURNAL", "FILE", "PASSWORD", "COMMIT", "DEBIAN_FRONTEND"}


def commands() -> list[str]:
    """Each line of the examples, and what the running text calls a command."""
    found = [
        line for text in TEXTS[:1] for block in BLOCK.findall(text) for line in block.split("\n")
    ]
    inline = [code for text in TEXTS for code in CODE.findall(BLOCK.sub("", text))]
    return [*filter(None, found), *inline]


def test_both_languages_have_the_same_steps() -> None:
    english, dutch = TEXTS
    assert BLOCK.findall(english) == BLOCK.findall(dutch)
    headings = [re.findall(r"(?m)^## (\d+)?", text) for text in TEXTS]
    assert headings[0] == headings[1]
    codes = [sorted(set(CODE.findall(BLOCK.sub("", text)))) for text in TEXTS]
    assert codes[0] == codes[1]
    assert f"({DUTCH.name})" in english
    assert f"({ENGLISH.name})" in dutch


@pytest.mark.parametrize(
    "line", sorted({line for line in commands() if re.search(r"(^| )newsletter [a-z]", line)})
)
def test_each_command_of_ours_is_one(line: str) -> None:
    words = shlex.split(line)
    words = words[words.index("newsletter") + 1 :]
    command: click.Command = main
    parent = click.Context(main)
    while isinstance(command, click.Group) and words:
        found = command.get_command(parent, words[0])
        assert found, f"{line}: there is no such command"
        command, words = found, words[1:]
    for word in words:
        known = {option for one in command.params for option in one.opts}
        assert not word.startswith("--") or word in known, f"{line}: {word}"


def test_each_file_setting_unit_and_target_is_there() -> None:
    text = "\n".join(TEXTS)
    for name in re.findall(r"(?<![a-z])(?:/srv/fiabel/source/)?(deploy/[A-Za-z/.*-]+[a-z])", text):
        assert any(file.startswith(name) for file in tracked()), name
    for name in re.findall(r"`?\b([A-Z]{2,}(?:_[A-Z]+)+)\b", text):
        assert hasattr(config, name) or name in OTHER, name
    targets = (config.PROJECT_DIR / "Makefile").read_text("utf-8")
    for name in re.findall(r"make -C /srv/fiabel/source (\w+)", text):
        assert re.search(rf"(?m)^{name}:", targets), name
    units = {unit.name for unit in UNITS}
    for name in re.findall(r"newsletter[a-z@-]*\.(?:service|timer)", text):
        assert name in units, name


def test_each_of_debian_s_programs_is_called_as_it_wants() -> None:
    """Every line of the examples is a line of a shell."""
    script = "\n".join(line for block in BLOCK.findall(TEXTS[0]) for line in block.split("\n"))
    done = subprocess.run(["sh", "-n"], input=script, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_names_are_replaced_everywhere(tmp_path: Path) -> None:
    """The lines with sed, with somebody's own names: nothing of the example is left."""
    lines = [line for line in commands() if line.startswith("sed ")]
    assert len(lines) == 2
    for number, line in enumerate(lines):
        mine = line.replace("/nieuws.example/g", "/nieuws.stad.be/g")
        mine = mine.replace("/webmaster@example.org/g", "/post@stad.be/g")
        mine = mine.replace("/srv/fiabel/source", str(config.PROJECT_DIR))
        mine = mine.partition(" > ")[0]
        done = subprocess.run(shlex.split(mine), capture_output=True, text=True, check=True)
        left = [said for said in done.stdout.splitlines() if not said.startswith("#")]
        assert "nieuws.stad.be" in done.stdout
        assert not [said for said in left if "nieuws.example" in said or "example.org" in said]
        (tmp_path / str(number)).write_text(done.stdout)


def test_the_wrapper_gives_words_on_as_they_are(tmp_path: Path) -> None:
    program = tmp_path / "current/.venv/bin/newsletter"
    program.parent.mkdir(parents=True)
    program.write_text('#!/bin/sh\npwd\nprintf "<%s>" "$@"\n')
    program.chmod(0o755)
    wrapper = (DEPLOY / "newsletter").read_text("utf-8").replace("/srv/fiabel", str(tmp_path))
    wrapper = wrapper.replace("runuser -u fiabel -- ", "").replace("sudo -u fiabel -- ", "")
    (tmp_path / "newsletter").write_text(wrapper)
    words = ["editors", "create", "a@b.be", "--name", "Jan de Wit"]
    shell = shutil.which("sh")
    assert shell
    command = [shell, str(tmp_path / "newsletter"), *words]
    (tmp_path / "mine").mkdir()
    done = subprocess.run(
        command, cwd=tmp_path / "mine", capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{tmp_path}/mine\n" + "".join(f"<{word}>" for word in words)
    if os.geteuid() == 0:  # a folder that only root may enter, such as /root
        (tmp_path / "mine").chmod(0o700)
        [run] = re.findall(r"(?m)^run='(.*)'$", wrapper)
        nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        closed = [*nobody, shell, "-c", run.replace(f"{tmp_path}/current", "/usr"), "sh", "pwd"]
        done = subprocess.run(
            closed, cwd=tmp_path / "mine", capture_output=True, text=True, check=True
        )
        assert done.stdout == "/usr\n"


def test_what_is_typed_is_installed_and_names_are_those_of_the_zone() -> None:
    script = "\n".join(BLOCK.findall(TEXTS[0]))
    [installed] = [line for line in script.split("\n") if "--no-install-recommends" in line]
    for program in ("git", "make", "nginx", "postfix", "certbot", "openssl", "curl"):
        assert re.search(rf"(?m)^{program} ", script), program
        assert program in installed.split(), program
    doctor = (config.PROJECT_DIR / "docs/DOCTOR.md").read_text("utf-8")
    main = (DEPLOY / "postfix" / "main.cf").read_text("utf-8")
    [host] = re.findall(r"(?m)^myhostname = (.*)$", main)
    assert f"IN PTR {host}.\n" in doctor
    assert f"IN MX 10 {host}.\n" in doctor
    assert ("AAAA" in doctor) is ("inet_protocols = ipv4" not in main)
