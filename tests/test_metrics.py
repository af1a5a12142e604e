"""What is counted: by classes that are few, in memory that processes share."""

import os
import threading

import pytest
from prometheus_client.parser import text_string_to_metric_families

from newsletter import metrics
from newsletter.db import Database
from newsletter.delivery.outcomes import Outcome
from newsletter.jobs.timetable import Clock
from newsletter.models import SetbackKind
from newsletter.settings import Settings

OWN = ("nieuws.vvsg.example", "vvsg.be")


@pytest.mark.parametrize(
    ("domain", "found"),
    [
        ("gmail.com", "gmail"),
        ("googlemail.com", "gmail"),
        ("hotmail.be", "microsoft"),
        ("outlook.com", "microsoft"),
        ("live.nl", "microsoft"),
        ("yahoo.co.uk", "yahoo"),
        ("aol.com", "yahoo"),
        ("me.com", "apple"),
        ("me.be", "other"),
        ("telenet.be", "telenet"),
        ("skynet.be", "proximus"),
        ("vvsg.be", "own"),
        ("leden.vvsg.be", "own"),
        ("nietvvsg.be", "other"),
        ("gmail.com.voorbeeld.example", "other"),
        ("gmail.voorbeeld.be", "other"),
        ("roeselare.be", "other"),
        ("*", "other"),
        ("", "other"),
    ],
)
def test_domains_of_readers_are_few_classes(domain: str, found: str) -> None:
    assert metrics.domain_class(domain, OWN) == found
    assert found in metrics.CLASSES


def test_our_own_domains(settings: Settings) -> None:
    assert set(metrics.own_domains(settings)) == {"nieuws.vvsg.example", "vvsg.be"}


def test_what_can_happen_is_foreseen() -> None:
    """A value that is not foreseen is not counted, and stops nobody."""
    assert set(metrics.OUTCOMES) == {one.value for one in Outcome}
    assert set(metrics.SETBACKS) == {one.value for one in SetbackKind}
    metrics.NOTICES.add("nonsense")
    metrics.RELAY.observe(1.0, "nonsense")


@pytest.mark.sqlite("nothing is asked of it")
def test_every_task_of_the_clock_is_foreseen(settings: Settings, database: Database) -> None:
    clock = Clock(settings, database)
    clock._scheduler.start = lambda: None
    clock.start()
    names = {job[0].id for job in clock._scheduler._pending_jobs}
    assert names == set(metrics.TASKS) - {metrics.OTHER}


def value(name: str, **labels: str) -> float:
    for family in text_string_to_metric_families(metrics.text(lambda: iter(())).decode()):
        for sample in family.samples:
            if sample.name == name and sample.labels == labels:
                return sample.value
    raise AssertionError(name)


def test_buckets_add_up() -> None:
    name, labels = "newsletter_relay_seconds", {"stage": "content"}

    def bucket(end: str) -> float:
        return value(f"{name}_bucket", le=end, **labels)

    before = [bucket(end) for end in ("0.001", "1", "30", "+Inf")]
    total = value(f"{name}_sum", **labels)
    for seconds in (0.001, 0.9, 31.0):
        metrics.RELAY.observe(seconds, "content")
    after = [bucket(end) for end in ("0.001", "1", "30", "+Inf")]
    assert [new - old for new, old in zip(after, before, strict=True)] == [1, 2, 2, 3]
    assert value(f"{name}_sum", **labels) - total == pytest.approx(31.901)
    assert value(f"{name}_count", **labels) == after[-1]


def test_threads_lose_nothing() -> None:
    before = value("newsletter_signup_requests_total")

    def count() -> None:
        for _ in range(2000):
            metrics.SIGNUPS.add()

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert value("newsletter_signup_requests_total") - before == 8000


def test_processes_count_together_and_a_dead_one_takes_nothing_with_it() -> None:
    before = value("newsletter_signup_requests_total")
    for number in (1, 2, 1 + metrics.PLACES):  # the last takes the row of the first
        child = os.fork()
        if not child:
            metrics.join(number)
            metrics.SIGNUPS.add(times=100)
            os._exit(0)  # as a process that was killed: nothing is handed over
        os.waitpid(child, 0)
    metrics.SIGNUPS.add()
    assert value("newsletter_signup_requests_total") - before == 301
