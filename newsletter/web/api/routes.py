"""Every operation of the API, as one table: routes, checks and the OpenAPI document are made of it.

What an operation works with (`views`, and `shapes`, which need pydantic) is loaded when the first
request comes, so that the other pages start as fast as without the API.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

from newsletter.models import Scope

PACKAGE = "newsletter.web.api"


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path. `view` is "module:function"; `answer`, `query` and `body` name
    classes of `shapes`; without a scope it is open to everybody."""

    name: str
    method: str
    path: str  # as OpenAPI writes it
    view: str
    summary: str
    answer: str
    scope: Scope | None = None
    query: str = ""
    body: str = ""
    status: int = 200
    also: tuple[int, ...] = ()  # other statuses than 2xx that it can have, beside those of all
    only_reads: bool = False  # a POST that changes nothing

    @property
    def writes(self) -> bool:
        """Does it change anything?"""
        return self.method != "GET" and not self.only_reads

    @property
    def section(self) -> str:
        """The first part of its path: "subscribers"."""
        return self.path.split("/")[1]

    def load(self) -> Callable[..., Any]:
        """What does it."""
        return _load(self.view)


@cache
def _load(view: str) -> Callable[..., Any]:
    module, _colon, function = view.partition(":")
    found: Callable[..., Any] = getattr(import_module(f"{PACKAGE}.{module}"), function)
    return found


def _get(name: str, path: str, view: str, summary: str, answer: str, **more: Any) -> Operation:
    return Operation(name, "GET", path, view, summary, answer, **more)


def _post(name: str, path: str, view: str, summary: str, answer: str, **more: Any) -> Operation:
    return Operation(name, "POST", path, view, summary, answer, **more)


OPERATIONS = (
    _get(
        "challenge", "/challenge", "public:challenge",
        "What a form has to show and to work on before somebody signs up",
        "Challenge", query="Language",
    ),
    _post(
        "subscribe", "/subscribe", "public:subscribe",
        "Ask to be signed up: the same answer for every address, and a mail that asks to confirm",
        "Accepted", body="Subscription", status=202, also=(429,), only_reads=True,
    ),
    _get(
        "subscribers", "/subscribers", "people:subscribers",
        "All subscribers, the oldest first", "Subscribers",
        scope=Scope.SUBSCRIBERS_READ, query="Paging",
    ),
    _post(
        "add_subscriber", "/subscribers", "people:add",
        "Take somebody in, as an import does: pending, unless you can prove their consent",
        "Taken", scope=Scope.SUBSCRIBERS_WRITE, body="NewSubscriber", status=201, also=(409,),
    ),
    _post(
        "find_subscriber", "/subscribers/find", "people:find",
        "Look somebody up by address, which so stands in no log",
        "Subscribers", scope=Scope.SUBSCRIBERS_READ, body="Address", only_reads=True,
    ),
    _get(
        "subscriber", "/subscribers/{id}", "people:subscriber", "One subscriber",
        "Subscriber", scope=Scope.SUBSCRIBERS_READ, also=(404,),
    ),
    _post(
        "leave", "/subscribers/{id}/leave", "people:leave",
        "End a subscription at once, also for mail that is planned",
        "Taken", scope=Scope.SUBSCRIBERS_WRITE, body="Reason", also=(404,),
    ),
    _get(
        "items", "/items", "news:items", "What was published, the newest first", "Items",
        scope=Scope.ITEMS_READ, query="ItemPaging",
    ),
    _get(
        "item", "/items/{slug}", "news:item", "One item, with its text", "Item",
        scope=Scope.ITEMS_READ, query="Language", also=(404,),
    ),
    _get(
        "issues", "/issues", "news:issues", "All issues, the newest first", "Issues",
        scope=Scope.ISSUES_READ, query="Paging",
    ),
    _get(
        "issue", "/issues/{number}", "news:issue", "One issue", "Issue",
        scope=Scope.ISSUES_READ, also=(404,),
    ),
    _post(
        "schedule", "/issues/{number}/schedule", "news:schedule",
        "Send an issue at a moment of your choice; approvals that are missing stay required",
        "Issue", scope=Scope.ISSUES_WRITE, body="Schedule", also=(404, 409),
    ),
    _post(
        "stop", "/issues/{number}/stop", "news:stop",
        "Stop an issue at once; on the desk a person can resume it",
        "Issue", scope=Scope.ISSUES_WRITE, also=(404, 409),
    ),
    _get(
        "deliveries", "/deliveries", "figures:deliveries",
        "Which issue went to which subscriber, and what became of it",
        "Deliveries", scope=Scope.DELIVERIES_READ, query="DeliveryPaging",
    ),
    _get(
        "statistics", "/statistics", "figures:statistics",
        "Readers by month, as the desk counts them", "Statistics", scope=Scope.STATISTICS_READ,
    ),
    _get(
        "issue_statistics", "/statistics/issues/{number}", "figures:issue",
        "How the deliveries of an issue stand", "Counts",
        scope=Scope.STATISTICS_READ, also=(404,),
    ),
    _get(
        "suppressions", "/suppressions", "people:suppressions",
        "Addresses that must not be mailed, as keyed hashes, the newest first",
        "Suppressions", scope=Scope.SUPPRESSIONS_READ, query="Paging",
    ),
    _post(
        "suppress", "/suppressions", "people:suppress",
        "Never mail an address again, whether it is a subscriber's or not",
        "Suppressed", scope=Scope.SUPPRESSIONS_WRITE, body="Suppress", status=201,
    ),
    _post(
        "lift_suppression", "/suppressions/lift", "people:lift",
        "Allow an address again; its owner has to sign up anew",
        "Suppressed", scope=Scope.SUPPRESSIONS_WRITE, body="Suppress", also=(409,),
    ),
)  # fmt: skip
