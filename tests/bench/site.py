"""`newsletter serve` with one route more: /empty does nothing, in the same site and server."""

import newsletter.app
from newsletter.cli.serve import command

_create_app = newsletter.app.create_app


def _with_an_empty_route(*arguments: object) -> object:
    app = _create_app(*arguments)  # type: ignore[arg-type]
    app.add_url_rule("/empty", "empty", lambda: "")
    return app


if __name__ == "__main__":
    newsletter.app.create_app = _with_an_empty_route  # type: ignore[assignment]
    command()
