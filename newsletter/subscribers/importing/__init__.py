"""Subscribers from a CSV file of ours or of another system, by the million.

Memory stays flat, the same file again adds nobody, and a run that was broken off is finished by the
same command. Nobody who left, was erased or is suppressed comes back by an import (UNS-14).
"""

from newsletter.subscribers.importing.csvfile import Sheet, read, read_lines
from newsletter.subscribers.importing.report import ImportReport, Refusal, Refusals
from newsletter.subscribers.importing.taking import Order, import_csv, take_in

__all__ = [
    "ImportReport",
    "Order",
    "Refusal",
    "Refusals",
    "Sheet",
    "import_csv",
    "read",
    "read_lines",
    "take_in",
]
