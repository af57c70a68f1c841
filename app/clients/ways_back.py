"""How archiving a contact is undone. Archiving a client ends jobs and requests as well: its page brings it back."""

from __future__ import annotations

from uuid import UUID

from app.clients.commands import restore_contact
from app.clients.queries import get_contact
from app.core.actors import Actor
from app.core.errors import Refused
from app.core.undo import way_back


@way_back("clients.contact.archive")
def bring_contact_back(by: Actor, *, contact: str) -> str:
    found = get_contact(UUID(contact), seen_by=by)
    if found.archived_at is None:
        raise Refused(f"{found.name} is back already.")
    restore_contact(found, by=by)
    return f"{found.name} is back"
