"""A file drawn small, for lists: a picture, or the first page of a PDF; and a phone's HEIC whole as JPEG."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import IO, Any

import structlog
from PIL import Image

from app.core.reading import Limits, NotRead, read_apart
from app.documents.inspection.kinds import PICTURES, Unacceptable
from app.documents.inspection.pictures import upright

log = structlog.get_logger()
PDF, HEIC = "application/pdf", "image/heic"
DRAWN = PICTURES | {PDF}
BOX = (240, 320)  # as large as a list shows it on the densest screens
MOST_READ = 64 << 20
LIMITS = Limits(memory=1_536 << 20, seconds=30, wait=60)


@dataclass(frozen=True)
class Drawn:
    """What was drawn of a file; nothing of it where it cannot be."""

    thumbnail: bytes | None = None
    jpeg: bytes | None = None


def draw(file: IO[bytes], size: int, media_type: str) -> Drawn:
    """Drawn in a process of its own. Raises Refused only where none of those is free."""
    if media_type not in DRAWN or size > MOST_READ:
        return Drawn()
    try:
        small, body = read_apart(draw_document, file, media_type, limits=LIMITS)
    except NotRead as error:
        log.info("document.not_drawn", why=error.why)
        return Drawn()
    return Drawn(body[:small] or None, body[small:] or None)


def draw_document(file: IO[bytes], media_type: str) -> tuple[int, bytes]:
    """How many of the bytes are the thumbnail, and the bytes: thumbnail first, then the JPEG."""
    try:
        if media_type == PDF:
            thumbnail, jpeg = _first_page(file), b""
        else:
            picture = upright(file, None if media_type == HEIC else BOX)
            jpeg = _jpeg(picture, 88) if media_type == HEIC else b""
            thumbnail = _small(picture)
    except Unacceptable:
        return 0, b""
    return len(thumbnail), thumbnail + jpeg


def _first_page(file: IO[bytes]) -> bytes:
    import pypdfium2  # only this needs it

    file.seek(0)
    try:
        page = pypdfium2.PdfDocument(file.read())[0]
        width, height = (max(each, 1.0) for each in page.get_size())
        scale = min(BOX[0] / width, BOX[1] / height)
        picture: Any = page.render(scale=scale, may_draw_forms=False).to_pil()
    except (pypdfium2.PdfiumError, IndexError, ValueError) as error:
        raise Unacceptable("no page") from error
    return _small(picture)


def _small(picture: Image.Image) -> bytes:
    small = picture.convert("RGB")
    small.thumbnail(BOX)
    return _jpeg(small, 72)


def _jpeg(picture: Image.Image, quality: int) -> bytes:
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=quality, optimize=True)
    return out.getvalue()

