"""Pictures where none is given: the drawn land of a place, as SVG for the site, PNG for mail.

Both show the same drawing (`terrain`); no text, no outside references, the same bytes for the same
place on the same version of Pillow.
"""

import io

from PIL import Image, ImageDraw

from newsletter.content.geometry import Point
from newsletter.content.terrain import GROUND, HEIGHT, WIDTH, Shape, draw

LARGEST = 2400  # px, either side of a PNG
_FINER = 2  # drawn this many times larger, then made smaller: Pillow draws without smoothing
_COLOURS = 40


def svg(place: str) -> str:
    """The land of `place` as an SVG document of 1200 x 480 that fills whatever box it gets."""
    shapes = "".join(map(_svg_shape, draw(place)))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'width="{WIDTH}" height="{HEIGHT}" preserveAspectRatio="xMidYMid slice">'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="{GROUND}"/>'
        f'<g fill="none" stroke-linecap="round" stroke-linejoin="round">{shapes}</g></svg>'
    )


def png(place: str, width: int = WIDTH, height: int = HEIGHT) -> bytes:
    """The land of `place` as a PNG of `width` x `height` px, cut off where the shape differs."""
    if not (0 < width <= LARGEST and 0 < height <= LARGEST):
        raise ValueError(f"a pattern has sides of 1 to {LARGEST} px, not {width} x {height}")
    sheet = Image.new("RGB", (width * _FINER, height * _FINER), GROUND)
    scale = max(sheet.width / WIDTH, sheet.height / HEIGHT)
    left, top = (sheet.width - WIDTH * scale) / 2, (sheet.height - HEIGHT * scale) / 2
    brush = ImageDraw.Draw(sheet)
    for shape in draw(place):
        points = [(x * scale + left, y * scale + top) for x, y in shape.points]
        _paint(brush, shape, points, scale)
    small = sheet.reduce(_FINER)
    file = io.BytesIO()
    small.quantize(_COLOURS, dither=Image.Dither.NONE).save(file, "PNG", compress_level=7)
    return file.getvalue()


def _paint(brush: ImageDraw.ImageDraw, shape: Shape, points: list[Point], scale: float) -> None:
    if shape.fill:
        brush.polygon(points, fill=shape.fill)
    else:
        brush.line(
            points, fill=shape.stroke, width=max(1, round(shape.width * scale)), joint="curve"
        )


def _svg_shape(shape: Shape) -> str:
    path = " ".join(f"{x:.0f} {y:.0f}" for x, y in shape.points)
    if shape.fill:
        return f'<path d="M{path}Z" fill="{shape.fill}"/>'
    return f'<path d="M{path}" stroke="{shape.stroke}" stroke-width="{shape.width:g}"/>'
