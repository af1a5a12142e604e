"""Notices: letters to one person who is waiting for them, and the outbox that carries them."""

from newsletter.notices.outbox import drain, forget, queue, remove, written_since

__all__ = ["drain", "forget", "queue", "remove", "written_since"]
