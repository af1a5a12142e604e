"""A program as systemd starts it by one of our units, on a machine where systemd runs nothing.

What the kernel does for the unit is asked of the kernel itself: a file system of which only some
folders can be written, no capabilities, no new privileges, no memory that is written and executed,
and the unit's own list of system calls. The account stays that of the tests.
"""

import ctypes
import errno
import functools
import os
import re
import shutil
import struct
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.deploy.files import values

NEEDED = ("unshare", "setpriv", "systemd-analyze")
NUMBERS = Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h")
SET_MDWE, REFUSE_EXEC_GAIN = 65, 1  # prctl(2), Linux 6.3
SET_SECCOMP, FILTER, SET_NO_NEW_PRIVS = 22, 2, 38
LOAD, EQUAL, ALLOW, X86_64 = 0x20, 0x15, 0x7FFF0000, 0xC000003E
REFUSE, KILL = 0x00050000 | errno.EPERM, 0x80000000
WALLS = """
mount --bind {0} {0}
mount -o remount,bind,ro /
exec "$@"
"""


def why_not() -> str:
    """What is missing, or ''."""
    if missing := [name for name in NEEDED if not shutil.which(name)]:
        return f"there is no {missing[0]} (Debian: systemd, util-linux)"
    if os.geteuid() != 0:
        return "only root can take the rights of a process away as systemd does"
    tried = subprocess.run(
        ["unshare", "--mount", "sh", "-c", WALLS.format("/tmp"), "sh", "true"],
        capture_output=True,
        text=True,
        check=False,
    )
    return f"this machine gives no file system of its own: {tried.stderr}" * bool(tried.returncode)


def start(
    unit: Path, command: Sequence[str], state: Path, environ: Mapping[str, str], output: Path
) -> subprocess.Popen[bytes]:
    """`command` under the rules of `unit`; it may write into `state` alone, and says what it says
    into `output`."""
    outer = ["unshare", "--mount", "--propagation", "private", "sh", "-c", WALLS.format(state)]
    rights = ["setpriv", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"]
    inner = [sys.executable, "-m", __name__, str(unit), *command]
    said = {"TMPDIR": str(state), "PATH": os.environ["PATH"], **environ}
    with output.open("wb") as file:
        return subprocess.Popen(
            [*outer, "sh", *rights, *inner],
            env=said,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _enclose(unit: Path) -> None:
    """In the new process, before the program: what it keeps over exec."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    if values(unit, "NoNewPrivileges") == ["yes"]:
        prctl(SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if values(unit, "MemoryDenyWriteExecute") == ["yes"]:
        prctl(SET_MDWE, REFUSE_EXEC_GAIN, 0, 0, 0)  # older kernels know no such thing
    if NUMBERS.exists() and os.uname().machine == "x86_64":
        program = _filter(_allowed(unit))
        prctl(SET_SECCOMP, FILTER, ctypes.byref(program), 0, 0)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("steps", ctypes.c_char_p))


def _filter(numbers: frozenset[int]) -> _Program:
    """BPF: what is not in `numbers` is answered EPERM, as the unit says."""
    steps = [(LOAD, 0, 0, 4), (EQUAL, 1, 0, X86_64), (6, 0, 0, KILL), (LOAD, 0, 0, 0)]
    for number in sorted(numbers):
        steps += [(EQUAL, 0, 1, number), (6, 0, 0, ALLOW)]
    steps.append((6, 0, 0, REFUSE))
    packed = b"".join(struct.pack("HBBI", *step) for step in steps)
    return _Program(len(steps), packed)


def _allowed(unit: Path) -> frozenset[int]:
    found: set[str] = set()
    for line in values(unit, "SystemCallFilter"):
        named = set().union(*(_names(word) for word in line.removeprefix("~").split()))
        found = found - named if line.startswith("~") else found | named
    numbers = re.findall(r"#define __NR_(\w+) (\d+)", NUMBERS.read_text("ascii"))
    # systemd itself calls exec when its filter is in place; the program's path ends here.
    return frozenset(int(number) for name, number in numbers if name in found | {"execve"})


@functools.cache
def _names(word: str) -> frozenset[str]:
    if not word.startswith("@"):
        return frozenset({word})
    done = subprocess.run(
        ["systemd-analyze", "--no-pager", "syscall-filter", word],
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [line.strip() for line in done.stdout.splitlines()[1:]]
    inside = [line for line in lines if line and not line.startswith("#") and line != word]
    return frozenset().union(*(_names(line) for line in inside))


if __name__ == "__main__":
    _enclose(Path(sys.argv[1]))
    os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606
