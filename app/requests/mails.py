"""Mails about requests that wait or did not get through: whether they still help, and how they are written anew."""

from __future__ import annotations

import sqlalchemy as sa

from app.core.actors import Actor
from app.core.db import db
from app.delivery.again import helps_unless, written_anew
from app.delivery.models import Delivery
from app.requests.commands.refused_files import KIND as FILES_REFUSED
from app.requests.commands.refused_files import tell_again
from app.requests.commands.reminding import remind_again
from app.requests.commands.reviewing import mail_again
from app.requests.models import WITH_CLIENT, ClientRequest, Reminder

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
    mail_again(delivery, by=by)


@written_anew("requests.reminder")
def write_reminder_anew(delivery: Delivery, by: Actor) -> None:
    remind_again(delivery, by=by)


@written_anew(FILES_REFUSED)
def tell_of_files_anew(delivery: Delivery, by: Actor) -> None:
    tell_again(delivery, by=by)
