"""Webhooks as providers post them: what they do, and that nothing forged does anything."""

import json
import threading
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from newsletter.app import create_app
from newsletter.bounces.providers import sns
from newsletter.db import Database, connect
from newsletter.models import (
    Delivery,
    DeliveryState,
    Setback,
    Subscriber,
    SubscriberState,
    Suppression,
    SuppressionReason,
)
from newsletter.settings import Settings
from newsletter.web import webhooks
from tests.bounces import posted
from tests.bounces.world import BOX, World

ONE_DATABASE = pytest.mark.sqlite("what a webhook is let in by")
PROVIDERS = ("mailgun", "postmark", "ses")
ACTIVE, GONE = SubscriberState.ACTIVE, SubscriberState.SUPPRESSED
Fate = tuple[SubscriberState, bool, int]


@dataclass(frozen=True)
class Site:
    """The site, and an issue that its two readers were sent an hour ago."""

    app: Flask
    database: Database
    ids: tuple[str, ...]  # Message-IDs
    paths: tuple[str, ...]  # envelope senders

    def post(self, provider: str, sent: Any, account: str = posted.ACCOUNT) -> TestResponse:
        """Post what a provider would, with Postmark's password."""
        body = sent if isinstance(sent, bytes) else json.dumps(sent).encode()
        headers = {"Authorization": f"Basic {b64encode(account.encode()).decode()}"}
        client = self.app.test_client(use_cookies=False)
        known = headers if provider == "postmark" else {}
        return client.post(f"/webhooks/{provider}", data=body, headers=known)

    def bounce(self, provider: str, row: int = 0, **values: Any) -> Any:
        """A hard bounce of one of the two."""
        now = datetime.now(UTC)
        if provider == "mailgun":
            return posted.mailgun(now, self.ids[row], **values)
        if provider == "postmark":
            return posted.postmark(self.ids[row], **values)
        return posted.sns(posted.ses(self.ids[row], **values), now)

    def fate(self, row: int = 0) -> Fate:
        """Of a reader: their state, whether the delivery is marked, and how many setbacks."""
        with self.database.read() as session:
            found = session.scalars(select(Delivery).order_by(Delivery.id)).all()[row]
            assert found.state is DeliveryState.ACCEPTED
            reader = session.get_one(Subscriber, found.subscriber_id)
            count = session.scalar(select(func.count()).where(Setback.sent_id == found.id))
            return reader.state, found.bounced_at is not None, count or 0


Build = Callable[..., Site]


@pytest.fixture
def build(settings: Settings, database: Database) -> Build:
    def build(*, fetches: bool = False, **changes: Any) -> Site:
        known: dict[str, Any] = {"return_path": BOX, "mailgun_signing_key": posted.KEY}
        known |= {"postmark_webhook": posted.ACCOUNT, "ses_topic_arn": posted.TOPIC}
        changed = replace(settings, **(known | changes))
        with database.write() as session:
            world = World(session, changed, datetime.now(UTC) - timedelta(hours=1))
            world.readers(2)
            rows = world.issue(1, world.now)
            ids, paths = [world.message_id(row) for row in rows], [world.verp(row) for row in rows]
        app = create_app(changed, database)
        if not fetches:
            app.extensions["certificates"] = lambda url: posted.certificate()
        return Site(app, database, tuple(ids), tuple(paths))

    return build


@pytest.fixture
def site(build: Build) -> Site:
    return build()


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_bounce_marks_its_delivery_and_counts_once(site: Site, provider: str) -> None:
    sent = site.bounce(provider)
    for _again in range(2):
        assert site.post(provider, sent).status_code == 200
        assert site.fate() == (GONE, True, 1)
    assert site.post(provider, site.bounce(provider)).status_code == 200  # signed anew
    assert site.fate() == (GONE, True, 1)
    assert site.fate(1) == (ACTIVE, False, 0)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_same_report_twice_at_once_counts_once(site: Site, provider: str) -> None:
    sent, start, codes = site.bounce(provider), threading.Barrier(3), []

    def post() -> None:
        start.wait()
        codes.append(site.post(provider, sent).status_code)

    threads = [threading.Thread(target=post) for _one in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == [200] * 3
    assert site.fate() == (GONE, True, 1)


@ONE_DATABASE
def test_what_follows_is_the_table_of_mail(site: Site) -> None:
    """A complaint ends the mail at once, soft marks, ours blames nobody, delayed is nothing."""
    now = datetime.now(UTC)
    for sent, expected in (
        (posted.postmark(site.ids[0], Type="Transient"), (ACTIVE, False, 0)),
        (posted.postmark(site.ids[0], Type="AutoResponder"), (ACTIVE, False, 0)),
        (posted.postmark(site.ids[0], Type="Blocked"), (ACTIVE, True, 1)),
        (posted.postmark(site.ids[0], Type="SoftBounce", Details=""), (ACTIVE, True, 2)),
    ):
        assert site.post("postmark", sent).status_code == 200
        assert site.fate() == expected
    complaint = posted.ses("", "Complaint", source=site.paths[1])  # by the envelope's sender
    assert site.post("ses", posted.sns(complaint, now)).status_code == 200
    assert site.fate(1) == (GONE, False, 1)
    left = posted.mailgun(now, site.ids[0], event="unsubscribed")
    assert site.post("mailgun", left).status_code == 200
    assert site.fate() == (SubscriberState.LEFT, True, 2)
    with site.database.read() as session:
        reasons = list(session.scalars(select(Suppression.reason)))
    assert reasons == [SuppressionReason.COMPLAINT]


@ONE_DATABASE
def test_who_uses_no_provider_has_no_webhooks(build: Build) -> None:
    site = build(mailgun_signing_key="", postmark_webhook="", ses_topic_arn="")
    for provider in PROVIDERS:
        answer = site.post(provider, site.bounce(provider), account=":")
        assert (answer.status_code, answer.text) == (404, "")
    assert site.fate() == (ACTIVE, False, 0)


@ONE_DATABASE
@pytest.mark.parametrize("provider", PROVIDERS)
def test_what_proves_nothing_of_ours_moves_nothing(
    site: Site, provider: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Signed by the provider, but about no mail of ours; a good answer all the same."""
    caplog.set_level("INFO")
    mine, other = site.ids
    forged = f"1.{other[2:20]}{mine[20:]}"
    guessed = replace(site, ids=(forged, forged))
    assert site.post(provider, guessed.bounce(provider)).status_code == 200
    assert site.fate() == site.fate(1) == (ACTIVE, False, 0)
    assert f"/webhooks/{provider} told of mail that is not proven" in caplog.text
    assert posted.READER not in caplog.text


@ONE_DATABASE
@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_stranger_is_refused(site: Site, provider: str, caplog: pytest.LogCaptureFixture) -> None:
    now = datetime.now(UTC)
    old = now - timedelta(hours=10)
    forged = {
        "mailgun": [
            posted.mailgun(now, site.ids[0], key="another key than ours"),
            posted.mailgun(old, site.ids[0]),
        ],
        "postmark": [posted.postmark(site.ids[0])],
        "ses": [
            posted.sns(posted.ses(site.ids[0]), old),
            posted.sns(posted.ses(site.ids[0]), now, TopicArn=f"{posted.TOPIC}2"),
            posted.sns(posted.ses(site.ids[0]), now) | {"Subject": "another"},
            posted.sns(posted.ses(site.ids[0]), now, SigningCertURL="https://evil.example/a.pem"),
        ],
    }
    for sent in forged[provider]:
        answer = site.post(provider, sent, account="reports:another password")
        assert (answer.status_code, answer.text) == (403, "")
    assert site.fate() == (ACTIVE, False, 0)
    assert "not the provider" in caplog.text
    assert "another" not in caplog.text


@ONE_DATABASE
def test_postmark_without_any_password_is_refused(site: Site) -> None:
    client = site.app.test_client()
    for value in ("", "Basic", "Basic !", "Bearer x", "Basic YQ==", "Basic /w=="):
        headers = {"Authorization": value}
        sent = site.bounce("postmark")
        assert client.post("/webhooks/postmark", json=sent, headers=headers).status_code == 403
    assert site.fate() == (ACTIVE, False, 0)


@ONE_DATABASE
def test_what_is_no_json_or_too_long_is_refused(site: Site) -> None:
    for provider, most in (("mailgun", 64 * 1024), ("ses", webhooks.LARGEST_SNS)):
        assert site.post(provider, b"{").status_code == 400
        assert site.post(provider, b"[]").status_code == 400
        assert site.post(provider, b" " * most).status_code == 400
        assert site.post(provider, b" " * (most + 1)).status_code == 413
        assert site.app.test_client().get(f"/webhooks/{provider}").status_code == 405


@ONE_DATABASE
def test_the_server_waits_for_long_messages_of_a_topic_only(build: Build) -> None:
    allowed = build().app.config["LARGER_BODY"]
    assert allowed(b"POST /webhooks/ses HTTP/1.1\r\nHost: x") == webhooks.LARGEST_SNS
    for line in (b"POST /webhooks/mailgun", b"GET /webhooks/ses", b"POST /webhooks/sess"):
        assert not allowed(line + b" HTTP/1.1\r\nHost: x")


@ONE_DATABASE
def test_without_a_topic_the_server_waits_for_no_long_message(build: Build) -> None:
    allowed = build(ses_topic_arn="").app.config["LARGER_BODY"]
    assert not allowed(b"POST /webhooks/ses HTTP/1.1\r\nHost: x")


@ONE_DATABASE
@pytest.mark.parametrize(
    "url", ["sqlite:////no/such/folder/x.db", "postgresql+psycopg://[::1]:1/x"]
)
def test_without_its_database_it_asks_to_be_told_again(site: Site, url: str) -> None:
    parts = site.app.extensions["newsletter"]
    site.app.extensions["newsletter"] = replace(parts, database=connect(url))
    for provider in PROVIDERS:
        answer = site.post(provider, site.bounce(provider))
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "60")
    site.app.extensions["newsletter"] = parts
    assert site.fate() == (ACTIVE, False, 0)


@ONE_DATABASE
def test_amazon_is_asked_for_its_certificate_until_it_gives_it_once(
    build: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def fetch(url: str) -> bytes:
        asked.append(url)
        if len(asked) == 1:
            raise sns.Unreachable
        return posted.certificate()

    monkeypatch.setattr(sns, "fetch", fetch)
    site = build(fetches=True)
    answer = site.post("ses", site.bounce("ses"))
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "60")
    assert site.fate() == (ACTIVE, False, 0)
    for _again in range(2):
        assert site.post("ses", site.bounce("ses")).status_code == 200
    assert site.fate() == (GONE, True, 1)
    assert asked == [posted.CERTIFICATE_URL] * 2


@ONE_DATABASE
def test_no_transaction_is_open_while_amazon_is_asked(site: Site) -> None:
    busy: list[int] = []

    def certificate(url: str) -> bytes:
        busy.append(site.database.engine.pool.checkedout())  # type: ignore[attr-defined]
        return posted.certificate()

    site.app.extensions["certificates"] = certificate
    assert site.post("ses", site.bounce("ses")).status_code == 200
    assert busy == [0]


@ONE_DATABASE
def test_a_topic_that_asks_changes_nothing(site: Site) -> None:
    assert site.post("ses", posted.asking(datetime.now(UTC))).status_code == 200
    assert (
        site.post("ses", posted.sns("Successfully validated", datetime.now(UTC))).status_code == 200
    )
    assert site.fate() == (ACTIVE, False, 0)
