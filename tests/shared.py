"""What is made once for all tests of a process.

Reading the shelf and compiling templates take most of the time of a page's test, and come out the
same each time.
"""

from functools import cache
from zoneinfo import ZoneInfo

from jinja2 import BytecodeCache
from jinja2.bccache import Bucket

import config
from newsletter.content.library import Library
from newsletter.settings import Settings

CONTENT = config.PROJECT_DIR / "content"


def shelf(settings: Settings) -> Library:
    """The project's own shelf, read once; a new one when a test has its own folder."""
    if settings.content_dir == CONTENT:
        return _shelf(settings.timezone)
    return Library(settings.content_dir, settings.timezone)


@cache
def _shelf(zone: ZoneInfo) -> Library:
    return Library(CONTENT, zone)


class Compiled(BytecodeCache):
    """Templates as Python compiled them, in memory; Jinja sees when one has changed."""

    def __init__(self) -> None:
        self._known: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """Fill the bucket, if this template was compiled before."""
        if known := self._known.get(bucket.key + bucket.checksum):
            bucket.bytecode_from_string(known)

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep what was compiled."""
        self._known[bucket.key + bucket.checksum] = bucket.bytecode_to_string()
