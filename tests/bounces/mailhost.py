"""Debian's Postfix as relay and Dovecot as mailbox, on 127.0.0.1, apart from those of the machine:
configuration, queue and mail lie in one folder, and what is started here ends here."""

import contextlib
import grp
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.faults.certificates import certificate
from tests.faults.programs import wait_for
from tests.relay import free_port

POSTFIX = ("/usr/lib/postfix/sbin", "/usr/libexec/postfix")
DOVECOTS_LMTP = "/usr/lib/dovecot/lmtp"
PASSWORD = "een-lang-wachtwoord"
MAIN = """\
compatibility_level = 3.6
myhostname = relay.test
mydestination =
alias_maps =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
queue_directory = {folder}/queue
data_directory = {folder}/data
command_directory = {commands}
daemon_directory = {daemons}
mail_owner = postfix
setgid_group = postdrop
maillog_file = {folder}/postfix.log
maillog_file_prefixes = {folder}
virtual_mailbox_domains = nieuws.test, voorbeeld.example, lmtp.test
virtual_transport = lmtp:inet:127.0.0.1:{mailboxes}
transport_maps = inline:{{ {{ lmtp.test = lmtp:inet:127.0.0.1:{ours} }} }}
smtpd_reject_unlisted_recipient = no
recipient_delimiter = +
local_recipient_maps =
"""
MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
error unix - - n - - error
retry unix - - n - - error
smtp unix - - n - - smtp
lmtp unix - - n - - lmtp
proxymap unix - - n - - proxymap
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""
DOVECOT = """\
base_dir = {folder}/run
state_dir = {folder}/run
log_path = {folder}/dovecot.log
protocols = imap lmtp
listen = 127.0.0.1
ssl = required
ssl_cert = <{certificate}
ssl_key = <{certificate}
mail_location = maildir:{folder}/mail/%u
mail_uid = {user}
mail_gid = {group}
first_valid_uid = 1
recipient_delimiter = +
auth_mechanisms = plain
default_vsz_limit = 0
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {folder}/users
}}
userdb {{
  driver = passwd-file
  args = username_format=%u {folder}/users
}}
service imap-login {{
  inet_listener imap {{
    port = 0
  }}
  inet_listener imaps {{
    port = {imaps}
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    port = {lmtp}
  }}
}}
"""


def why_not() -> str:
    """What is missing to run them, or ''."""
    if os.geteuid() != 0:
        return "Postfix and Dovecot are started by root only"
    if not (shutil.which("dovecot", path=_path()) and Path(DOVECOTS_LMTP).exists() and daemons()):
        return "there is no Postfix, or no Dovecot (Debian: postfix dovecot-imapd dovecot-lmtpd)"
    return ""


@dataclass
class MailHost:
    """What runs."""

    folder: Path
    smtp: int  # ports
    imaps: int
    lmtp: int  # of Dovecot
    ours: int  # where mail for lmtp.test is handed over
    certificate: Path

    @property
    def said(self) -> str:
        """The logs of both."""
        logs = (self.folder / name for name in ("postfix.log", "dovecot.log"))
        return "\n".join(log.read_text("utf-8", "replace") for log in logs if log.exists())


@contextlib.contextmanager
def running(users: list[str]) -> Iterator[MailHost]:
    """Mailboxes for these addresses, each with PASSWORD."""
    mask = os.umask(0o022)  # their parts run as users of their own, and read the configuration
    folder = Path(tempfile.mkdtemp(prefix="fm"))  # short: a socket's path has 108 octets
    try:
        folder.chmod(0o755)
        smtp, imaps, lmtp, ours = (free_port() for _ in range(4))
        host = MailHost(folder, smtp, imaps, lmtp, ours, certificate(folder / "cert.pem"))
        with _dovecot(host, users), _postfix(host):
            yield host
    finally:
        os.umask(mask)
        shutil.rmtree(folder)


@contextlib.contextmanager
def _dovecot(host: MailHost, users: list[str]) -> Iterator[None]:
    folder, owner = host.folder, pwd.getpwnam("nobody")
    group = grp.getgrgid(owner.pw_gid).gr_name
    values = {"certificate": host.certificate, "imaps": host.imaps, "lmtp": host.lmtp}
    config = folder / "dovecot.conf"
    config.write_text(DOVECOT.format(folder=folder, user="nobody", group=group, **values))
    (folder / "users").write_text("".join(f"{user}:{PASSWORD}::::::\n" for user in users))
    (folder / "mail").mkdir()
    os.chown(folder / "mail", owner.pw_uid, owner.pw_gid)
    program = shutil.which("dovecot", path=_path())
    assert program
    with _process([program, "-F", "-c", str(config)], host):
        wait_for(lambda: (folder / "run/master.pid").exists(), "Dovecot's start")
        yield


@contextlib.contextmanager
def _postfix(host: MailHost) -> Iterator[None]:
    folder, owner = host.folder / "postfix", pwd.getpwnam("postfix")
    folder.mkdir()
    for name in ("queue", "data"):
        (host.folder / name).mkdir()
    os.chown(host.folder / "data", owner.pw_uid, owner.pw_gid)
    program = shutil.which("postfix", path=_path())
    assert program
    values = {"daemons": daemons(), "commands": Path(program).parent}
    ports = {"mailboxes": host.lmtp, "ours": host.ours}
    (folder / "main.cf").write_text(MAIN.format(folder=host.folder, **values, **ports))
    (folder / "master.cf").write_text(MASTER.format(port=host.smtp))
    with _process([program, "-c", str(folder), "start-fg"], host):
        wait_for(lambda: "daemon started" in host.said, "Postfix's start")
        try:
            yield
        finally:
            subprocess.run([program, "-c", str(folder), "stop"], capture_output=True, check=False)


@contextlib.contextmanager
def _process(command: list[str], host: MailHost) -> Iterator[None]:
    with (host.folder / "output.txt").open("ab") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    try:
        yield
    except AssertionError as error:
        error.add_note(f"{(host.folder / 'output.txt').read_text()}\n{host.said}")
        raise
    finally:
        process.terminate()
        process.wait(20)


def _path() -> str:
    return os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))


def daemons() -> str:
    """Where Postfix keeps its programs, or ''."""
    return next((path for path in POSTFIX if Path(path, "master").exists()), "")
