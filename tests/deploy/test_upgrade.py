"""`make upgrade` and `make rollback`: what is done in which order, and what a failure leaves.

Releases are of a small repository whose program writes down how it was called, and fails when told.
"""

import http.server
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from newsletter.settings import load
from tests.deploy.files import DEPLOY

MAKEFILE = """\
setup:
\t@mkdir -p .venv/bin && cp program .venv/bin/newsletter
\t@printf '#!/bin/sh\\nexec "$(PYTHON)" "$$@"\\n' > .venv/bin/python && chmod +x .venv/bin/python
"""
PROGRAM = """\
#!/bin/sh
echo "$(cat version) $*" >> "$FIABEL_HOME/calls"
grep -qx "$(cat version) $1" "$FIABEL_HOME/fails" && { echo "It does not." >&2; exit 1; }
case "$1" in backup) echo "{\\"file\\": \\"$FIABEL_HOME/backups/one.db\\"}";; esac
"""
SYSTEMCTL = """\
#!/bin/sh
case "$1" in
    list-units) cat "$FIABEL_HOME/units";;
    --quiet) ;;
    *) echo "systemctl $*" >> "$FIABEL_HOME/calls";;
esac
"""
UNIT = "newsletter.service"


@dataclass
class Server:
    """The folders of a server, and what happened in them."""

    root: Path
    port: int

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        (self.root / "calls").write_text("")
        environ = {
            "FIABEL_HOME": str(self.root),
            "FIABEL_SETTINGS": str(self.root / "newsletter.env"),
            "FIABEL_BACKUPS": str(self.root / "backups"),
            "FIABEL_PORT": str(self.port),
            "FIABEL_PATIENCE": "1",
            "FIABEL_AS": "",
            "SYSTEMCTL": str(self.root / "systemctl"),
            "PYTHON": sys.executable,
        }
        command = [str(DEPLOY / "upgrade"), *words]
        surroundings = {name: value for name, value in os.environ.items() if name != "MAKEFLAGS"}
        return subprocess.run(
            command,
            env=surroundings | environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    @property
    def calls(self) -> list[str]:
        return (self.root / "calls").read_text().splitlines()

    def runs(self, name: str = "current") -> str:
        """The version that `current`, or `previous`, leads to."""
        return (self.root / name / "version").read_text().strip()

    def fail(self, *what: str) -> None:
        (self.root / "fails").write_text("".join(f"{one}\n" for one in what))


class _Site(http.server.BaseHTTPRequestHandler):
    status = 200

    def do_GET(self) -> None:
        self.send_response(type(self).status if self.path == "/readyz" else 404)
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with the versions v1, v2 and v3."""
    folder = tmp_path_factory.mktemp("sources")
    git = ["git", "-C", str(folder), "-c", "user.name=x", "-c", "user.email=x@example.org"]
    subprocess.run([*git, "init", "--quiet"], check=True)
    for name in ("newsletter", "migrations"):
        (folder / name).mkdir()
        (folder / name / "one.py").write_text("")
    for name in ("config.py", "wsgi.py"):
        (folder / name).write_text("")
    (folder / "program").write_text(PROGRAM)
    (folder / "program").chmod(0o755)
    (folder / "Makefile").write_text(MAKEFILE)
    for version in ("v1", "v2", "v3"):
        (folder / "version").write_text(f"{version}\n")
        subprocess.run([*git, "add", "--all"], check=True)
        subprocess.run([*git, "commit", "--quiet", "--message", version], check=True)
        subprocess.run([*git, "tag", version], check=True)
    return folder


@pytest.fixture
def server(tmp_path: Path, sources: Path) -> Iterator[Server]:
    site = http.server.HTTPServer(("127.0.0.1", 0), _Site)
    thread = threading.Thread(target=site.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    shutil.copytree(sources, tmp_path / "source")
    _Site.status = 200
    made = Server(tmp_path, site.server_address[1])
    (tmp_path / "systemctl").write_text(SYSTEMCTL)
    (tmp_path / "systemctl").chmod(0o755)
    (tmp_path / "newsletter.env").write_text("")
    (tmp_path / "units").write_text("")
    (tmp_path / "backups").mkdir()
    made.fail()
    yield made
    site.shutdown()
    thread.join()
    site.server_close()


def at_v1(server: Server) -> Server:
    """v1 runs."""
    assert server.run("upgrade", "v1").returncode == 0
    (server.root / "units").write_text(f"{UNIT} loaded active running\n")
    return server


def test_the_first_release_needs_no_backup(server: Server) -> None:
    done = server.run("upgrade", "v1")
    assert done.returncode == 0, done.stderr
    assert server.calls == ["v1 migrate"]
    assert server.runs() == "v1"
    assert "systemctl enable --now" in done.stdout


def test_a_backup_before_the_schema_and_a_restart_after_it(server: Server) -> None:
    done = at_v1(server).run("upgrade", "v2")
    assert done.returncode == 0, done.stderr
    backup = f"v1 backup --json {server.root}/backups"
    embedded = [f"systemctl stop {UNIT}", backup, "v2 migrate", f"systemctl restart {UNIT}"]
    assert server.calls == embedded
    assert (server.runs(), server.runs("previous")) == ("v2", "v1")
    again = server.run("upgrade", "v2")
    assert again.returncode == 0
    assert server.calls == ["v2 migrate"]
    assert server.runs("previous") == "v1"


@pytest.mark.parametrize(
    "line",
    [
        'DATABASE_URL="postgresql:///fiabel"',
        "DATABASE_URL = 'postgresql:///fiabel'",
        "export DATABASE_URL=postgresql:///fiabel # ours",
        "DATABASE_URL=\nDATABASE_URL=postgresql:///fiabel",
    ],
)
def test_postgresql_s_server_goes_on_meanwhile(server: Server, line: str) -> None:
    file = server.root / "newsletter.env"
    file.write_text(f"{line}\n")
    settings = load(environ={}, env_file=file, INSTANCE_DIR=str(server.root / "instance"))
    assert settings.database_url == "postgresql:///fiabel"
    done = at_v1(server).run("upgrade", "v2")
    assert "newsletter migrate --post" in done.stdout
    assert [call.partition(" ")[2].split()[0] for call in server.calls] == [
        *("backup", "migrate", "restart"),
    ]


@pytest.mark.parametrize(
    ("failing", "words"),
    [("v1 backup", "There is no backup"), ("v2 migrate", "The database was not migrated")],
)
def test_the_first_problem_ends_it_and_what_ran_runs_on(
    server: Server, failing: str, words: str
) -> None:
    at_v1(server).fail(failing)
    done = server.run("upgrade", "v2")
    assert done.returncode == 1
    assert words in done.stderr
    assert server.runs() == "v1"
    assert server.calls[-1] == f"systemctl start {UNIT}"
    server.fail()
    assert server.run("upgrade", "v2").returncode == 0
    assert server.runs() == "v2"


def test_a_release_that_is_not_ready_gives_way(server: Server) -> None:
    at_v1(server)
    _Site.status = 503
    done = server.run("upgrade", "v2")
    assert done.returncode == 1
    assert "ready" in done.stderr
    assert server.runs() == "v1"
    server.fail("v1 migrate")  # which cannot use the new schema
    done = server.run("upgrade", "v2")
    assert f"make rollback RESTORE={server.root}/backups/one.db" in done.stderr
    assert server.runs() == "v2"


def test_back_with_and_without_a_backup(server: Server) -> None:
    assert at_v1(server).run("upgrade", "v2").returncode == 0
    backup = server.root / "backups/one.db"
    backup.touch()
    server.fail("v1 migrate")
    refused = server.run("rollback")
    assert refused.returncode == 1
    assert "RESTORE=" in refused.stderr
    assert server.runs() == "v2"
    done = server.run("rollback", str(backup))
    assert done.returncode == 0, done.stderr
    assert server.calls == [
        f"systemctl stop {UNIT}",
        f"v1 restore --force {backup}",
        f"systemctl restart {UNIT}",
    ]
    assert server.runs() == "v1"
    assert "newsletter adopt" in done.stdout
    assert server.run("rollback").returncode == 1


def test_what_makes_no_sense_changes_nothing(server: Server) -> None:
    at_v1(server)
    for words in (["upgrade", "v9"], ["rollback"], ["rollback", "/nowhere"], ["else"], []):
        done = server.run(*words)
        assert done.returncode == 1, words
        assert len(done.stderr.splitlines()) == 1, done.stderr
        assert server.calls == []
    (server.root / "newsletter.env").unlink()
    assert "There are no settings" in server.run("upgrade", "v2").stderr
    assert server.runs() == "v1"
