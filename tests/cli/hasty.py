"""`newsletter` with so little patience for slow clients that a test can see it end."""

from newsletter.cli import main
from newsletter.cli.serve import worker

worker.REQUEST_SECONDS, worker.TICK, worker.CONNECTIONS = 1.0, 0.1, 40
worker.LEAST_SPEED = 10_000_000

if __name__ == "__main__":
    main()
