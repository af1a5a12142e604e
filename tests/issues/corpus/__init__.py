"""Seeded faults: what is changed in a sound edition, and the rule that has to stop it."""

from tests.issues.corpus.faults import FAULTS, Fault

__all__ = ["FAULTS", "Fault"]
