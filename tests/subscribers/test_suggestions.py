"""Typing mistakes in the domains that people use, and nobody else's domain."""

import pytest

from newsletter.subscribers import suggestions


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("jan@gmial.com", "jan@gmail.com"),
        ("Jan.P@GMAI.com", "Jan.P@gmail.com"),
        ("jan@gmail.be", "jan@gmail.com"),
        ("jan@gmail.con", "jan@gmail.com"),
        ("jan@hotmial.com", "jan@hotmail.com"),
        ("jan@hotmil.co", "jan@hotmail.com"),
        ("jan@outlok.com", "jan@outlook.com"),
        ("jan@telnet.be", "jan@telenet.be"),
        ("jan@telenet.eb", "jan@telenet.be"),
        ("jan@sknyet.be", "jan@skynet.be"),
        ("jan@lvie.be", "jan@live.be"),
        ("jan@iclod.com", "jan@icloud.com"),
        ("jan@vvgs.be", "jan@vvsg.be"),
        (" jan@yaho.com ", "jan@yahoo.com"),
    ],
)
def test_a_mistake_gets_a_suggestion(typed: str, meant: str) -> None:
    assert suggestions.better(typed) == meant


@pytest.mark.parametrize("domain", [*suggestions.MEANT, *sorted(suggestions.REAL)])
def test_nobody_is_asked_about_a_domain_that_is_known(domain: str) -> None:
    assert suggestions.better(f"jan@{domain}") is None
    assert suggestions.better(f"jan@{domain.upper()}") is None


TOWNS = """
aalst aarschot antwerpen asse beersel beveren bilzen boom brasschaat brecht bredene brugge damme
deinze dendermonde diest dilbeek eeklo essen evergem geel genk gent gistel haacht halen halle ham
hamme hasselt heist herent herne hove ieper izegem kalmthout knokke kortrijk kruibeke lanaken lede
leuven lier lille linter lint lokeren londerzeel lommel maaseik machelen mechelen meise melle menen
merelbeke mol mortsel ninove olen oostende oudenaarde peer pelt putte puurs ranst roeselare ronse
schelle schoten stabroek staden temse ternat tielt tienen tongeren torhout turnhout veurne vilvoorde
voeren waregem wemmel wervik wetteren wevelgem zele zemst zoersel zulte zwalm zwevegem
""".split()  # noqa: SIM905


@pytest.mark.parametrize("domain", [f"{town}.be" for town in TOWNS] + ["brussel.be", "voor.be"])
def test_nobody_is_asked_about_a_town(domain: str) -> None:
    assert suggestions.better(f"jan@{domain}") is None


@pytest.mark.parametrize("typed", ["", "gmial.com", "@gmial.com", "jan@", "jan@x", "a" * 400])
def test_what_is_no_address_gets_none(typed: str) -> None:
    assert suggestions.better(typed) is None


def test_two_neighbours_swapped_are_one_mistake() -> None:
    assert suggestions.distance("gmial.com", "gmail.com") == 1
    assert suggestions.distance("", "abc") == 3
    assert suggestions.distance("abc", "acb") == 1
    assert suggestions.distance("ab", "ba") == 1
