"""Postfix with our main.cf and master.cf: what it says of them, and whom it lets in."""

import os
import pwd
import re
import shutil
import smtplib
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.bounces import mailhost
from tests.deploy.files import DEPLOY, filled
from tests.deploy.test_template import LINE
from tests.faults.certificates import certificate
from tests.faults.programs import wait_for
from tests.relay import free_port

OURS = DEPLOY / "postfix"
PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
FOLDERS = """
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/postfix.log
maillog_file_prefixes = {folder}
mail_owner = postfix
setgid_group = postdrop
daemon_directory = {daemons}
command_directory = {commands}
meta_directory = {meta}
virtual_transport = lmtp:inet:127.0.0.1:{lmtp}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = {network}
smtpd_tls_cert_file = {certificate}
smtpd_tls_key_file = {certificate}
"""
# As the mail host of other tests has it, with what ours needs besides.
MASTER = (
    mailhost.MASTER
    + """\
tlsmgr unix - - n 1000? 1 tlsmgr
scache unix - - n - 1 scache
"""
)


def why_not() -> str:
    """What is missing, or ''."""
    if not (shutil.which("postconf", path=PATH) and mailhost.daemons()):
        return "there is no Postfix (Debian: apt-get install postfix)"
    return "" if os.geteuid() == 0 else "Postfix is started by root only"


pytestmark = pytest.mark.skipif(bool(why_not()), reason=why_not())


@dataclass(frozen=True)
class Postfix:
    folder: Path
    port: int

    @property
    def config(self) -> Path:
        return self.folder / "etc"

    def run(self, name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        program = shutil.which(name, path=PATH)
        assert program
        command = [program, "-c", str(self.config), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture(scope="module")
def postfix() -> Iterator[Postfix]:
    """Our files, with other folders and ports; whoever asks is a stranger."""
    mask = os.umask(0o022)
    folder = Path(tempfile.mkdtemp(prefix="fp"))
    folder.chmod(0o755)
    try:
        made = Postfix(folder, free_port())
        for name in ("etc", "queue", "data"):
            (folder / name).mkdir()
        os.chown(folder / "data", pwd.getpwnam("postfix").pw_uid, -1)
        said = FOLDERS.format(
            folder=folder,
            daemons=mailhost.daemons(),
            commands=Path(shutil.which("postfix", path=PATH) or "").parent,
            meta=subprocess.check_output(
                [shutil.which("postconf", path=PATH) or "", "-h", "meta_directory"], text=True
            ).strip(),
            lmtp=free_port(),
            network="192.0.2.0/24",
            certificate=certificate(folder / "cert.pem", name="mail.nieuws.example"),
        )
        main = (OURS / "main.cf").read_text("utf-8")
        replaced = {line.partition(" =")[0] for line in said.splitlines() if line}
        kept = [line for line in main.splitlines() if line.partition(" =")[0] not in replaced]
        (made.config / "main.cf").write_text("\n".join(kept) + said)
        master = MASTER.format(port=made.port) + (OURS / "master.cf").read_text("utf-8")
        (made.config / "master.cf").write_text(master.replace("       y       ", "       n       "))
        yield made
    finally:
        os.umask(mask)
        shutil.rmtree(folder)


def test_postfix_knows_every_name(tmp_path: Path) -> None:
    """postconf warns of what no program of Postfix reads."""
    shutil.copy(OURS / "main.cf", tmp_path)
    debians = Path("/usr/share/postfix/master.cf.dist")
    before = debians.read_text("utf-8") if debians.exists() else MASTER.format(port=25)
    (tmp_path / "master.cf").write_text(before + (OURS / "master.cf").read_text("utf-8"))
    done = Postfix(tmp_path, 0)
    program = shutil.which("postconf", path=PATH) or ""
    for options in (["-n"], ["-M"], ["-P"]):
        command = [program, "-c", str(done.folder), *options]
        said = subprocess.run(command, capture_output=True, text=True, check=True)
        assert said.stderr == ""
    (tmp_path / "main.cf").write_text("in_flow_dlay = 0\n")
    said = subprocess.run([program, "-c", str(tmp_path), "-n"], capture_output=True, text=True)
    assert "unused parameter: in_flow_dlay" in said.stderr


def test_bounces_come_in_and_nobody_else_s_mail(postfix: Postfix) -> None:
    started = postfix.run("postfix", "start")
    log = postfix.folder / "postfix.log"
    assert started.returncode == 0, started.stderr + (log.read_text() if log.exists() else "")
    try:
        wait_for(lambda: "daemon started" in log.read_text(), "Postfix's start")
        with smtplib.SMTP("127.0.0.1", postfix.port, timeout=30) as stranger:
            assert stranger.ehlo()[0] == 250
            assert stranger.has_extn("starttls")
            assert int(stranger.esmtp_features["size"]) > 25 * 1024 * 1024 * 4 / 3
            stranger.mail("")
            answers = {
                "bounce+dAbC-123_x@nieuws.example": 250,
                "bounce@nieuws.example": 250,
                "postmaster@nieuws.example": 250,
                "niemand@nieuws.example": 550,
                "iemand@elders.example": 554,
            }
            for recipient, code in answers.items():
                assert stranger.rcpt(recipient)[0] == code, recipient
        assert "warning" not in log.read_text()
    finally:
        postfix.run("postfix", "stop")


def test_it_gives_up_when_the_newsletter_does(postfix: Postfix) -> None:
    said = postfix.run("postconf", "-xh", "maximal_queue_lifetime", "recipient_delimiter").stdout
    assert said.split() == ["2d", "+"]
    template = {name: value for _off, name, value in LINE.findall(filled())}
    original = (OURS / "main.cf").read_text("utf-8")
    assert f"lmtp:inet:{template['BOUNCE_LMTP']}\n" in original
    assert f"{{{template['RETURN_PATH']} = ok}}" in original


def test_slow_providers_go_their_own_way(postfix: Postfix) -> None:
    said = postfix.run("postconf", "-h", "transport_maps").stdout.strip()
    found = postfix.run("postmap", "-q", "outlook.com", said)
    assert found.stdout.strip() == "slow:"
    assert re.search(r"(?m)^slow +unix", (postfix.config / "master.cf").read_text())
