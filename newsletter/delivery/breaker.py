"""The circuit breaker: when so much of an issue is not taken that it must not go on like this."""

from collections import deque
from dataclasses import dataclass

from newsletter.delivery.outcomes import Outcome, Reply, Verdict
from newsletter.settings import Settings

FEW = 10  # messages of which not one was taken say enough, in an issue for few readers too
FAILED = (Outcome.DEFERRED, Outcome.REFUSED)


@dataclass(frozen=True, slots=True)
class Pause:
    """Why an issue must pause, and whether it goes on by itself once the relay answers."""

    why: str
    by_itself: bool


class Breaker:
    """Watches the last FAILURE_SAMPLE messages of each issue, in one process, from run to run."""

    def __init__(self, settings: Settings) -> None:
        self._share, self._sample = settings.failure_share, settings.failure_sample
        self._last: dict[int, deque[Outcome]] = {}

    def note(self, issue_number: int, verdict: Verdict, reply: Reply) -> Pause | None:
        """Count an outcome; a Pause when the share of failures is too large."""
        if verdict.outcome is Outcome.OURS:
            return Pause(f"the relay refuses our mail: {reply.words}", by_itself=False)
        last = self._last.setdefault(issue_number, deque(maxlen=self._sample))
        last.append(Outcome.ACCEPTED if verdict.expected else verdict.outcome)
        if verdict.outcome not in FAILED:
            return None
        refused, deferred = last.count(Outcome.REFUSED), last.count(Outcome.DEFERRED)
        none_taken = refused + deferred == len(last) >= min(FEW, self._sample) and self._share < 1
        too_many = len(last) == self._sample and refused + deferred > self._share * self._sample
        if not (none_taken or too_many):
            return None
        count = len(last)
        last.clear()  # whoever resumes it gives it a fresh start
        return Pause(
            f"of the last {count} messages {refused} were refused and {deferred} deferred; "
            f"the last reply was: {reply.words}",
            by_itself=deferred > refused,
        )
