"""What a PDF would do and whether it can be read: told from its bytes within limits, without drawing any of it."""

from __future__ import annotations

import mmap
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any, cast

MOST_SCANNED = 256 << 20
MOST_UNPACKED, MOST_UNPACKED_EACH = 64 << 20, 8 << 20
LOCKED = "This PDF is locked with a password, so we cannot read it. Please send it unlocked, or tell us the password."
EMPTY = "This PDF has no page in it. Please check it, and send it again if something is missing."
# Scripts, programs, files within and forms that send: a browser is never asked to show these. Names may be spelled
# with #xx for any letter.
_ACTS = ("JavaScript", "JS", "Launch", "EmbeddedFile", "EmbeddedFiles", "RichMedia", "XFA", "SubmitForm", "ImportData",
         "GoToE", "GoToR", "Rendition")
_SPELLED = "|".join("".join(f"(?:{letter}|#(?i:{ord(letter):02x}))" for letter in name) for name in _ACTS)
_ACTIVE = re.compile(f"/(?:{_SPELLED})(?![A-Za-z0-9#])".encode())
_PAGE = re.compile(rb"/Type\s*/Page(?![A-Za-z])")
_PACKED = re.compile(rb"/ObjStm\b")
_STREAM = re.compile(rb"stream\r?\n")
_LOCK = re.compile(rb"/Encrypt\b")


@dataclass(frozen=True)
class Look:
    """`download_only`: a browser is not to show it. `remark`: what both sides should know of it."""

    download_only: bool
    remark: str = ""


def look_at_pdf(file: IO[bytes], size: int) -> Look:
    """Whatever cannot be looked at whole is not shown by a browser either."""
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as body:
        whole = cast(Any, body)
        if _LOCK.search(whole):
            return Look(True, LOCKED if _is_locked(file) else "")
        active, has_page, seen_whole = bool(_ACTIVE.search(whole)), bool(_PAGE.search(whole)), size <= MOST_SCANNED
        left = MOST_UNPACKED
        for packed in _packed_objects(body) if seen_whole else ():
            unpacked, rest = _unpacked(packed, left)
            left -= len(unpacked)
            active = active or bool(_ACTIVE.search(unpacked))
            has_page = has_page or bool(_PAGE.search(unpacked))
            if rest or left <= 0:
                seen_whole = False
                break
    return Look(active or not seen_whole, EMPTY if seen_whole and not has_page else "")


def _packed_objects(body: mmap.mmap) -> Iterator[memoryview]:
    """Where objects lie packed: names within them are not to be seen from outside."""
    with memoryview(body) as view:
        for found in _PACKED.finditer(cast(Any, body)):
            begin = _STREAM.search(cast(Any, body), found.end(), found.end() + 2_000)
            if begin:
                with view[begin.end() : begin.end() + MOST_UNPACKED_EACH] as part:
                    yield part


def _unpacked(packed: memoryview, most: int) -> tuple[bytes, bool]:
    """The bytes of one packed stream, and whether there is more of it than we look at."""
    limit = min(most, MOST_UNPACKED_EACH)
    opened = zlib.decompressobj()
    try:
        found = opened.decompress(packed, limit)
    except zlib.error:
        return b"", True
    return found, bool(opened.unconsumed_tail)


def _is_locked(file: IO[bytes]) -> bool:
    """Whether it takes a password to open it; one that only forbids printing takes none."""
    import pypdf  # only a locked PDF needs it, and it takes longer to load than most files to look at

    file.seek(0)
    try:
        reader = pypdf.PdfReader(file)
        return bool(reader.is_encrypted and not reader.decrypt(""))
    except Exception:  # a reader may raise nearly anything over bytes from outside
        return True
