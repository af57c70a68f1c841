"""What happens to clients, in words."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from uuid import UUID

from app.activity.sentences import Data, changed, place, sentence
from app.core.wording import amount, day


@place("client")
def client_address(client_id: UUID) -> str:
    return f"/clients/{client_id}"


@place("contact")
def contact_address(contact_id: UUID) -> str:
    return f"/contacts/{contact_id}"


@place("engagement")
def engagement_address(engagement_id: UUID) -> str:
    return f"/engagements/{engagement_id}"


@sentence("clients.client.create", icon="building")
def client_created(data: Data) -> str:
    return f"took on {data['name']} as client {data['code']}"


@sentence("clients.client.update", "clients.contact.update", "clients.engagement.update", icon="edit")
def updated(data: Data) -> str:
    return f"changed {changed(data)} of {data['name']}"


@sentence("clients.client.archive", "clients.contact.archive", icon="archive")
def archived(data: Data) -> str:
    return f"archived {data['name']}"


@sentence("clients.client.restore", "clients.contact.restore", icon="undo")
def restored(data: Data) -> str:
    return f"brought {data['name']} back"


@sentence("clients.contact.create", icon="person-add")
def contact_created(data: Data) -> str:
    words = f"added the contact {data['name']}"
    return f"{words}, with access to the portal" if data.get("portal_access") else words


@sentence("clients.contact.link", icon="person-add")
def contact_linked(data: Data) -> str:
    words = f"let {data['name']} stand for the client"
    return f"{words}, with access to the portal" if data.get("portal_access") else words


@sentence("clients.contact.change", icon="person")
def contact_changed(data: Data) -> str:
    return f"changed {changed(data)} of {data['name']} at this client"


@sentence("clients.contact.unlink", icon="person")
def contact_unlinked(data: Data) -> str:
    return f"took {data['name']} off the client"


@sentence("clients.engagement.create", icon="file")
def engagement_created(data: Data) -> str:
    return f"opened the engagement {data['name']} ({data['number']})"


@sentence("clients.engagement.close", icon="lock")
def engagement_closed(data: Data) -> str:
    return f"closed the engagement {data['name']}"


@sentence("clients.engagement.reopen", icon="undo")
def engagement_reopened(data: Data) -> str:
    return f"opened the engagement {data['name']} again"


def billed_by(data: Data) -> str:
    """`a fixed fee of 1,000.00 GBP from 1 January 2026`."""
    words = {"hourly": "by the hour", "non_billable": "not at all"}.get(data["billed"], "for a fixed fee")
    if data.get("agreed_amount"):
        words += f" of {amount(Decimal(data['agreed_amount']), data['currency'])} {data['currency']}"
    since = data.get("from_on")
    return f"{words} for work from {day(dt.date.fromisoformat(since))}" if since else words


@sentence("clients.arrangement.add", icon="file")
def arrangement_added(data: Data) -> str:
    return f"agreed that {data['name']} is billed {billed_by(data)}"


@sentence("clients.arrangement.change", icon="edit")
def arrangement_changed(data: Data) -> str:
    before, after = billed_by(data["before"]), billed_by(data)
    return f"changed how {data['name']} is billed: {before} before, {after} now{_why(data)}"


@sentence("clients.arrangement.archive", icon="archive")
def arrangement_archived(data: Data) -> str:
    return f"ended the arrangement that {data['name']} is billed {billed_by(data)}{_why(data)}"


def _why(data: Data) -> str:
    return f" ({data['reason']})" if data.get("reason") else ""


@sentence("clients.arrangement.restore", icon="undo")
def arrangement_restored(data: Data) -> str:
    return f"brought the arrangement back that {data['name']} is billed {billed_by(data)}"


@sentence("clients.wall.create", icon="shield", quote="reason")
def wall_raised(data: Data) -> str:
    return f"put a wall between {data['person']} and {data['around']}"


@sentence("clients.wall.delete", icon="shield", quote="reason")
def wall_lowered(data: Data) -> str:
    return f"took down the wall between {data['person']} and {data['around']}"
