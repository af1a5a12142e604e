"""Everything a collector reads at once: what this program counted, and how its tables stand."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy.exc import SQLAlchemyError

from newsletter import metrics
from newsletter.db import UNAVAILABLE, Database
from newsletter.doctor import machine
from newsletter.seeing import figures, readiness
from newsletter.seeing.figures import Gauge
from newsletter.seeing.kept import Kept
from newsletter.seeing.readiness import OK, Readiness, Storage
from newsletter.settings import Settings

if TYPE_CHECKING:
    from prometheus_client import Metric

READY_SECONDS, READY_PATIENCE = 1.0, 3.0
FIGURE_SECONDS, FIGURE_PATIENCE = 5.0, 8.0  # a collector asks every 15 seconds or more


class Watch:
    """What one process answers to machines that watch it; threads may ask together."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self.settings, self._database = settings, database
        self._stored = Kept(Storage(settings, database).look, READY_SECONDS, READY_PATIENCE)
        self._figures = Kept(self._look, FIGURE_SECONDS, FIGURE_PATIENCE)

    def readiness(self) -> Readiness:
        """May requests come here? Never longer than READY_PATIENCE."""
        return readiness.look(self.settings, self._stored.get(), datetime.now(UTC))

    def exposition(self) -> bytes:
        """All figures in the text format of Prometheus; without a database, those it is not needed
        for."""
        return metrics.text(self._families)

    def _families(self) -> Iterator["Metric"]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        for one in (*self._here(), *(self._figures.get() or ())):
            make = CounterMetricFamily if one.counts else GaugeMetricFamily
            family = make(metrics.PREFIX + one.name, one.says, labels=one.labels)
            for values, number in one.rows:
                family.add_metric(values, number)
            yield family

    def _here(self) -> Iterator[Gauge]:
        """What is known without the database."""
        found = self.readiness()
        yield Gauge(
            "ready",
            "Is this check of /readyz fine?",
            ("check",),
            [((name,), float(word == OK)) for name, word in found.checks.items()],
        )
        tick = machine.tick(self.settings)
        if tick is not None:
            says = "When the clock of this host ticked last."
            yield Gauge("clock_tick_timestamp_seconds", says, (), [((), tick.at)])
        yield Gauge(
            "disk_free_bytes",
            "Free on the disk of INSTANCE_DIR.",
            (),
            [((), float(machine.room(self.settings.instance_dir).free))],
        )

    def _look(self) -> list[Gauge]:
        try:
            with self._database.read() as session:
                return figures.look(session, self.settings, datetime.now(UTC))
        except (SQLAlchemyError, *UNAVAILABLE):
            return []
