"""A file that arrived, looked at in a process of its own: what it is, how it looks small, what it would do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import IO, Any

import structlog

from app.core.reading import Limits, NotRead, read_apart
from app.documents.inspection.apart import PDF, read_document
from app.documents.inspection.kinds import KINDS, Kind, Unacceptable
from app.documents.inspection.pdfs import Look

log = structlog.get_logger()
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
