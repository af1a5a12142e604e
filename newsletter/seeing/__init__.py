"""What machines ask a running program: is it ready, and how does it fare? Reads only.

Strangers may ask the first as often as they like: what the database says is kept for a moment, and
waited for no longer than that.
"""

from newsletter.seeing.glance import Watch
from newsletter.seeing.listening import Listener, listen
from newsletter.seeing.readiness import Readiness

__all__ = ["Listener", "Readiness", "Watch", "listen"]
