"""Items on the desk: the list, one text with its form, its preview, pictures."""

from newsletter.web.desk.items import listing, previews, texts

PAGES = (listing, texts, previews)
