"""`newsletter serve` as a real process."""

from pathlib import Path

from newsletter.catcher import FOLDER, Store
from newsletter.cli.demo import browser
from newsletter.cli.demo.server import free_ports
from tests.faults.programs import Birth, Program, wait_for
from tests.faults.shelf import make_shelf

SECONDS = 60


class Serving:
    """One `newsletter serve` with an instance folder of its own, and two short items to send: to
    prepare the whole shelf of the project takes longer than most tests of a server."""

    def __init__(
        self,
        birth: Birth,
        folder: Path,
        *arguments: str,
        module: str = "newsletter.cli",
        **environ: str,
    ) -> None:
        """`module`: another one than the program itself, which changes it before it starts."""
        self.folder, self.store = folder, Store(folder / FOLDER)
        self.port, self.catcher_port = free_ports(2)
        mine = {"INSTANCE_DIR": str(folder), "CATCHER_PORT": str(self.catcher_port)}
        if "CONTENT_DIR" not in environ:
            mine["CONTENT_DIR"] = str(_small_shelf(folder.parent / "shelf"))
        self.process = Program(
            birth,
            module,
            ["serve", f"--port={self.port}", *arguments],
            mine | environ,
            folder.parent / f"serve-{self.port}",
        )

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    @property
    def said(self) -> str:
        return self.process.out + self.process.err

    def until_running(self) -> "Serving":
        wait_for(lambda: "Stop" in self.said or not self.process.runs, "the start")
        assert "is running" in self.said, self.said
        return self

    def get(self, path: str) -> str:
        return browser.get(f"{self.url}{path}").body

    def children(self) -> list[int]:
        listed = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(pid) for pid in listed.split()]


def _small_shelf(folder: Path) -> Path:
    return folder if folder.exists() else make_shelf(folder)
