"""Whole collections of attacks go through Markdown and sanitisers; Chromium itself is the judge.

The collections are made here: every class of the OWASP cheat sheet, html5lib's and the Markdown
ones, multiplied by encodings, events, elements and carriers. Those of the package brs-kb (OWASP,
PayloadsAllTheThings, SecLists, Cure53 and more) are read from it where it is installed.
"""

import importlib
import itertools
import sys
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Route

from newsletter.content.markdown import ATTRIBUTES, TAGS, render
from tests.content.test_sanitising import VECTORS, judge

RUN = "alert(1)"
EVENTS = (
    "onerror", "onload", "onclick", "onfocus", "onmouseover", "ontoggle", "onbegin", "onstart",
    "onpointerenter", "onanimationend", "onbeforeinput", "oncut", "onscroll", "onwheel", "onblur",
)  # fmt: skip
HOLDERS = (
    "img src=x", "svg", "body", "input autofocus", "video src=x", "audio src=x", "details open",
    "marquee", "iframe", "object data=x", "p tabindex=1", "a href=x", "math", "select autofocus",
)  # fmt: skip
AFTER_TAG = (" ", "/", "\n", "\t", "\x0c", "\r\n", " x=1 ", "/x/", " \x00")
SCHEMES = ("javascript:", "vbscript:", "data:text/html,", "livescript:", "jar:", "feed:javascript:")
# One vector inside another context: what one parser takes for text is markup for the next.
NESTS = (
    "<svg>{}</svg>", "<math>{}</math>", "<math><mtext>{}</mtext></math>",
    "<svg><desc>{}</desc></svg>",
    "<svg><style>{}</style></svg>",
    "<math><annotation-xml encoding='text/html'>{}</annotation-xml>",
    "<noscript><p title=\"</noscript>{}\"></noscript>",
    "<style><!--</style>{}--></style>",
    "<title><p title=\"</title>{}\">", "<textarea><p title=\"</textarea>{}\">", "<xmp>{}</xmp>",
    "<template>{}</template>", "<noembed>{}</noembed>", "<noframes>{}</noframes>", "<plaintext>{}",
    "<!--{}-->", "<!-->{}", "<!--><--!>{}", "<![CDATA[{}]]>", "<?x {}?>", "<!DOCTYPE x [{}]>",
    "<form><math><mtext></form><form><mglyph><style></math>{}</style>", "<select><template>{}",
    "<table><td>{}", "<option><style></option></select>{}</style>", "<a><svg><a>{}", "<p><dl><p>{}",
    "<math><mi><table><mglyph><style><!--</style>{}", "<b><p><i></b>{}</i></p>",
    "</p></div></td>{}",
)  # fmt: skip
# Where Markdown takes a text from.
CARRIERS = (
    "{}", "voor {} na", "# {}", "> {}", "- {}", "1. {}", "**{}**", "`{}`",
    "    {}", "```\n{}\n```",
    "```{}\nx\n```", "| a | {} |\n|---|---|\n| {} | b |", "x[^1]\n\n[^1]: {}", "[{}](https://x.be)",
    "![{}](https://x.be/a.png)", "[x](https://x.be \"{}\")", "[x][y]\n\n[y]: https://x.be '{}'",
    "Term\n:   {}", "<https://x.be/{}>", "[x](https://x.be/{})", "\\{}", "&lt;{}&gt;",
)  # fmt: skip
LINKS = (
    "[x]({})", "[x](<{}>)", "[x]( {} 'titel')", "<{}>", "[x][y]\n\n[y]: {}", "[x]\n\n[x]: <{}> 'y'",
    "![x]({})", "[![x]({0})]({0})", "x[^1]\n\n[^1]: [y]({})", "| a |\n|---|\n| [x]({}) |",
    "<a href=\"{}\">x</a>", "<a href={}>x</a>", "<svg><a xlink:href='{}'>x</a></svg>",
    "<form action='{}'><button>x</button></form>", "<iframe src='{}'></iframe>", "<base href='{}'>",
    "<meta http-equiv=refresh content='0;url={}'>", "<object data='{}'></object>",
)  # fmt: skip

WALK = """([tags, attributes]) => {
  const wrong = [];
  if (document.body.children.length !== document.querySelectorAll('body > div.box').length)
    wrong.push('something left its box');
  if (document.head.children.length > 1) wrong.push(document.head.innerHTML);
  for (const e of document.querySelectorAll('div.box *')) {
    if (!tags.includes(e.localName) || e.namespaceURI !== 'http://www.w3.org/1999/xhtml')
      wrong.push(e.outerHTML);
    for (const a of e.attributes)
      if (!(attributes[e.localName] || []).includes(a.name)) wrong.push(e.outerHTML);
    if (e.href !== undefined && !['http:', 'https:', 'mailto:'].includes(e.protocol)
        && !e.getAttribute('href').startsWith('#')) wrong.push(e.outerHTML);
  }
  return wrong;
}"""
POKE = """() => { for (const e of document.querySelectorAll('*'))
  for (const name of ['mouseover', 'focus', 'pointerenter', 'toggle', 'animationend'])
    e.dispatchEvent(new Event(name, {bubbles: true})); }"""


def disguises(scheme: str) -> Iterator[str]:
    """A scheme as browsers read it, and filters often do not."""
    yield scheme
    yield "".join(c.upper() if n % 2 else c for n, c in enumerate(scheme))
    for sign in (
        "\t",
        "\n",
        "\r",
        "\x00",
        "\x01",
        "&#9;",
        "&#x0A;",
        "&Tab;",
        "&NewLine;",
        "\u200b",
    ):
        yield scheme[:4] + sign + scheme[4:]
        yield sign + scheme
    yield "".join(f"&#{ord(c)};" for c in scheme)
    yield "".join(f"&#{ord(c):07d}" for c in scheme)
    yield "".join(f"&#x{ord(c):X};" for c in scheme)
    yield scheme.replace(":", "&colon;")
    yield scheme.replace(":", "\\:")
    yield scheme.replace(":", "%3A")
    yield "//" + scheme


def elements() -> Iterator[str]:
    """Scripts that run by themselves or by an event, in many spellings."""
    for holder, event in itertools.product(HOLDERS, EVENTS):
        yield f"<{holder} {event}={RUN}>"
    for gap, event in itertools.product(AFTER_TAG, EVENTS[:4]):
        yield f"<img{gap}src=x{gap}{event}={RUN}>"
        yield f"<IMG{gap}SRC='x'{gap}{event.upper()}=\"{RUN}\""
    for tag in (
        "script",
        "ScRiPt",
        "script/x",
        "script\n",
        "svg:script",
        "script xmlns=x",
        "<script",
    ):
        yield f"<{tag}>{RUN}</{tag}>"
        yield f"<scr<{tag}>ipt>{RUN}</scr</{tag}>ipt>"
        yield f"&lt;{tag}&gt;{RUN}&lt;/{tag}&gt;"
        yield f"\ufeff<{tag} src=https://x.be/x.js></{tag}>"
    for css in ("background:url(https://x.be/a)", "behavior:url(x)", "x:expression(alert(1))"):
        yield f"<p style='{css}'>x</p>"
        yield f"<style>p{{{css}}}</style><p>x</p>"


def generated() -> list[str]:
    """The whole collection; the product of everything would be millions, so each pair meets."""
    plain = list(elements())
    nested = [nest.format(one) for nest in NESTS for one in plain[:: len(plain) // 8]]
    carried = [
        carrier.format(*(one,) * 2) for carrier in CARRIERS for one in [*plain[::14], *NESTS]
    ]
    hrefs = [bad + RUN for scheme in SCHEMES for bad in disguises(scheme)]
    links = [link.format(href, href) for link in LINKS for href in hrefs]
    return [*VECTORS, *plain, *nested, *carried, *links]


def published() -> list[str]:
    """The payloads of brs-kb, by its own database and by every list its modules hold."""
    payloads = importlib.import_module("brs_kb.payloads")
    found: dict[str, None] = {}
    for name, module in list(sys.modules.items()):
        if name.startswith(payloads.__name__):
            for value in vars(module).values():
                entries = value.values() if isinstance(value, dict) else ()
                found |= dict.fromkeys(e.payload for e in entries if hasattr(e, "payload"))
    return list(found)


@pytest.fixture(scope="module")
def context(browser: Browser) -> Iterator[BrowserContext]:
    """One for all pages: a browser of its own for each takes longer than the page."""
    context = browser.new_context()
    yield context
    context.close()


def run_in(context: BrowserContext, fragments: list[str]) -> tuple[list[str], list[str]]:
    """What is wrong with a page of fragments, and what it did: scripts that ran, requests."""
    page, did = context.new_page(), list[str]()
    page.add_init_script(
        "for (const n of ['alert', 'confirm', 'prompt', 'print', 'open', 'fetch'])"
        " window[n] = () => console.log('ran ' + n);"
    )
    page.on("console", lambda said: did.append(said.text))
    page.on("pageerror", lambda error: did.append(str(error)))

    def answer(route: Route) -> None:
        first = route.request.url == "https://nieuws.test/"
        if not first:
            did.append(route.request.url)
        boxes = "".join(f"<div class=box>{one}</div>" for one in fragments)
        html = f"<!DOCTYPE html><html><head><meta charset=utf-8></head><body>{boxes}</body></html>"
        route.fulfill(body=html if first else "", content_type="text/html")

    page.route("**/*", answer)
    page.goto("https://nieuws.test/")
    tags = {name: sorted(names) for name, names in ATTRIBUTES.items()}
    wrong = page.evaluate(WALK, [sorted(TAGS), tags])
    page.evaluate(POKE)
    page.close()
    return wrong, did


@pytest.mark.browser
def test_sec_15_no_generated_vector_runs_in_a_real_browser(context: BrowserContext) -> None:
    vectors = generated()
    assert len(set(vectors)) > 4000
    assert run_in(context, [render(one, anchor="slug").html for one in vectors]) == ([], [])


@pytest.mark.browser
def test_sec_15_no_published_vector_runs_in_a_real_browser(context: BrowserContext) -> None:
    pytest.importorskip("brs_kb", reason="the collections of brs-kb are not installed")
    vectors = published()
    assert len(vectors) > 1000
    assert run_in(context, [render(one, anchor="slug").html for one in vectors]) == ([], [])


@pytest.mark.browser
@pytest.mark.parametrize(
    "bad",
    ["<img src=x onerror=alert(1)>", "<script>alert(1)</script>", "<svg onload=alert(1)>",
     "<a href=javascript:alert(1)>x</a>", "</div><p>out of the box", "<p style=color:red>x",
     "<p onfocus=alert(1)>x"],
)  # fmt: skip
def test_the_judge_sees_what_is_wrong(context: BrowserContext, bad: str) -> None:
    wrong, did = run_in(context, ["<p>goed</p>", bad])
    assert wrong or did


def test_sec_15_generated_vectors_stay_within_the_list_by_a_second_parser() -> None:
    for one in generated()[::11]:
        judge(render(f"Voor {one} na", "fr", "slug").html)
