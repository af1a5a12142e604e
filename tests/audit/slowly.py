"""Slow clients by slowhttptest, longer than a test takes: is everybody else served meanwhile?"""

import shutil
import subprocess
import threading
import time

import click

from newsletter.cli.demo import browser
from newsletter.cli.demo.browser import DemoFailed
from tests.cli.serving import Serving

PROGRAM = "slowhttptest"
MODES = {"slow heads": "-H", "slow bodies": "-B", "slow readers": "-X", "ranges": "-R"}
LONG = 30  # seconds: longer than the server waits for a request
CLIENTS = 400
PATIENCE = 2.0  # seconds a visitor may wait


def audit(serving: Serving) -> bool:
    """Run each kind of attack; True when a visitor had to wait too long, or got no page."""
    program = shutil.which(PROGRAM)
    if program is None:
        click.echo(
            f"{PROGRAM} is missing (Debian: apt-get install it): no slow clients were tried."
        )
        return False
    late = [_attacked(program, name, mode, serving) for name, mode in MODES.items()]
    return any(late)


def _attacked(program: str, name: str, mode: str, serving: Serving) -> bool:
    pace = ["-c", str(CLIENTS), "-r", "200", "-i", "5", "-l", str(LONG), "-p", "3"]
    waits, done = list[float](), threading.Event()
    visitor = threading.Thread(target=_visit, args=(serving, waits, done))
    visitor.start()
    begun = time.perf_counter()
    said = subprocess.run(
        [program, mode, *pace, "-u", f"{serving.url}/nl/"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    lasted = time.perf_counter() - begun
    done.set()
    visitor.join()
    worst, refused = max(waits, default=0.0), waits.count(float("inf"))
    click.echo(
        f"{PROGRAM}, {name}: {len(waits)} visits in {lasted:.0f} s, the slowest "
        f"{worst * 1000:.0f} ms, {refused} not served.",
    )
    away = "NO" in said.rpartition("service available")[2].partition("\n")[0]
    return away or worst > PATIENCE


def _visit(serving: Serving, waits: list[float], done: threading.Event) -> None:
    while not done.wait(0.2):
        begun = time.perf_counter()
        try:
            sound = browser.get(f"{serving.url}/nl/").status == 200
        except DemoFailed:
            sound = False
        waits.append(time.perf_counter() - begun if sound else float("inf"))
