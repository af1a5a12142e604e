"""Pictures as cameras, drawing programs and attackers save them, made on the spot."""

import io
import struct
import zlib
from functools import cache
from typing import Any

from PIL import Image, ImageCms, ImageDraw

CORNERS = {"top left": "red", "top right": "lime", "bottom left": "blue", "bottom right": "yellow"}
SECRET = b"SECRETWORD"
HTML = b"<html><script>alert('SECRETWORD')</script></html>"


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@cache
def photo(width: int = 800, height: int = 500) -> Image.Image:
    """Many colours, and each corner its own."""
    red = Image.linear_gradient("L").resize((width, height))
    green = Image.radial_gradient("L").resize((width, height))
    image = Image.merge("RGB", (red, green, red.transpose(Image.Transpose.ROTATE_180)))
    brush, quarter = ImageDraw.Draw(image), (width // 4, height // 4)
    places = {
        "top left": (0, 0),
        "top right": (width - quarter[0], 0),
        "bottom left": (0, height - quarter[1]),
        "bottom right": (width - quarter[0], height - quarter[1]),
    }
    for name, (left, top) in places.items():
        brush.rectangle((left, top, left + quarter[0], top + quarter[1]), CORNERS[name])
    return image


@cache
def drawing(width: int = 800, height: int = 500) -> Image.Image:
    """A few colours."""
    image = Image.new("RGB", (width, height), "#F7F3EA")
    brush = ImageDraw.Draw(image)
    brush.ellipse((40, 40, width // 2, height - 40), "#0B5A52")
    brush.rectangle((width // 2, 60, width - 40, height - 60), "#A8401F")
    return image


def jpeg(**options: Any) -> bytes:
    return saved(photo(), "JPEG", **({"quality": 90} | options))


def with_exif(orientation: int = 1) -> bytes:
    """As a phone saves it: where, with what, by whom, how it was held, and a small copy of it."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F], exif[0x013B] = "SECRETWORD camera", "SECRETWORD Peeters"
    gps = exif.get_ifd(0x8825)
    gps[1], gps[2], gps[3], gps[4] = "N", (50.0, 51.0, 1.0), "E", (4.0, 21.0, 1.0)
    gps[29] = "SECRETWORD"
    return jpeg(exif=exif, comment=SECRET, dpi=(72, 72), icc_profile=srgb_profile())


@cache
def srgb_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def chunk(name: bytes, data: bytes) -> bytes:
    """A chunk of a PNG file."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_bomb(width: int, height: int) -> bytes:
    """Some kB that would be `width` x `height` px in memory."""
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(b"\0" * 1_000_000, 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def text_bomb() -> bytes:
    """A small picture with a compressed text of 5 MB in it."""
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(bytes(1_000_000)) for _ in range(5)) + packer.flush()
    whole = saved(drawing(), "PNG")
    return whole[:33] + chunk(b"zTXt", b"Comment\0\0" + packed) + whole[33:]


def palette_with_transparency() -> bytes:
    """Black ink on nothing, in a palette."""
    image = Image.new("P", (400, 300), 0)
    image.putpalette([255, 0, 255, 0, 0, 0])
    ImageDraw.Draw(image).rectangle((100, 100, 300, 200), 1)
    return saved(image, "PNG", transparency=0)


def grey_16() -> bytes:
    """A PNG of 16 bits: black on the left, half grey, white on the right."""
    image = Image.new("I;16", (600, 300))
    for left, value in ((0, 0), (200, 32896), (400, 65535)):
        image.paste(value, (left, 0, left + 200, 300))
    return saved(image, "PNG")


def moving(kind: str) -> bytes:
    """Two frames: green, then red."""
    frames = [Image.new("RGB", (300, 240), colour) for colour in ("#008000", "#FF0000")]
    return saved(frames[0], kind, save_all=True, append_images=frames[1:], duration=100)
