"""A newsroom on a weekday morning: site, clock and catcher run, readers wait, time is moved on."""

import contextlib
import os
import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import time_machine
from passlib.totp import TOTP
from playwright.sync_api import Browser, CDPSession, FloatRect, Locator, Page, ViewportSize

from config import PROJECT_DIR
from newsletter.catcher import FOLDER, Catcher, Store, listen
from newsletter.delivery import ledger
from newsletter.editors import people
from newsletter.jobs.timetable import Clock
from newsletter.models import ConsentEvent, Role
from tests.desk.conftest import Desk
from tests.faults.programs import wait_for
from tests.screens import PICTURES, SCREENS, renews, write_small
from tests.statistics.world import Readers
from tests.web.served import serve

EARLY = datetime(2026, 11, 25, 7, 40, tzinfo=UTC)  # a Wednesday, 8.40 in Brussels
READERS = 36
WINDOW = 1.0  # hours over which an issue is spread, so that there is something to watch
DOMAINS = ("stad.example", "gemeente.example", "school.example")
LOOKED_FOR = "mieke.vandamme@stad.example"
DEVICE = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}
TALLEST, MARGIN = 1000, 16  # pixels of a picture in docs/images, and around a part of a page
GUIDE = ViewportSize(width=1100, height=500)
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
WIDE, NARROW = ViewportSize(width=1280, height=900), ViewportSize(width=360, height=780)


@dataclass
class Morning:
    """What happens, and a way to move on in it."""

    desk: Desk
    journey: time_machine.Traveller

    def at(self, hour: int, minute: int) -> None:
        """It is so late in Brussels now."""
        self.journey.move_to(EARLY.replace(hour=hour - 1, minute=minute, second=1))

    def invite(self, name: str, role: Role) -> str:
        """Somebody is invited to the desk by mail; their address."""
        email, now = f"{name.split()[0].lower()}@vvsg.example", datetime.now(UTC)
        with self.desk.database.write() as session:
            people.invite(session, people.create(session, email, name, role, "nl", now), now)
        return email

    def mail_to(self, address: str, subject: str = "") -> str:
        """Where the newest mail to somebody with this in its subject can be read, once it came."""
        store = Store(self.desk.settings.instance_dir / FOLDER)

        def look() -> str | None:
            found = (one.key for one in store.find(address) if subject in one.subject)
            return next(found, None)

        return f"/inbox/{wait_for(look, f'mail to {address}')}"


@contextlib.contextmanager
def newsroom(folder: Path, published_file: Path) -> Iterator[Morning]:
    """A morning at the desk: two approvals are asked for, and an issue takes an hour to go."""
    content = folder / "content"
    shutil.copytree(PROJECT_DIR / "content", content)
    with time_machine.travel(EARLY, tick=True) as journey, listen(0) as listener:
        changes = {"approvals": 2, "delivery_window": WINDOW}
        changes |= {"catcher_port": listener.getsockname()[1]}
        for parts in serve(folder, published_file, "localhost", content, **changes):
            desk = Desk(*parts)
            _settle_in(desk)
            with _running(desk, listener):
                yield Morning(desk, journey)


@contextlib.contextmanager
def _running(desk: Desk, listener: socket.socket) -> Iterator[None]:
    catcher = Catcher(Store(desk.settings.instance_dir / FOLDER), listener)
    clock = Clock(desk.settings, desk.database)
    catcher.start()
    clock.start()
    yield
    clock.stop()
    catcher.stop()


def _settle_in(desk: Desk) -> None:
    """Readers who asked and confirmed in the weeks before; every sixth reads French."""
    with desk.database.write() as session:
        readers = Readers(session)
        ids = []
        for number in range(READERS):
            at = EARLY - timedelta(days=2 + 2 * number, hours=number % 9)
            email = f"lezer{number}@{DOMAINS[number % 3]}" if number else LOOKED_FOR
            one = readers.add(
                email=email,
                canonical=email,
                locale="fr" if number % 6 == 5 else "nl",
                created_at=at,
                confirmed_at=at + timedelta(minutes=9),
            )
            readers.prove(one, ConsentEvent.ASKED, at)
            readers.prove(one, ConsentEvent.CONFIRMED, at + timedelta(minutes=9))
            ids.append(one)
        ledger.start_cursors(session, ids)


@dataclass
class Device:
    """A browser with a passkey device in it."""

    page: Page
    chromium: CDPSession
    id: str

    @classmethod
    def of(cls, page: Page) -> "Device":
        """Put one into the browser of a page; whoever holds it is known to it."""
        chromium = page.context.new_cdp_session(page)
        chromium.send("WebAuthn.enable")
        made = chromium.send("WebAuthn.addVirtualAuthenticator", {"options": DEVICE})
        return cls(page, chromium, made["authenticatorId"])

    def forgets_who_holds_it(self) -> None:
        """From now on nobody shows a finger, a face or a PIN."""
        options = {"authenticatorId": self.id, "isUserVerified": False}
        self.chromium.send("WebAuthn.setUserVerified", options)


def code(secret: str) -> str:
    """What an app shows that was given this secret."""
    app = TOTP(key=secret.replace(" ", ""), format="base32")
    return str(app.generate(time=datetime.now(UTC).timestamp()).token)


def open_browser(browser: Browser, morning: Morning) -> Page:
    """A page in a browser in which nobody is signed in."""
    options = {"viewport": WIDE, "reduced_motion": "reduce", "locale": "nl-BE"}
    base_url = morning.desk.settings.base_url
    return browser.new_context(base_url=base_url, **options).new_page()  # type: ignore[arg-type]


def picture(page: Page, name: str, part: Locator | None = None, tallest: int = TALLEST) -> None:
    """What is on the screen now, or a part of it, for the guide; none unless it was asked for."""
    if renews():
        write_small(_shot(page, part, tallest), PICTURES / f"desk-{name}.png")
    if "SCREENS" in os.environ:
        _in_every_look(page, name)
    page.set_viewport_size(WIDE)


def _shot(page: Page, part: Locator | None, tallest: int) -> bytes:
    """As in a window of the height that is wanted: what stays at its foot is there."""
    page.set_viewport_size(GUIDE)
    height: int = page.evaluate("document.documentElement.scrollHeight")
    page.set_viewport_size(GUIDE | {"height": height if part else min(height, tallest)})
    box = part.bounding_box() if part else None
    if box is None:
        return page.screenshot()
    width, tall = box["width"] + 2 * MARGIN, box["height"] + 2 * MARGIN
    clip = FloatRect(x=box["x"] - MARGIN, y=box["y"] - MARGIN, width=width, height=tall)
    return page.screenshot(clip=clip)


def _in_every_look(page: Page, name: str) -> None:
    for size in (WIDE, NARROW):
        page.set_viewport_size(size)
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            file = SCREENS / f"morning-{name}-{size['width']}-{scheme}.png"
            page.screenshot(path=file, full_page=True)
    page.emulate_media(color_scheme="light")
