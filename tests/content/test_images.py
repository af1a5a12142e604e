"""What becomes of a picture: clean, small, the same each time, or refused with a reason."""

import io
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from newsletter.content import images
from newsletter.content.images import LARGE, MOST_OCTETS, File, accept, look, small_name
from newsletter.errors import FixContent
from tests.content import files
from tests.content.files import CORNERS, HTML, drawing, jpeg, photo, saved, srgb_profile, with_exif

Point = tuple[int, int, int]


def opened(file: File) -> Image.Image:
    image = Image.open(io.BytesIO(file.data))
    assert image.size == (file.width, file.height)
    assert file.media_type == f"image/{str(image.format).lower()}"
    return image


def colour(file: File, x: float, y: float) -> Point:
    image = opened(file).convert("RGB")
    found = image.getpixel((int(x * image.width), int(y * image.height)))
    assert isinstance(found, tuple)
    return found[0], found[1], found[2]


def near(one: Point, other: Point, most: int = 40) -> bool:
    return all(abs(a - b) <= most for a, b in zip(one, other, strict=True))


GOOD: dict[str, tuple[Callable[[], bytes], str]] = {
    "a photo": (jpeg, "jpg"),
    "a progressive photo": (lambda: jpeg(progressive=True), "jpg"),
    "a grey photo": (lambda: saved(photo().convert("L"), "JPEG"), "jpg"),
    "a CMYK photo": (lambda: saved(photo().convert("CMYK"), "JPEG"), "jpg"),
    "a photo as PNG": (lambda: saved(photo(), "PNG"), "jpg"),
    "a photo as WebP": (lambda: saved(photo(), "WEBP", quality=90), "jpg"),
    "a drawing": (lambda: saved(drawing(), "PNG"), "png"),
    "a drawing as GIF": (lambda: saved(drawing(), "GIF"), "png"),
    "a drawing as WebP": (lambda: saved(drawing(), "WEBP", lossless=True), "png"),
    "a line drawing": (lambda: saved(drawing().convert("1"), "PNG"), "png"),
    "a palette": (lambda: saved(drawing().quantize(16), "PNG"), "png"),
    "16 bits of grey": (files.grey_16, "png"),
    "transparent paper": (files.palette_with_transparency, "png"),
    "half transparent": (lambda: saved(_faded(), "PNG"), "jpg"),
    "grey and transparent": (lambda: saved(_faded().convert("LA"), "PNG"), "png"),
    "something behind it": (lambda: jpeg() + b"PK\3\4" + HTML, "jpg"),
    "HTML in a comment": (lambda: jpeg(comment=HTML), "jpg"),
    "a broken profile": (lambda: jpeg(icc_profile=b"SECRETWORD" * 50), "jpg"),
    "a foreign profile": (lambda: jpeg(icc_profile=_lab()), "jpg"),
}


def _faded() -> Image.Image:
    image = photo().convert("RGBA")
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    return image


def _lab() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()


@pytest.mark.parametrize("name", GOOD)
def test_htm_19_whatever_comes_in_jpeg_or_png_goes_out(name: str) -> None:
    make, kind = GOOD[name]
    data = make()
    assert look(data).fault is None
    ready = accept(data, "foto")
    for file in ready.files:
        image = opened(file)
        assert file.name.endswith(f".{kind}")
        assert image.mode in ("RGB", "P")
        assert not {"exif", "icc_profile", "comment", "transparency"} & set(image.info)
        assert b"SECRETWORD" not in file.data
        assert b"<script" not in file.data
        assert b"ICC_PROFILE" not in file.data
    assert accept(data, "anders") == ready, "the same bytes give the same bytes"
    again = accept(ready.large.data, "foto")
    assert (again.large.width, again.large.height) == (ready.large.width, ready.large.height)


def test_where_and_by_whom_a_photo_was_taken_is_not_told() -> None:
    data = with_exif()
    before = Image.open(io.BytesIO(data)).getexif()
    assert before.get_ifd(0x8825), "the photo does say where"
    assert data.count(b"SECRETWORD") >= 3
    for file in accept(data, "foto.jpg").files:
        image = opened(file)
        assert not dict(image.getexif())
        assert not image.getexif().get_ifd(0x8825)
        assert b"SECRETWORD" not in file.data
        assert b"Exif" not in file.data


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_stands_upright_however_the_camera_was_held(orientation: int) -> None:
    turned = images._TURNS.get(orientation)
    # As the camera has it: turned back, so that what turns it makes it right.
    back = {Image.Transpose.ROTATE_90: Image.Transpose.ROTATE_270}
    back[Image.Transpose.ROTATE_270] = Image.Transpose.ROTATE_90
    image = photo().transpose(back.get(turned, turned)) if turned else photo()
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(image, "JPEG", exif=exif, quality=95)
    large = accept(data, "foto.jpg").large
    assert (large.width, large.height) == photo().size == look(data)[:2]
    wanted = {"red": (255, 0, 0), "lime": (0, 255, 0), "blue": (0, 0, 255), "yellow": (255, 255, 0)}
    for name, paint in CORNERS.items():
        x, y = 0.1 + 0.8 * ("right" in name), 0.1 + 0.8 * ("bottom" in name)
        assert near(colour(large, x, y), wanted[paint]), name


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_a_nonsensical_orientation_turns_nothing(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert look(jpeg(exif=exif))[:2] == photo().size


def test_what_is_transparent_is_white() -> None:
    large = accept(files.palette_with_transparency(), "a.png").large
    assert colour(large, 0.05, 0.05) == (255, 255, 255)
    assert colour(large, 0.5, 0.5) == (0, 0, 0)


def test_sixteen_bits_are_not_cut_off() -> None:
    large = accept(files.grey_16(), "a.png").large
    assert [colour(large, x, 0.5)[0] for x in (0.1, 0.5, 0.9)] == [0, 128, 255]


def test_colours_of_another_kind_become_srgb() -> None:
    # A profile whose red is our green, and the other way round.
    swapped = srgb_profile().replace(b"rXYZ", b"?XYZ").replace(b"gXYZ", b"rXYZ")
    large = accept(jpeg(icc_profile=swapped.replace(b"?XYZ", b"gXYZ")), "a.jpg").large
    assert near(colour(large, 0.1, 0.1), (0, 255, 0))
    assert near(colour(large, 0.9, 0.1), (255, 0, 0))
    cmyk = accept(saved(photo().convert("CMYK"), "JPEG", quality=95), "a.jpg").large
    assert near(colour(cmyk, 0.1, 0.1), (255, 0, 0))


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_of_what_moves_the_first_frame_stands_still(kind: str) -> None:
    large = accept(files.moving(kind), "a").large
    assert not getattr(opened(large), "is_animated", False)
    assert near(colour(large, 0.5, 0.5), (0, 128, 0), 5)


SIZES = [
    # what comes in, the large size, the small one
    ((2400, 1600), (1200, 800), (600, 400)),
    ((1200, 800), (1200, 800), (600, 400)),
    ((601, 400), (601, 400), (600, 399)),
    ((600, 400), (600, 400), None),
    ((220, 300), (220, 300), None),
    ((1000, 3200), (500, 1600), None),
    ((3000, 3), (1200, 1), (600, 1)),
]


@pytest.mark.parametrize(("size", "large", "small"), SIZES)
def test_sizes_shrink_and_never_grow(
    size: tuple[int, int], large: tuple[int, int], small: tuple[int, int] | None
) -> None:
    for kind in ("PNG", "JPEG")[: 1 if min(size) < 10 else 2]:
        ready = accept(saved(Image.new("RGB", size, "#0B5A52"), kind), "a")
        assert (ready.large.width, ready.large.height) == large
        assert (ready.small and (ready.small.width, ready.small.height)) == small
        assert ready.large.width <= LARGE[0]
        assert ready.large.height <= LARGE[1]


@pytest.mark.parametrize("size", [(3000, 1), (1, 4000), (9000, 2), (1, 1)])
def test_a_sliver_is_a_picture_too(size: tuple[int, int]) -> None:
    for kind in images.KINDS:
        ready = accept(saved(Image.new("RGB", size), kind), "a")
        assert all(min(file.width, file.height) >= 1 for file in ready.files)


def test_the_name_says_the_content() -> None:
    one, other = accept(jpeg(), "a.jpg"), accept(jpeg(quality=60), "a.jpg")
    assert one.large.name != other.large.name
    assert accept(jpeg(), "b.jpg").large.name == one.large.name
    assert one.small
    assert one.small.name == small_name(one.large.name)
    assert one.large.name.replace(".jpg", "-600.jpg") == one.small.name


EVIL: dict[str, tuple[Callable[[], bytes], str]] = {
    "nothing": (lambda: b"", "is an empty file; save it as JPEG or PNG."),
    "an SVG": (lambda: b'<svg xmlns="http://www.w3.org/2000/svg"/>', "is an SVG drawing; save it"),
    "an SVG with a head": (lambda: b"<?xml version='1.0'?>\n<!-- x -->\n<SVG/>", "an SVG drawing"),
    "a web page": (lambda: HTML, "is a web page; save it as JPEG or PNG."),
    "a web page that begins as GIF": (lambda: b"GIF89a/*" + HTML, "is"),
    "a PDF": (lambda: b"%PDF-1.7\n", "is a PDF"),
    "a HEIC photo": (lambda: b"\0\0\0\x18ftypheic\0\0\0\0", "is a HEIC photo; save it as JPEG"),
    "an AVIF picture": (lambda: b"\0\0\0\x18ftypavif\0\0\0\0", "is an AVIF picture"),
    "a TIFF picture": (lambda: saved(drawing(), "TIFF"), "is a TIFF picture"),
    "a BMP picture": (lambda: saved(drawing(), "BMP"), "is no JPEG, PNG, GIF or WebP"),
    "an icon": (lambda: saved(drawing(), "ICO"), "is no JPEG, PNG, GIF or WebP"),
    "PostScript": (lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n", "is no JPEG, PNG, GIF or WebP"),
    "random bytes": (lambda: bytes(range(256)) * 9, "is no JPEG, PNG, GIF or WebP"),
    "a bomb": (lambda: files.png_bomb(30_000, 30_000), "has more than 50 million pixels"),
    "a bomb Pillow warns of": (lambda: files.png_bomb(10_000, 9_000), "more than 50 million"),
    "a bomb Pillow lets in": (lambda: files.png_bomb(9_000, 8_000), "more than 50 million pixels"),
    "a bomb within the limit": (lambda: files.png_bomb(40_000, 1_000), "damaged or cut off"),
    "a text bomb": (files.text_bomb, "is damaged; save it again."),
    "too many bytes": (lambda: jpeg() + bytes(MOST_OCTETS), "is larger than 20 MB; save it"),
    "no side": (lambda: files.png_bomb(0, 10), "is no JPEG, PNG, GIF or WebP"),
}


@pytest.mark.parametrize("name", EVIL)
def test_what_is_no_picture_is_refused_with_a_reason(name: str) -> None:
    make, message = EVIL[name]
    data = make()
    assert message in str(look(data).fault)
    with pytest.raises(FixContent, match=r"^The picture 'x\.jpg' ") as caught:
        accept(data, "x.jpg")
    assert message in str(caught.value)
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize(
    "whole",
    [jpeg(), jpeg(progressive=True), saved(drawing(), "PNG"), saved(photo(), "WEBP")],
    ids=["JPEG", "progressive JPEG", "PNG", "WebP"],
)
def test_a_file_that_was_cut_off_is_refused(whole: bytes) -> None:
    for share in (0.02, 0.1, 0.3, 0.5, 0.8, 0.95, 0.99):
        assert look(whole[: int(len(whole) * share)]).fault, share


SEEDS = [jpeg(), with_exif(6), saved(drawing(), "PNG"), files.moving("GIF"), files.moving("WEBP")]


@settings(max_examples=80)
@given(st.sampled_from(SEEDS), st.data())
def test_a_file_made_to_break_a_reader_breaks_nothing(seed: bytes, data: st.DataObject) -> None:
    """Bytes changed at random: refused in words, or a clean picture; never another error."""
    broken = bytearray(seed)
    for _ in range(data.draw(st.integers(1, 12))):
        broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    fault = look(bytes(broken)).fault
    try:
        ready = accept(bytes(broken), "x")
    except FixContent:
        return
    assert not fault
    assert all(b"SECRETWORD" not in file.data for file in ready.files)
