"""The peers: a loop over Flask-Mail as its manual shows it, and postfix's load generator in C."""

import shutil
import sys
from pathlib import Path

import flask_mail
from flask import Flask

TOKEN = "a-token-of-thirty-six-characters-here"[:36]  # each reader's link has another
SENDER = "fiabel@nieuws.vvsg.example"


def flask_mail_loop(port: int, count: int, subject: str, text: str, html: str) -> None:
    """One kept connection, one Message built for each recipient, with a link of its own."""
    app = Flask("peer")
    app.config |= {"MAIL_SERVER": "127.0.0.1", "MAIL_PORT": port}
    mail = flask_mail.Mail(app)
    with app.app_context(), mail.connect() as connection:
        for index in range(count):
            token = f"{index:036}"
            message = flask_mail.Message(
                subject,
                recipients=[f"r{index}@voorbeeld.example"],
                sender=SENDER,
                body=text.replace(TOKEN, token),
                html=html.replace(TOKEN, token),
                extra_headers={
                    "List-Unsubscribe": f"<https://nieuws.vvsg.example/u/{token}>",
                    "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
                },
            )
            connection.send(message)


def flask_mail_command(folder: Path, port: int, count: int) -> list[str]:
    """The loop as a process of its own; `folder` holds subject, text and html as files."""
    return [sys.executable, "-m", "tests.bench.peers", str(folder), str(port), str(count)]


def smtp_source_command(port: int, count: int, size: int, connections: int) -> list[str] | None:
    """Kept connections, messages of `size` octets; None where postfix is missing."""
    program = shutil.which("smtp-source") or shutil.which("smtp-source", path="/usr/sbin")
    if program is None:
        return None
    options = ["-s", str(connections), "-m", str(count), "-l", str(size), "-d"]
    return [program, *options, "-f", SENDER, "-t", "r1@voorbeeld.example", f"127.0.0.1:{port}"]


if __name__ == "__main__":
    where = Path(sys.argv[1])
    words = [(where / name).read_text("utf-8") for name in ("subject", "text", "html")]
    flask_mail_loop(int(sys.argv[2]), int(sys.argv[3]), *words)
