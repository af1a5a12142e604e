"""An item as schema.org's NewsArticle, for search engines."""

from typing import Any

from newsletter.issues.reading import Told
from newsletter.issues.stories import Story
from newsletter.links import Links
from newsletter.settings import Settings
from newsletter.web.sheet import Tale


def _image(story: Story) -> str | dict[str, Any]:
    """A picture with what it shows and whose it is, or the address of the drawing."""
    if story.picture is None:
        return story.drawing
    found: dict[str, Any] = {
        "@type": "ImageObject",
        "url": story.picture_url,
        "width": story.picture.width,
        "height": story.picture.height,
        "caption": story.picture.alt,
    }
    return found | ({"creditText": story.picture.credit} if story.picture.credit else {})


def article(tale: Tale, told: Told, settings: Settings) -> dict[str, Any]:
    """JSON-LD of the page of an item in the locale of the page; addresses are absolute."""
    story, piece, links = tale.story, told.piece, Links(settings.base_url)
    publisher = {"@type": "Organization", "name": settings.org_name, "url": settings.org_website}
    found: dict[str, Any] = {
        "@context": "https://schema.org",
        "@type": "NewsArticle",
        "headline": piece.title,
        "description": piece.summary,
        "inLanguage": piece.language,
        "url": links.item(piece.language, piece.slug),
        "mainEntityOfPage": links.item(piece.language, piece.slug),
        "datePublished": told.first_at.isoformat(timespec="seconds"),
        "dateModified": told.updated_at.isoformat(timespec="seconds"),
        "image": [_image(story)],
        "author": publisher,
        "publisher": publisher,
        "isAccessibleForFree": True,
        "keywords": [topic.name for topic in tale.topics],
    }
    if story.place:
        found["contentLocation"] = {"@type": "Place", "name": story.place}
    if story.sources:
        found["citation"] = [source["url"] for source in story.sources]
    return found
