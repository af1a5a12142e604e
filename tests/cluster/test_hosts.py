"""Real hosts: namespaces with their own addresses, one PostgreSQL, one relay, and a cut."""

import pytest

from tests.cluster.hosts import cluster, endure
from tests.cluster.network import missing
from tests.faults.programs import Forked

pytestmark = [pytest.mark.postgresql, pytest.mark.skipif(bool(missing()), reason=missing())]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("fault", ["database"])
def test_a_host_in_trouble_and_back(birth: Forked, fault: str) -> None:
    """`make chaos` has the others, with 10,000 readers; here the rights are looked for, and the
    worst of them: cut from the database, the relay still there."""
    with cluster(birth, 400) as this:
        verdict = endure(this, fault, 60)
    assert not verdict.problems, verdict.problems
