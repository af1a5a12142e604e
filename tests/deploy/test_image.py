"""The Containerfile: what cannot be built where no image can be fetched is read line by line.

test_running.py starts the server from the files that its COPY steps take.
"""

import re
import stat
import subprocess
import tomllib
from pathlib import Path

import config
from newsletter.cli.serve import command
from tests.deploy.container import Step, copy_files, steps
from tests.deploy.files import DEPLOY, filled

STEPS = steps()
KNOWN = {"FROM", "WORKDIR", "RUN", "COPY", "USER", "ENV", "VOLUME", "EXPOSE", "STOPSIGNAL"}
KNOWN |= {"HEALTHCHECK", "ENTRYPOINT", "CMD"}


def of(word: str) -> list[Step]:
    return [step for step in STEPS if step.word == word]


def test_every_line_is_an_instruction() -> None:
    assert STEPS[0].word == "FROM"
    assert {step.word for step in STEPS} == KNOWN


def test_it_runs_as_nobody_s_account_and_writes_into_its_volumes_alone() -> None:
    last = [number for number, step in enumerate(STEPS) if step.word == "FROM"][-1]
    after = STEPS[last:]
    users = [step.rest for step in after if step.word == "USER"]
    [made] = [step.rest for step in after if step.word == "RUN"]
    assert users == ["fiabel"]
    assert made.startswith("useradd --system")
    [volume] = of("VOLUME")
    [environ] = of("ENV")
    folders = re.findall(r"(?:INSTANCE|CONTENT)_DIR=(\S+)", environ.rest)
    assert len(folders) == 2
    first, outside = volume.rest.split()
    assert all(folder.startswith(f"{first}/") for folder in folders)
    assert f"OUTSIDE_DIR={outside}" in environ.rest, "the fence is not put back with the database"
    assert made.endswith(f"--owner fiabel --mode 700 {outside}")


def test_what_is_installed_is_what_is_locked() -> None:
    [locked, ours] = [step.rest for step in of("RUN") if "pip install" in step.rest]
    assert "--require-hashes --requirement requirements.lock" in locked
    assert "--no-deps" in ours
    wanted = tomllib.loads((config.PROJECT_DIR / "pyproject.toml").read_text())["project"]
    for step in of("FROM"):
        version = re.search(r"python:(\d+)\.(\d+)-slim", step.rest)
        assert version
        assert (3, int(version[2])) >= (3, 11)
    assert wanted["requires-python"] == ">=3.11"


def test_nothing_secret_is_baked_in() -> None:
    text = (DEPLOY / "Containerfile").read_text("utf-8")
    assert not re.search(r"(?i)(secret_key|password|token)\s*=", text)
    copied = [source for step in of("COPY") for source in step.listed[:-1]]
    assert not {".", ".env", "instance", ".git"} & set(copied)


def test_the_package_is_whole_without_the_rest_of_the_project(tmp_path: Path) -> None:
    """All modules, templates and migrations are there; tests and items are not."""
    copy_files(tmp_path)
    tree = tmp_path / "srv/fiabel"
    ours = {str(file.relative_to(tree)) for file in tree.rglob("*") if file.is_file()}
    assert {"config.py", "wsgi.py", "pyproject.toml", "LICENSE"} <= ours
    assert not [name for name in ours if name.startswith(("tests/", "content/", "docs/"))]
    content = tmp_path / "var/lib/fiabel/content"
    assert {one.name for one in content.iterdir()} == {"topics.toml", "pages"}


def test_what_is_started_is_a_command_of_ours() -> None:
    [start], [default] = of("ENTRYPOINT"), of("CMD")
    assert start.listed == ["newsletter"]
    name, *options = default.listed
    assert name == command.name
    context = command.make_context(name, options)
    assert context.params == {"host": "0.0.0.0", "port": 5000}  # noqa: S104


def test_the_wrapper_and_the_scripts_are_programs() -> None:
    for name, shell in (("newsletter", "sh"), ("upgrade", "bash")):
        file = DEPLOY / name
        assert file.stat().st_mode & stat.S_IXUSR
        assert subprocess.run([shell, "-n", str(file)], check=False).returncode == 0


def test_the_template_fits_an_env_file_of_podman() -> None:
    """One NAME=value a line; nothing that only a shell would understand."""
    for line in filled().splitlines():
        assert not line or re.match(r"#|[A-Z][A-Z0-9_]*=", line)
        assert "$" not in line
