"""A host without the content folder shows what the host with it put into the database."""

import threading
import time

from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from newsletter.errors import NewsletterError
from newsletter.issues import sharing
from newsletter.web.page import State

SECONDS = 5.0  # between two looks
TROUBLE = (NewsletterError, SQLAlchemyError, OSError)


def set_up(app: Flask, parts: State) -> None:
    """Look again before a page is made, now and then; the first pages wait for the first look."""
    lock, next_look = threading.Lock(), 0.0

    def look() -> None:
        nonlocal next_look
        if time.monotonic() < next_look:
            return
        with lock:
            if time.monotonic() >= next_look:
                try:
                    with parts.database.read() as session:
                        sharing.fetch(session, parts.library.folder)
                except TROUBLE as error:  # pages go on as they were
                    name = type(error).__name__
                    app.logger.warning("What other hosts share could not be fetched: %s.", name)
                next_look = time.monotonic() + SECONDS

    if not parts.settings.content_host:
        app.before_request(look)
