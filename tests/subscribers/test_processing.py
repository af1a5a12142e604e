"""The record of processing tells what the tables hold, why, and how long."""

import dataclasses
from datetime import datetime

from sqlalchemy import JSON, LargeBinary, String

from newsletter.models import Base
from newsletter.settings import Settings
from newsletter.subscribers import processing, retention

# Columns of text that hold nothing about a person, by table. Whoever adds a column decides here, or
# gives it `info=personal(…)` in the model.
NAMELESS = {
    "access_tokens": {"name", "key_hash", "scopes"},
    "address_changes": set[str](),
    "approvals": {"hash"},
    "audit": {"actor", "action", "subject", "facts", "hash"},
    "consent_details": {"salt"},
    "consent_origins": {"salt"},
    "consents": {
        *("event", "route", "locale", "cadence", "topics", "wording", "wording_hash", "source"),
        *("facts", "details_hash", "origin_hash"),
    },
    "deliveries": {"state", "status"},
    "drafts": {"slug", "locale", "tab", "base", "text"},
    "editions": {"locale", "piece_ids", "subject", "html", "text", "hash"},
    "endpoints": {"url", "kinds", "nonce", "outcome"},
    "events": {"kind"},
    "fence": {"lineage", "identity", "host"},
    "figures": {"name", "period", "key"},
    "intros": {column.name for column in Base.metadata.tables["intros"].columns},
    "issues": {"cadence", "state", "why"},
    "editors": {
        *("role", "password", "fs_uniquifier", "tf_primary_method", "tf_totp_secret"),
        *("mf_recovery_codes", "fs_webauthn_user_handle", "subject"),
    },
    "item_numbers": {"slug"},
    "leases": {"owner"},
    "notices": {"locale", "facts", "state", "reply"},
    "passkeys": {
        *("credential_id", "public_key", "transports", "device_type", "extensions"),
    },
    "pictures": {column.name for column in Base.metadata.tables["pictures"].columns},
    "pieces": {column.name for column in Base.metadata.tables["pieces"].columns},
    "published": {column.name for column in Base.metadata.tables["published"].columns},
    "quotas": {"name"},
    "requests": {"kind", "wording", "form_url", "facts"},
    "replays": {"key", "fingerprint", "location", "body"},
    "replies": {"key"},
    "seals": {"hash"},
    "setbacks": {"sent", "kind"},
    "shared_files": {"name", "sha256", "data"},
    "sightings": {"provider", "place"},
    "sign_ins": {"key_hash", "method"},
    "slots": {"cadence", "outcome"},
    "subjects": {column.name for column in Base.metadata.tables["subjects"].columns},
    "subscribers": {"state"},
    "suppressions": {"reason", "why", "lifted_why"},
    "tallies": {"name"},
    "topic_choices": {"topics"},
}


def test_prv_14_every_column_of_text_says_whether_it_is_about_a_person() -> None:
    for table in Base.metadata.sorted_tables:
        for column in table.columns:
            text = isinstance(column.type, String | JSON | LargeBinary)
            if text and "personal" not in column.info:
                assert column.name in NAMELESS.get(table.name, set()), f"{table.name}.{column.name}"


def test_prv_14_the_record_names_every_table_with_personal_data(
    settings: Settings, now: datetime
) -> None:
    text = processing.record(settings, now)
    assert processing.personal_columns().keys() == processing.PURPOSES.keys()
    for table in processing.PURPOSES:
        assert f"| `{table}` |" in text
    assert "{" not in text
    assert settings.org_number in text
    assert "23 november 2026" in text


def test_prv_14_the_record_says_the_times_and_processors_of_the_settings(
    settings: Settings, now: datetime
) -> None:
    own = dataclasses.replace(
        settings, left_days=777, processors="hosting: Voorbeeld nv, Gent; relay: Post bv, Mechelen"
    )
    text = processing.record(own, now)
    assert "777 dagen" in text
    assert "- relay: Post bv, Mechelen (verwerker" in text


def test_every_rule_of_retention_names_a_setting_in_days(settings: Settings) -> None:
    for rule in retention.RULES:
        assert rule.days(settings) > 0
