"""What there is to be seen on the desk: routes that are missing here make tests fail.

`LOOKS` says for each route with GET who looks at it and what they do first.
"""

import base64
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from playwright.sync_api import Page

from newsletter.jobs import counting
from newsletter.models import (
    ConsentEvent,
    DeliveryState,
    Editor,
    EventKind,
    Role,
    Scope,
    Subscriber,
    SuppressionReason,
)
from newsletter.notices.desk import bound
from newsletter.programs import access, endpoints
from newsletter.subscribers import preferences, privacy
from newsletter.tokens import Purpose, tokens_of
from tests.desk.conftest import Desk
from tests.desk.rows import with_rows
from tests.statistics.world import Readers

Prepare = Callable[[Desk], str]  # makes ready what is to be seen; returns the path
Act = Callable[[Page], object]
HALFWAY = {"tf_state": "ready", "tf_select": True}  # the password was given


@dataclass(frozen=True)
class Look:
    """One page as somebody sees it; `act` is what they do there first."""

    name: str
    path: str | Prepare
    role: Role | None = None  # None: nobody is signed in
    act: Act | None = None
    session: Mapping[str, Any] | None = None  # of who is not signed in yet


def press(page: Page) -> None:
    """Press the first button of the page itself."""
    page.locator("main button").first.click()


def _wrong(page: Page) -> None:
    page.fill("main input[required] >> nth=0", "x")
    press(page)


def _late(page: Page) -> None:
    page.context.clear_cookies()
    page.get_by_role("button", name="Bewaar", exact=True).click()


def _refused(page: Page) -> None:
    page.get_by_role("button", name="Stuur de uitnodiging", exact=True).click()


def _wrong_title(page: Page) -> None:
    page.fill("#title", " ")
    press(page)


def _faulty(page: Page) -> None:
    """What is wrong keeps the file from being written."""
    page.fill("#title", "")
    page.fill("#body", "Klik [hier](x).")
    page.get_by_role("button", name="Bewaar", exact=True).click()


def _conflict(page: Page) -> None:
    """As if somebody else wrote the file since: it is not written then either."""
    was = base64.b64encode(zlib.compress(b"---\ntitle: x\n---\nIets anders.\n")).decode()
    page.fill("#body", "Heel iets anders.")
    page.eval_on_selector("[name=was]", "(field, was) => { field.value = was; }", was)
    page.get_by_role("button", name="Bewaar", exact=True).click()
    page.get_by_text("Iemand anders was je voor").wait_for()


def _somebody(desk: Desk, change: str) -> str:
    """What is about to be done with a writer."""
    return f"/desk/people/{desk.editor(Role.WRITER).id}/{change}"


def _link(desk: Desk) -> str:
    """The link of an invitation."""
    with desk.database.read() as session:
        editor = session.get_one(Editor, desk.editor(Role.WRITER).id)
        now, keys = datetime.now(UTC), tokens_of(desk.settings)
        return f"/desk/password/{keys.issue(Purpose.INVITATION, editor.id, now, bound(editor))}"


def _reader(desk: Desk) -> str:
    """A reader who got something and whose address was blocked since; made once."""
    email, now = "jan@voorbeeld.example", datetime.now(UTC)
    with desk.database.write() as session:
        found = preferences.find_by_address(session, email)
        if found is None:
            readers = Readers(session)
            one = readers.add(email.partition("@")[2], email=email, canonical=email)
            readers.prove(one, ConsentEvent.CONFIRMED, now)
            state = DeliveryState.REFUSED
            readers.deliver(7, readers.issue(7), one, state, status="5.1.1", settled_at=now)
            staff = SuppressionReason.STAFF
            privacy.suppress(session, desk.settings, email, staff, now, "belde")
            found = session.get_one(Subscriber, one)
    counting.count(desk.database, desk.settings)
    return f"/desk/subscribers/{found.id}"


def _erased(desk: Desk) -> str:
    return f"{_reader(desk)}/erase"


def _numbers(desk: Desk) -> str:
    _reader(desk)
    return "/desk/numbers"


def _numbers_issue(desk: Desk) -> str:
    _reader(desk)
    return "/desk/numbers/issues/7"


def _suppressions(desk: Desk) -> str:
    _reader(desk)
    return "/desk/suppressions"


def _programs(desk: Desk) -> str:
    """A token that ended, an endpoint that is not well, and one that is disabled; made once."""
    by, now = desk.editor(Role.ADMINISTRATOR).id, datetime.now(UTC)
    with desk.database.write() as session:
        if not access.listed(session):
            made, _secret = access.make(session, "CRM", list(Scope), 30, by, now)
            access.revoke(session, made.id, now)
            access.make(session, "Kaart", [Scope.ITEMS_READ], 30, by, now)
            for name in ("een", "twee"):
                url = f"https://{name}.voorbeeld.be/een/lang/adres/om/bericht/op/te/krijgen"
                one = endpoints.make(session, url, EventKind, now, with_address=True)
                one.failures, one.tried_at, one.outcome = 3, now, "500"
            endpoints.disable(session, one, now)
    return "/desk/programs"


def _not_sure(page: Page) -> None:
    page.get_by_role("button", name="Wis", exact=True).click()


def _found(page: Page) -> None:
    page.fill("#email", "an.de.lezer@voorbeeld.example")
    press(page)


def _no_name(page: Page) -> None:
    page.get_by_role("button", name="Maak een token", exact=True).click()


def _no_moment(page: Page) -> None:
    page.fill("#at", "")
    press(page)


def _bad_intro(page: Page) -> None:
    page.fill("#text-nl", "Klik [hier](x).")
    press(page)


ADMINISTRATOR = Role.ADMINISTRATOR
LOOKS: dict[str, list[Look]] = {
    "desk.home": [Look("desk", "/desk/", ADMINISTRATOR)],
    "desk.account": [Look("account", "/desk/account", ADMINISTRATOR)],
    "desk.people": [
        Look("people", "/desk/people", ADMINISTRATOR),
        Look("people-wrong", "/desk/people", ADMINISTRATOR, _refused),
    ],
    "desk.people_sure": [
        Look("people-role", lambda desk: _somebody(desk, "role?role=editor"), ADMINISTRATOR),
        Look("people-deactivate", lambda desk: _somebody(desk, "deactivate"), ADMINISTRATOR),
        Look("people-reset", lambda desk: _somebody(desk, "reset"), ADMINISTRATOR),
    ],
    "desk.programs": [
        Look("programs", _programs, ADMINISTRATOR),
        Look("programs-wrong", _programs, ADMINISTRATOR, _no_name),
    ],
    "desk.settings": [Look("settings", "/desk/settings", ADMINISTRATOR)],
    "desk.subscribers": [
        Look("subscribers", "/desk/subscribers", ADMINISTRATOR),
        Look("subscribers-wrong", "/desk/subscribers", ADMINISTRATOR, press),
    ],
    "desk.subscribers_one": [Look("subscriber", _reader, ADMINISTRATOR)],
    "desk.subscribers_erase": [
        Look("subscriber-erase", _erased, ADMINISTRATOR),
        Look("subscriber-erase-wrong", _erased, ADMINISTRATOR, _not_sure),
    ],
    "desk.subscribers_suppressions": [
        Look("suppressions", _suppressions, ADMINISTRATOR),
        Look("suppressions-wrong", _suppressions, ADMINISTRATOR, press),
    ],
    "desk.numbers": [Look("numbers", _numbers, ADMINISTRATOR)],
    "desk.numbers_issue": [Look("numbers-issue", _numbers_issue, ADMINISTRATOR)],
    "desk.log": [Look("log", "/desk/log", ADMINISTRATOR)],
    "desk.items": [
        Look("items", "/desk/items", Role.EDITOR),
        Look("items-found", "/desk/items?q=dogbo&gap=de&own=", Role.EDITOR),
    ],
    "desk.items_new": [
        Look("new-item", "/desk/items/new", Role.EDITOR),
        Look("new-item-wrong", "/desk/items/new", Role.EDITOR, _wrong_title),
    ],
    "desk.items_text": [
        Look("text", "/desk/items/elke-geboorte-telt/nl", Role.EDITOR),
        Look("text-translated", "/desk/items/elke-geboorte-telt/fr", Role.EDITOR),
        Look("text-wrong", "/desk/items/elke-geboorte-telt/nl", Role.EDITOR, _faulty),
        Look("text-late", "/desk/items/elke-geboorte-telt/nl", Role.EDITOR, _late),
        Look("text-unknown", "/desk/items/unknown/nl", Role.EDITOR),
        Look("text-conflict", "/desk/items/moedertaaldag/nl", Role.EDITOR, _conflict),
    ],
    "desk.items_preview": [
        Look("preview", "/desk/items/elke-geboorte-telt/nl/preview?kind=page", Role.EDITOR)
    ],
    "desk.issues": [Look("issues", "/desk/issues", Role.PUBLISHER)],
    "desk.issues_next": [Look("next-issue", "/desk/issues/next/monthly", Role.EDITOR)],
    "desk.issues_one": [
        Look("issue-waiting", "/desk/issues/2", Role.PUBLISHER),
        Look("issue-out", lambda desk: with_rows(desk, "/desk/issues/1"), Role.PUBLISHER),
    ],
    "desk.issues_preflight": [Look("preflight", "/desk/issues/2/preflight", Role.EDITOR)],
    "desk.issues_order": [Look("order", "/desk/issues/2/order", Role.EDITOR)],
    "desk.issues_intro": [
        Look("intro", "/desk/issues/2/intro", Role.EDITOR),
        Look("intro-wrong", "/desk/issues/2/intro", Role.EDITOR, _bad_intro),
    ],
    "desk.issues_schedule": [
        Look("schedule", "/desk/issues/2/schedule", Role.PUBLISHER),
        Look("schedule-wrong", "/desk/issues/2/schedule", Role.PUBLISHER, _no_moment),
        Look("schedule-sure", "/desk/issues/2/schedule", Role.PUBLISHER, press),
    ],
    "desk.issues_sure": [
        Look("send", "/desk/issues/2/send", Role.PUBLISHER),
        Look("stop", "/desk/issues/2/stop", Role.PUBLISHER),
    ],
    "desk.issues_deliveries": [
        Look("deliveries", "/desk/issues/deliveries", Role.PUBLISHER),
        Look(
            "deliveries-found",
            lambda desk: with_rows(desk, "/desk/issues/deliveries"),
            Role.PUBLISHER,
            _found,
        ),
    ],
    "desk.issues_refused": [
        Look("refused", lambda desk: with_rows(desk, "/desk/issues/1/refused"), Role.PUBLISHER)
    ],
    "desk.issues_doubt": [
        Look("doubt", lambda desk: with_rows(desk, "/desk/issues/1/doubt"), Role.PUBLISHER)
    ],
    "security.login": [
        Look("sign-in", "/desk/sign-in"),
        Look("sign-in-wrong", "/desk/sign-in", act=_wrong),
    ],
    "security.two_factor_token_validation": [
        Look("code", "/desk/code", session=HALFWAY),
        Look("code-wrong", "/desk/code", session=HALFWAY, act=_wrong),
    ],
    "security.tf_select": [Look("factor", "/desk/factor", session=HALFWAY)],
    "security.mf_recovery": [Look("recovery", "/desk/recovery", session=HALFWAY)],
    "security.verify": [Look("again", "/desk/again", ADMINISTRATOR)],
    "security.change_password": [
        Look("own-password", "/desk/own-password", ADMINISTRATOR),
        Look("own-password-wrong", "/desk/own-password", ADMINISTRATOR, _wrong),
    ],
    "security.two_factor_setup": [
        Look("app", "/desk/app", ADMINISTRATOR),
        Look("app-code", "/desk/app", ADMINISTRATOR, press),
    ],
    "security.mf_recovery_codes": [
        Look("recovery-codes", "/desk/recovery-codes", ADMINISTRATOR),
        Look("recovery-codes-shown", "/desk/recovery-codes", ADMINISTRATOR, press),
    ],
    "security.wan_signin": [Look("passkey", "/desk/passkey")],
    "security.wan_register": [Look("passkeys", "/desk/passkeys", ADMINISTRATOR)],
    "security.wan_verify": [Look("passkey-again", "/desk/passkey-again", ADMINISTRATOR)],
    "accounts.forgotten": [
        Look("forgotten", "/desk/forgotten"),
        Look("forgotten-sent", "/desk/forgotten?sent=1"),
    ],
    "accounts.password": [
        Look("new-password", _link),
        Look("new-password-wrong", _link, act=_wrong),
        Look("new-password-unknown", "/desk/password/x"),
    ],
}
# Routes with GET that show nobody a page, and why.
NO_LOOKS = {
    "desk.issues_progress": "numbers for a script, as JSON",
    "desk.numbers_csv": "a file for a spreadsheet",
    "desk.numbers_issue_csv": "a file for a spreadsheet",
    "desk.items_frame": "shows what readers get: the mail and the page of an item",
    "security.two_factor_rescue": "leads to security.mf_recovery",
    "accounts.association": "leads to the association's login",
    "accounts.association_again": "leads to the association's login",
    "accounts.association_back": "leads to the desk",
}
