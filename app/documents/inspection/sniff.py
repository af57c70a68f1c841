"""One answer for one file: its kind by content, or why it is not taken."""

from __future__ import annotations

from typing import IO

import puremagic

from app.documents.inspection.archives import DAMAGED, EICAR, has_archive_at_end, inspect_archive
from app.documents.inspection.kinds import KINDS, Kind, Unacceptable
from app.documents.inspection.pictures import inspect_picture
from app.documents.inspection.texts import inspect_text

HEAD = 64 << 10
ZIP, OLE, RTF, PDF = b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", b"{\\rtf", b"%PDF-"
PICTURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"II*\x00", b"MM\x00*", b"BM")
HEIF_BRANDS = {b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"}
OLE_STREAMS = (
    ("__properties_version1.0", "application/vnd.ms-outlook"), ("WordDocument", "application/msword"),
    ("PowerPoint Document", "application/vnd.ms-powerpoint"), ("Workbook", "application/vnd.ms-excel"),
    ("Book", "application/vnd.ms-excel"),
)
TWO_IN_ONE = "This file is two files in one: it opens as one kind and hides an archive. Please send each by itself."
PROGRAM = "This is a program, and programs are not taken. Please send the document itself."


def identify(file: IO[bytes], size: int, name: str) -> Kind:
    """What the file is. `name` only decides between kinds of harmless text. Raises Unacceptable with a sentence."""
    if size == 0:
        raise Unacceptable("This file is empty. Please check it on your computer and upload it again.")
    file.seek(0)
    head = file.read(HEAD)
    if EICAR in head:
        raise Unacceptable("Something harmful was found in this file, so it was not kept.")
    if head.startswith(ZIP):
        return inspect_archive(file, size)
    kind = _by_signature(file, head, name)
    if has_archive_at_end(file, size):
        raise Unacceptable(TWO_IN_ONE)
    return kind


def _by_signature(file: IO[bytes], head: bytes, name: str) -> Kind:
    if head.startswith(PICTURES) or _is_heif(head) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP"):
        return inspect_picture(file)
    if head.startswith(OLE):
        return _ole_kind(file)
    if head.startswith(RTF):
        return KINDS["application/rtf"]
    if PDF in head[:1024] and not head[: head.index(PDF)].lstrip().startswith(b"<"):
        return KINDS["application/pdf"]
    _refuse_programs(head)
    return inspect_text(head, name)


def _is_heif(head: bytes) -> bool:
    return head[4:8] == b"ftyp" and (head[8:12] in HEIF_BRANDS or any(
        head[at : at + 4] in HEIF_BRANDS for at in range(16, min(int.from_bytes(head[:4], "big"), 64), 4)
    ))


def _ole_kind(file: IO[bytes]) -> Kind:
    """Old office files name their parts in UTF-16 inside their directory, wherever in the file that lies."""
    left = {name: name.encode("utf-16-le") + b"\x00\x00" for name, _ in OLE_STREAMS}
    seen: set[str] = set()
    file.seek(0)
    before = b""
    while chunk := file.read(1 << 20):
        window = before + chunk
        seen |= {name for name, pattern in left.items() if pattern in window}
        before = chunk[-128:]
    for name, media_type in OLE_STREAMS:
        if name in seen:
            return KINDS[media_type]
    raise Unacceptable(DAMAGED)


def _refuse_programs(head: bytes) -> None:
    if head.startswith((b"MZ", b"\x7fELF", b"\xca\xfe\xba\xbe", b"\xcf\xfa\xed\xfe", b"#!")):
        raise Unacceptable(PROGRAM)
    try:
        found = puremagic.magic_string(head[:8192])
    except (puremagic.PureError, ValueError):
        return
    for match in found[:1]:
        if match.confidence >= 0.8 and match.mime_type.startswith(("audio/", "video/", "application/x-")):
            raise Unacceptable("We do not take this kind of file. Send it as PDF, picture, Word, Excel, CSV or mail.")
