"""A cluster on hosts of its own: one PostgreSQL, one relay, workers, and what is done to them."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from urllib.parse import quote

from tests import postgres
from tests.cluster.network import DATABASE, RANGE, RELAY, Host, Link, inside, network
from tests.faults.judge import Verdict, inspect
from tests.faults.programs import SECONDS, Forked, Program, wait_for
from tests.faults.world import World, build
from tests.relay import running

CONNECTIONS = 4  # of each worker
LEASE = 4
SETTINGS = {
    "CLOCK": "workers",
    "LEASE_SECONDS": str(LEASE),
    "MAIL_SERVER": RELAY,
    "MAIL_ALLOW_PLAINTEXT": "yes",
    "MAIL_TIMEOUT": "3",
    "DELIVERY_CONNECTIONS": str(CONNECTIONS),
}
# As newsletter.db has them, but quicker: a lease is shorter here, too.
SERVER = "-c tcp_user_timeout=1500 -c tcp_keepalives_idle=1 -c tcp_keepalives_interval=1"
SERVER += " -c tcp_keepalives_count=1 -c client_connection_check_interval=1000"
QUICK = "connect_timeout=2&tcp_user_timeout=1500&keepalives_idle=1&keepalives_interval=1"
QUICK += f"&keepalives_count=1&options={quote(SERVER)}"
ALONE = 150.0  # seconds that an issue takes one host while the other is in trouble
LEASES = "SELECT count(*) FROM leases"
STUCK = "SELECT count(*) FROM leases WHERE expires_at < now()"


@dataclass
class Cluster:
    """Hosts with a world between them; host 1 has the content."""

    world: World
    hosts: list[Host]
    birth: Forked
    pace: dict[str, str]

    def start(self, host: Host, birth: Forked | None = None) -> Program:
        """A worker there, at work."""
        server = self.world.store.server
        assert server
        folder = self.world.home / f"host{host.number}"
        database = f"{DATABASE}:{server.port}/{self.world.store.name}"
        program = self.world.start_on(
            replace(birth or self.birth, network=host.file),
            "worker",
            **SETTINGS,
            DATABASE_URL=f"postgresql://{postgres.USER}@{database}?{QUICK}",
            INSTANCE_DIR=str(folder),
            CONTENT_HOST="yes" if host.number == 1 else "no",
        )
        wait_for(lambda: "Stop with" in program.out or not program.runs, "a worker's start")
        assert program.runs, program.err
        return program

    def taken_from(self, host: Host) -> int:
        """Messages the relay has from there."""
        return self.world.relay.taken_from(host.address)

    def until_more(self, host: Host, count: int, what: str) -> None:
        """Wait until so many more came from there, or all is sent."""
        before = self.taken_from(host)
        wait_for(
            lambda: self.taken_from(host) >= before + count or self.world.state() == "sent", what
        )


@contextmanager
def cluster(birth: Forked, readers: int, count: int = 2) -> Iterator[Cluster]:
    """So many hosts, with a compiled issue for so many readers; `pace` is the relay's answers."""
    pace = {"content": "wait 0.02"}
    programs = postgres.binaries()
    assert programs, "there is no PostgreSQL"
    with ExitStack() as stack:
        center, hosts = stack.enter_context(network(count))
        with inside(center):
            server = stack.enter_context(postgres.running(programs, network=RANGE))
            answer = running(lambda stage, _who: pace.get(stage), address=RELAY)
            log = stack.enter_context(answer)
        world = stack.enter_context(closing(build(server, readers, birth)))
        world.relay = log
        world.settings |= {"MAIL_SERVER": RELAY, "MAIL_ALLOW_PLAINTEXT": "yes"}
        world.settings |= {"CLOCK": "workers"}
        yield Cluster(world, hosts, birth, pace)


# --- what is done to a host in mid-send -----------------------------------------------------------


def kill(this: Cluster, host: Host, program: Program) -> None:
    """kill -9; then another worker is started there."""
    program.kill()
    this.until_more(this.hosts[0], CONNECTIONS, "the other host to go on")
    this.start(host)


def cut(*links: Link) -> Callable[[Cluster, Host, Program], None]:
    """Cut these links until its work was taken over and goes on, then mend them."""

    def act(this: Cluster, host: Host, program: Program) -> None:
        host.cut(*links)
        before, rows = this.taken_from(host), this.world.store.rows
        wait_for(lambda: rows(LEASES) == [(1,)] and rows(STUCK) == [(0,)], "the take-over")
        sent = this.taken_from(host) - before
        assert sent <= 2 * CONNECTIONS, f"{sent} messages that nobody could record"
        this.until_more(this.hosts[0], CONNECTIONS, "the other host to go on")
        assert this.world.state() == "sending", "one host's trouble is not the issue's"
        host.mend(*links)
        assert program.runs, program.err

    return act


FAULTS = {
    "kill": kill,
    "database": cut("database"),
    "relay": cut("relay"),
    "both": cut("database", "relay"),
}


def endure(this: Cluster, fault: str, after: int) -> Verdict:
    """The fault on the last host after so many messages, bring it back, and the verdict.

    Meanwhile the relay is slow enough that something is left to do afterwards."""
    first, last = this.hosts[0], this.hosts[-1]
    this.start(first)
    program = this.start(last)
    this.world.run("issues", "send", "1")
    this.world.until_taken(after)
    this.until_more(last, 1, "both hosts to deliver")
    this.pace["content"] = f"wait {CONNECTIONS * ALONE / len(this.world.readers)}"
    FAULTS[fault](this, last, program)
    this.until_more(last, 2 * CONNECTIONS, "the host to come back")
    came_back = this.world.state() != "sent"
    this.pace.clear()
    wait_for(lambda: this.world.state() == "sent", "the end of the issue", 10 * SECONDS)
    verdict = inspect(this.world, CONNECTIONS)
    verdict.expect(came_back, "the host did not come back while there was work")
    return verdict
