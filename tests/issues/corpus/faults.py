"""Faults an editor, a template or a mishap could put into a real edition, in whatever language.

Each is a regular expression that has to be found in one part, and what is put there. In it,
`{base}` and `{locale}` stand for the site and the reader's language.
"""

from typing import NamedTuple

from newsletter.delivery.message import Gap, gap

LEAD = r'(?=<h2 class="lead")'  # before the first story's title
LINK = '<p><a href="{base}/{locale}/issues/" style="color: #0B5A52; text-decoration: underline">'
AWAY = (
    '<p><a href="{base}%s" style="color: #0B5A52; text-decoration: underline">Over ons werk</a></p>'
)
IMAGE = '<img src="{base}/patterns/gent.png" width="600" height="240" alt="%s">'
ALT = r'(?<=height="240" )alt="[^"]*"'
TITLE = r"(?<=: )[^:]*$"  # of a subject
DISTINCT = "#5A6765"  # of what is muted


class Fault(NamedTuple):
    """`part` is html, text or subject."""

    rule: str
    name: str
    part: str
    pattern: str
    put: str


def _put(rule: str, name: str, markup: str) -> Fault:
    return Fault(rule, name, "html", LEAD, markup)


VAGUE = {
    "nl": ("klik hier", "Klik hier!", "lees meer", "Lees verder »", "meer info", "hier",
           "deze link", "meer weten?", "website"),
    "fr": ("en savoir plus", "Cliquez ici", "lire la suite…", "ici", "plus d’infos", "ce lien",
           "voir plus"),
    "en": ("click here", "Read more", "here", "learn more", "this page", "Find out more!", "more"),
    "de": ("hier klicken", "Weiterlesen", "mehr erfahren", "dieser Link", "Mehr Infos »"),
}  # fmt: skip
ALTS = ("foto_dogbo.jpg", "IMG_2041", "DSC-0031", "image1", "screenshot 3", "feest in Dogbo.png",
        "banner_mail_v2", "20261123", "foto", "Afbeelding", "photo", "image", "Bild", "logo",
        )  # fmt: skip
PLACEHOLDERS = ("{{ naam }}", "{% block %}", "%(name)s", "${{naam}}", "TODO", "FIXME", "XXX", "TBD",
                "Lorem ipsum", "[naam]", "[lien]", "[first name]", "[Vorname]", "nog aan te vullen",
                "à compléter", "to be completed", "noch zu ergänzen", "*|FNAME|*", "<%= name %>",
                )  # fmt: skip
ELEMENTS = {
    "FMT-08": ("script", "form", "iframe", "button", "object", "video", "svg", "textarea"),
    "HTM-18": ("section", "main", "article", "center", "font", "marquee"),
}  # fmt: skip
DEAD = ("/nl/itms/dogbo", "/dogbo", "/xx/issues/", "/nl/issues/zes", "/nl/about/", "/nl/items/",
        "/admin", "/nl/issues/1/2")  # fmt: skip
FAKE = ("Re: ", "Fwd: ", "TR : ", "AW: ")
SHOUTS = (
    "DRINGEND BERICHT",
    "Doe mee!!",
    "SCHRIJF JE NU IN",
    "Écrivez-nous ?!",
    "Kom! Nu!",
    "GRATUIT !!!",
)
FOOTER = {"ORG_NAME": "Vereniging van Vlaamse Steden en Gemeenten", "ORG_LEGAL_FORM": " vzw",
          "ORG_ADDRESS": "Bischoffsheimlaan 1-8", "ORG_NUMBER": r"0451\.763\.878",
          "ORG_COURT": "RPR Brussel", "ORG_EMAIL": r"fiabel@nieuws\.vvsg\.example",
          "ORG_WEBSITE": r"https://www\.vvsg\.be/?(?=<|\s)"}  # fmt: skip

FAULTS = (
    *(_put("HTM-08", f"vague {w}", f"{LINK}{w}</a></p>") for ws in VAGUE.values() for w in ws),
    *(Fault("HTM-06", f"alt {alt}", "html", ALT, f'alt="{alt}"') for alt in ALTS),
    Fault("HTM-06", "no alt", "html", ALT, ""),
    *(_put("LEFTOVER", f"in HTML {w}", f"<p>{w}</p>") for w in PLACEHOLDERS if w[0] != "<"),
    *(Fault("LEFTOVER", f"in text {w}", "text", "\n", f"\n{w}\n") for w in PLACEHOLDERS),
    Fault("LEFTOVER", "in the subject", "subject", TITLE, "{{ titel }}"),
    *(_put(rule, f"<{t}>", f"<{t}>x</{t}>") for rule, some in ELEMENTS.items() for t in some),
    *(_put("HTM-23", f"dead {path}", AWAY % path) for path in DEAD),
    _put("HTM-23", "dead anchor", AWAY.replace("{base}", "#") % "nergens"),
    *(Fault("SUBJECT-CALM", f"shout {text}", "subject", TITLE, text) for text in SHOUTS),
    *(Fault("AUT-10", f"looks like {w}", "subject", "^", w) for w in FAKE),
    Fault("FMT-11", "too long", "subject", "$", " en nog veel meer nieuws uit de wereld" * 2),
    Fault("FMT-11", "no subject", "subject", ".+", ""),
    Fault("HTM-07", "another title", "html", "(?<=<title>)", "Anders "),
    *(Fault("PRV-16", f"no {name} in HTML", "html", what, "") for name, what in FOOTER.items()),
    *(Fault("PRV-16", f"no {name} in text", "text", what, "") for name, what in FOOTER.items()),
    *(_put("HTM-03", f"jump to h{n}", f"<h{n}>Te diep</h{n}>") for n in (3, 4, 5, 6)),
    _put("HTM-03", "second h1", "<h1>Nog een</h1>"),
    _put("HTM-03", "empty heading", '<h2><img src="{base}/patterns/gent.png" alt=""></h2>'),
    Fault("HTM-03", "no h1", "html", "(?<=<)h1|(?<=</)h1", "p"),
    Fault("HTM-01", "no lang", "html", ' lang="{locale}"', ""),
    Fault("HTM-01", "no dir", "html", ' dir="ltr"', ""),
    Fault("HTM-01", "another lang", "html", '<html lang="{locale}"', '<html lang="sv"'),
    _put("HTM-01", "unknown lang", '<p lang="tlh">Een woord</p>'),
    Fault("HTM-05", "pale ink", "html", f"color: {DISTINCT}", "color: #9AA7A5"),
    Fault("HTM-05", "dim in the dark", "html", r"\.muted \{ color: #\w+",
          ".muted { color: #5A6765"),
    _put("HTM-05", "white on white", '<p style="color: #FFFFFF">Onzichtbaar</p>'),
    _put("HTM-05", "light on a light ground",
         '<p style="color:#B0B0B0;background-color:#FFF">Bleek</p>'),
    _put("HTM-20", "unreadable when turned over",
         '<p style="color: #0000FF; background-color: #FFFFFF">Blauw</p>'),
    _put("HTM-18", "rgb", '<p style="color: rgb(0, 0, 0)">Tekst</p>'),
    _put("HTM-02", "table without role", "<table><tr><td>x</td></tr></table>"),
    _put("HTM-04", "link without text", f"{LINK}</a></p>"),
    _put("HTM-04", "linked picture", LINK + IMAGE % "" + "</a></p>"),
    Fault("HTM-09", "not underlined", "html", "decoration: underline", "decoration: none"),
    Fault("HTM-10", "no zoom", "html", "initial-scale=1", "initial-scale=1, maximum-scale=1"),
    _put("HTM-11", "same id twice", '<p id="een">a</p><p id="een">b</p>'),
    _put("HTM-11", "unknown role", '<p role="hero">a</p>'),
    _put("HTM-17", "style in the body", "<style>p { color: #000000 }</style>"),
    _put("HTM-19", "no size", '<img src="{base}/patterns/gent.png" alt="De Leie bij Gent">'),
    _put("HTM-19", "svg", (IMAGE % "De Leie bij Gent").replace(".png", ".svg")),
    _put("HTM-19", "wide", (IMAGE % "De Leie bij Gent").replace('"600"', '"1200"')),
    _put("HTM-19", "not frozen", '<img src="images/a.jpg" width="9" height="9" alt="De Leie">'),
    _put("HTM-26", "from elsewhere", (IMAGE % "De Leie").replace("{base}", "https://cdn.example")),
    _put("HTM-26", "font", '<link rel="stylesheet" href="https://fonts.example/a.css">'),
    _put("PRV-08", "pixel", (IMAGE % "").replace("gent", f"o-{gap(Gap.UNSUBSCRIBE)}")),
    _put("HTM-16", "too big", "<p>" + "Een heel lang bericht " * 5000 + "</p>"),
    _put("FMT-05", "sentence only in HTML", "<p>Dit staat nergens in de tekst van de mail.</p>"),
    _put("FMT-05", "link only in HTML", AWAY.replace("{base}%s", "https://enkel.example/")),
    Fault("FMT-05", "half the text", "text", r"(?s)^.{1500}", ""),
    Fault("FMT-05", "link not in text", "text", r"https?://\S+/items/\S+", ""),
    _put("FMT-08", "handler", '<p onclick="alert(1)">Tekst</p>'),
    _put("FMT-20", "hidden", '<p style="display: none">Stil</p>'),
    _put("FMT-20", "script link", '<p><a href="javascript:alert(1)">Over ons werk</a></p>'),
    _put("FMT-20", "other place than it says", LINK.replace("{base}", "https://kwaad.example")
         + "www.vvsg.be</a></p>"),
    Fault("UNS-07", "no way out in HTML", "html", gap(Gap.UNSUBSCRIBE), "x"),
    Fault("UNS-07", "no way out in text", "text", gap(Gap.UNSUBSCRIBE), "x"),
    Fault("PRV-03", "no preferences in HTML", "html", gap(Gap.PREFERENCES), "x"),
    Fault("PRV-03", "no preferences in text", "text", gap(Gap.PREFERENCES), "x"),
    _put("GAP", "unknown gap", "<p>\ue000NAME\ue001</p>"),
    Fault("PY-04", "control character", "text", "\n", "\x07\n"),
    Fault("PY-04", "header in the subject", "subject", "$", "\r\nBcc: x@y.example"),
)  # fmt: skip
