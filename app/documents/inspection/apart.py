"""The look itself, in the process made for it: what it imports, each file waits for."""

from __future__ import annotations

from typing import IO, Any

from app.documents.inspection.kinds import Unacceptable
from app.documents.inspection.pdfs import Look, look_at_pdf
from app.documents.inspection.pictures import make_preview
from app.documents.inspection.sniff import identify

PDF = "application/pdf"


def read_document(file: IO[bytes], size: int, name: str) -> tuple[dict[str, Any], bytes]:
    """As JSON what it is, why it is not taken or what it would do, and its small picture."""
    try:
        kind = identify(file, size, name)
        preview = make_preview(file, kind, size) if kind.picture else None
    except Unacceptable as reason:
        return {"unacceptable": str(reason)}, b""
    look = look_at_pdf(file, size) if kind.media_type == PDF else Look(False)
    found = {"kind": kind.media_type, "download_only": look.download_only, "remark": look.remark}
    return found, preview or b""
