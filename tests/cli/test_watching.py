"""`newsletter serve` as its keepers see it: figures of all processes together, and the log."""

import json
import os
import re
import signal
from collections.abc import Callable
from dataclasses import dataclass

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from newsletter.cli.demo import browser
from newsletter.cli.demo.server import free_ports
from tests.cli.serving import Serving
from tests.faults.programs import Fresh, wait_for

PROCESSES = 2
pytestmark = pytest.mark.sqlite("figures of processes do not depend on the database")


@dataclass
class Watched:
    """A server, and the port where it tells its figures."""

    serving: Serving
    port: int

    def get(self, path: str) -> requests.Response:
        with requests.Session() as session:
            session.trust_env = False  # no proxy
            return session.get(f"http://127.0.0.1:{self.port}{path}", timeout=30)

    def value(self, name: str, **labels: str) -> float:
        found = [
            sample.value
            for family in text_string_to_metric_families(self.get("/metrics").text)
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        ]
        return sum(found)

    def pages(self) -> float:
        return self.value("newsletter_request_seconds_count", part="site", answer="2xx")


# From nothing: what is counted stands in memory that forks share.
@pytest.fixture
def watched(serve_migrated: Callable[..., Serving]) -> Watched:
    (port,) = free_ports(1)
    environ = {"WEB_PROCESSES": str(PROCESSES), "METRICS_PORT": str(port), "LOG_FORMAT": "json"}
    watched = Watched(serve_migrated(born=Fresh(), **environ).until_running(), port)
    wait_for(lambda: len(watched.serving.children()) == PROCESSES, "all processes")
    wait_for(lambda: watched.get("/readyz").status_code == 200, "readiness")
    return watched


def test_a_keeper_follows_processes_messages_and_the_log(watched: Watched) -> None:
    """One server for all of it: a start costs more than what is looked at."""
    serving = watched.serving
    accepted = {"outcome": "accepted", "domain_class": "other"}
    wait_for(
        lambda: watched.value("newsletter_messages_total", **accepted) == 4,
        "the four sample readers",
    )
    wait_for(lambda: serving.said.count('"started"') == PROCESSES, "both in the log")
    before = watched.pages()
    for _ in range(10):
        browser.get(f"{serving.url}/nl/")
    # Whichever process is asked tells the pages of both.
    assert {watched.pages() - before for _ in range(6)} == {10}
    victim = serving.children()[0]
    os.kill(victim, signal.SIGKILL)
    wait_for(lambda: len(set(serving.children()) - {victim}) == PROCESSES, "a new process")
    assert watched.pages() - before == 10
    browser.get(f"{serving.url}/nl/")
    assert watched.pages() - before == 11
    wait_for(lambda: watched.get("/readyz").json()["checks"]["clock"] == "ok", "a new leader")
    wait_for(lambda: serving.said.count('"started"') > PROCESSES, "its start in the log")
    serving.process.signal(signal.SIGTERM)
    serving.process.wait()
    _read_the_log(serving)


def _read_the_log(serving: Serving) -> None:
    lines = [json.loads(line) for line in serving.said.splitlines() if line.startswith("{")]
    events = [line["event"] for line in lines]
    assert events.count("started") == PROCESSES + 1
    assert events.count("stopped") == PROCESSES
    started = lines[events.index("started")]
    assert re.fullmatch("[0-9a-f]{12}", started["settings"])
    run = lines[events.index("sender run")]
    assert (run["accepted"], run["issues"], run["task"]) == (4, [1], "deliver")
    sent = lines[events.index("issue.sent issue 1")]
    assert sent["run"] == run["run"]  # the same turn of the clock
    assert sent["actor"] == "clock"
