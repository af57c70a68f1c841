"""Files without a signature: text, tables, mail and data, as long as nothing in them would run in a browser."""

from __future__ import annotations

import re

from app.documents.inspection.kinds import KINDS, Kind, Unacceptable, suffix_of

_MARKUP = re.compile(
    r"<\s*(?:!doctype\s+(?:html|svg)|html|head|body|script|iframe|svg|object|embed|xhtml|math)\b", re.IGNORECASE
)
_ENTITY = re.compile(r"<!(?:DOCTYPE|ENTITY)\b", re.IGNORECASE)
_HEADER = re.compile(
    r"^(?:from|to|subject|date|received|return-path|message-id|mime-version|delivered-to|x-[\w-]+)\s*:",
    re.IGNORECASE | re.MULTILINE,
)
_TEXTUAL = {suffix: kind for kind in KINDS.values() if kind.media_type in (
    "message/rfc822", "text/csv", "text/plain", "application/xml", "application/json",
) for suffix in kind.suffixes}

WEB_PAGE = ("This is a web page, which we cannot keep safely. "
            "Print it to PDF (Print, then Save as PDF) and upload that instead.")
DRAWING = "This is a drawing that can carry a program (SVG). Save it as PDF or PNG and upload that instead."


def inspect_text(head: bytes, name: str) -> Kind:
    """The kind of a text by what is in it and, among harmless ones, by its name; raises Unacceptable."""
    text = _decoded(head)
    claimed = suffix_of(name)
    if text is None:
        raise Unacceptable(_unknown(claimed))
    opening = text[:4096]
    if claimed != ".eml" or _MARKUP.match(opening.lstrip("\ufeff \t\r\n")):
        _refuse_what_runs(opening)
    if len(_HEADER.findall(text[:2000])) >= 2 and claimed in ("", ".eml", ".txt"):
        return KINDS["message/rfc822"]
    if claimed in _TEXTUAL and claimed != ".eml":
        return _TEXTUAL[claimed]
    if not claimed:
        return KINDS["text/plain"]
    raise Unacceptable(_unknown(claimed))


def _refuse_what_runs(opening: str) -> None:
    if re.search(r"<\s*svg\b", opening, re.IGNORECASE):
        raise Unacceptable(DRAWING)
    if _MARKUP.search(opening):
        raise Unacceptable(WEB_PAGE)
    if _ENTITY.search(opening):
        raise Unacceptable("This data file refers to things outside of it, so we cannot keep it safely.")


def _decoded(head: bytes) -> str | None:
    """The text, or None for what holds control characters that no text has."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return head[: len(head) & ~1].decode("utf-16", "replace")
    if re.search(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]", head):
        return None
    return head.decode("utf-8", "replace")


def _unknown(claimed: str) -> str:
    if claimed in _TEXTUAL or not claimed:
        return "We could not tell what kind of file this is. Send it as PDF, picture, Word, Excel, CSV or mail."
    if any(claimed in kind.suffixes for kind in KINDS.values()):
        return (f"This is called {claimed[1:].upper()}, but what is in it is something else or only a part of it. "
                "Please save it again on your computer and upload the new copy.")
    return f"We do not take {claimed[1:].upper()} files. Send it as PDF, picture, Word, Excel, CSV or mail."
