"""METRICS_PORT: what this program tells machines, on 127.0.0.1, for processes with no site too."""

import json
import os
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from newsletter.errors import FixSettings
from newsletter.seeing.glance import Watch

HOST = "127.0.0.1"
TEXT = "text/plain; version=0.0.4; charset=utf-8"  # of Prometheus
PATIENCE = 5.0  # seconds a collector has to say what it wants


def listen(port: int) -> socket.socket:
    """A socket that already listens. Raises FixSettings when it cannot be had."""
    try:
        return socket.create_server((HOST, port), backlog=16)
    except OSError as error:
        raise FixSettings(
            f"METRICS_PORT {port} of {HOST} cannot be used ({os.strerror(error.errno or 0)})."
        ) from None


def answer(watch: Watch, path: str) -> tuple[int, str, bytes]:
    """Status, content type and body of a GET."""
    match path:
        case "/healthz":
            return 200, "text/plain; charset=utf-8", b"ok\n"
        case "/readyz":
            found = watch.readiness()
            body = json.dumps({"ready": found.ready, "checks": found.checks})
            return 200 if found.ready else 503, "application/json", f"{body}\n".encode()
        case "/metrics":
            return 200, TEXT, watch.exposition()
        case _:
            return 404, "text/plain; charset=utf-8", b"not found\n"


class Listener:
    """The server, in threads of its own; several processes may share the socket."""

    def __init__(self, watch: Watch, listener: socket.socket) -> None:
        """`listener` is not closed here, so that another process may go on."""
        address = listener.getsockname()
        self._server = _Server(address, _handler(watch), bind_and_activate=False)
        self._server.socket.close()
        self._server.socket = listener.dup()
        self._server.socket.setblocking(False)  # another process may take what woke this one
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def start(self) -> None:
        """Answer from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Answer no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False


def _handler(watch: Watch) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = PATIENCE

        def do_GET(self) -> None:
            status, kind, body = answer(watch, self.path.partition("?")[0])
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nobody logs requests."""

    return Handler
