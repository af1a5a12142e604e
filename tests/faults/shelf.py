"""A content shelf of the fault tests' own: two short items, so that mails are small and quick."""

from pathlib import Path

TOPICS = '[bestuur]\nnl = "Bestuur"\nfr = "Gouvernance"\nen = "Governance"\nde = "Verwaltung"\n'
PAGE = """---
title: {title}
summary: Wat we bewaren en waarom.
order: 1
---
We bewaren alleen je adres.
"""
ITEM = """---
title: "{title}"
date: 2026-01-15
status: ready
topics: [bestuur]
summary: {summary}
country: BJ
municipality: Roeselare
partner: Dogbo
sources:
  - title: Een bron
    url: https://www.vvsg.be/bron
---
{body}
"""
BODY = "In Dogbo wordt elk kind ingeschreven. Dat telt.\n"


def make_shelf(folder: Path, items: int = 2) -> Path:
    """A whole content folder; returns it."""
    (folder / "pages").mkdir(parents=True)
    (folder / "topics.toml").write_text(TOPICS, "utf-8")
    for locale in ("nl", "fr", "en", "de"):
        page = folder / "pages" / f"privacy.{locale}.md"
        page.write_text(PAGE.format(title="Privacy"), "utf-8")
    for index in range(1, items + 1):
        write_item(folder, f"nieuws-{index}", title=f"Elke geboorte telt, deel {index}")
    return folder


def write_item(
    folder: Path,
    slug: str,
    *,
    title: str,
    body: str = BODY,
    summary: str = "In Dogbo wordt elk kind ingeschreven.",
    locale: str = "nl",
) -> Path:
    """One item, ready since January 2026."""
    file = folder / "items" / "2026" / "01" / f"{slug}.{locale}.md"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(ITEM.format(title=title, body=body, summary=summary), "utf-8")
    return file
