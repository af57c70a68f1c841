"""Pictures: within a limit of pixels, readable to the end, and as a small JPEG where a browser cannot show them."""

from __future__ import annotations

import io
import warnings
from typing import IO

import pi_heif
from PIL import Image, ImageOps, UnidentifiedImageError

from app.documents.inspection.kinds import KINDS, Kind, Unacceptable

pi_heif.register_heif_opener()  # type: ignore[no-untyped-call, unused-ignore]
MOST_PIXELS = 100_000_000
PREVIEW_EDGE = 1_600
BIG_FILE = 2 << 20
FORMATS = {
    "JPEG": "image/jpeg", "MPO": "image/jpeg", "PNG": "image/png", "GIF": "image/gif", "WEBP": "image/webp",
    "TIFF": "image/tiff", "BMP": "image/bmp", "HEIF": "image/heic",
}
OPENED = [name for name in FORMATS if name != "MPO"]  # the JPEG reader makes these
UNREADABLE = "This picture cannot be read. Please take or save it again and upload the new copy."
TOO_LARGE = "This picture has more than 100 million points. Please save it smaller and upload it again."


def inspect_picture(file: IO[bytes]) -> Kind:
    """Raises Unacceptable for what cannot be decoded or is too large to be."""
    with _opened(file) as image:
        kind = KINDS.get(FORMATS.get(image.format or "", ""))
        if kind is None:
            raise Unacceptable(UNREADABLE)
        _decode(image)
    return kind


def make_preview(file: IO[bytes], kind: Kind, size: int) -> bytes | None:
    """A JPEG of at most 1,600 points a side, turned upright and free of metadata; None where none is needed."""
    if kind.inline and size <= BIG_FILE:
        return None
    small = upright(file, (PREVIEW_EDGE, PREVIEW_EDGE))
    small.thumbnail((PREVIEW_EDGE, PREVIEW_EDGE))
    out = io.BytesIO()
    small.save(out, "JPEG", quality=82, optimize=True)
    return out.getvalue()


def upright(file: IO[bytes], least: tuple[int, int] | None) -> Image.Image:
    """The picture turned upright, in plain colours; read no finer than it is needed where it is only made small."""
    with _opened(file) as image:
        if least:
            image.draft("RGB", least)
        _decode(image)
        return (ImageOps.exif_transpose(image) or image).convert("RGB")


def _opened(file: IO[bytes]) -> Image.Image:
    file.seek(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            image = Image.open(file, formats=OPENED)
        except Image.DecompressionBombError as error:
            raise Unacceptable(TOO_LARGE) from error
        except (UnidentifiedImageError, OSError, ValueError, SyntaxError, EOFError, IndexError) as error:
            raise Unacceptable(UNREADABLE) from error
    if image.width * image.height > MOST_PIXELS:
        raise Unacceptable(TOO_LARGE)
    if not image.width or not image.height:
        raise Unacceptable(UNREADABLE)
    return image


def _decode(image: Image.Image) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            image.load()
        except Image.DecompressionBombError as error:
            raise Unacceptable(TOO_LARGE) from error
        except MemoryError:
            raise  # the limit of this process, which says so itself
        except Exception as error:  # a decoder may raise nearly anything over hostile bytes
            raise Unacceptable(UNREADABLE) from error
