"""Kills a program in the very moment in which the relay comes to a stage of a conversation."""

import signal

from tests.faults.programs import Program, wait_for
from tests.faults.world import World


class Killer:
    """A script of the relay; between its strikes everything is answered as usual."""

    def __init__(self) -> None:
        self._stage, self._at, self._answer = "", 0, ""
        self._taken = 0
        self._victim: Program | None = None
        self.connections = 0  # open at the last kill

    def __call__(self, stage: str, recipient: str) -> str | None:
        self._taken += stage == "answered"
        victim = self._victim
        if victim is None or stage != self._stage or self._taken < self._at:
            return None
        self._victim = None
        victim.kill()
        return self._answer or None

    def strike(
        self,
        world: World,
        stage: str,
        answer: str = "",
        *,
        after: int = 15,
        victim: str = "deliver",
    ) -> None:
        """Start a program, kill it `after` that many messages, see it dead."""
        self._stage, self._at, self._answer = stage, self._taken + after, answer
        program = world.start(*victim.split())
        self._victim = program
        wait_for(lambda: self._victim is None, f"the kill at {stage}")
        self.connections = len(world.relay.open)
        assert program.wait().code == -signal.SIGKILL
