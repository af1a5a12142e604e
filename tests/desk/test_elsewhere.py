"""CONTENT_HOST: the desk of a host without the items says where they are."""

import pytest

from newsletter.models import Role
from tests.desk.conftest import Build
from tests.desk.signing import send

pytestmark = pytest.mark.sqlite("folders do not depend on the database")


@pytest.mark.parametrize(
    "path", ["/desk/items", "/desk/items/new", "/desk/items/x/nl", "/desk/issues/next/monthly"]
)
def test_what_needs_the_items_is_elsewhere(build_desk: Build, path: str) -> None:
    desk = build_desk(content_host=False)
    answer = desk(Role.EDITOR).get(path)
    assert answer.status_code == 421
    assert "Open de redactie op de server met de artikels" in answer.text
    stranger = desk.stranger().get(path)
    assert stranger.status_code == 303, "who is not signed in learns nothing"
    assert build_desk()(Role.WRITER).get(path).status_code != 421


def test_the_rest_of_the_desk_is_there(build_desk: Build) -> None:
    editor = build_desk(content_host=False)(Role.EDITOR)
    for path in ("/desk/", "/desk/issues", "/desk/numbers", "/desk/account"):
        page = editor.get(path)
        assert page.status_code == 200
        assert 'href="/desk/items"' not in page.text
        assert "/desk/issues/next" not in page.text
    assert send(editor, "/desk/issues/compile", cadence="monthly").status_code == 421
