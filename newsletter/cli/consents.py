"""`newsletter subscribers consent …`: the proof of a consent, the chain over all, and the key."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import click
from sqlalchemy.orm import Session

from newsletter.cli.office import Office, as_json, open_office, print_json, progress
from newsletter.errors import FixRequest
from newsletter.jobs import tasks
from newsletter.subscribers import chain, preferences, proof, receipts

WIDTH = 24  # of the labels
LONG = 100_000  # links: some seconds
HEAD = ("state", "purpose", "tracking_consent", "kept_until")
FACTS = {
    "privacy": "privacy statement",
    "template": "form template",
    "ticked": "ticked by the reader",
    "controller": "controller as shown",
    "message_id": "confirm Message-ID",
    "sent_at": "confirm mail sent",
    "reply": "relay's reply",
    "method": "confirmed by method",
    "token_sha256": "confirm token SHA-256",
    "work": "browser's proof of work",
}


@click.command("consent")
@click.argument("email", required=False)
@click.option("--verify", is_flag=True, help="Check the chain over the proofs of everybody.")
@click.option("--key", is_flag=True, help="Print the public keys that check receipts.")
@click.option(
    "--receipt",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Check a receipt: its signature, and that the chain still holds its links.",
)
@as_json
def command(
    email: str | None, verify: bool, key: bool, receipt: Path | None, as_json: bool
) -> None:
    """The proof of one person's consent; or check all proofs, or a receipt."""
    if sum((email is not None, verify, key, receipt is not None)) != 1:
        raise click.UsageError("Name one address, or say --verify, --key or --receipt FILE.")
    office = open_office()
    if key:
        return click.echo(receipts.published(office.settings), nl=False)
    if receipt is not None:
        return _check_receipt(office, receipt)
    tasks.seal_consents(office.database)  # so that what is minutes old is chained too
    if verify:
        return _verify(office, as_json)
    found = _proof(office, str(email), as_json)
    return print_json(found) if as_json else _print(found)


def _proof(office: Office, email: str, quiet: bool) -> dict[str, Any]:
    with office.database.read() as session:
        subscriber = preferences.find_by_address(session, email)
        if subscriber is None:
            raise FixRequest("No subscriber has this address.")
        with _walking(session, quiet) as advance:
            return proof.proof(session, office.settings, subscriber, advance)


def _walking(session: Session, quiet: bool) -> AbstractContextManager[Callable[[int], None]]:
    """Progress along the chain, where there is time to look at it."""
    length = chain.length(session)
    return progress("Checking the chain", length, quiet=quiet or length < LONG)


def _verify(office: Office, as_json: bool) -> None:
    with office.database.read() as session:
        with _walking(session, as_json) as advance:
            verdict = chain.verify(session, progress=advance)
        waiting = chain.unsealed(session)
    broken = proof.as_words(verdict.broken)
    if as_json:
        print_json(
            {
                "links": verdict.number,
                "hash": verdict.hash,
                "unsealed": waiting,
                "broken": broken,
            }
        )
    elif broken is None:
        click.echo(f"The chain is intact: {verdict.number} links, the last one {verdict.hash}.")
        if waiting:
            click.echo(f"{waiting} proofs are not sealed yet.")
    else:
        click.echo(f"{verdict.number} links are intact.")
    if broken is not None:
        raise FixRequest(f"The chain is broken {broken}.")


def _check_receipt(office: Office, file: Path) -> None:
    try:
        receipt = json.loads(file.read_text("utf-8"))
        key = receipts.public_keys(office.settings).get(receipt["key"])
    except (ValueError, KeyError, TypeError):
        raise FixRequest("This file is not a receipt.") from None
    if key is None or not receipts.verify(receipt, key):
        raise FixRequest("The receipt was altered, or its key is none of ours.")
    with office.database.read() as session:
        missing = receipts.missing_links(session, receipt)
    if missing:
        numbers = ", ".join(str(number) for number in missing)
        raise FixRequest(
            f"The receipt is genuine, but the chain does not hold its links any more: {numbers}."
        )
    count = len(receipt["payload"]["events"])
    click.echo(f"The receipt is genuine ({count} events), and the chain holds its links.")


def _print(found: dict[str, Any]) -> None:
    click.echo(f"PROOF OF CONSENT of {found['email']} (subscriber {found['subscriber']})")
    click.echo()
    if found["canonical"] != found["email"]:
        _line("address as compared", found["canonical"])
    for name in HEAD:
        _line(name.replace("_", " "), found[name])
    _line("controller", ", ".join(found["controller"].values()))
    broken = found["chain_broken"]
    intact = f"intact up to link {found['chain_walked_to']}"
    _line("chain", f"BROKEN {broken}" if broken else intact)
    for event in found["events"]:
        click.echo()
        _print_event(event)


def _print_event(event: dict[str, Any]) -> None:
    click.echo(f"{event['id']}. {event['event'].upper()} by {event['route']}")
    _line("when", f"{event['at']} (local: {event['at_local']})")
    _line("address", event["email"] or "erased")
    _line("address fits its hash", _said(event["email_fits_its_hash"]))
    if sentence := event["sentence"]:
        _line("sentence agreed to", f"“{sentence['text']}”")
        _line("its id and SHA-256", f"{sentence['id']}, {sentence['sha256']}")
        _line("sentence fits its hash", _said(event["sentence_fits_its_hash"]))
    chosen = ", ".join(event["topics"]) or "all topics"
    _line("chosen", f"{event['locale']}, {event['cadence']}, {chosen}")
    _line("source", event["source"])
    _line("issue that was left by", event["issue"])
    _line("IP address and browser", _origin(event))
    for name, value in event["facts"].items():
        _line(FACTS.get(name, name.replace("_", " ")), _words(value))
    seal = event["seal"]
    if seal is None:
        return _line("seal", "not yet; within a minute")
    _line("seal", f"{seal['number']}, {seal['hash']}, {seal['sealed_at']}")
    return _line("chain intact up to here", _said(event["chain_intact_up_to_here"]))


def _origin(event: dict[str, Any]) -> str:
    if event["ip"] is None:
        return str(event["origin"])
    known = f"{event['ip']}, {event['user_agent']} ({event['origin']})"
    fits = event["origin_fits_its_hash"]
    return known if fits is None else f"{known}; fits its hash: {_said(fits)}"


def _said(value: bool | None) -> str:
    return {True: "yes", False: "NO", None: "nothing is left to compare"}[value]


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name}: {_words(one)}" for name, one in value.items())
    if isinstance(value, list):
        return ", ".join(_words(one) for one in value) or "nothing"
    return str(value)


def _line(label: str, value: Any) -> None:
    """One fact, unless there is none."""
    if value not in (None, ""):
        click.echo(f"  {label:{WIDTH}} {value}")
