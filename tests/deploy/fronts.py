"""nginx and Caddy with our examples, on free ports of 127.0.0.1; only places are changed."""

import contextlib
import http.client
import os
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from tests.deploy.files import DEPLOY
from tests.faults.certificates import certificate
from tests.faults.programs import wait_for
from tests.relay import free_port

NAME = "nieuws.example"
CLIENT = "127.0.0.2"  # whom the proxy sees
ELSEWHERE = 0  # port of the host with the items; 0: the example of it stays commented
NGINX = """\
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/main.log;
user {user};
events {{}}
http {{
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/fiabel.conf;
}}
"""
CADDY = """\
{{
	admin off
	http_port {http}
	https_port {https}
"""


@dataclass(frozen=True)
class Answer:
    """What came back; names of headers in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Front:
    """A proxy that runs, and what it is called with."""

    name: str
    folder: Path
    site: int  # port of the program behind it
    http: int = field(default_factory=free_port)
    https: int = field(default_factory=free_port)

    @property
    def certificate(self) -> Path:
        return self.folder / "certificate.pem"

    @property
    def said(self) -> str:
        """All its logs."""
        files = [*self.folder.glob("*.log"), self.folder / "output.txt"]
        return "\n".join(file.read_text("utf-8", "replace") for file in files)

    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.certificate)

    def ask(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: Mapping[str, str] = MappingProxyType({}),
        *,
        tls: bool = True,
    ) -> Answer:
        """One request, as a visitor at CLIENT makes it."""
        port = self.https if tls else self.http
        connection = _Visitor(port, self.context() if tls else None)
        try:
            connection.request(method, path, body or None, {"Host": NAME, **headers})
            answer = connection.getresponse()
            heard = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, heard, answer.read())
        finally:
            connection.close()


class _Visitor(http.client.HTTPConnection):
    def __init__(self, port: int, context: ssl.SSLContext | None) -> None:
        super().__init__(NAME, port, timeout=30)
        self._context = context

    def connect(self) -> None:
        plain = socket.create_connection(("127.0.0.1", self.port), 30, (CLIENT, 0))
        self.sock = plain
        if self._context:
            self.sock = self._context.wrap_socket(plain, server_hostname=NAME)


@contextlib.contextmanager
def running(name: str, folder: Path, site: int) -> Iterator[Front]:
    """The proxy of this name before the program at port `site`, once it answers."""
    front = Front(name, folder, site)
    certificate(front.certificate, name=NAME)
    check, run = (_nginx if name == "nginx" else _caddy)(front)
    done = subprocess.run(check, env=_environ(front), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "emerg" not in done.stderr
    with (folder / "output.txt").open("wb") as output:
        process = subprocess.Popen(
            run, env=_environ(front), stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        wait_for(lambda: process.poll() is not None or _listens(front), f"{name}'s start")
        assert process.poll() is None, front.said
        yield front
    finally:
        process.terminate()
        process.wait(20)


def program(name: str) -> str | None:
    """Where it is."""
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def _nginx(front: Front) -> tuple[list[str], list[str]]:
    text = (DEPLOY / "nginx" / "fiabel.conf").read_text("utf-8")
    for there, here in {
        "    listen [::]:80;\n": "",
        "    listen [::]:443 ssl http2;\n": "",
        "listen 80;": f"listen 127.0.0.1:{front.http};",
        "listen 443 ": f"listen 127.0.0.1:{front.https} ",
        "127.0.0.1:5000": f"127.0.0.1:{front.site}",
        "/etc/letsencrypt/live/nieuws.example/fullchain.pem": str(front.certificate),
        "/etc/letsencrypt/live/nieuws.example/privkey.pem": str(front.certificate),
        "/var/log/nginx": str(front.folder),
    }.items():
        assert there in text
        text = text.replace(there, here)
    (front.folder / "fiabel.conf").write_text(_elsewhere(text, "    #location ~", "    #}"))
    user = "root" if os.geteuid() == 0 else "nobody"
    (front.folder / "nginx.conf").write_text(NGINX.format(folder=front.folder, user=user))
    run = [program("nginx") or "", "-e", f"{front.folder}/early.log"]
    run += ["-p", str(front.folder), "-c", f"{front.folder}/nginx.conf"]
    return [*run, "-t"], run


def _caddy(front: Front) -> tuple[list[str], list[str]]:
    text = (DEPLOY / "caddy" / "Caddyfile").read_text("utf-8")
    tls = f"bind 127.0.0.1\n\ttls {front.certificate} {front.certificate}"
    for there, here in {
        "\n{\n": "\n" + CADDY.format(http=front.http, https=front.https),
        "\nnieuws.example {\n": f"\nnieuws.example {{\n\t{tls}\n",
        "127.0.0.1:5000 {": f"127.0.0.1:{front.site} {{",
    }.items():
        assert text.count(there) == 1
        text = text.replace(there, here)
    (front.folder / "Caddyfile").write_text(_elsewhere(text, "\t#@shelf", "\t#}"))
    caddy = program("caddy") or ""
    options = ["--adapter", "caddyfile", "--config", f"{front.folder}/Caddyfile"]
    return [caddy, "validate", *options], [caddy, "run", *options]


def _elsewhere(text: str, first: str, last: str) -> str:
    """With the example of another host's items, when ELSEWHERE says where that is."""
    before, found, rest = text.partition(first)
    example, end, after = (found + rest).partition(last)
    assert found
    assert end
    if not ELSEWHERE:
        return text
    lines = (example + end).replace("#", "").replace("10.0.0.1:5000", f"127.0.0.1:{ELSEWHERE}")
    return before + lines + after


def _environ(front: Front) -> dict[str, str]:
    home = str(front.folder)
    return {"PATH": os.environ["PATH"], "HOME": home, "XDG_DATA_HOME": home}


def _listens(front: Front) -> bool:
    for port in (front.http, front.https):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            return False
    return True
