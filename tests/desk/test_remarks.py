"""What is to be mended is told in the language of the page; the command line speaks English."""

import re
from pathlib import Path

from newsletter.content.library import Library
from newsletter.i18n import LOCALES
from newsletter.models import Role
from tests.desk.conftest import Desk
from tests.desk.test_issues import Newsroom, open_newsroom, room  # noqa: F401 - fixtures
from tests.desk.test_items import ONE_DATABASE, PATH, URL, desk, save, shelf  # noqa: F401 - fixtures

BROKEN = {
    "nl": "“XX” in “country” is geen landcode (ISO 3166-1)",
    "fr": "«\u00a0XX\u00a0» dans «\u00a0country\u00a0» n’est pas un code de pays (ISO 3166-1)",
    "en": "&#39;XX&#39; in &#39;country&#39; is not an ISO 3166-1 code",
    "de": "„XX“ in „country“ ist kein Ländercode (ISO 3166-1)",
}
PLACES = {"nl": ", regel 3: ", "fr": ", ligne 3\u00a0: ", "en": ":3: ", "de": ", Zeile 3: "}
IN_ENGLISH = re.compile(r"<(p|span|li|ul)[^>]* lang=.en.")
SHOUTED = "HET IS NU OF NOOIT VOOR ALLE GEMEENTEN"


@ONE_DATABASE
def test_what_is_wrong_with_a_text_is_told_to_who_writes_it(
    desk: Desk,  # noqa: F811
    shelf: Path,  # noqa: F811
) -> None:
    client = desk(Role.EDITOR)
    text = (shelf / PATH).read_text("utf-8")
    (shelf / PATH).write_text(text.replace("date: ", "country: XX\ndate: "), "utf-8")
    for locale in LOCALES:
        page = save(client, f"{URL}?locale={locale}", link="vvsg.be").text
        assert page.count(BROKEN[locale]) == 3, "above the form, at its field and beside it"
        assert not IN_ENGLISH.search(page)
        listed = client.get(f"/desk/items?locale={locale}").text
        assert f"content/{PATH}{PLACES[locale]}{BROKEN[locale]}" in listed
    (found,) = Library(shelf).check()
    assert str(found).startswith(f"content/{PATH}:3: 'XX' in 'country' is not"), "commands"


@ONE_DATABASE
def test_what_is_missing_stands_at_its_field_in_any_language(
    desk: Desk,  # noqa: F811
) -> None:
    client = desk(Role.EDITOR)
    for locale in LOCALES:
        url = f"{URL}?locale={locale}"
        assert 'id="title-problem"' in save(client, url, title="").text
        assert 'id="body-problem"' in save(client, url, title="Titel", body="").text


@ONE_DATABASE
def test_what_the_preflight_finds_is_told_in_the_language_of_the_page(
    room: Newsroom,  # noqa: F811
) -> None:
    gone = f"{room.desk.settings.base_url}/weg"
    for slug in ("bron", "school"):
        path = room.shelf.put(slug, title=SHOUTED)
        path.write_text(path.read_text("utf-8") + f"\n[Onze site]({gone}).\n", "utf-8")
    client, url = room.desk(Role.EDITOR), f"/desk/issues/{room.issue()}/preflight"
    dutch, french = (client.get(f"{url}?locale={one}").text for one in ("nl", "fr"))
    assert "Het roept; schrijf kleine letters" in dutch
    assert f"{gone} is geen pagina van onze site; verbeter de link" in dutch
    assert re.search(r"HTML regel \d+, &lt;a&gt; “Onze site”, onder “", dutch)
    assert "Il crie" in french
    assert not IN_ENGLISH.search(dutch)


@ONE_DATABASE
def test_why_there_is_no_next_issue_is_told_in_the_language_of_the_page(
    room: Newsroom,  # noqa: F811
) -> None:
    room.shelf.put("school", country="XX")
    page = room.desk(Role.EDITOR).get("/desk/issues/next/monthly").text
    assert BROKEN["nl"] in page
    assert not IN_ENGLISH.search(page)


@ONE_DATABASE
def test_what_is_wrong_with_an_intro_is_told_with_its_line(
    room: Newsroom,  # noqa: F811
) -> None:
    client, number = room.desk(Role.EDITOR), room.issue()
    url = f"/desk/issues/{number}/intro"
    was = client.get(url).text.partition('name="was" value="')[2].partition('"')[0]
    page = client.send(f"{url}/nl", text="Dag.\n\n## Kop", was=was)
    assert page.status_code == 422
    assert "regel 3: Een inleiding heeft geen tussenkoppen; maak hier een zin van." in page.text
