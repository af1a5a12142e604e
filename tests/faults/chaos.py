"""`make chaos`: kills by the hundred, and what became of every single message.

    python -m tests.faults.chaos [--kills 200] [--seed 7] [--readers 400] [--fresh]

Each round is a world of its own. Programs are killed in its midst, at chosen and at random
instants; then `newsletter deliver` alone has to mend it. Relay log and ledger are compared. Exit
code 1 when a promise was broken. Figures go to build/chaos.json, too.
"""

import argparse
import contextlib
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import click

from tests import postgres
from tests.faults.judge import Verdict, inspect
from tests.faults.nursery import Nursery
from tests.faults.programs import SECONDS, Birth, Forked, Fresh, Program, wait_for
from tests.faults.world import World, build
from tests.relay import running

STAGES = ("mail", "rcpt", "data", "partial", "content", "content cut", "answered", "quit")
KILLS = 10  # in a round
LARGE = 10_000  # readers of one round in ten
AHEAD = 1200.0  # a message in doubt for the second time waits for a quarter of an hour
COLUMNS = (
    "round", "store", "relay", "C", "victim", "kills", "recipients", "skipped", "duplicates",
    "allowed", "in doubt", "held", "connections", "wrong IDs", "seconds",
)  # fmt: skip


@dataclass
class Round:
    """One world: what it is like, and what happened in it."""

    number: int
    store: str
    pipelining: bool
    connections: int
    victim: str
    readers: int
    kills: int = 0
    allowed: int = 0
    held: int = 0
    seconds: float = 0.0
    instants: list[str] = field(default_factory=list)
    verdict: Verdict = field(default_factory=Verdict)

    def row(self) -> list[object]:
        found = self.verdict
        relay = "pipelining" if self.pipelining else "lockstep"
        return [
            self.number, self.store, relay, self.connections, self.victim, self.kills,
            found.planned, found.skipped, found.duplicates, self.allowed, found.in_doubt,
            self.held, found.connections, found.wrong_ids, round(self.seconds, 1),
        ]  # fmt: skip


class Chaos:
    """A script of the relay that kills when it is told to; and what drives it."""

    def __init__(self, world: World, this: Round, dice: random.Random) -> None:
        self.world, self.this, self.dice = world, this, dice
        self._victims: list[Program] = []
        self._stage, self._left = "", 0

    def __call__(self, stage: str, _recipient: str) -> str | None:
        wanted, _, cut = self._stage.partition(" ")
        if not self._victims or stage != wanted:
            return None
        self._left -= 1
        if self._left >= 0:
            return None
        self._strike()
        return cut or None

    def _strike(self) -> None:
        victims, self._victims = self._victims, []
        open_now = len(self.world.relay.open)
        for victim in victims:
            victim.kill()
        self.this.kills += len(victims)
        self.this.allowed += open_now

    def kill_once(self, stage: str) -> None:
        """One program (or a pair) is started and killed; or it has nothing left to do and ends."""
        arguments = {"serve": ("serve", "--port", "0")}.get(self.this.victim, ("deliver",))
        count = 2 if self.this.victim == "pair" else 1
        # Connections are closed once, at the end; everything else comes with each message.
        self._stage, self._left = stage, 0 if stage == "quit" else self.dice.randrange(40)
        programs = [self.world.start(*arguments) for _ in range(count)]
        self.this.instants.append(stage or "random")
        if stage:
            self._victims = programs
            self._until(lambda: not self._victims or self._idle(programs))
        else:
            self._at_random(programs)
        left, self._victims = self._victims, []
        for program in left:  # its stage never came: all was done
            program.kill()
        for program in programs:
            program.wait()

    def _at_random(self, programs: list[Program]) -> None:
        wait = self.dice.expovariate(4.0)  # a quarter of a second on average: starting, too
        end = time.monotonic() + wait
        self._until(lambda: time.monotonic() > end)
        self._victims = [program for program in programs if program.runs]
        self._strike()

    def _idle(self, programs: list[Program]) -> bool:
        return not (self.world.has_work() and any(program.runs for program in programs))

    def _until(self, holds: object) -> None:
        assert callable(holds)
        with contextlib.suppress(AssertionError):
            wait_for(holds, "the moment", 20)

    def kill_while_planning(self) -> None:
        """`issues send` dies at a random instant, and is pressed again."""
        sender = self.world.start("issues", "send", "1")
        end = time.monotonic() + self.dice.uniform(0.02, 0.5)
        self._until(lambda: time.monotonic() > end or self.world.is_written_to())
        if sender.runs:
            sender.kill()
            self.this.kills += 1
            self.this.instants.append("planning")
        sender.wait()
        if self.world.state() != "sending":
            self.world.run("issues", "send", "1")


def play(seed: World, this: Round, dice: random.Random, kills: int) -> None:
    """One round, to its verdict."""
    began = time.monotonic()
    world = seed.copy()
    chaos = Chaos(world, this, dice)
    window = 16_384 if this.number % 3 == 0 and this.readers < LARGE else 0
    world.settings |= {
        "DELIVERY_CONNECTIONS": str(this.connections),
        "LEASE_SECONDS": "3" if this.victim == "pair" else "1",
    }
    with running(chaos, pipelining=this.pipelining, window=window) as log:
        world.relay = log
        try:
            chaos.kill_while_planning()
            while this.kills < kills and world.has_work():
                chaos.kill_once(dice.choice(STAGES) if dice.random() < 0.6 else "")
            _recover(world, this)
            this.verdict = inspect(world, this.allowed)
        except AssertionError as error:
            this.verdict.problems.append(str(error))
        finally:
            world.close()
    this.seconds = time.monotonic() - began


def _recover(world: World, this: Round) -> None:
    """Only `deliver`, but for rows that were in doubt three times: those wait for a person."""
    with contextlib.suppress(AssertionError):
        world.finish(seconds=SECONDS + this.readers / 50, ahead=AHEAD)
        return
    held = "SELECT count(*) FROM deliveries WHERE state = 'pending' AND due_at IS NULL"
    this.held = int(world.store.rows(held)[0][0])
    if this.held:
        world.run("issues", "resume", "1")
    world.finish(seconds=SECONDS, ahead=AHEAD)


def rounds(dice: random.Random, readers: int, stores: list[str]) -> Iterator[Round]:
    """Every combination in turn, in an order of the seed's own; without end."""
    number = 0
    while True:
        shapes = [
            (store, pipelining, connections)
            for store in stores
            for pipelining in (True, False)
            for connections in (1, 4, 8)
        ]
        dice.shuffle(shapes)
        for store, pipelining, connections in shapes:
            number += 1
            victim = ("deliver", "deliver", "serve", "pair")[number % 4]
            large = number % 10 == 0
            many = LARGE if large and readers < LARGE else readers
            yield Round(number, store, pipelining, connections, victim, many)


def main() -> None:
    """Run until there were enough kills; print; say whether all promises were kept."""
    options = _options()
    dice = random.Random(options.seed)
    click.echo(f"Seed {options.seed}; {options.kills} kills.")
    done: list[Round] = []
    with contextlib.ExitStack() as stack:
        seeds = _Seeds(stack, options.fresh)
        for this in rounds(dice, options.readers, options.stores.split(",")):
            left = options.kills - sum(one.kills for one in done)
            if left <= 0:
                break
            play(seeds.world(this.store, this.readers), this, dice, min(KILLS, left))
            done.append(this)
            click.echo(f"  {_line(this)}")
    sys.exit(_report(options, done))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make chaos", description="Kills, and their verdict.")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--readers", type=int, default=400, help="in nine rounds of ten")
    parser.add_argument("--stores", default="sqlite,postgresql")
    parser.add_argument("--fresh", action="store_true", help="start every process from nothing")
    return parser.parse_args()


class _Seeds:
    """Worlds to be copied, made when they are first needed, removed at the end."""

    def __init__(self, stack: contextlib.ExitStack, fresh: bool) -> None:
        self._stack, self._made = stack, dict[tuple[str, int], World]()
        self._server: postgres.Server | None = None
        self._birth: Birth = Fresh()
        if not fresh:
            self._birth = Forked(stack.enter_context(contextlib.closing(Nursery())))

    def world(self, store: str, readers: int) -> World:
        if (store, readers) not in self._made:
            server = self._postgres() if store == "postgresql" else None
            self._made[store, readers] = made = build(server, readers, self._birth)
            self._stack.callback(made.close)
        return self._made[store, readers]

    def _postgres(self) -> postgres.Server:
        if self._server is None:
            programs = postgres.binaries()
            assert programs, "there is no PostgreSQL (Debian: apt-get install postgresql)"
            self._server = self._stack.enter_context(postgres.running(programs))
        return self._server


def _line(this: Round) -> str:
    said = f"round {this.number}: {this.kills} kills of {this.victim} on {this.store}, "
    said += f"{this.verdict.planned} recipients, {this.verdict.skipped} skipped, "
    said += f"{this.verdict.duplicates} of {this.allowed} duplicates, {this.seconds:.0f} s"
    return said + "".join(f"\n    BROKEN {problem}" for problem in this.verdict.problems)


def _report(options: argparse.Namespace, done: list[Round]) -> int:
    rows = [[str(cell) for cell in this.row()] for this in done]
    sums = [sum(this.row()[place] for this in done) for place in range(5, len(COLUMNS))]  # type: ignore[misc]
    rows.append(["all", "", "", "", "", *(str(round(number, 1)) for number in sums)])
    widths = [max(len(row[n]) for row in [list(COLUMNS), *rows]) for n in range(len(COLUMNS))]
    click.echo("")
    for row in [list(COLUMNS), *rows]:
        click.echo("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)))
    instants = Counter(instant for this in done for instant in this.instants)
    click.echo("\nTried: " + ", ".join(f"{name} {count}" for name, count in instants.most_common()))
    broken = [(this.number, problem) for this in done for problem in this.verdict.problems]
    file = Path("build/chaos.json")
    file.parent.mkdir(exist_ok=True)
    found = {"seed": options.seed, "broken": broken, "rounds": [asdict(this) for this in done]}
    file.write_text(json.dumps(found, indent=2) + "\n")
    click.echo(
        "\nEvery promise was kept." if not broken else f"\n{len(broken)} promises were broken."
    )
    click.echo(f"Figures: {file}; again with --seed {options.seed}.")
    return 1 if broken else 0


if __name__ == "__main__":
    main()
