"""Typing mistakes in well-known domains: "did you mean gmail.com?", from the typed text alone.

Nothing is looked up, so a suggestion says nothing about who reads Fiabel (SEC-07).
"""

from functools import lru_cache

_MEANT = """
gmail.com hotmail.com outlook.com telenet.be live.be skynet.be proximus.be icloud.com yahoo.com
hotmail.be outlook.be live.com live.nl belgacom.net scarlet.be pandora.be orange.be edpnet.be
hotmail.fr yahoo.fr outlook.fr googlemail.com protonmail.com t-online.de kpnmail.nl vlaanderen.be
kuleuven.be vvsg.be
"""
_REAL = """
aol.com base.be email.com gmx.at gmx.be gmx.ch gmx.com gmx.de gmx.fr gmx.net home.nl hotmail.co.uk
hotmail.de hotmail.es hotmail.it hotmail.nl live.co.uk live.de live.fr live.it mac.com mail.be
mail.com me.com msn.com orange.fr outlook.com.br outlook.de outlook.es outlook.it pm.me proton.me
sky.com voo.be web.de yahoo.be yahoo.ca yahoo.co.uk yahoo.de yahoo.es yahoo.it yahoo.nl ymail.com
ziggo.nl
"""
# What Belgians use, the most used first; these are suggested.
MEANT = tuple(_MEANT.split())
# As real, and close to one of those: nobody is asked about them.
REAL = frozenset(_REAL.split())
LONG = 10  # letters of a domain in which two mistakes are still mistakes


def better(email: str) -> str | None:
    """The same address at the well-known domain that was probably meant; None: nothing to ask."""
    local, at, domain = email.strip().rpartition("@")
    found = _nearest(domain.lower()) if local and at else None
    return f"{local}@{found}" if found else None


@lru_cache(maxsize=256)
def _nearest(domain: str) -> str | None:
    if domain in MEANT or domain in REAL or not 4 <= len(domain) <= LONGEST:
        return None
    if domain.startswith("gmail."):  # in no other country
        return "gmail.com"
    alike = {meant for short in _shortened(domain) for meant in SHORTENED.get(short, ())}
    found = [(distance(domain, meant), MEANT.index(meant)) for meant in alike]
    near = [(far, place) for far, place in found if far <= _allowed(domain, MEANT[place])]
    return MEANT[min(near)[1]] if near else None


def _shortened(domain: str) -> set[str]:
    """The domain with at most two letters left out: two that are alike share one of these."""
    one = {domain[:at] + domain[at + 1 :] for at in range(len(domain))}
    two = {short[:at] + short[at + 1 :] for short in one for at in range(len(short))}
    return {domain, *one, *two}


def _allowed(domain: str, meant: str) -> int:
    """Two mistakes in a long domain, not at its beginning: leuven.be is not kuleuven.be."""
    return 2 if len(meant) >= LONG and domain[0] == meant[0] else 1


def distance(one: str, other: str) -> int:
    """Letters to add, drop, replace or swap with a neighbour (Damerau and Levenshtein)."""
    before, last = list[int](), list(range(len(other) + 1))
    for row, letter in enumerate(one, 1):
        line = [row]
        for column, wanted in enumerate(other, 1):
            cost = min(last[column] + 1, line[-1] + 1, last[column - 1] + (letter != wanted))
            swapped = row > 1 and column > 1 and letter == other[column - 2]
            if swapped and one[row - 2] == wanted:
                cost = min(cost, before[column - 2] + 1)
            line.append(cost)
        before, last = last, line
    return last[-1]


def _index() -> dict[str, list[str]]:
    found = dict[str, list[str]]()
    for meant in MEANT:
        for short in _shortened(meant):
            found.setdefault(short, []).append(meant)
    return found


SHORTENED = _index()
LONGEST = max(map(len, MEANT)) + 2
