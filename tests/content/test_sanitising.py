"""No input gets an element, attribute or scheme past the allow-list; judged by html5lib alone."""

import re
import warnings
from urllib.parse import urlsplit

import html5lib
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from newsletter.content.markdown import convert, render

PLAIN = [
    "p", "h3", "h4", "ul", "dl", "dt", "dd", "blockquote", "pre", "code", "hr", "br", "strong",
    "em", "table", "thead", "tbody", "tr",
]  # fmt: skip
ALLOWED: dict[str, set[str]] = {
    **{name: set() for name in PLAIN},
    **{"a": {"href"}, "th": {"scope", "align"}, "td": {"align"}},
    **{"ol": {"start"}, "li": {"id"}, "sup": {"id"}, "img": {"src", "alt"}},
}
PICTURE = re.compile(r"images/([a-z0-9][a-z0-9_-]*/)*[a-z0-9][a-z0-9._-]*\.(png|jpe?g|gif|webp)")
BIDI_AND_PRIVATE = re.compile(
    "[\u202a-\u202e\u2066-\u2069\ue000-\uf8ff\x00-\x08\x0b-\x1f\x7f-\x9f]"
)


def judge(markup: str) -> None:
    """Parse as a browser would and look at every node."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tree = html5lib.parseFragment(markup, treebuilder="etree", namespaceHTMLElements=False)
    for element in tree.iter():
        if element is tree:
            continue
        assert element.tag in ALLOWED, (element.tag, markup)
        assert set(element.attrib) <= ALLOWED[element.tag], (element.attrib, markup)
        if element.tag == "img":
            assert PICTURE.fullmatch(element.attrib["src"]), markup
            assert element.attrib["alt"].strip(), markup
        href = element.attrib.get("href", "https://x.be")
        # What a browser strips before it looks for the scheme.
        bare = re.sub(r"[\t\n\r]", "", href).strip("".join(map(chr, range(33))))
        assert href == bare
        assert urlsplit(bare).scheme in ("http", "https", "mailto") or re.fullmatch(
            r"#[a-z0-9-]+-fn-\d+", bare
        ), (href, markup)
    assert not BIDI_AND_PRIVATE.search(markup)


VECTORS = [
    "<script>alert(1)</script>",
    "<SCRIPT SRC=//x.be/x.js></SCRIPT>",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "<img src=x onerror=alert(1)>",
    '<img src="javascript:alert(1)">',
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<svg><a xlink:href='javascript:alert(1)'><text>x</text></a></svg>",
    "<svg><style><img src=x onerror=alert(1)></style></svg>",
    "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror=x&gt;'",
    "<math href='javascript:alert(1)'>x</math>",
    "<iframe src=javascript:alert(1)></iframe>",
    "<object data='data:text/html,<script>alert(1)</script>'></object>",
    "<embed src='javascript:alert(1)'>",
    "<form action='javascript:alert(1)'><button>x</button></form>",
    "<input autofocus onfocus=alert(1)>",
    "<body onload=alert(1)>",
    "<details open ontoggle=alert(1)>x</details>",
    "<a href='javascript:alert(1)'>x</a>",
    "<a href=https://x.be onclick=alert(1)>x</a>",
    "<p style='background:url(javascript:alert(1))'>x</p>",
    "<style>@import 'https://x.be/x.css';</style>",
    "<link rel=stylesheet href=https://x.be/x.css>",
    "<meta http-equiv=refresh content='0;url=javascript:alert(1)'>",
    "<base href='https://x.be/'>",
    "<template><script>alert(1)</script></template>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<textarea></textarea><script>alert(1)</script>",
    "<xmp><script>alert(1)</script></xmp>",
    "<!--<img src='--><img src=x onerror=alert(1)//'>",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<?xml version='1.0'?><script>alert(1)</script>",
    "<div markdown=1>*x*<script>alert(1)</script></div>",
    "<p onmouseover=alert(1)>\n\n*x*\n\n</p>",
    "`<script>alert(1)</script>`",
    "```\n<script>alert(1)</script>\n```",
    "```html\" onclick=alert(1) x=\"\n<b>\n```",
    "    <script>alert(1)</script>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&amp;lt;script&amp;gt;alert(1)",
    "&#60;script&#62;alert(1)&#60;/script&#62;",
    "\\<script>alert(1)\\</script>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x]( javascript:alert(1))",
    "[x](\x01javascript:alert(1))",
    "[x](java\tscript:alert(1))",
    "[x](<java\nscript:alert(1)>)",
    "[x](javascript&colon;alert(1))",
    "[x](javascript&#58;alert(1))",
    "[x](java&#115;cript:alert(1))",
    "[x](java&Tab;script:alert(1))",
    "[x](&#x6A;avascript:alert(1))",
    "[x](javascript\\:alert(1))",
    "[x](vbscript:msgbox(1))",
    "[x](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)",
    "[x](file:///etc/passwd)",
    "[x](//kwaad.be)",
    "[x](\\\\kwaad.be\\x)",
    "[x](blob:https://x.be/1)",
    "[x](view-source:https://x.be)",
    "[x](https://x.be\" onclick=alert(1) y=\")",
    "[x](https://x.be 'titel\" onmouseover=\"alert(1)')",
    '[x](https://x.be "\'><script>alert(1)</script>")',
    "[x](https://x.be/<script>)",
    "[<img src=x onerror=alert(1)>](https://x.be)",
    "[![x](javascript:alert(1))](javascript:alert(2))",
    "[x]( <javascript:alert(1)> )",
    "[x][y]\n\n[y]: javascript:alert(1)",
    "[x][y]\n\n[y]: javascript&#58;alert(1) 'titel'",
    "[x][y]\n\n[y]: <data:text/html,x> \"><svg onload=alert(1)>\"",
    "[x]\n\n[x]: vbscript:x",
    "<javascript:alert(1)>",
    "<javascript://x.be/%0aalert(1)>",
    "<data://x,<script>alert(1)</script>>",
    "<https://x.be/\"onclick=alert(1)>",
    "<a@b.be\"onclick=alert(1)>",
    "<javascript:alert(1)@b.be>",
    "<mailto:a@b.be?subject=\"><script>alert(1)</script>>",
    "![x](javascript:alert(1))",
    "![x\" onerror=\"alert(1)](https://x.be/a.png)",
    "![<script>alert(1)</script>](x)",
    "![x](https://x.be/volg.gif)",
    "![x][y]\n\n[y]: data:image/svg+xml,<svg/onload=alert(1)>",
    "[x](https://x.be){: onclick=alert(1) style=x }",
    "# Kop {: #x onmouseover=alert(1) }",
    "*x*{: .klasse }",
    "| a <script> | b |\n|---|---|\n| <img src=x onerror=alert(1)> | `<b>` |",
    "| a |\n|:-:\" onclick=alert(1)|\n| b |",
    "x[^1]\n\n[^1]: <script>alert(1)</script>",
    "x[^\"onclick=alert(1)]\n\n[^\"onclick=alert(1)]: noot",
    "x[^<script>]\n\n[^<script>]: noot",
    "x[^a b]\n\n[^a b]: [y](javascript:alert(1))",
    "Term\n:   <script>alert(1)</script>",
    "*[HTML]: <script>alert(1)</script>\n\nHTML",
    "> <script>alert(1)</script>",
    "1. <b onclick=alert(1)>x</b>",
    "\u202e<script>\u202c",
    "\ufeff[x](javascript:alert(1))",
    "\x02wzxhzdk:0\x03 \x02amp\x03 klzzwxh:0001 \x02klzzwxh:0000\x03",
    "&#2;wzxhzdk:0&#3;",
    "&#xE000;UNSUBSCRIBE&#xE001; &#x202E;x &#0; &#xD800;",
    "\ud800<script>\udfff",
    "＜script＞alert(1)＜/script＞",
    "///Footnotes Go Here///\n\nx[^1]\n\n[^1]: y",
    "[TOC]",
    "[x](#mijn-slug-fn-1) [y](#x) [z](?a=b) [w](/pad) [v](pad)",
    "https://x.be/<script>",
    "-" * 50 + "\n<x>\n" + "=" * 50,
    "<" * 200 + "a" + ">" * 200,
    "[" * 300 + "x" + "](javascript:x)" * 300,
    "> " * 2000 + "x",
    "*" * 999 + "x" + "*" * 999,
    "\n".join(" " * 4 * depth + "- x" for depth in range(150)),
]  # fmt: skip


@pytest.mark.parametrize("vector", VECTORS)
@pytest.mark.parametrize("anchor", ["", "mijn-slug", '"><script>'])
def test_sec_15_no_vector_gets_through(vector: str, anchor: str) -> None:
    body = render(vector, anchor=anchor)
    judge(body.html)
    judge(render(f"Voor *x {vector} y* na\n\n{vector}", "fr", anchor).html)
    picture = f"![{vector}](a.png)\n\n![Een markt]({vector})\n\n![Een put](a.png '{vector}')"
    judge(convert(picture, "nl", anchor, pictures=True).body.html)
    assert not BIDI_AND_PRIVATE.search(body.text)


PIECES = st.sampled_from(
    [
        "[x](", ")", "<", ">", "![", "]:", "[^1]", "[^1]:", "javascript:", "data:", "https://",
        "mailto:", "&#106;", "&colon;", "<script>", "</p>", "<a onclick=", "```", "~~~", "|",
        "|---|", "> ", "- ", "1. ", "# ", "===", "***", "_", '"', "'", "\\", "&lt;", "{: }", ": ",
        "\x02", "\x03", "\ue000", "\u202e", "<!--", "-->", "<svg", "<img src=", "onerror=",
        "](a.png)", '](a.png "', "images/a.png",
        'href="', "<x@y.z>", "<https://x.be>", "\n", "\n\n", "    ", "  \n", " ", "\t",
    ]
)  # fmt: skip
TEXTS = st.lists(st.one_of(PIECES, st.text(max_size=6)), max_size=40).map("".join)


@settings(max_examples=250, suppress_health_check=[HealthCheck.too_slow])
@given(st.one_of(TEXTS, st.text()))
def test_sec_15_any_text_renders_within_the_allow_list(text: str) -> None:
    body = convert(text, "de", "slug", pictures=True).body
    judge(body.html)
    assert not BIDI_AND_PRIVATE.search(body.text)


@settings(max_examples=60)
@given(st.text(st.characters(), max_size=80))
def test_lone_surrogates_and_control_characters_never_raise(text: str) -> None:
    judge(render(text).html)


def test_a_text_nobody_can_parse_is_shown_as_typed() -> None:
    body = render("\n".join(" " * 4 * depth + "- x<b>" for depth in range(400)))
    judge(body.html)
    assert "x&lt;b&gt;" in body.html
