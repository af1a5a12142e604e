"""What `make audit` makes of what its programs say."""

import json

from tests.audit import packages, scanning


def test_packages_that_nobody_knows_were_not_looked_up() -> None:
    unknown = {"name": "flask", "skip_reason": "Dependency not found on PyPI"}
    clean = {"name": "idna", "version": "3.20", "vulns": []}
    hole = {"id": "PYSEC-1", "fix_versions": ["2.1"]}
    held = {"name": "mako", "version": "2.0", "vulns": [hole, {"id": "X-2", "fix_versions": []}]}
    assert packages.read("") == (0, [])
    assert packages.read(json.dumps({"dependencies": [unknown]})) == (0, [])
    assert packages.read(json.dumps({"dependencies": [unknown, clean, held]})) == (
        2,
        ["mako 2.0: PYSEC-1, mended in 2.1", "mako 2.0: X-2, mended in no version yet"],
    )


def test_findings_come_with_their_level_the_worst_first() -> None:
    low = {"level": 1, "method": "GET", "path": "/nl/", "info": "no header"}
    high = {"level": 3, "method": "POST", "path": "/desk/", "info": "injection"}
    report = {"vulnerabilities": {"HTTP": [low, low], "SQL": [high]}, "anomalies": {"500": []}}
    assert scanning.found(report) == [
        (3, "SQL: POST /desk/ injection"),
        (1, "HTTP: GET /nl/ no header"),
    ]
    assert scanning.found({}) == []
