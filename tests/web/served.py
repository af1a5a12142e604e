"""The site on a port of this machine, and a browser that looks at it."""

import shutil
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from flask import Flask
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize
from werkzeug.serving import make_server

from newsletter.app import create_app
from newsletter.db import Database, connect
from newsletter.settings import Settings, load
from tests import shared

PHONE, DESK = ViewportSize(width=320, height=568), ViewportSize(width=1280, height=900)
# Answers with these are meant, and so is what the browser says of them.
EXPECTED = tuple(f"status of {code}" for code in (404, 405, 410, 422, 429))


def serve(
    folder: Path,
    published_file: Path,
    host: str = "127.0.0.1",
    content: Path | None = None,
    **changes: Any,
) -> Iterator[tuple[Flask, Settings, Database]]:
    """The site, with one published issue, on a free port of this machine; `content` is its shelf,
    `changes` are of its settings.

    Passkeys belong to a name: then `host` is localhost.
    """
    shutil.copy(published_file, folder / "newsletter.db")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = load(environ={}, env_file=folder / "no.env", INSTANCE_DIR=str(folder))
    settings = replace(settings, base_url=f"http://{host}:{port}", work_bits=4, **changes)
    if content:
        settings = replace(settings, content_dir=content)
    database = connect(settings.database_url)
    app = create_app(settings, database, shared.shelf(settings))
    server = make_server("127.0.0.1", port, app, threaded=True)
    server.daemon_threads = True  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield app, settings, database
    server.shutdown()
    thread.join()
    server.server_close()
    database.engine.dispose()


def phone(browser: Browser, base_url: str, **options: Any) -> Iterator[BrowserContext]:
    """A small phone, for all tests of a file: one for each test takes longer than the test."""
    context = browser.new_context(
        base_url=base_url, viewport=PHONE, reduced_motion="reduce", **options
    )
    yield context
    context.close()


def open_page(context: BrowserContext, base_url: str) -> Iterator[Page]:
    """A page that fails the test when it asks for anything elsewhere, breaks its own policy or
    keeps a cookie."""
    page = context.new_page()
    faults: list[str] = []

    def stays(url: str) -> None:
        if not url.startswith(base_url):
            faults.append(f"asked for {url}")

    page.on("console", lambda message: faults.append(message.text))
    page.on("request", lambda request: stays(request.url))
    yield page
    page.close()
    assert not context.cookies(), "no page of the site sets one (SEC-17)"
    assert not [fault for fault in faults if not any(code in fault for code in EXPECTED)]
