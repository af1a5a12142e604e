"""HTML and text of the same Markdown: what readers of either see."""

from pathlib import Path

import pytest

from newsletter.content.markdown import convert, render

HERE = Path(__file__).parent


def test_a_feature_rich_body_as_text_and_html() -> None:
    body = render((HERE / "rich.md").read_text("utf-8"), "nl", "rich")
    assert body.text + "\n" == (HERE / "rich.txt").read_text("utf-8")
    assert body.html + "\n" == (HERE / "rich.html").read_text("utf-8")


def test_lines_are_at_most_72_wide_but_for_addresses() -> None:
    body = render((HERE / "rich.md").read_text("utf-8"))
    for line in body.text.split("\n"):
        assert len(line) <= 72 or "https://" in line
    assert "(https://www.vvsg.be/" + "heel-lang/" * 12 + ")" in body.text


@pytest.mark.parametrize(
    ("language", "html"),
    [
        ("nl", "<p>“Zo’n ‘mooie’ dag”, zei ze – ’s avonds… foto’s</p>"),
        ("en", "<p>“Zo’n ‘mooie’ dag”, zei ze – ’s avonds… foto’s</p>"),
        ("de", "<p>„Zo’n ‚mooie‘ dag“, zei ze – ’s avonds… foto’s</p>"),
        ("fr", "<p>«&nbsp;Zo’n “mooie” dag&nbsp;», zei ze – ’s avonds… foto’s</p>"),
    ],
)
def test_quotes_of_each_language(language: str, html: str) -> None:
    text = "\"Zo'n 'mooie' dag\", zei ze -- 's avonds... foto's"
    assert render(text, language).html == html


def test_quotes_around_markup_and_not_in_code_or_addresses() -> None:
    html = render('"**vet** en `"code"`" <https://x.be/a--b>').html
    assert '“<strong>vet</strong> en <code>"code"</code>”' in html
    assert ">https://x.be/a--b</a>" in html


def test_french_stops_do_not_begin_a_line() -> None:
    assert render("Vrai ? Oui !", "fr").html == "<p>Vrai&nbsp;? Oui&nbsp;!</p>"


def test_footnotes_of_two_items_have_different_ids() -> None:
    text = "Een[^a] twee[^b] weer[^a].\n\n[^a]: eerste\n[^b]: tweede"
    one, two = render(text, anchor="item-1").html, render(text, anchor="item-2").html
    for number in (1, 2):
        assert f'<li id="item-1-fn-{number}">' in one
        assert f'<sup id="item-1-fnref-{number}"><a href="#item-1-fn-{number}">{number}</a>' in one
    assert one.count("item-1-fnref-1") == 1
    assert "item-1" not in two
    assert render(text).text == "Een[1] twee[2] weer[1].\n\n[1] eerste\n[2] tweede"


@pytest.mark.parametrize(
    "text",
    [
        "Lees [het plan][Plan], [plan][] of [plan].\n\n[plan]: https://vvsg.be/",
        "Een[^a] en weer[^a], met een noot in een noot.\n\n[^a]: eerste[^b]\n[^b]: tweede",
        "Code is `a[0][1]`, en dit \\[geen][link]. Dit [evenmin] [hier].",
        "    a[0][1]\n",
        "```\na[0][1]\n```",
    ],
)
def test_what_leads_somewhere_or_is_no_link_has_nothing_to_mend(text: str) -> None:
    assert convert(text).notes == ()


def test_a_heading_in_a_body_stands_under_the_title() -> None:
    assert render("## Twee\n\n### Drie").html == "<h3>Twee</h3>\n<h4>Drie</h4>"


def test_a_wide_table_becomes_a_list_of_fields() -> None:
    cell = "een lange cel met woorden erin"
    text = render(f"| Wie | Wat | Waar |\n|---|---|---|\n| {cell} | {cell} | {cell} |").text
    assert text.split("\n") == [f"Wie: {cell}", f"Wat: {cell}", f"Waar: {cell}"]


def test_entities_are_characters() -> None:
    body = render("caf&eacute; &amp;copy; AT&T `&amp;` &lt;b&gt;")
    assert body.html == "<p>café &amp;copy; AT&amp;T <code>&amp;amp;</code> &lt;b&gt;</p>"
    assert body.text == "café &copy; AT&T &amp; <b>"


def test_code_keeps_its_empty_lines_and_ends_with_its_fence() -> None:
    body = render("Voor\n```\na\n\n\n  b\n```\nNa")
    assert body.html.startswith("<p>Voor</p>\n<pre><code>a\n\n\n  b")
    assert body.text == "Voor\n\n    a\n\n\n      b\n\nNa"
    assert render("```\nniet dicht").text == "``` niet dicht"


def test_the_same_mistake_twice_is_found_at_both_lines() -> None:
    notes = convert("[a](x)\n\n[xx](https://x.be)\n\n[b](x)").notes
    assert [note.line for note in notes] == [1, 5]


TANGLES = ["[" * 20_000, "[^1]" * 5000 + "\n\n[^1]: x", "![x](" * 3000, "[a](" * 5000]
LONG = ["*a " * 20_000, "&#x;`" * 5000, "_a" * 5000, "<a " * 5000, "- a\n" * 5000, '"' * 20_000]
NEARLY = ["\n\n".join(["[^1]" * 300] * 20) + "\n\n[^1]: x", "\n\n".join(["[" * 300] * 50)]


@pytest.mark.parametrize("text", [*TANGLES, *LONG, *NEARLY], ids=range(12))
@pytest.mark.timeout(60)
def test_a_hostile_text_does_not_hang_the_site(text: str) -> None:
    render(text)


@pytest.mark.parametrize(
    "text",
    [
        "* " * 40 + "\n\n" + "- - - - - - - - - - - - - -",
        ">" * 12 + " a",
        "a | b\n--|--\n" + "x | y\n" * 298,
        "Een zin die iets vertelt, met een *schuin* woord en een komma erin.\n\n" * 2800,
    ],
)
def test_what_people_write_is_no_tangle(text: str) -> None:
    found = convert(text, "nl")
    assert not found.notes
    assert "<pre>" not in found.body.html


def test_only_the_first_hundred_faults_are_looked_for() -> None:
    assert len(convert("\n\n".join(f"a[^{n}]" for n in range(500))).notes) == 100
