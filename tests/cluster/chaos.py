"""Part of `make chaos`: every fault of hosts, with as many readers as FAULTS.md says.

    python -m tests.cluster.chaos [--readers 10000] [--faults kill,database,relay,both]

Exit code 1 when a promise was broken. Figures go to build/hosts.json, too.
"""

import argparse
import contextlib
import json
import sys
import time
from pathlib import Path

import click

from tests.cluster.hosts import FAULTS, cluster, endure
from tests.cluster.network import missing
from tests.faults.nursery import Nursery
from tests.faults.programs import Forked


def main() -> None:
    """Each fault in a world of its own."""
    parser = argparse.ArgumentParser(prog="make chaos", description="Hosts killed and cut off.")
    parser.add_argument("--readers", type=int, default=10_000)
    parser.add_argument("--faults", default=",".join(FAULTS))
    options = parser.parse_args()
    if why := missing():
        click.echo(f"No hosts are cut off: {why}.")
        return
    found = []
    with contextlib.closing(Nursery()) as nursery:
        for fault in options.faults.split(","):
            began = time.monotonic()
            with cluster(Forked(nursery), options.readers) as this:
                verdict = endure(this, fault, options.readers // 10)
                shares = [this.taken_from(host) for host in this.hosts]
            facts = {"fault": fault, "shares": shares, "seconds": time.monotonic() - began}
            found.append(facts | verdict.as_json())
            click.echo(
                f"hosts, {fault}: {verdict.planned} recipients, {verdict.skipped} skipped, "
                f"{verdict.duplicates} of {verdict.allowed} duplicates, {verdict.wrong_ids} wrong "
                f"IDs, by host {shares}, {facts['seconds']:.0f} s"
            )
            for problem in verdict.problems:
                click.echo(f"    BROKEN {problem}")
    file = Path("build/hosts.json")
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(found, indent=2) + "\n")
    sys.exit(any(one["problems"] for one in found))


if __name__ == "__main__":
    main()
