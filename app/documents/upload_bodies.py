"""What browsers and we say to each other about an upload, as JSON; the same at both doors."""

from __future__ import annotations

from typing import Any

from flask import request
from flask_babel import gettext as _

from app.core.actors import Actor
from app.core.errors import Refused
from app.core.ids import new_id, parse_id
from app.documents.commands.uploads import NewFile, plan_upload
from app.documents.models import Document


def new_file() -> NewFile:
    """The body of a browser's question for an upload; anything else is refused."""
    body = request.get_json(silent=True)
    if not isinstance(body, dict) or not isinstance(body.get("name"), str) or type(body.get("size")) is not int:
        raise Refused(_("The file could not be read. Choose it again."))
    file_id = parse_id(body.get("id") if isinstance(body.get("id"), str) else None)
    return NewFile(file_id or new_id(), body["name"].replace("\x00", "")[:500], body["size"])


def digests() -> list[str]:
    """The parts' digests that a browser gives at the end; none when they are not what they should be."""
    body = request.get_json(silent=True) if request.is_json else None
    given = body.get("digests") if isinstance(body, dict) else None
    return given if isinstance(given, list) and all(isinstance(digest, str) for digest in given) else []


def plan_answer(document: Document, *, by: Actor, **urls: str) -> dict[str, Any]:
    """What is still to be sent, and where to say that it is done."""
    return plan_upload(document, by=by).to_json() | {"urls": urls}
