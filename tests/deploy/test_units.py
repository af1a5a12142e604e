"""The units, as systemd reads them."""

import re
import subprocess
from pathlib import Path

import pytest

from newsletter.cli import main
from newsletter.cli.serve.server import GRACE
from newsletter.settings import load
from tests.deploy.cage import NEEDED
from tests.deploy.files import PROGRAM, SERVICES, UNITS, tracked, values, words

SHARED = ("User", "UMask", "CapabilityBoundingSet", "SystemCallFilter", "ProtectSystem")
EXPOSURE = 20  # tenths of `systemd-analyze security`; 96 is a service with no rule at all


@pytest.fixture(scope="module")
def verified(tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    """Unchanged but for the program, which is not installed here."""
    folder = tmp_path_factory.mktemp("systemd")
    for unit in UNITS:
        text = unit.read_text("utf-8").replace(PROGRAM, "/bin/true")
        (folder / unit.name.replace("@.", "@1.")).write_text(text)
    command = ["systemd-analyze", "--man=no", "verify", *map(str, sorted(folder.iterdir()))]
    return _analyze(command)


def _analyze(command: list[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    except FileNotFoundError:
        pytest.skip(f"there is no {NEEDED[-1]} (Debian: apt-get install systemd)")


def test_systemd_understands_every_line(verified: subprocess.CompletedProcess[str]) -> None:
    said = [line for line in verified.stderr.splitlines() if "newsletter" in line]
    assert said == []
    assert verified.returncode == 0


def test_a_mistake_would_be_seen(tmp_path: Path) -> None:
    text = SERVICES[0].read_text("utf-8").replace("PrivateTmp=", "PrivatTmp=")
    (tmp_path / SERVICES[0].name).write_text(text.replace(PROGRAM, "/bin/true"))
    done = _analyze(["systemd-analyze", "--man=no", "verify", str(tmp_path / SERVICES[0].name)])
    assert "PrivatTmp" in done.stderr


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_little_is_exposed(unit: Path) -> None:
    threshold = ["--offline=true", f"--threshold={EXPOSURE}"]
    done = _analyze(["systemd-analyze", "--no-pager", "security", *threshold, str(unit)])
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_all_have_the_same_walls(unit: Path) -> None:
    for name in SHARED:
        assert values(unit, name) == values(SERVICES[0], name), name
    assert values(unit, "WorkingDirectory") == ["/srv/fiabel/current"]


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_each_command_is_one_of_ours(unit: Path) -> None:
    name, *arguments = words(unit)
    command = main.get_command(None, name)  # type: ignore[arg-type]
    assert command is not None
    assert command.make_context(name, list(arguments), resilient_parsing=True)


def test_nobody_is_killed_while_the_relay_answers(tmp_path: Path) -> None:
    """TimeoutStopSec is longer than what a stopping server takes at most."""
    settings = load(environ={}, env_file=tmp_path / "no", INSTANCE_DIR=str(tmp_path))
    for unit in SERVICES:
        if values(unit, "Type") != ["oneshot"]:
            [seconds] = values(unit, "TimeoutStopSec")
            assert int(seconds) >= settings.grace_seconds + GRACE + 10
            assert values(unit, "KillMode") == ["mixed"]


def test_the_papers_they_name_are_there() -> None:
    for unit in UNITS:
        named = re.findall(r"docs/[A-Z]+\.md", unit.read_text("utf-8"))
        assert [name for name in named if name not in tracked()] == [], unit.name
