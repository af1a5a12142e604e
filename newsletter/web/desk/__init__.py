"""The desk: pages for who makes the newsletter. A page is a module that `PAGES` names."""

from newsletter.web.desk import (
    account,
    home,
    issues,
    items,
    log,
    numbers,
    people,
    programs,
    settings,
    subscribers,
    suppressions,
)
from newsletter.web.desk.ground import blueprint

# Importing a module puts its pages on the blueprint.
PAGES = (
    *(home, account, people, log, numbers, subscribers, suppressions),
    *issues.PAGES,
    *items.PAGES,
    *(programs, settings),
)

__all__ = ["PAGES", "blueprint"]
