"""An issue with readers, planned by the ledger itself."""

from tests.delivery.conftest import now, planned

__all__ = ["now", "planned"]
