"""Pictures: whatever calls itself one becomes a clean JPEG or PNG, or is refused with the reason.

What readers get is made anew from the pixels alone. So nothing else of the file goes out: no place
where it was taken, no second file behind the first, no frame but the first, no colours but sRGB.
The same bytes give the same bytes, on the same version of Pillow.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import NamedTuple

from PIL import Image, ImageCms, ImageFile, UnidentifiedImageError

from newsletter.content.names import picture_said
from newsletter.errors import FixContent
from newsletter.i18n import Said

KINDS = ("JPEG", "PNG", "GIF", "WEBP")  # no other decoder of Pillow ever sees a byte
LARGE = 1200, 1600  # px: what is served fits in this; mails show it at half of it
SMALL = 600  # px wide: for phones
LEAST = 200  # px on both sides: less is no picture of a story
MOST_OCTETS = 20_000_000  # of a file
MOST_PIXELS = 50_000_000  # a file of some kB can hold far more (a decompression bomb)
FEW_COLOURS = 4096  # a drawing, with the smoothing of its edges
QUALITY = 82
_ORIENTATION = 0x0112  # the EXIF tag: how the camera was held
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = (5, 6, 7, 8)
_HEAD = 1024  # octets in which a file says what it is
# What people save instead of a picture we take, by what such files begin with or hold near there.
_WEB_PAGE, _HEIC, _TIFF = Said("een webpagina"), Said("een HEIC-foto"), Said("een TIFF-foto")
_OTHERS = (
    (b"<svg", Said("een SVG-tekening")),
    (b"<html", _WEB_PAGE),
    (b"<!doctype html", _WEB_PAGE),
    (b"%pdf", Said("een PDF")),
    (b"ftypheic", _HEIC),
    (b"ftypmif1", _HEIC),
    (b"ftypavif", Said("een AVIF-foto")),
    (b"ii*\0", _TIFF),
    (b"mm\0*", _TIFF),
)
_SRGB = ImageCms.createProfile("sRGB")


@dataclass(frozen=True, slots=True)
class File:
    """A picture in one size, as it is served; `name` holds a hash of its content."""

    name: str
    width: int
    height: int
    media_type: str
    data: bytes


class Ready(NamedTuple):
    """A picture made ready; `small` is None when `large` is no wider than that."""

    large: File
    small: File | None

    @property
    def files(self) -> tuple[File, ...]:
        """The sizes there are."""
        return (self.large, self.small) if self.small else (self.large,)


class Seen(NamedTuple):
    """What a file shows at a look: its size in px as it is shown, or what is wrong with it.

    `fault` is for `names.picture_said`."""

    width: int
    height: int
    fault: Said | None = None


class _Unusable(Exception):
    """Why a file cannot be used, for `names.picture_said`."""

    def __init__(self, fault: Said) -> None:
        super().__init__(fault)
        self.fault = fault


def accept(data: bytes, name: str) -> Ready:
    """The picture in a file of that name, whatever the name says it is, clean and in its sizes.

    Raises FixContent with one sentence that says what is wrong and how to mend it.
    """
    try:
        with _opened(data) as image:
            return _ready(image)
    except _Unusable as error:
        raise FixContent(picture_said(name, error.fault)) from None


def look(data: bytes) -> Seen:
    """Look whether a file is a whole picture, without making it ready: every pixel is decoded."""
    try:
        with _opened(data) as image:
            turned = _orientation(image) in _SIDEWAYS
            width, height = reversed(image.size) if turned else image.size
            _load(image, (1, 1))
    except _Unusable as error:
        return Seen(0, 0, error.fault)
    return Seen(width, height)


def small_name(name: str) -> str:
    """The name of the small size of a picture that is wider than SMALL."""
    stem, dot, kind = name.partition(".")
    return f"{stem}-{SMALL}{dot}{kind}"


@contextmanager
def _opened(data: bytes) -> Iterator[ImageFile.ImageFile]:
    """The picture in `data`, of an allowed kind and size; nothing is decoded yet."""
    if len(data) > MOST_OCTETS:
        most = MOST_OCTETS // 1_000_000
        raise _Unusable(Said("is groter dan %(most)s MB; bewaar ze kleiner.", most=most))
    try:
        image = Image.open(io.BytesIO(data), formats=KINDS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _Unusable(_too_many_pixels()) from None
    except UnidentifiedImageError:
        raise _Unusable(_what_else(data)) from None
    except Exception:  # Pillow's readers raise nearly everything at a file made to break them
        raise _Unusable(Said("is beschadigd; bewaar ze opnieuw.")) from None
    with image:
        if image.width * image.height > MOST_PIXELS:
            raise _Unusable(_too_many_pixels())
        yield image


def _too_many_pixels() -> Said:
    most = MOST_PIXELS // 1_000_000
    return Said("heeft meer dan %(most)s miljoen beeldpunten; bewaar ze kleiner.", most=most)


def _what_else(data: bytes) -> Said:
    if not data:
        return Said("is een leeg bestand; bewaar ze als JPEG of PNG.")
    head = data[:_HEAD].lower()
    none = Said("geen JPEG, PNG, GIF of WebP")
    kind = next((what for sign, what in _OTHERS if sign in head), none)
    return Said("is %(kind)s; bewaar ze als JPEG of PNG.", kind=kind)


def _load(image: ImageFile.ImageFile, least: tuple[int, int]) -> None:
    """Decode every pixel; a JPEG at once at a smaller scale, not below `least`."""
    try:
        image.draft(None, least)
        image.load()
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _Unusable(_too_many_pixels()) from None
    except Exception:  # as above
        raise _Unusable(Said("is beschadigd of afgebroken; bewaar ze opnieuw.")) from None


def _ready(image: ImageFile.ImageFile) -> Ready:
    orientation = _orientation(image)
    lossless = image.format != "JPEG"
    across, up = reversed(LARGE) if orientation in _SIDEWAYS else LARGE
    shrink = min(across / image.width, up / image.height, 1)
    _load(image, (max(1, round(image.width * shrink)), max(1, round(image.height * shrink))))
    plain = _in_srgb(image)
    if turn := _TURNS.get(orientation):
        plain = plain.transpose(turn)
    drawn = lossless and plain.getcolors(FEW_COLOURS) is not None
    plain.thumbnail(LARGE, Image.Resampling.LANCZOS, reducing_gap=3.0)
    sizes = [plain]
    if plain.width > SMALL:
        height = max(1, round(plain.height * SMALL / plain.width))
        sizes.append(plain.resize((SMALL, height), Image.Resampling.LANCZOS))
    return _named(sizes, [_encoded(size, drawn) for size in sizes], "png" if drawn else "jpg")


def _named(sizes: list[Image.Image], encoded: list[bytes], kind: str) -> Ready:
    """The name is that of the content of both sizes, so it never stands for anything else."""
    name = f"{sha256(b''.join(encoded)).hexdigest()[:32]}.{kind}"
    names = (name, small_name(name))
    media_type = "image/png" if kind == "png" else "image/jpeg"
    files = [
        File(name, size.width, size.height, media_type, data)
        for name, size, data in zip(names, sizes, encoded, strict=False)
    ]
    return Ready(files[0], files[1] if len(files) > 1 else None)


def _orientation(image: ImageFile.ImageFile) -> int:
    try:
        found = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # EXIF that cannot be read turns nothing
        return 1
    return found if isinstance(found, int) else 1


def _in_srgb(image: Image.Image) -> Image.Image:
    """The pixels as RGB in sRGB; what is transparent becomes white, so that dark ink on nothing can
    be read on a dark ground too."""
    profile = image.info.get("icc_profile")
    if image.mode.startswith("I"):  # 16 bits of grey, which Pillow would cut off at 255
        image = image.convert("I").point(lambda value: value / 257).convert("L")
    elif image.has_transparency_data:
        ground = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(ground, image.convert("RGBA")).convert("RGB")
    elif image.mode not in ("RGB", "L", "CMYK"):
        image = image.convert("RGB")
    if isinstance(profile, bytes):
        return _converted(image, profile)
    return image if image.mode == "RGB" else image.convert("RGB")


def _converted(image: Image.Image, profile: bytes) -> Image.Image:
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        done = ImageCms.profileToProfile(image, source, _SRGB, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):  # a profile that is not one of this picture
        done = None
    return done if done is not None else image.convert("RGB")


def _encoded(image: Image.Image, drawn: bool) -> bytes:
    """A photo as JPEG, a drawing as PNG with a palette."""
    # On a sheet of its own: Pillow would write what it knows of the old file into the new one.
    clean = Image.new("RGB", image.size)
    clean.paste(image)
    file = io.BytesIO()
    if drawn:
        clean.quantize(256, dither=Image.Dither.NONE).save(file, "PNG", optimize=True)
    else:
        clean.save(file, "JPEG", quality=QUALITY, optimize=True, progressive=True)
    return file.getvalue()
