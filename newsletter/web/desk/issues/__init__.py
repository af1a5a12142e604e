"""Issues on the desk: what comes, its order, who approves, how it goes, and who got it."""

from newsletter.web.desk.issues import arranging, deliveries, listing, one, sending

PAGES = (listing, one, arranging, sending, deliveries)

__all__ = ["PAGES"]
