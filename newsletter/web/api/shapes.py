"""What the API takes and gives, as pydantic models: they check, and make the document."""

import datetime as dt
from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic import ValidationInfo as Info

from newsletter import addresses
from newsletter.errors import FixRequest
from newsletter.i18n import LOCALES
from newsletter.models import DeliveryState, IssueState, SubscriberState, SuppressionReason

LARGEST = 999_999_999  # of an id, or of the number of an issue
MOST = 200  # rows on a page
DIGITS = "0123456789"
# Printable, on one line, and something: it goes into proofs and logs.
LINE = r"^[^\s\x00-\x1f\x7f][^\x00-\x1f\x7f]*$"
# Plain ASCII, the domain as A-labels. `addresses.parse` judges the rest.
ADDRESS = (
    r"^[A-Za-z0-9_!#$%&'*+/=?^`{|}~-]+(\.[A-Za-z0-9_!#$%&'*+/=?^`{|}~-]+)*"
    r"@([A-Za-z0-9]+(-+[A-Za-z0-9]+)*\.)+([A-Za-z]{2,24}|[Xx][Nn]--[A-Za-z0-9]+(-+[A-Za-z0-9]+)*)$"
)


def _whole(value: Any) -> Any:
    """Of a query: digits and nothing else."""
    plain = isinstance(value, str) and value and set(value) <= set(DIGITS) and len(value) < 12
    return int(value) if plain else value


def _address(value: str) -> str:
    """One that can be mailed."""
    try:
        addresses.parse(value)
    except FixRequest as error:
        raise ValueError(error.in_("en")) from None
    return value


def _on_offer(kind: str) -> AfterValidator:
    """One of the topics, or cadences, that there are now."""

    def check(value: str, info: Info) -> str:
        known = (info.context or {})[kind]
        if value not in known:
            raise ValueError(f"there is no such one; choose from: {', '.join(known)}")
        return value

    return AfterValidator(check)


Id = Annotated[int, Field(ge=1, le=LARGEST)]
Line = Annotated[str, Field(pattern=LINE, max_length=500)]
Email = Annotated[
    str,
    Field(pattern=ADDRESS, max_length=254, examples=["jan@voorbeeld.be"]),
    AfterValidator(_address),
]
Locale = Annotated[str, Field(pattern=f"^({'|'.join(LOCALES)})$")]
Topic = Annotated[str, _on_offer("topics"), Field(json_schema_extra={"x-one-of": "topics"})]
Cadence = Annotated[str, _on_offer("cadences"), Field(json_schema_extra={"x-one-of": "cadences"})]
Number = Annotated[Id, BeforeValidator(_whole)]


class Shape(BaseModel):
    """What is given."""

    model_config = ConfigDict(from_attributes=True)


class Asked(BaseModel):
    """What is taken: nothing of another type, and nothing besides."""

    model_config = ConfigDict(strict=True, extra="forbid")


# --- what is asked for in an address --------------------------------------------------------------


class Paging(Asked):
    """Which page of a list."""

    limit: Annotated[int, Field(ge=1, le=MOST), BeforeValidator(_whole)] = Field(
        50, description="How many rows."
    )
    cursor: str | None = Field(None, description="`next` of the page before.", max_length=400)


class Language(Asked):
    """For readers of which language."""

    locale: Locale = "nl"


class ItemPaging(Paging, Language):
    """Which page of the items."""


class DeliveryPaging(Paging):
    """Which page of the deliveries."""

    issue: Number | None = Field(None, description="Of this issue.")
    subscriber: Number | None = Field(None, description="To this subscriber.")


# --- what is sent ---------------------------------------------------------------------------------


class Address(Asked):
    """Somebody's address."""

    email: Email


class NewSubscriber(Address):
    """Somebody to be taken in."""

    source: Line = Field(description="Who asked for it, where and how: it is the proof.")
    locale: Locale = "nl"
    topics: list[Topic] = Field([], max_length=50, description="None is every topic.")
    cadence: Cadence | None = None
    confirmed_at: AwareDatetime | None = Field(
        None, description="When they confirmed elsewhere. Without it they are pending."
    )
    invite: bool = Field(True, description="Mail who is pending the letter that asks to confirm.")


class Reason(Asked):
    """Why."""

    why: Line = Field(description="Kept with the proof; write no name and no address.")


class Suppress(Address, Reason):
    """An address, and why."""


class Schedule(Asked):
    """When."""

    at: AwareDatetime


class Subscription(BaseModel):
    """Somebody who asks to be signed up. `made` and `wording` are those of the challenge; `work` is
    a number with which SHA-256 of `made:email:number` begins with so many zero bits."""

    model_config = ConfigDict(strict=True)
    email: str = Field(max_length=320)
    made: str = Field(max_length=100)
    wording: str = Field(max_length=40)
    work: str = Field("", max_length=100)
    locale: Locale | None = None
    topics: list[str] = Field([], max_length=50)
    cadence: str | None = None


# --- what is given --------------------------------------------------------------------------------


class Page(Shape):
    """A page of a list."""

    next: str | None = Field(None, description="The cursor of the next page, if there is one.")


class Challenge(Shape):
    """What to show and to work on."""

    made: str
    bits: int
    wording: dict[str, str]
    privacy: str


class Accepted(Shape):
    """It was taken; a mail says what comes next."""

    status: str


class Subscriber(Shape):
    """One person's address with its choices and state."""

    id: Id
    state: SubscriberState
    email: str | None = Field(description="None: erased.")
    locale: str
    cadence: str
    topics: list[str] = Field(description="None is every topic.")
    created_at: datetime
    confirmed_at: datetime | None
    left_at: datetime | None
    paused_until: datetime | None


class Subscribers(Page):
    """Subscribers."""

    data: list[Subscriber]


class Taken(Shape):
    """What became of a subscriber; without the address, since it is kept for a day."""

    id: Id
    state: SubscriberState
    changed: bool = Field(description="False: they were so already.")


class ItemSummary(Shape):
    """An item as it was last sent out, for readers of one locale."""

    slug: str
    locale: str
    language: str = Field(description="Of the text: another one where a translation is missing.")
    title: str
    summary: str
    topics: list[str]
    date: dt.date
    deadline: dt.date | None
    issue: int = Field(description="The newest issue with it.")
    url: str
    first_at: datetime
    updated_at: datetime


class Item(ItemSummary):
    """The same with its text."""

    html: str
    text: str


class Items(Page):
    """Items."""

    data: list[ItemSummary]


class Issue(Shape):
    """One appearance of the newsletter."""

    number: Id
    state: IssueState
    why: str | None = Field(description="Why it is held, paused or stopped.")
    cadence: str | None = Field(description="None: for all readers.")
    compiled_at: datetime
    hold_until: datetime | None
    send_at: datetime | None
    planned_at: datetime | None
    sent_at: datetime | None


class Issues(Page):
    """Issues."""

    data: list[Issue]


class Delivery(Shape):
    """One edition to one subscriber."""

    id: int
    issue: int
    subscriber: int
    state: DeliveryState
    settled_at: datetime | None
    bounced_at: datetime | None
    in_doubt: int
    status: str | None = Field(description="Code of the last reply.")


class Deliveries(Page):
    """Deliveries."""

    data: list[Delivery]


class Month(Shape):
    """Who joined, who went, and how many readers there were at its end."""

    month: str
    joined: int
    gone: int
    readers: int


class Statistics(Shape):
    """Counts."""

    readers: int
    months: list[Month]


class Counts(Shape):
    """How the deliveries of an issue stand; the states add up to `planned`."""

    planned: int
    open: int
    accepted: int
    refused: int
    withdrawn: int
    bounced: int
    complaints: int


class Suppression(Shape):
    """An address that must not be mailed, as a keyed hash."""

    key: str
    reason: SuppressionReason
    since: datetime
    why: str | None
    lifted_at: datetime | None
    lifted_why: str | None


class Suppressions(Page):
    """Suppressions."""

    data: list[Suppression]


class Suppressed(Shape):
    """Is the address suppressed now?"""

    suppressed: bool


class FieldError(Shape):
    """What is wrong with one field."""

    detail: str
    pointer: str | None = Field(None, description="Into the body (RFC 6901).")
    parameter: str | None = Field(None, description="Of the query.")


class Problem(Shape):
    """Why a request was not done (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    errors: list[FieldError] | None = None
