"""`newsletter serve` with one route more: /empty does nothing, in the same site and server."""

import os

import newsletter.app
from newsletter.cli.serve import command
from newsletter.web import keeping

KEEP_NOTHING = "BENCH_KEEP_NOTHING"  # set: every page of the archive is made anew
_create_app = newsletter.app.create_app


def _with_an_empty_route(*arguments: object) -> object:
    app = _create_app(*arguments)  # type: ignore[arg-type]
    app.add_url_rule("/empty", "empty", lambda: "")
    return app


if __name__ == "__main__":
    if os.environ.get(KEEP_NOTHING):
        keeping.MOST_OCTETS = 0
    newsletter.app.create_app = _with_an_empty_route  # type: ignore[assignment]
    command()
