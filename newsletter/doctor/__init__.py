"""Is this server fit to send? Lines about settings, database, machine, relay and DNS.

Each check is a function over what it is given (a resolver, a clock, a look at the disk), so that
it can be tried on any zone and any machine. Nothing is written, and no mail is begun.
"""

from newsletter.doctor.asking import system_resolver
from newsletter.doctor.examining import checks, examine, unset
from newsletter.doctor.lines import Line

__all__ = ["Line", "checks", "examine", "system_resolver", "unset"]
