"""A logo drawn anew from whatever picture was sent; read in a process of its own."""

from __future__ import annotations

import io
from typing import IO

from PIL import Image, UnidentifiedImageError

from app.core.errors import Refused

MOST_PIXELS = 16_000_000
LOGO_SIZE = (480, 160)


def draw_logo(file: IO[bytes]) -> tuple[None, bytes]:
    """The picture as a small PNG; raises Refused for anything else, before much of it is unpacked."""
    try:
        with Image.open(file, formats=("PNG", "JPEG")) as picture:
            if picture.width * picture.height > MOST_PIXELS:
                raise Refused("This picture has more than 16 million pixels. Take a smaller one.", field="logo")
            picture.load()
            has_alpha = picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info
            small = picture.convert("RGBA" if has_alpha else "RGB")
            small.thumbnail(LOGO_SIZE, Image.Resampling.LANCZOS)
            out = io.BytesIO()
            small.save(out, "PNG", optimize=True)
            return None, out.getvalue()
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        raise Refused("This is no picture that can be read. Take a PNG or a JPEG.", field="logo") from None
