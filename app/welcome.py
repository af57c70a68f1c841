"""What `make run` prints once it runs: how to come in."""

from __future__ import annotations

import time
from collections.abc import Iterator

import sqlalchemy as sa
from flask import current_app

from app.clients.commands.contact_access import make_sign_in_link as make_contact_link
from app.clients.models import Client, ClientContact
from app.core.db import db
from app.core.errors import NotAllowed, Refused
from app.core.permissions import Role
from app.people.commands.links import make_setup_link, make_sign_in_link
from app.requests.models import ClientRequest, RequestRecipient

PAUSE_SECONDS = 1.0
CONTACT = "contact"


def lines(wait: float) -> Iterator[str]:
    """The setup link while there is no firm, else a link a role; waits for people who are about to come."""
    deadline = time.monotonic() + wait
    while (links := _links()) is None and time.monotonic() < deadline:
        db.session.remove()
        time.sleep(PAUSE_SECONDS)
    if links is None:
        yield f"Set the firm up (the link works once):\n  {make_setup_link()}\n"
        return
    yield "Sign in as (each link works once; `firmament sign-in-link ROLE` makes another):"
    yield from (f"  {role:<8} {link}" for role, link in links.items())
    yield ""


def _links() -> dict[str, str] | None:
    """A link for each role that somebody has; None while nobody is there at all, or not yet a partner."""
    found = {}
    for role in (*Role, CONTACT):
        try:
            found[str(role)] = link_for(role)
        except Refused:
            if role is Role.PARTNER:
                return None
    return found


def link_for(role: str) -> str:
    """An address that signs in once as somebody of a role, or as a client's contact; in development only."""
    return _contact_link() if role == CONTACT else make_sign_in_link(role)


def _contact_link() -> str:
    """As the contact whom something is asked of just now, if there is one."""
    if current_app.config["SETTINGS"].is_production:
        raise NotAllowed("Sign-in links of this kind exist in development only.")
    asked = sa.select(sa.func.max(ClientRequest.sent_at)).join(
        RequestRecipient, RequestRecipient.request_id == ClientRequest.id
    ).where(RequestRecipient.contact_id == ClientContact.contact_id, ClientRequest.closed_at.is_(None))
    contact_id = db.session.scalar(
        sa.select(ClientContact.contact_id).join(Client, Client.id == ClientContact.client_id)
        .where(ClientContact.portal_access, Client.archived_at.is_(None))
        .order_by(asked.scalar_subquery().desc().nulls_last(), ClientContact.contact_id).limit(1)
    )
    if contact_id is None:
        raise Refused("No client's contact may use the portal yet.")
    return make_contact_link(contact_id)
