"""`newsletter` with what nobody foresaw: an error that names all it knows."""

from flask import request

from newsletter.cli import main
from newsletter.web import leaving
from newsletter.web.page import speak

ADDRESS = "ann.jansen@voorbeeld.example"


def break_or_speak(locale: str) -> None:
    if request.args.get("break"):
        raise RuntimeError(f"{ADDRESS} cannot use {request.path}")
    speak(locale)


leaving.speak = break_or_speak  # type: ignore[attr-defined]

if __name__ == "__main__":
    main()
