"""`newsletter …` with a clock that jumps: `python -m tests.faults.clocked FILE ARGUMENT…`.

FILE holds by how many seconds the clock of this process is wrong; it may change at any moment.
"""

import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import time_machine

LOOK = 0.01


def main() -> None:
    """Set the clock wrong, then be `newsletter`."""
    file, arguments = Path(sys.argv[1]), sys.argv[2:]
    real_now = time_machine.escape_hatch.datetime.datetime.now
    offset = _read(file, 0.0)
    traveller = time_machine.travel(datetime.now(UTC) + timedelta(seconds=offset), tick=True)
    with traveller as journey:

        def follow() -> None:
            known = offset
            while True:
                if (wanted := _read(file, known)) != known:
                    journey.move_to(real_now(UTC) + timedelta(seconds=wanted))
                    known = wanted
                time.sleep(LOOK)

        threading.Thread(target=follow, daemon=True).start()
        from newsletter.cli import main as newsletter

        newsletter(arguments, prog_name="newsletter")


def _read(file: Path, otherwise: float) -> float:
    try:
        return float(file.read_text())
    except (OSError, ValueError):  # it is being written
        return otherwise


if __name__ == "__main__":
    main()
