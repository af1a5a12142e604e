"""The alert rules and the dashboard ask for figures that are there, and every figure is told of."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy.orm import Session

import config
from newsletter.db import Database
from newsletter.issues.slots import take
from newsletter.models import Issue, IssueState
from newsletter.seeing import Watch
from newsletter.settings import Settings

FOLDER = config.PROJECT_DIR / "deploy" / "monitoring"
PAPER = (config.PROJECT_DIR / "docs" / "MONITORING.md").read_text("utf-8")
NAME = re.compile(r"newsletter_[a-z_]+")
MATCHER = re.compile(r'([a-z_]+)\s*(=~|!~|!=|=)\s*"([^"]*)"')
SELECTOR = re.compile(r"(newsletter_[a-z_]+)(?:\{([^}]*)\})?")
GROUPED = re.compile(r"\b(?:by|on|without|ignoring|group_left)\s*\(([^)]*)\)")
GIVEN = {"instance", "job", "le"}  # by the collector, or by every histogram
PROMTOOL = shutil.which("promtool")


@dataclass
class Served:
    """What /metrics tells: values of each label of each series; and the text itself."""

    text: str
    labels: dict[str, dict[str, set[str]]] = field(default_factory=dict)
    families: set[str] = field(default_factory=set)


@pytest.fixture(scope="module")
def alerts() -> list[dict[str, Any]]:
    read = yaml.safe_load((FOLDER / "alerts.yml").read_text("utf-8"))
    return [rule for group in read["groups"] for rule in group["rules"]]


@pytest.fixture(scope="module")
def board() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / "dashboard.json").read_text("utf-8"))
    return found


@pytest.fixture
def served(settings: Settings, database: Database, now: Any) -> Served:
    """With something of everything."""
    with database.write() as session:
        _fill(session, settings, now)
    (settings.instance_dir / "clock.lock").touch()
    found = Served(Watch(settings, database).exposition().decode())
    for family in text_string_to_metric_families(found.text):
        ending = "_total" if family.type == "counter" else ""
        found.families.add(family.name + ending)
        for sample in family.samples:
            labels = found.labels.setdefault(sample.name, {})
            for name, value in sample.labels.items():
                labels.setdefault(name, set()).add(value)
    return found


def _fill(session: Session, settings: Settings, now: Any) -> None:
    issue = Issue(number=1, state=IssueState.SENT, by_clock=True, compiled_at=now)
    issue.planned_at = issue.sent_at = now
    session.add(issue)
    for cadence in settings.cadences:
        take(session, cadence, now, now)


def expressions(alerts: list[dict[str, Any]], board: dict[str, Any]) -> Iterator[str]:
    yield from (rule["expr"] for rule in alerts)
    for panel in board["panels"]:
        yield from (target["expr"] for target in panel.get("targets", ()))


@pytest.mark.sqlite("names do not depend on the database")
def test_what_is_asked_for_is_there(
    served: Served, alerts: list[dict[str, Any]], board: dict[str, Any]
) -> None:
    for expression in expressions(alerts, board):
        asked = SELECTOR.findall(expression)
        assert asked, expression
        known = set(GIVEN)
        for name, matchers in asked:
            assert name in served.labels, (name, expression)
            known |= set(served.labels[name])
            for label, how, wanted in MATCHER.findall(matchers):
                values = served.labels[name].get(label)
                assert values, (label, expression)
                for one in wanted.split("|") if "~" in how else [wanted]:
                    assert one in values, (one, expression)
        for group in GROUPED.findall(expression):
            assert {label.strip() for label in group.split(",")} - {""} <= known, expression


@pytest.mark.sqlite("names do not depend on the database")
def test_every_figure_has_its_line_in_the_paper(served: Served) -> None:
    rows = re.findall(
        r"^\| `(newsletter_\w+)` \| (\w+)[^|]*\|[^|]*\| (?:`([^`]*)`)? ?\|", PAPER, re.M
    )
    told = {name: (kind, set(labels.split())) for name, kind, labels in rows}
    assert set(told) == served.families
    for family in text_string_to_metric_families(served.text):
        name = family.name + ("_total" if family.type == "counter" else "")
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        assert told[name] == (family.type, labels), name


def test_every_figure_is_used(alerts: list[dict[str, Any]], board: dict[str, Any]) -> None:
    """What nobody looks at need not be collected."""
    told = set(re.findall(r"^\| `(newsletter_\w+)`", PAPER, re.MULTILINE))
    asked = {name for one in expressions(alerts, board) for name in NAME.findall(one)}
    asked |= {re.sub("_(bucket|count|sum)$", "", name) for name in asked}
    assert told - asked == set()


def test_every_alert_says_what_to_do(alerts: list[dict[str, Any]]) -> None:
    headings = {
        line.removeprefix("### ").lower() for line in PAPER.splitlines() if line.startswith("###")
    }
    led_to = set()
    for rule in alerts:
        assert re.fullmatch(r"\d+[mh]", rule["for"])
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert {"summary", "description", "runbook"} == set(rule["annotations"])
        page, _, place = rule["annotations"]["runbook"].partition("#")
        assert page == "docs/MONITORING.md"
        led_to.add(place)
    assert led_to == headings
    assert len({rule["alert"] for rule in alerts}) == len(alerts)


@pytest.mark.sqlite("names do not depend on the database")
@pytest.mark.skipif(
    not PROMTOOL, reason="there is no promtool (Debian: apt-get install prometheus)"
)
def test_promtool_reads_the_rules_the_panels_and_the_figures(
    served: Served, board: dict[str, Any], tmp_path: Path
) -> None:
    panels = [
        {"record": f"panel:{number}", "expr": expression}
        for number, expression in enumerate(expressions([], board))
    ]
    rules = tmp_path / "panels.yml"
    rules.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": panels}]}))
    assert PROMTOOL
    for words, given in (
        (["check", "rules", str(FOLDER / "alerts.yml")], None),
        (["check", "rules", str(rules)], None),
        (["check", "metrics"], served.text),
    ):
        done = subprocess.run(
            [PROMTOOL, *words], input=given, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "FAILED" not in done.stdout + done.stderr


def test_the_dashboard_is_what_grafana_documents(board: dict[str, Any]) -> None:
    """Of schema 39: https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/."""
    assert board["schemaVersion"] == 39
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,40}", board["uid"])
    (source,) = board["templating"]["list"]
    assert (source["type"], source["query"]) == ("datasource", "prometheus")
    panels = board["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken = set[tuple[int, int]]()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert place["x"] + place["w"] <= 24
        assert not taken & cells, panel["title"]
        taken |= cells
        if panel["type"] == "row":
            continue
        assert panel["type"] in ("stat", "timeseries", "bargauge")
        assert panel["description"]
        assert panel["datasource"] == {"type": "prometheus", "uid": "${source}"}
        assert panel["fieldConfig"]["defaults"]["unit"]
        refs = [target["refId"] for target in panel["targets"]]
        assert refs == list("ABCDEF"[: len(refs)])
        assert all(target["legendFormat"] for target in panel["targets"])
