"""How what happened to documents reads in a timeline."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from flask import url_for

from app.activity.sentences import place, sentence

Data = Mapping[str, Any]


def _name(data: Data) -> str:
    return f"“{data.get('name', 'a file')}”"


WORDS: dict[str, Callable[[Data], str]] = {
    "documents.document.received": lambda d: f"uploaded {_name(d)}",
    "documents.document.kept": lambda d: f"checked {_name(d)} and kept it"
    + (": the client gave the same file before" if d.get("same_as") else ""),
    "documents.document.rejected": lambda d: f"refused {_name(d)}: {d.get('reason', '')}",
    "documents.document.opened": lambda d: f"{'looked at' if d.get('shown') else 'downloaded'} {_name(d)}",
    "documents.document.shared": lambda d: f"shared {_name(d)} with the client",
    "documents.document.unshared": lambda d: f"stopped sharing {_name(d)}",
    "documents.document.archived": lambda d: f"put {_name(d)} away",
}
for _kind, _words in WORDS.items():
    sentence(_kind)(_words)


@place("document")
def _document(subject_id: UUID) -> str:
    return url_for("documents.show", document_id=subject_id, inline=1)
