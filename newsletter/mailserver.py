"""A mail server on aiosmtpd, on a socket that listens already, in a thread and a loop of its own.

Several processes may share the socket: aiosmtpd's own controller asks it whether it answers, waits
until this very process was asked, and gives up when another one took the question.
"""

import asyncio
import socket
import threading
from asyncio import AbstractEventLoop
from collections.abc import Callable

from aiosmtpd.smtp import SMTP

READY_SECONDS = 10.0  # to begin


class MailServer:
    """Takes mail between `start` and `stop`."""

    def __init__(
        self, listener: socket.socket, protocol: Callable[[AbstractEventLoop], SMTP]
    ) -> None:
        """`listener` is not closed here, so that another process may go on; `protocol` makes what
        serves one connection."""
        self._listener, self._protocol = listener, protocol
        self._ready, self._end = threading.Event(), asyncio.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)

    def start(self) -> None:
        """Take mail from now on."""
        self._thread.start()
        self._ready.wait(READY_SECONDS)

    def stop(self) -> None:
        """Drop what is open and end the thread; what has no answer yet, a mail server sends again.
        What is being written is finished."""
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()

    async def _serve(self) -> None:
        self._loop = loop = asyncio.get_running_loop()
        # asyncio closes the socket it serves; the copy keeps ours open for the next process.
        server = await loop.create_server(lambda: self._protocol(loop), sock=self._listener.dup())
        self._ready.set()
        await self._end.wait()
        server.close()
