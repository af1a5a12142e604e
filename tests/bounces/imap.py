"""pymap, an IMAP server in Python, as a process; mailboxes are folders of its one user."""

import contextlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from imap_tools import MailBoxUnencrypted

from newsletter.settings.mailboxes import Account
from tests.faults.programs import wait_for
from tests.relay import free_port

USER, PASSWORD = "boxes", "geheim-van-de-mailbox"


@dataclass
class ImapServer:
    """Where it listens."""

    port: int

    def account(self, folder: str) -> Account:
        """A folder, as the settings would name it."""
        return Account("127.0.0.1", self.port, USER, folder, tls_at_once=False)

    @contextlib.contextmanager
    def signed_in(self) -> Iterator[MailBoxUnencrypted]:
        """As its owner, with any mail program."""
        with MailBoxUnencrypted("127.0.0.1", self.port) as box:
            yield box.login(USER, PASSWORD)

    def fill(self, folder: str, *messages: bytes) -> Account:
        """Put messages into a folder; makes it first."""
        with self.signed_in() as box:
            if not box.folder.exists(folder):
                box.folder.create(folder)
            for message in messages:
                box.append(message, folder)
        return self.account(folder)

    def lying_in(self, folder: str) -> int:
        """How many messages a folder holds."""
        with self.signed_in() as box:
            return box.folder.status(folder)["MESSAGES"] if box.folder.exists(folder) else 0


@contextlib.contextmanager
def running() -> Iterator[ImapServer]:
    port = free_port()
    program = shutil.which("pymap", path=str(Path(sys.executable).parent))
    assert program
    command = [program, "--host", "127.0.0.1", "--port", str(port), "--no-tls", "dict"]
    process = subprocess.Popen(
        [*command, "--demo-user", USER, "--demo-password", PASSWORD],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    server = ImapServer(port)

    def answers() -> bool:
        with contextlib.suppress(OSError), server.signed_in():
            return True
        return False

    try:
        wait_for(answers, "pymap's start")
        yield server
    finally:
        process.terminate()
        process.wait(10)
