"""The drawn land: the same for ever, small, quick, and the same drawing as SVG and PNG."""

import hashlib
import io
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from newsletter.content import terrain
from newsletter.content.pattern import png, svg

PLACES = ["Dogbo", "Guaranda", "Santo Tomás", "Sokone", "Chefchaouen", "Pèrèrè", "Come", ""]


def opened(place: str, width: int = 1200, height: int = 480) -> Image.Image:
    return Image.open(io.BytesIO(png(place, width, height)))


@pytest.mark.parametrize("place", PLACES)
def test_the_picture_is_small_and_of_the_asked_size(place: str) -> None:
    content = png(place, 1200, 480)
    assert len(content) < 60_000
    picture = Image.open(io.BytesIO(content))
    assert (picture.format, picture.size, picture.mode) == ("PNG", (1200, 480), "P")


def test_a_place_keeps_its_land() -> None:
    assert png("Dogbo", 1200, 480) == png("Dogbo", 1200, 480)
    assert svg("Dogbo") == svg(" dogbo  ")
    assert svg("Pe\u0300re\u0300re\u0300") == svg("Pèrèrè")
    assert len({svg(place) for place in PLACES}) == len(PLACES)


def test_a_place_keeps_its_land_in_later_versions() -> None:
    # A change of the drawing changes every picture that was ever mailed: do it knowingly.
    assert hashlib.sha256(svg("Dogbo").encode()).hexdigest()[:16] == "2363bd1b080db9a1"


def test_the_svg_is_nothing_but_shapes() -> None:
    root = ElementTree.fromstring(svg("<script>alert(1)</script>"))  # noqa: S314  our own
    names = {element.tag.removeprefix("{http://www.w3.org/2000/svg}") for element in root.iter()}
    assert names == {"svg", "rect", "g", "path"}
    assert len(svg("Dogbo")) < 70_000


def test_svg_and_png_show_the_same_water() -> None:
    """The river's middle, as the SVG draws it, is water-coloured in the PNG."""
    for place in PLACES:
        river = next(shape for shape in terrain.draw(place) if shape.stroke == terrain.WATER)
        picture = opened(place).convert("RGB")
        inside = [(x, y) for x, y in river.points if 0 <= x < 1200 and 0 <= y < 480]
        greens = [picture.getpixel((int(x), int(y))) for x, y in inside]
        dark = [pixel for pixel in greens if isinstance(pixel, tuple) and sum(pixel) < 330]
        assert len(dark) > 0.8 * len(inside)


@pytest.mark.parametrize(("width", "height"), [(600, 240), (64, 64), (300, 600), (1, 1)])
def test_other_sizes(width: int, height: int) -> None:
    assert opened("Dogbo", width, height).size == (width, height)


@pytest.mark.parametrize(("width", "height"), [(0, 10), (10, -1), (2401, 10), (10, 100_000)])
def test_absurd_sizes_are_refused(width: int, height: int) -> None:
    with pytest.raises(ValueError, match="sides of 1 to 2400"):
        png("Dogbo", width, height)


@settings(max_examples=40)
@given(st.text(st.characters(), max_size=40))
def test_any_name_has_a_land(place: str) -> None:
    assert terrain.draw(place)
    assert "nan" not in svg(place)
