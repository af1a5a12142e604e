"""Link texts that say nothing out of their sentence, as a screen reader lists links (HTM-08)."""

_AROUND = " .,:;…›»→>!?()[]*«‹-–—'\""  # what may stand around a text without changing it

VAGUE = frozenset(
    (
        # Dutch
        "hier", "klik hier", "klik", "meer", "meer info", "meer informatie", "meer lezen",
        "lees meer", "lees verder", "verder lezen", "verder", "link", "deze link", "deze pagina",
        "website", "bekijk", "details", "info", "lees hier verder", "lees hier meer",
        "klik hier voor meer", "deze website", "hier te vinden", "via deze link", "meer weten",
        # French
        "ici", "cliquez ici", "cliquer ici", "plus", "plus d’infos", "plus d'infos",
        "plus d’informations", "plus d'informations", "en savoir plus", "lire la suite",
        "lire plus", "la suite", "suite", "lien", "ce lien", "cette page", "site web", "voir",
        "détails", "par ici", "cliquez", "plus d’info", "plus d'info", "voir plus",
        "lire l’article", "lire l'article", "suivez ce lien",
        # English
        "here", "click here", "click", "more", "more info", "more information", "read more",
        "read on", "learn more", "find out more", "continue reading", "this link", "this page",
        "see", "view", "details", "see more", "see here", "right here", "follow this link",
        "website",
        # German
        "klick hier", "hier klicken", "klicken sie hier", "klicke hier", "mehr", "mehr infos",
        "mehr informationen", "mehr lesen", "mehr erfahren", "weiter", "weiterlesen",
        "dieser link", "diese seite", "ansehen", "mehr dazu", "hier mehr", "zum artikel",
        "hier lesen",
    )
)  # fmt: skip


def is_vague(text: str) -> bool:
    """Does a link text leave open where it leads, in any of our languages?"""
    return " ".join(text.casefold().split()).strip(_AROUND) in VAGUE
