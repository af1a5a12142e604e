"""What is made once for all tests of a process.

Reading the shelf and compiling templates take most of the time of a page's test, and come out the
same each time.
"""

from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket
from sqlalchemy import Dialect, Engine
from werkzeug.routing import Rule

import config
from newsletter import db
from newsletter.content.library import Library
from newsletter.db import Database
from newsletter.settings import Settings

CONTENT = config.PROJECT_DIR / "content"


def shelf(settings: Settings) -> Library:
    """The project's own shelf, read once; a new one when a test has its own folder."""
    if settings.content_dir == CONTENT:
        return _shelf(settings.timezone)
    return Library(settings.content_dir, settings.timezone)


def make_homeless(database: Database) -> None:
    """What is copied from this database is at home wherever it is used first."""
    with database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE fence SET identity = NULL")


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


_compile_builder = Rule._compile_builder
_BUILDERS: dict[Any, Any] = {}


def remember_routes() -> None:
    """Let Werkzeug compile what builds the address of a route once for all sites of a process:
    150 routes take longer than most tests of a page."""

    def compile_builder(rule: Rule, append_unknown: bool = True) -> Any:
        key = (rule.rule, append_unknown, repr(rule.defaults))
        if key not in _BUILDERS:
            _BUILDERS[key] = _compile_builder(rule, append_unknown)
        return _BUILDERS[key]

    Rule._compile_builder = compile_builder  # type: ignore[method-assign, assignment]


_DIALECTS: dict[str, Dialect] = {}
_STATEMENTS: dict[Any, Any] = {}


def remember_statements() -> None:
    """Let all engines of a process share what their statements were compiled to: each test has an
    engine of its own, and would compile the same ones anew (a quarter of a test's time)."""

    def create_engine(url: str, **options: Any) -> Engine:
        engine = sqlalchemy.create_engine(url, **options)
        engine.dialect = _DIALECTS.setdefault(engine.name, engine.dialect)
        engine.update_execution_options(compiled_cache=_STATEMENTS)
        return engine

    db.create_engine = create_engine  # type: ignore[assignment, attr-defined]
