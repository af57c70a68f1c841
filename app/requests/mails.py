"""Mails about requests that wait or did not get through: whether they still help, and how they are written anew."""

from __future__ import annotations

import sqlalchemy as sa

from app.core.actors import Actor
from app.core.db import db
from app.core.errors import Refused
from app.core.permissions import authorize
from app.delivery.again import helps_unless, why_not, written_anew
from app.delivery.models import Delivery
from app.requests.commands.reminding import remind_again
from app.requests.commands.reviewing import returned_things
from app.requests.commands.sending import mail_request, recipients_reachable
from app.requests.models import WITH_CLIENT, ClientRequest, Reminder
from app.requests.policy import can_edit_request
from app.requests.queries import get_request

ABOUT_ONE = ("requests.request", "requests.request_returned", "requests.request_again")


@helps_unless(*ABOUT_ONE)
def request_is_over(delivery: Delivery) -> str:
    row = db.session.execute(
        sa.select(ClientRequest.closed_at, ClientRequest.state).where(ClientRequest.id == delivery.about_id)
    ).one_or_none()
    if row is None or row.closed_at is not None:
        return "The request was closed meanwhile."
    if delivery.kind != "requests.request_again" and row.state not in WITH_CLIENT:
        return "It was answered meanwhile."
    return ""


@helps_unless("requests.reminder")
def all_was_answered(delivery: Delivery) -> str:
    still_open = sa.exists().where(
        Reminder.delivery_id == delivery.id, ClientRequest.id == Reminder.request_id,
        ClientRequest.closed_at.is_(None), ClientRequest.state.in_(WITH_CLIENT),
    )
    return "" if db.session.scalar(sa.select(still_open)) else "All that it reminds of was answered meanwhile."


@written_anew(*ABOUT_ONE)
def write_request_anew(delivery: Delivery, by: Actor) -> None:
    """To the same contact, at the address that they have now, with a link of its own."""
    assert delivery.about_id is not None
    request = get_request(delivery.about_id, seen_by=by)
    authorize(by, can_edit_request, request)
    if because := why_not(delivery):
        raise Refused(because)
    to = next((r for r in recipients_reachable(request, by=by) if r.contact_id == delivery.contact_id), None)
    if to is None:
        raise Refused("This contact has no address any more, or does not see the client in the portal.")
    template = delivery.kind.removeprefix("requests.")
    more = {"things": returned_things(request)} if template == "request_returned" else {}
    mail_request(request, to, template, f"again:{delivery.id}", by=by, **more)


@written_anew("requests.reminder")
def write_reminder_anew(delivery: Delivery, by: Actor) -> None:
    remind_again(delivery, by=by)
