"""What schemathesis makes of the document: each operation, with sound and unsound data, all checks.

A few seconds here, the same every time; `make chaos` tries EXAMPLES for each operation, by chance.
"""

import os
import uuid
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from schemathesis import engine
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events
from schemathesis.transport.wsgi import WSGITransport

from newsletter.models import SubscriberState
from newsletter.settings.parsing import Rate
from newsletter.web.api.calls import KEY_HEADER
from tests.api.conftest import token
from tests.web.conftest import Build, World

EXAMPLES = int(os.environ.get("EXAMPLES", "0"))
MANY = Rate(10_000_000, 3600)
# What the form needs, nobody makes by chance: a sound one is tried in test_public.py.
GUARDED = {
    "include-path": "/subscribe",
    "checks": {"positive_data_acceptance": {"enabled": False}},
}
# Sound by the document, and yet 422: an A-label that is none, a confirmation in the future.
JUDGED = {
    "include-path": ["/subscribers", "/subscribers/find", "/suppressions", "/suppressions/lift"],
    "checks": {"positive_data_acceptance": {"expected-statuses": ["2xx", 401, 403, 404, 409, 422]}},
}


def configured(secret: str) -> SchemathesisConfig:
    """Each phase, each check; without EXAMPLES only what is not by chance, and a bit of that."""
    return SchemathesisConfig.from_dict(
        {
            "auth": {"openapi": {"token": {"bearer": secret}}},
            "continue-on-failure": True,
            "generation": {
                "max-examples": EXAMPLES or 1,
                "deterministic": not EXAMPLES,
                "database": "none",
            },
            "phases": {name: {"enabled": EXAMPLES > 0} for name in ("coverage", "stateful")},
            "operations": [GUARDED, JUDGED],
        }
    )


@pytest.fixture(autouse=True)
def without_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Schemathesis 4.32 tells Werkzeug's client of settings of a network, when a check asks."""
    send = WSGITransport.send

    def sent(self: Any, case: Any, **more: Any) -> Any:
        for name in ("max_redirects", "verify", "cert", "proxies"):
            more.pop(name, None)
        return send(self, case, **more)

    monkeypatch.setattr(WSGITransport, "send", sent)


@pytest.fixture
def site(issued: World, build: Build) -> World:
    """A site with some of everything, where nobody asks too often."""
    site = build(api_rate=MANY, signup_rate=MANY, signup_ip_rate=MANY, work_bits=1)
    for state in SubscriberState:
        if state is not SubscriberState.ERASED:
            site.add(state.value, state)
    return site


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
    """A key that was used before is refused, as it should be."""
    if case.headers and KEY_HEADER in case.headers:
        case.headers[KEY_HEADER] = str(uuid.uuid4())


def failures(run: Any) -> Iterator[str]:
    """What is wrong, in words; and how many requests there were."""
    count = Counter[str]()
    for event in run:
        if isinstance(event, events.NonFatalError | events.FatalError):
            problem = getattr(event, "value", None) or getattr(event, "exception", None)
            yield f"{getattr(event, 'phase', '')} {getattr(event, 'label', '')}: {problem!r}"
        if isinstance(event, events.ScenarioFinished):
            count[event.phase.value] += len(event.recorder.cases)
            for checks in event.recorder.checks.values():
                for check in checks:
                    if check.failure_info is not None:
                        failure = check.failure_info
                        said = f"{failure.failure.title}: {failure.failure.message}"
                        yield f"{event.label} {check.name}: {said} {failure.code_sample}"
    print(f"schemathesis: {dict(count)}, {count.total()} cases")  # noqa: T201
    assert count.total() > 40


@pytest.mark.timeout(0)
@pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisWarning")
@pytest.mark.sqlite("what is asked does not depend on the database")
def test_schemathesis_finds_nothing(site: World) -> None:
    config = configured(token(site).secret)
    schema = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", site.app, config=config)
    found = list(failures(engine.from_schema(schema).execute()))
    assert not found, "\n".join(found)
