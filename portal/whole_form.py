"""The one form of a request's page: whatever of its buttons is pressed, everything typed and chosen is saved."""

from __future__ import annotations

import os
from dataclasses import dataclass
from uuid import UUID

from flask import request
from flask_babel import gettext as _
from werkzeug.datastructures import FileStorage

from app.core.actors import Actor
from app.core.errors import Refused
from app.core.ids import new_id
from app.core.storage import StorageUnavailable
from app.documents.commands.uploads import NewFile
from app.requests.commands.answering import Typed, give_item_file, save_answers
from app.requests.models import ClientRequest, RequestItem

MOST_BY_FORM = 20_000_000  # what a form may bring through our own door; larger files have a page of their own


@dataclass(frozen=True)
class Refusal:
    """Why something of an item was not taken, and what was typed there."""

    message: str
    values: list[str]
    because: str


def save_all(asked: ClientRequest, *, by: Actor) -> dict[UUID, Refusal]:
    """Save what the form carries; by item, what was refused. The form names the items that it shows (`here`)."""
    shown = [item for item in asked.items if str(item.id) in set(request.form.getlist("here"))]
    typed = {item.id: Typed(item.id, request.form.getlist(f"value-{item.id}"), _because(item)) for item in shown}
    refused = save_answers(asked, list(typed.values()), by=by) if typed else {}
    for item in shown:
        for file in request.files.getlist(f"file-{item.id}"):
            if file.filename and (message := _take(item, file, by)):
                refused[item.id] = message
    return {item_id: Refusal(message, list(typed[item_id].values), typed[item_id].because)
            for item_id, message in refused.items()}


def _because(item: RequestItem) -> str:
    return request.form.get(f"because-{item.id}", item.not_applicable_because)


def _take(item: RequestItem, file: FileStorage, by: Actor) -> str:
    """Why the file was not taken, or nothing."""
    size = file.stream.seek(0, os.SEEK_END)
    file.stream.seek(0)
    try:
        give_item_file(item, NewFile(new_id(), file.filename or "", size), file.stream, by=by)
    except Refused as refusal:
        return f"{file.filename}: {refusal.message}"
    except StorageUnavailable:
        said: str = _("%(name)s could not be taken just now. Please choose it again in a moment.", name=file.filename)
        return said
    return ""
