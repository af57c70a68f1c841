"""The kinds of files that are taken in, how each is served, and the refusal that names its reason."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """A kind of file. `inline` may be shown by a browser; everything else is downloaded."""

    media_type: str
    suffixes: tuple[str, ...]
    called: str
    inline: bool = False
    picture: bool = False

    @property
    def suffix(self) -> str:
        return self.suffixes[0]


class Unacceptable(Exception):
    """The file is not taken; the text is the sentence that its sender reads."""


_OFFICE = "application/vnd.openxmlformats-officedocument."
_ODF = "application/vnd.oasis.opendocument."
KINDS = {kind.media_type: kind for kind in (
    Kind("application/pdf", (".pdf",), "PDF", inline=True),
    Kind("image/jpeg", (".jpg", ".jpeg", ".jfif", ".jpe"), "picture", inline=True, picture=True),
    Kind("image/png", (".png",), "picture", inline=True, picture=True),
    Kind("image/gif", (".gif",), "picture", inline=True, picture=True),
    Kind("image/webp", (".webp",), "picture", inline=True, picture=True),
    Kind("image/tiff", (".tif", ".tiff"), "picture", picture=True),
    Kind("image/bmp", (".bmp",), "picture", picture=True),
    Kind("image/heic", (".heic", ".heif"), "picture", picture=True),
    Kind(_OFFICE + "wordprocessingml.document", (".docx", ".dotx", ".docm"), "Word document"),
    Kind(_OFFICE + "spreadsheetml.sheet", (".xlsx", ".xltx", ".xlsm"), "Excel workbook"),
    Kind(_OFFICE + "presentationml.presentation", (".pptx", ".ppsx", ".pptm"), "PowerPoint presentation"),
    Kind(_ODF + "text", (".odt",), "text document"),
    Kind(_ODF + "spreadsheet", (".ods",), "spreadsheet"),
    Kind(_ODF + "presentation", (".odp",), "presentation"),
    Kind("application/msword", (".doc", ".dot"), "Word document"),
    Kind("application/vnd.ms-excel", (".xls", ".xlt"), "Excel workbook"),
    Kind("application/vnd.ms-powerpoint", (".ppt", ".pps"), "PowerPoint presentation"),
    Kind("application/vnd.ms-outlook", (".msg",), "Outlook message"),
    Kind("application/zip", (".zip",), "archive"),
    Kind("application/rtf", (".rtf",), "text document"),
    Kind("message/rfc822", (".eml",), "mail"),
    Kind("text/csv", (".csv", ".tsv"), "table"),
    Kind("text/plain", (".txt", ".text", ".md", ".log", ".ofx", ".qfx", ".qif", ".qbo", ".sta", ".mt940", ".bai",
                        ".aba", ".dat"), "text file"),
    Kind("application/xml", (".xml", ".xbrl"), "data file"),
    Kind("application/json", (".json",), "data file"),
)}
INLINE = frozenset(kind.media_type for kind in KINDS.values() if kind.inline)
PICTURES = frozenset(kind.media_type for kind in KINDS.values() if kind.picture)


def called(media_type: str) -> str:
    """The kind in a word, for lists; empty while it is not known."""
    kind = KINDS.get(media_type)
    return kind.called if kind else ""


def suffix_of(name: str) -> str:
    """The extension that a name claims, small letters, with its dot; empty when it has none."""
    stem, dot, suffix = name.rpartition(".")
    return f".{suffix.lower()}" if dot and stem and len(suffix) <= 8 and suffix.isalnum() else ""


def fitting_name(name: str, kind: Kind) -> tuple[str, str]:
    """The name with an extension that fits the content, and a remark when the claimed one did not."""
    claimed = suffix_of(name)
    if claimed in kind.suffixes:
        return name, ""
    if not claimed:
        return name + kind.suffix, ""
    return (
        name[: -len(claimed)] + kind.suffix,
        f"It came as {claimed[1:].upper()}, but what is in it is a {kind.called}; we keep it as one.",
    )
