"""A file that arrived, looked at in a process of its own: what it is, how it looks small, what it would do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import IO, Any

import structlog

from app.core.reading import Limits, NotRead, read_apart
from app.documents.inspection.kinds import KINDS, Kind, Unacceptable
from app.documents.inspection.pdfs import Look, look_at_pdf
from app.documents.inspection.pictures import make_preview
from app.documents.inspection.sniff import identify

log = structlog.get_logger()
PDF = "application/pdf"
# A picture of 100 million points is unpacked and turned; a PDF of any size is seen whole in memory's addresses.
MEMORY, SECONDS, WAIT = 1_536 << 20, 120, 240
TOO_MUCH = ("This file takes more memory or time to open than we allow, or is damaged. "
            "Please save it again, smaller, and upload the new copy.")


@dataclass(frozen=True)
class Seen:
    """What a look at a file found."""

    kind: Kind
    preview: bytes | None
    look: Look | None


def look_at(file: IO[bytes], size: int, name: str) -> Seen:
    """Raises Unacceptable with the sentence that the sender reads."""
    found, preview = _apart(file, size, name)
    look = Look(found["download_only"], found["remark"]) if found["kind"] == PDF else None
    return Seen(KINDS[found["kind"]], preview or None, look)


def _apart(file: IO[bytes], size: int, name: str) -> tuple[dict[str, Any], bytes]:
    limits = Limits(memory=MEMORY + size, seconds=SECONDS, wait=WAIT)
    try:
        found, preview = read_apart(read_document, file, size, name, limits=limits)
    except NotRead as error:
        log.warning("document.not_read", why=error.why)
        raise Unacceptable(TOO_MUCH) from error
    if "unacceptable" in found:
        raise Unacceptable(str(found["unacceptable"]))
    return found, preview


def read_document(file: IO[bytes], size: int, name: str) -> tuple[dict[str, Any], bytes]:
    """The look itself, in the process made for it."""
    try:
        kind = identify(file, size, name)
        preview = make_preview(file, kind, size) if kind.picture else None
    except Unacceptable as reason:
        return {"unacceptable": str(reason)}, b""
    look = look_at_pdf(file, size) if kind.media_type == PDF else Look(False)
    found = {"kind": kind.media_type, "download_only": look.download_only, "remark": look.remark}
    return found, preview or b""
