"""`make audit`: what needs a network, or programs that are not Python's, and takes minutes."""

import sys
import tempfile
from pathlib import Path

from tests.audit import packages, scanning, slowly
from tests.cli.serving import Serving
from tests.faults.programs import Fresh


def main() -> int:
    """Each part says what it found, or why it could not look; 1 when something has to be mended."""
    bad = packages.audit()
    with tempfile.TemporaryDirectory(prefix="audit-") as place:
        folder = Path(place)
        environ = {"DESK_SECOND_FACTOR": "optional", "SECRET_KEY": scanning.KEY}
        serving = Serving(Fresh(), folder / "instance", **environ).until_running()
        try:
            bad |= scanning.audit(serving, folder)
            bad |= slowly.audit(serving)
        finally:
            serving.process.kill()
    return int(bad)


sys.exit(main())
