"""All checks side by side, and what happens when nobody answers."""

import json
import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import dns.exception
import dns.resolver
import pytest
from click.testing import CliRunner

from newsletter import doctor
from newsletter.cli import main
from newsletter.db import Database, connect
from newsletter.doctor import asking
from newsletter.doctor.asking import Asker, Unanswered
from newsletter.doctor.examining import Check, examine
from newsletter.doctor.lines import Line, ok
from newsletter.errors import TryLater
from newsletter.settings import Settings
from tests.doctor.conftest import good_zone, graded, said
from tests.doctor.zones import Zones, asker, resolver
from tests.relay import running

OUTSIDE = ("soa", "mx", "spf", "spf-address", "dkim", "dmarc", "dmarc-reports", "ptr")


def looked(settings: Settings, database: Database, now: datetime, zones: Zones) -> list[Line]:
    """All lines but those of the project's own shelf, which takes long to read."""
    checks = doctor.checks(settings, database, now, lambda: resolver(zones))
    return examine([check for check in checks if check.name != "content"])


def test_a_good_server_has_nothing_to_mend_outside(
    sending: Settings, database: Database, now: datetime
) -> None:
    with running() as log:
        mine = replace(sending, mail_server="127.0.0.1", mail_port=log.port)
        lines = looked(mine, database, now, Zones(good_zone()))
    assert graded(lines, "relay", *OUTSIDE) == [], said(lines)
    names = list(dict.fromkeys(line.name for line in lines))
    assert names[:3] == ["settings", "database", "migrations"]
    assert names[-4:] == ["dmarc", "spf-alignment", "dkim-alignment", "ptr"]


@pytest.mark.sqlite("asks no database")
def test_without_a_network_each_line_says_so(
    sending: Settings, database: Database, now: datetime
) -> None:
    with running() as log:
        mine = replace(sending, mail_server="127.0.0.1", mail_port=log.port)
        lines = looked(mine, database, now, Zones("", down=True))
    asked = [line for line in lines if line.name in OUTSIDE]
    assert [line.name for line in asked] == ["soa", "mx", "spf", "dkim", "dmarc", "ptr"]
    assert all(line.grade == "fail" and "could not be asked" in line.said for line in asked)


@pytest.mark.sqlite("asks no database")
def test_in_development_nothing_outside_is_asked(
    settings: Settings, database: Database, now: datetime
) -> None:
    zones = Zones(good_zone())
    lines = looked(settings, database, now, zones)
    assert zones.asked == []
    assert lines[-1] == ok(
        "relay", "Development: mail goes to the catcher, so neither relay nor DNS was asked."
    )


@pytest.mark.sqlite("asks no database")
def test_a_machine_without_a_resolver(sending: Settings, database: Database, now: datetime) -> None:
    def none() -> dns.resolver.Resolver:
        raise Unanswered("/etc/resolv.conf names no resolver")

    checks = [one for one in doctor.checks(sending, database, now, none) if one.name == "dns"]
    assert graded(examine(checks)) == ["dns fail"]


def test_a_domain_that_is_broken_is_no_missing_record() -> None:
    with pytest.raises(Unanswered, match=r"TXT of a.example could not be asked: the resolver"):
        asker("a.example. IN A 11.0.0.1", broken=["a.example"]).texts("a.example")


def test_a_resolver_that_says_nothing_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "SECONDS", 0.01)

    class Silent(Zones):
        def query(self, *_question: object, **_more: object) -> dns.message.Message:
            raise dns.exception.Timeout

    with pytest.raises(Unanswered, match="no answer within 0 s"):
        Asker(resolver(Silent(""))).ask("a.example", "A")


def test_each_question_is_asked_once() -> None:
    zones = Zones("a.example. IN A 11.0.0.1")
    one = Asker(resolver(zones))
    for _time in range(3):
        assert one.addresses("a.example") == ["11.0.0.1"]
        assert not one.ask("b.example", "A").exists
    assert len(zones.asked) == 3


def test_what_breaks_or_hangs_is_a_line_and_hides_nothing() -> None:
    hanging = threading.Event()

    def hang() -> Sequence[Line]:
        hanging.wait()
        return []

    def broken() -> Sequence[Line]:
        raise ZeroDivisionError("oops")

    def locked() -> Sequence[Line]:
        raise PermissionError(13, "Permission denied", "clock.lock")

    def later() -> Sequence[Line]:
        raise TryLater("The relay rests.")

    done: list[int] = []
    checks = [
        Check("a", hang),
        Check("b", broken),
        Check("c", later),
        Check("locked", locked),
        Check("d", lambda: [ok("d", "sound")]),
    ]
    lines = examine(checks, done.append, limit=0.5)
    hanging.set()
    assert [(line.name, line.grade) for line in lines] == [
        ("a", "fail"),
        ("b", "fail"),
        ("c", "fail"),
        ("locked", "fail"),
        ("d", "ok"),
    ]
    assert "No answer within" in lines[0].said
    assert "ZeroDivisionError: oops" in lines[1].said
    assert lines[2].said == "The relay rests."
    assert sum(done) == 4


@pytest.mark.sqlite("has none")
def test_a_database_that_is_away(settings: Settings, now: datetime) -> None:
    url = "postgresql://nobody@127.0.0.1:1/none"
    checks = doctor.checks(
        replace(settings, database_url=url), connect(url), now, asking.system_resolver
    )
    (line,) = examine([one for one in checks if one.name == "database"])
    assert line.grade == "fail"
    assert "DATABASE_URL" in line.said


@pytest.fixture
def on_the_command_line(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> CliRunner:
    shelf = settings.instance_dir / "content"
    shelf.mkdir()
    (shelf / "topics.toml").write_text('[a]\nnl = "A"\nfr = "A"\nen = "A"\nde = "A"\n')
    monkeypatch.setenv("CONTENT_DIR", str(shelf))
    monkeypatch.setenv("INSTANCE_DIR", str(settings.instance_dir))
    monkeypatch.setenv("DATABASE_URL", settings.database_url)
    monkeypatch.setenv("SECRET_KEY", settings.secret_key)
    return CliRunner()


def test_the_command_prints_lines_and_ends_with_0(on_the_command_line: CliRunner) -> None:
    result = on_the_command_line.invoke(main, ["doctor"])
    assert result.exit_code == 0, result.output
    assert "OK    migrations         The database has the newest schema." in result.stdout
    assert "0 fail." in result.stdout
    found = on_the_command_line.invoke(main, ["doctor", "--json"])
    assert found.exit_code == 0
    assert {"name", "grade", "said", "mend"} == set(json.loads(found.stdout)[0])


@pytest.mark.sqlite("asks the DNS")
def test_the_command_ends_with_1_and_prints_records_to_paste(
    on_the_command_line: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "system_resolver", lambda: resolver(Zones("")))
    with running() as log:
        monkeypatch.setenv("MAIL_SERVER", "127.0.0.1")
        monkeypatch.setenv("MAIL_PORT", str(log.port))
        result = on_the_command_line.invoke(main, ["doctor"])
    assert result.exit_code == 1
    assert '\n_dmarc.nieuws.vvsg.example. IN TXT "v=DMARC1; p=none; rua=' in result.stdout


@pytest.mark.sqlite("reads settings only")
def test_settings_that_make_no_sense_are_lines_too(
    on_the_command_line: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAIL_PORT", "many")
    monkeypatch.setenv("MAIL_OUTGOING", "relay.vvsg.example")
    result = on_the_command_line.invoke(main, ["doctor", "--json"])
    assert result.exit_code == 1
    lines = json.loads(result.stdout)
    assert [(line["name"], line["grade"]) for line in lines] == [("settings", "fail")] * 2
    assert any("MAIL_OUTGOING must be IP addresses" in line["said"] for line in lines)
